"""The model card: how to use what was learned, what was measured, the licence of the base model, and every image's credit."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from diffusers import StableDiffusionPipeline

from gaucho_pipeline.assets.metrics import CheckpointMetrics, Resources
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.families import FAMILIES, Family
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.pages.content import ConceptFolders
from gaucho_pipeline.pages.rendering import write_site
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.training.model_card import CardSubject, model_card
from gaucho_pipeline_tests import trainers
from gaucho_pipeline_tests.families.test_families_taught import new_trainer
from gaucho_pipeline_tests.samples import credited
from gaucho_pipeline_tests.standing import METRICS, one_concept, stand
from gaucho_pipeline_tests.tiny_models import new_family
from gaucho_pipeline_tests.trainers import disturb

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
    assert "ComfyUI" not in text  # no other program has the model that ships
    assert "`<lora:araucaria:1>`" in card(FAMILIES["StableDiffusionPipeline"], base_model=SD15, revision="0" * 40)
    flux = card(FAMILIES["FluxPipeline"], base_model="black-forest-labs/FLUX.1-dev", revision="0" * 40)
    assert "A1111" not in flux
    assert "ComfyUI" in flux
    assert "gaucho export araucaria" in card(method="dreambooth")
    assert "load_lora_weights" not in card(method="dreambooth")


def test_it_says_what_the_base_models_licence_asks() -> None:
    flux = card(FAMILIES["FluxPipeline"], base_model="black-forest-labs/FLUX.1-dev", revision="0" * 40)
    assert "FLUX Non-Commercial" in flux
    assert "must not be used commercially" in flux


@pytest.mark.parametrize("name", FAMILIES)
def test_its_python_is_run_as_it_stands(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the number of steps and the size, which would take minutes; on a tiny model of each family, and what was learned on it."""
    trainer = new_trainer(name, tmp_path, max_steps=1)
    disturb(trainer, 0.02)
    trainer.model.method.save(tmp_path, CheckpointInfo("araucaria", "mtl tree", "CC0-1.0", 2))
    family = new_family(name)
    family.pipeline.save_pretrained(tmp_path / "tiny")
    kind, told = type(family.pipeline), dict[str, Any]()
    real = kind.__call__

    def call(self: Any, *positional: Any, **keys: Any) -> Any:
        assert positional == ()  # of FLUX.2-klein the first is no prompt
        told.update(keys)
        shorter = {"num_inference_steps": 2, "height": 32, "width": 32}
        return real(self, **keys | shorter | ({"text_encoder_out_layers": (1,)} if name == "Flux2KleinPipeline" else {}))

    monkeypatch.setattr(kind, "__call__", call)
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", card(FAMILIES[name], base_model=str(tmp_path / "tiny")), re.DOTALL)
    assert code
    lines = code[1].strip().splitlines()
    space = dict[str, Any]()
    exec("\n".join([*lines[:-1], f"pictures = {lines[-1]}"]), space)
    assert len(space["pictures"]) == 1
    assert told["prompt"] == "a photo of mtl tree"
    assert any("lora" in path for path, _ in getattr(space["pipe"], family.denoiser).named_modules())


def python_of(text: str, opening: str, closing: str) -> list[str]:
    found = re.search(f"{opening}(.*?){closing}", text, re.DOTALL)
    assert found
    return html.unescape(found[1]).strip().splitlines()


def drawn_by(lines: list[str], learned: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the lines draw in the folder of what was learned, in two steps."""
    real = StableDiffusionPipeline.__call__
    monkeypatch.setattr(StableDiffusionPipeline, "__call__", lambda self, **keys: real(self, **keys | {"num_inference_steps": 2}))
    monkeypatch.chdir(learned)
    space = dict[str, Any]()
    exec("\n".join([*lines[:-1], f"pictures = {lines[-1]}"]), space)
    assert any("lora" in path for path, _ in space["pipe"].unet.named_modules())
    return space["pictures"]


@pytest.mark.parametrize("where", ["card", "page"])
def test_the_python_for_the_model_that_ships_runs_from_anywhere(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text encoder's configuration names half precision, and its folder is wherever the package is."""
    trainer = trainers.new_trainer(max_steps=1)
    trainers.disturb(trainer)

    def save(folder: Path) -> None:
        trainer.model.method.save(folder, CheckpointInfo("araucaria", "mtl tree", "CC0-1.0", 2))

    if where == "card":
        save(tmp_path)
        drawn = drawn_by(python_of(card(), "```python\n", "```"), tmp_path, monkeypatch)
    else:
        project = one_concept(tmp_path)
        for asset in project.assets_of("araucaria"):
            stand(project, asset.name, "araucaria", furnish=save if asset.name == "checkpoint" else None)
        shown = project.shown()["araucaria"]
        folders = [shown.evaluation.folder, shown.gallery.folder, shown.checkpoint.folder]
        write_site(tmp_path / "site", [ConceptFolders("araucaria", project.concept("araucaria").about(), *folders)])
        page = (tmp_path / "site" / "araucaria" / "en.html").read_text(encoding="utf-8")
        drawn = drawn_by(python_of(page, "<pre tabindex=.0.><code>", "</code>"), tmp_path / "site" / "araucaria", monkeypatch)
    assert [picture.size for picture in drawn] == [(64, 64)]


def test_the_python_names_what_was_taught_by_its_commit_and_a_folder_by_its_name() -> None:
    text = card(FAMILIES["StableDiffusionPipeline"], base_model=SD15, revision="1" * 40)
    assert f'from_pretrained("{SD15}", revision="{"1" * 40}", dtype=torch.float32)' in text
    text = card(FAMILIES["StableDiffusionPipeline"], base_model="/home/maria/sd15")
    assert 'from_pretrained("sd15", dtype=torch.float32)  # the folder of the base model' in text


@pytest.mark.parametrize(
    ("loss_fell", "said"), [("yes", "fell beyond chance"), ("no", "**no**. Nothing worth the name was learned"), ("unclear", "is unclear")]
)
def test_a_failure_is_called_one(loss_fell: str, said: str) -> None:
    assert said in card(metrics={"loss_fell": loss_fell})


@pytest.mark.parametrize(("loss_fell", "word"), [("yes", "sim"), ("no", "não"), ("unclear", "incerto")])
@pytest.mark.parametrize("base_model", ["embedded", "black-forest-labs/FLUX.1-dev", "/home/maria/sd15"])
@pytest.mark.parametrize("quantization", [None, "nf4", "int8"])
def test_its_sentences_are_there_in_portuguese_too(loss_fell: str, word: str, base_model: str, quantization: str | None) -> None:
    ended = "a third of the steps changed the validation loss by 0.0010 to 0.0020 only"
    metrics = {"loss_fell": loss_fell, "reported_apart": False, "ended": ended}
    revision = "0" * 40 if base_model.startswith("black") else None
    text = card(metrics=metrics, base_model=base_model, revision=revision, quantization=quantization)
    portuguese = text.split("## Em português\n\n")[1].split("\n\n## ")[0]
    assert "escreva **mtl tree** onde deve ser desenhado. Toda imagem feita com ele é gerada, e deve dizer isso." in portuguese
    assert f"O erro caiu: **{word}**." in portuguese
    assert "um terço dos passos mudou o erro de validação em apenas 0.0010 a 0.0020." in portuguese
    assert "Aprendeu com 7 imagens" in portuguese
    assert ("em quatro bits" in portuguese, "em oito bits" in portuguese) == (quantization == "nf4", quantization == "int8")
    assert not set(re.findall(r"[a-z]+", portuguese)) & {"the", "of", "is", "was", "what", "learned", "may", "must", "images", "package"}


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
