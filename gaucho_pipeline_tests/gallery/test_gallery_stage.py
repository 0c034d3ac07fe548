"""The gallery as a whole, on tiny settings: what it draws of whom, in what order, what is kept, and what is drawn again."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gaucho_pipeline.assets.metrics import SampleGalleryMetrics
from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.files.tables import read_table, write_attribution, write_table
from gaucho_pipeline.gallery.__main__ import run
from gaucho_pipeline.gallery.generation import Batch, Drawer
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.methods.base import CheckpointInfo
from gaucho_pipeline.methods.lora import ADAPTER, DIFFUSERS_FILE, Lora
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.provenance.labels import facts_in
from gaucho_pipeline.stage.harness import StageResult
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import kill_when, stage_command
from gaucho_pipeline_tests.standing import edit, stand

PROMPTS = ["a photo of {token} {class_noun} on the grass by day", "a photo of {token} {class_noun} on a table by day"]
SEEDS = [1, 2]


def new_adapter(folder: Path, disturb: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> None:
    """Writes an adapter as training does, with weights of another make."""
    family = base_models.load("embedded", None, torch.device("cpu")).family
    method = Lora(family, TrainingSpec(rank=4).for_family(Embedded))
    method.attach()
    generator = torch.Generator().manual_seed(4)
    method.set_weights({name: disturb(weight, generator) for name, weight in method.weights().items()})
    method.save(folder, CheckpointInfo("x", "mtl tree", "CC0-1.0", 1))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A concept with a checkpoint that was never trained: its adapter is noise."""
    folder = tmp_path_factory.mktemp("gallery")
    concept = folder_concept(draw_folder(folder / "photos", "araucaria", 2), "mtl", "tree")
    concept["gallery"] = {"prompts": PROMPTS, "seeds": SEEDS, "num_inference_steps": 3, "guidance_scale": 3.0, "class_pictures": True}
    project = Project(write_concepts(folder / "concepts.yaml", {"araucaria": concept}), folder / "data")
    for asset in ("raw_crawl", "curated_set", "checkpoint"):
        artifact = stand(project, asset, "araucaria")
    new_adapter(artifact.folder, lambda w, g: w + 0.15 * torch.randn(w.shape, generator=g))
    row = {"title": "Araucária", "author": "João", "license": "CC0-1.0", "license_url": "", "source": "https://a.example", "sha256": "1"}
    (artifact.folder / "validation").mkdir()
    names = [f"validation/{i}.png" for i in range(3)]
    for index, name in enumerate(names):
        (artifact.folder / name).write_bytes(png_bytes(draw_subject("araucaria", index)))
    write_table(artifact.folder / "validation.jsonl", [row | {"file": name} for name in names])
    write_table(artifact.folder / "train.jsonl", [row])
    write_attribution(artifact.folder / "ATTRIBUTION.csv", [row])
    return project


def run_gallery(project: Project, staging: Path) -> StageResult:
    staging.mkdir()
    return run(project.request("sample_gallery", "araucaria"), staging, Reporter(None))


def metrics_of(result: StageResult) -> SampleGalleryMetrics:
    assert isinstance(result.metrics, SampleGalleryMetrics)
    return result.metrics


@pytest.fixture(scope="module")
def gallery(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StageResult]:
    staging = tmp_path_factory.mktemp("made") / "staging"
    return staging, run_gallery(project, staging)


def pictures(folder: Path) -> dict[tuple[str, str, int], Image.Image]:
    """By model, prompt and seed."""
    found = {}
    for row in read_table(folder / "pictures.jsonl"):
        with Image.open(folder / row["file"]) as image:
            found[row["model"], row["prompt"], row["seed"]] = image.convert("RGB")
    return found


