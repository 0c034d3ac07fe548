"""The model card: how to use what was learned, what was measured, the licence of the base model, and every image's credit."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gaucho_pipeline.assets.metrics import CheckpointMetrics, Resources
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families import FAMILIES, Family
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.training.model_card import CardSubject, model_card
from gaucho_pipeline_tests.samples import credited
from gaucho_pipeline_tests.standing import METRICS

ROW = credited(title="Araucária | <b>", author="João [da] *Silva*\n# fim", license="CC-BY-4.0", source="https://a.example/_x_")
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"


def card(family: type[Family] = Embedded, metrics: dict[str, Any] | None = None, **keys: Any) -> str:
    found = METRICS["checkpoint"].model_copy(update=metrics or {})
    assert isinstance(found, CheckpointMetrics)
    return model_card(CardSubject("araucaria", "Araucária", ConceptWords("mtl", "tree"), TrainingSpec(**keys), family, found, [ROW]))


def test_its_head_is_what_hubs_read() -> None:
    text = card(FAMILIES["StableDiffusionPipeline"], base_model=SD15, revision="0" * 40)
    head = yaml.safe_load(text.split("---")[1])
    assert head["base_model"] == SD15
    assert (head["library_name"], head["instance_prompt"]) == ("diffusers", "a photo of mtl tree")
    assert "base_model" not in yaml.safe_load(card().split("---")[1])


def test_it_says_how_to_use_it_with_the_gallerys_settings() -> None:
    text = card()
    gallery = Embedded.recommended.gallery
    assert f"num_inference_steps={gallery['num_inference_steps']}, guidance_scale={gallery['guidance_scale']:g}" in text
    assert 'pipe.load_lora_weights("adapter")' in text
    assert "`<lora:araucaria:1>`" in text
    flux = card(FAMILIES["FluxPipeline"], base_model="black-forest-labs/FLUX.1-dev", revision="0" * 40)
    assert "A1111" not in flux
    assert "ComfyUI" in flux
    assert "gaucho export araucaria" in card(method="dreambooth")
    assert "load_lora_weights" not in card(method="dreambooth")


def test_it_says_what_the_base_models_licence_asks() -> None:
    flux = card(FAMILIES["FluxPipeline"], base_model="black-forest-labs/FLUX.1-dev", revision="0" * 40)
    assert "FLUX Non-Commercial" in flux
    assert "must not be used commercially" in flux


@pytest.mark.parametrize(
    ("learned", "said"), [("yes", "fell beyond chance"), ("no", "**Nothing worth the name was learned**"), ("unclear", "is unclear")]
)
def test_a_failure_is_called_one(learned: str, said: str) -> None:
    assert said in card(metrics={"learned": learned})


def test_it_says_what_it_took() -> None:
    took = Resources(
        micro_batch=4, gradient_checkpointing=False, why="", predicted_memory_bytes=1, predicted_seconds=1, seconds=90, share_of_peak=0.5,
        watt_hours=2.5,
    )  # fmt: skip
    assert "1.5 min, 2.5 Wh." in card(metrics={"resources": took})
    assert "does not tell its energy" in card(metrics={"resources": took.model_copy(update={"watt_hours": None})})
    assert "ended before its last step: nothing moved." in card(metrics={"ended": "nothing moved"})


def test_every_image_is_credited_and_nothing_from_the_web_is_taken_for_markup() -> None:
    line = next(line for line in card().splitlines() if "Araucária \\|" in line)
    assert line == "| Araucária \\| \\<b\\> | João \\[da\\] \\*Silva\\* \\# fim | CC-BY-4.0 | https://a.example/\\_x\\_ |"


def test_of_folders_their_names_alone_are_reported() -> None:
    images = {"folder": "/home/maria/trees", "license": "cc0", "author": "João", "source": "x"}
    text = card(base_model="/home/maria/sd15", prior="class_images", class_images=images)
    assert "maria" not in text
    assert '"base_model": "sd15"' in text
    assert '"folder": "trees"' in text
    assert "base_model" not in yaml.safe_load(text.split("---")[1])
