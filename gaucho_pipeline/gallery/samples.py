"""What is asked of a model: light to import, for pages as well as for generating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.prompts.templates import ConceptWords, class_prompt, fill_in, without_token

Model = Literal["base", "tuned"]
MODELS: tuple[Model, Model] = ("base", "tuned")
"""The base model, and the same with what was learned."""


@dataclass(frozen=True)
class Sample:
    """A picture to generate: the same prompt and seed give the same picture."""

    prompt: str
    """What the model reads."""
    seed: int
    written: str = ""
    """What a person wrote, where that is another language."""
    without_token: str = ""
    """The prompt with an article in the token's place, for what compares it with pictures."""
    kind: Literal["concept", "class"] = "concept"
    """`class`: the class noun alone, which shows what else was changed."""


def samples_of(spec: GallerySpec, concept: ConceptWords) -> list[Sample]:
    """Every prompt with every seed, prompt by prompt; the class noun alone comes last."""
    found = []
    for prompt in spec.prompts:
        read, _ = spec.for_model(prompt)
        words, written = fill_in(read, concept), fill_in(prompt, concept)
        plain = without_token(spec.in_english(prompt)[0], concept.class_noun)
        if concept.is_style:
            plain = plain.replace(f"a {concept.class_noun}", class_prompt(concept), 1)  # an engraving
        found += [Sample(words, seed, "" if written == words else written, plain) for seed in spec.seeds]
    if spec.class_pictures:
        alone = class_prompt(concept)
        found += [Sample(alone, seed, without_token=alone, kind="class") for seed in spec.seeds]
    return found


def untranslated(spec: GallerySpec) -> list[str]:
    """The words of the prompts that the glossary does not hold, each once."""
    return list(dict.fromkeys(word for prompt in spec.prompts for word in spec.for_model(prompt)[1]))
