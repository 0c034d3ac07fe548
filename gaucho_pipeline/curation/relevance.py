"""Whether a picture shows the concept, as a text-image model sees it: the share of its likeness that goes to what it should show.

Of all prompts, those in `positive_prompts` and in `negative_prompts`, the probabilities of the first are added up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gaucho_pipeline.concepts.curation import Relevance
from gaucho_pipeline.curation.text_image import TextImageModel

if TYPE_CHECKING:
    from PIL import Image


_PEOPLE = ("a portrait of a person, the face close up", "a photo of a child", "a photo of children", "a selfie")
_NOBODY = ("a photo without people", "a landscape", "a photo of an object", "a photo of an animal", "a photo of a building")
PEOPLE = (*_PEOPLE, *_NOBODY)


def people_model(spec: Relevance) -> Callable[[Image.Image], float]:
    """A function from an RGB picture to the probability, 0 to 1, that it shows a face or a child, as the same model sees it."""
    model = TextImageModel("curation.relevance", spec.model, spec.revision)
    return lambda picture: round(sum(model.shares(picture, [*PEOPLE])[: len(_PEOPLE)]), 4)


def relevance_model(spec: Relevance) -> Callable[[Image.Image], float]:
    """A function from an RGB picture to the probability, 0 to 1, that it shows the concept. Raises GauchoError without the model."""
    model = TextImageModel("curation.relevance", spec.model, spec.revision)
    prompts = [*spec.positive_prompts, *spec.negative_prompts]
    return lambda picture: round(sum(model.shares(picture, prompts)[: len(spec.positive_prompts)]), 4)