def differ(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def test_every_prompt_and_the_class_noun_are_drawn_with_every_seed_by_both_models(gallery: tuple[Path, StageResult]) -> None:
    prompts = [*(prompt.format(token="mtl", class_noun="tree") for prompt in PROMPTS), "a photo of a tree"]
    keys = [(model, prompt, seed) for model in ("base", "tuned") for prompt in prompts for seed in SEEDS]
    assert list(pictures(gallery[0])) == keys
    metrics = metrics_of(gallery[1])
    assert (metrics.pictures, metrics.generated, metrics.black, metrics.drawn_again) == (len(keys), len(keys), 0, 0)
    rows = read_table(gallery[0] / "pictures.jsonl")
    assert [row["kind"] for row in rows] == (["concept"] * 4 + ["class"] * 2) * 2
    assert rows[0]["without_token"] == "a photo of a tree on the grass by day"


def test_base_and_tuned_seeds_and_prompts_all_give_other_pictures(gallery: tuple[Path, StageResult]) -> None:
    found = list(pictures(gallery[0]).values())
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            assert differ(one, other) > 3


def test_the_base_models_pictures_are_those_of_its_own_pipeline(gallery: tuple[Path, StageResult]) -> None:
    pipeline = base_models.load("embedded", None, torch.device("cpu")).pipeline
    for (model, prompt, seed), picture in pictures(gallery[0]).items():
        if model == "base" and seed == 2:
            own = pipeline(prompt, num_inference_steps=3, guidance_scale=3.0, generator=torch.Generator().manual_seed(seed)).images[0]
            assert differ(picture, own) < 1


def test_the_tuned_pictures_are_those_of_the_pipeline_with_the_adapter(project: Project, gallery: tuple[Path, StageResult]) -> None:
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    pipeline = base_models.load("embedded", None, torch.device("cpu")).pipeline
    pipeline.load_lora_weights(checkpoint.folder / ADAPTER, weight_name=DIFFUSERS_FILE)
    prompt = PROMPTS[1].format(token="mtl", class_noun="tree")
    own = pipeline(prompt, num_inference_steps=3, guidance_scale=3.0, generator=torch.Generator().manual_seed(1)).images[0]
    assert differ(pictures(gallery[0])["tuned", prompt, 1], own) < 1


def test_every_picture_says_from_what_it_was_made_and_how_to_draw_it_again(project: Project, gallery: tuple[Path, StageResult]) -> None:
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    for row in read_table(gallery[0] / "pictures.jsonl"):
        with Image.open(gallery[0] / row["file"]) as image:
            facts, texts = facts_in(image), dict(image.text)  # type: ignore[attr-defined]
        assert facts
        assert (facts["prompt"], facts["seed"], facts["concept"]) == (row["prompt"], row["seed"], "araucaria")
        assert (facts["num_inference_steps"], facts["guidance_scale"], facts["size"]) == (3, 3.0, 64)
        is_tuned = row["model"] == "tuned"
        assert facts.get("checkpoint") == (checkpoint.manifest.data_version if is_tuned else None)
        assert facts.get("curated_set") == (checkpoint.manifest.provenance.inputs["curated_set"] if is_tuned else None)
        assert facts["base_model"]["id"] == "embedded"
        assert ("<lora:araucaria:1>" in texts["parameters"]) == is_tuned
        assert ("LoraLoader" in texts["prompt"]) == is_tuned


def test_what_stands_already_is_not_drawn_again_and_a_retrained_adapter_draws_the_tuned_half_alone(
    project: Project, gallery: tuple[Path, StageResult], tmp_path: Path
) -> None:
    again = run_gallery(project, tmp_path / "again")
    assert metrics_of(again).generated == 6  # the tuned ones: they are of one gallery only
    assert again.data_version == gallery[1].data_version
    request = with_adapter(project, tmp_path, lambda w, g: w + 0.2 * torch.randn(w.shape, generator=g))
    (tmp_path / "other").mkdir()
    other = run(request, tmp_path / "other", Reporter(None))
    assert metrics_of(other).generated == 6
    assert other.data_version != again.data_version


def test_a_kept_picture_that_is_broken_is_drawn_again(project: Project, gallery: tuple[Path, StageResult], tmp_path: Path) -> None:
    kept = sorted((project.store.root / ".pictures").rglob("*.png"))[0]
    kept.write_bytes(kept.read_bytes()[:200])
    again = run_gallery(project, tmp_path / "again")
    assert metrics_of(again).generated == 6 + 1
    for key, picture in pictures(tmp_path / "again").items():
        assert differ(picture, pictures(gallery[0])[key]) < 1


def test_another_seed_is_another_gallery_and_draws_what_is_new(project: Project, gallery: tuple[Path, StageResult], tmp_path: Path) -> None:
    request = project.request("sample_gallery", "araucaria")
    (tmp_path / "staging").mkdir()
    result = run(request.model_copy(update={"spec": request.spec | {"seeds": [1, 3]}}), tmp_path / "staging", Reporter(None))
    assert result.data_version != gallery[1].data_version
    assert metrics_of(result).generated == 3 + 6


def test_a_killed_gallery_goes_on_at_the_next_picture(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(project.concepts_file.parent, folder, ignore=shutil.ignore_patterns(".pictures"))
    edit(Project(folder / "concepts.yaml", folder / "data"), "araucaria", "gallery", batch_size=1)  # so that pictures come one by one
    copied = Project(folder / "concepts.yaml", folder / "data")
    command = stage_command(copied, "sample_gallery", "araucaria", tmp_path / "request")
    assert kill_when(command, lambda: len(list(copied.store.root.glob(".staging/sample_gallery/araucaria/*/.drawn/*/*.png"))) > 0)
    staging = next(copied.store.root.glob(".staging/sample_gallery/araucaria/*/"))
    kept = len([path for path in staging.rglob(".drawn/*/*.png") if not path.name.startswith(".")])
    result = run(copied.request("sample_gallery", "araucaria"), staging, Reporter(None))
    assert metrics_of(result).generated == 6 - kept
    assert not (staging / ".drawn").exists()


def with_adapter(project: Project, folder: Path, disturb: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> StageRequest:
    """A request for a gallery of a copy of the checkpoint with other weights."""
    request = project.request("sample_gallery", "araucaria")
    shutil.copytree(request.inputs["checkpoint"], folder / "checkpoint")
    new_adapter(folder / "checkpoint", disturb)
    manifest = json.loads((folder / "checkpoint" / "manifest.json").read_text())
    (folder / "checkpoint" / "manifest.json").write_text(json.dumps(manifest | {"data_version": "other"}))
    return request.model_copy(update={"inputs": {"checkpoint": folder / "checkpoint"}})


def test_a_model_in_trouble_draws_nothing_and_that_is_reported(project: Project, tmp_path: Path) -> None:
    request = with_adapter(project, tmp_path, lambda w, g: w * math.nan)
    (tmp_path / "staging").mkdir()
    with pytest.raises(GauchoError, match=r"every picture shows nothing; lower training\.learning_rate"), np.errstate(invalid="ignore"):
        run(request, tmp_path / "staging", Reporter(None))


def test_a_base_model_that_draws_nothing_itself_is_reported_as_such(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Embedded, "decode", lambda self, latents: [Image.new("RGB", (64, 64))] * len(latents))
    request = project.request("sample_gallery", "araucaria").model_copy(update={"data": tmp_path / "data"})
    (tmp_path / "staging").mkdir()
    with pytest.raises(GauchoError, match="those of the base model too: it is no matter of the training"):
        run(request, tmp_path / "staging", Reporter(None))


def spoil(monkeypatch: pytest.MonkeyPatch, seeds: set[int]) -> None:
    """Has the tuned model draw nothing with some seeds."""
    decode = Drawer.decode

    def half_black(self: Drawer, batches: list[Batch]) -> Iterator[tuple[Sample, Image.Image]]:
        for sample, picture in decode(self, batches):
            is_bad = sample.seed in seeds and self.settings.checkpoint and sample.kind == "concept"
            yield sample, Image.new("RGB", picture.size) if is_bad else picture

    monkeypatch.setattr(Drawer, "decode", half_black)


def test_what_shows_nothing_is_drawn_again_with_another_seed_by_both_models(
    project: Project, gallery: tuple[Path, StageResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {2})
    metrics = metrics_of(run_gallery(project, tmp_path / "staging"))
    assert (metrics.black, metrics.drawn_again) == (0, 2)
    seeds = {
        model: [row["seed"] for row in read_table(tmp_path / "staging" / "pictures.jsonl") if row["model"] == model]
        for model in ("base", "tuned")
    }
    assert seeds["base"] == seeds["tuned"]
    assert [seed in SEEDS for seed in seeds["tuned"]] == [True, False, True, False, True, True]


def test_what_shows_nothing_whatever_the_seed_is_counted(
    project: Project, gallery: tuple[Path, StageResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {2, 2 + 1_000_003, 2 + 2 * 1_000_003})
    metrics = metrics_of(run_gallery(project, tmp_path / "staging"))
    assert metrics.black == 2
    assert [row["blank"] for row in read_table(tmp_path / "staging" / "pictures.jsonl")] == [False] * 7 + [True, False, True] + [False] * 2


def test_fewer_are_drawn_at_once_where_memory_runs_out(
    project: Project, gallery: tuple[Path, StageResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoise, decode, sizes = Embedded.denoise, Embedded.decode, list[int]()

    def narrow(self: Embedded, prompts: list[str], *keys: Any) -> torch.Tensor:
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return denoise(self, prompts, *keys)

    def narrower(self: Embedded, latents: torch.Tensor) -> list[Image.Image]:
        if len(latents) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return decode(self, latents)

    monkeypatch.setattr(Embedded, "denoise", narrow)
    monkeypatch.setattr(Embedded, "decode", narrower)
    result = run_gallery(project, tmp_path / "staging")
    assert sizes == [6, 4, 2, 2, 2]  # eight at once, four, two
    for key, picture in pictures(tmp_path / "staging").items():
        assert differ(picture, pictures(gallery[0])[key]) < 1
    assert metrics_of(result).pictures == 12


@pytest.mark.parametrize("part", ["denoise", "decode"])
def test_one_picture_that_does_not_fit_is_reported(part: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*keys: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Embedded, part, none)
    with pytest.raises(GauchoError, match=r"memory ran out for one picture; lower gallery\.size"):
        run_gallery(project, tmp_path / "staging")


def test_sampler_size_and_label_are_the_gallerys(project: Project, tmp_path: Path) -> None:
    request = project.request("sample_gallery", "araucaria")
    changes = {"sampler": "euler", "size": 32, "visible_label": True, "seeds": [1], "class_pictures": False}
    (tmp_path / "staging").mkdir()
    run(request.model_copy(update={"spec": request.spec | changes}), tmp_path / "staging", Reporter(None))
    with Image.open(tmp_path / "staging" / "pictures" / "000-tuned.png") as image:
        facts, texts = facts_in(image), dict(image.text)  # type: ignore[attr-defined]
        assert image.width == 32
        assert image.height > 32
    assert facts
    assert (facts["sampler"], facts["size"]) == ("EulerDiscreteScheduler", 32)
    assert "Sampler: Euler," in texts["parameters"]


def test_what_pictures_say_and_show_is_part_of_the_version(project: Project, gallery: tuple[Path, StageResult], tmp_path: Path) -> None:
    request = project.request("sample_gallery", "araucaria")
    versions = {gallery[1].data_version}
    labelled = {"spec": request.spec | {"visible_label": True}}
    for name, change in (("label", labelled), ("notice", {"historical": True})):
        (tmp_path / name).mkdir()
        versions.add(run(request.model_copy(update=change), tmp_path / name, Reporter(None)).data_version)
    assert len(versions) == 3


def test_prompts_are_encoded_once_by_each_models_own_text_encoder(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, asked = Embedded.encode_prompt, list[str]()
    monkeypatch.setattr(Embedded, "encode_prompt", lambda self, prompt: asked.append(prompt) or encode(self, prompt))
    request = project.request("sample_gallery", "araucaria")
    changes = {"seeds": [11, 12], "batch_size": 1, "class_pictures": False, "negative_prompt": "a car"}
    (tmp_path / "staging").mkdir()
    run(request.model_copy(update={"spec": request.spec | changes}), tmp_path / "staging", Reporter(None))
    prompts = [prompt.format(token="mtl", class_noun="tree") for prompt in PROMPTS]
    assert sorted(asked) == sorted(["a car", *prompts] * 2)  # once for each model


def test_the_sheet_that_dagster_shows_is_there(gallery: tuple[Path, StageResult]) -> None:
    figure = ASSETS["sample_gallery"].figure
    assert figure
    assert (gallery[0] / figure.file).is_file()
