"""The gallery as a whole, on tiny settings: what it draws of whom, in what order, and what it scores against what."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gaucho_pipeline import base_models
from gaucho_pipeline.artifacts import MANIFEST, Artifact, Manifest, read_table, write_attribution, write_table
from gaucho_pipeline.assets import ASSETS
from gaucho_pipeline.concepts import GallerySpec, TrainingSpec
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.gallery.__main__ import run, samples_of
from gaucho_pipeline.gallery.generation import generate, through_vae
from gaucho_pipeline.gallery.one import generate_one
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.gallery.scorers import Embeddings, Encoder, clip_i, clip_t, score
from gaucho_pipeline.images import png_bytes
from gaucho_pipeline.methods.lora import ADAPTER, DIFFUSERS_FILE, Lora
from gaucho_pipeline.metrics import SampleGalleryMetrics
from gaucho_pipeline.pipeline import Project, StageRequest
from gaucho_pipeline.stage import Reporter
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.standing import stand

PROMPTS = ["a photo of {token} {class_noun} on the grass by day", "a photo of {token} {class_noun} on a table by day"]
SEEDS = [1, 2]


def new_adapter(folder: Path, disturb: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> None:
    """Writes an adapter as training does, with weights of another make."""
    family = base_models.load("embedded", None, torch.device("cpu")).family
    method = Lora(family, TrainingSpec(rank=4).for_family(Embedded))
    method.attach()
    generator = torch.Generator().manual_seed(4)
    method.set_weights({name: disturb(weight, generator) for name, weight in method.weights().items()})
    method.save(folder, "x", "mtl tree", "CC0-1.0", 1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A concept with a checkpoint that was never trained: its adapter is noise."""
    folder = tmp_path_factory.mktemp("gallery")
    concept = folder_concept(draw_folder(folder / "photos", "araucaria", 2), "mtl", "tree")
    concept["gallery"] = {"prompts": PROMPTS, "seeds": SEEDS, "num_inference_steps": 3, "guidance_scale": 3.0}
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
    (artifact.folder / "losses.png").write_bytes(png_bytes(draw_subject("araucaria", 9)))
    return project


def run_gallery(project: Project, staging: Path) -> tuple[StageRequest, SampleGalleryMetrics]:
    request = project.request("sample_gallery", "araucaria")
    staging.mkdir()
    metrics = run(request, staging, Reporter(None)).metrics
    assert isinstance(metrics, SampleGalleryMetrics)
    return request, metrics


@pytest.fixture(scope="module")
def gallery(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleGalleryMetrics]:
    staging = tmp_path_factory.mktemp("made") / "staging"
    return staging, run_gallery(project, staging)[1]


def pictures(folder: Path) -> dict[tuple[str, str, int], Image.Image]:
    """By model, prompt and seed."""
    found = {}
    for row in read_table(folder / "pictures.jsonl"):
        with Image.open(folder / row["file"]) as image:
            found[row["model"], row["prompt"], row["seed"]] = image.convert("RGB")
    return found


def differ(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def test_every_prompt_is_drawn_with_every_seed_by_both_models(gallery: tuple[Path, SampleGalleryMetrics]) -> None:
    prompts = [prompt.format(token="mtl", class_noun="tree") for prompt in PROMPTS]
    keys = [(model, prompt, seed) for model in ("base", "tuned") for prompt in prompts for seed in SEEDS]
    assert list(pictures(gallery[0])) == keys
    assert gallery[1].pictures == len(keys)


def test_base_and_tuned_seeds_and_prompts_all_give_other_pictures(gallery: tuple[Path, SampleGalleryMetrics]) -> None:
    found = list(pictures(gallery[0]).values())
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            assert differ(one, other) > 3


def test_the_base_models_pictures_are_those_of_its_own_pipeline(gallery: tuple[Path, SampleGalleryMetrics]) -> None:
    pipeline = base_models.load("embedded", None, torch.device("cpu")).pipeline
    for (model, prompt, seed), picture in pictures(gallery[0]).items():
        if model == "base" and seed == 2:
            own = pipeline(prompt, num_inference_steps=3, guidance_scale=3.0, generator=torch.Generator().manual_seed(seed)).images[0]
            assert differ(picture, own) < 1


def test_the_tuned_pictures_are_those_of_the_pipeline_with_the_adapter(
    project: Project, gallery: tuple[Path, SampleGalleryMetrics]
) -> None:
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    pipeline = base_models.load("embedded", None, torch.device("cpu")).pipeline
    pipeline.load_lora_weights(checkpoint.folder / ADAPTER, weight_name=DIFFUSERS_FILE)
    prompt = PROMPTS[1].format(token="mtl", class_noun="tree")
    own = pipeline(prompt, num_inference_steps=3, guidance_scale=3.0, generator=torch.Generator().manual_seed(1)).images[0]
    assert differ(pictures(gallery[0])["tuned", prompt, 1], own) < 1


def test_scores_pair_each_picture_with_its_own_prompt_and_with_the_validation_images(
    project: Project, gallery: tuple[Path, SampleGalleryMetrics]
) -> None:
    encoder, metrics = Encoder(), gallery[1]
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    real = []
    for row in read_table(checkpoint.folder / "validation.jsonl"):
        with Image.open(checkpoint.folder / row["file"]) as image:
            real.append(image.convert("RGB"))
    validation = encoder.embed_images(real)
    for model, i, t in (("base", metrics.clip_i.base, metrics.clip_t.base), ("tuned", metrics.clip_i.tuned, metrics.clip_t.tuned)):
        own = {key: picture for key, picture in pictures(gallery[0]).items() if key[0] == model}
        images = encoder.embed_images(list(own.values()))
        texts = encoder.embed_texts([prompt.replace("mtl tree", "a tree") for _, prompt, _ in own])
        assert i == pytest.approx((images @ validation.T).mean().item(), abs=1e-3)
        assert t == pytest.approx((images * texts).sum(1).mean().item(), abs=1e-3)
    assert metrics.clip_i.base != metrics.clip_i.tuned
    family = base_models.load("embedded", None, torch.device("cpu")).family
    back = encoder.embed_images(through_vae(family, real, family.resolution))
    assert metrics.clip_i_ceiling == pytest.approx((back @ validation.T).mean().item(), abs=1e-3)
    assert metrics.clip_i_ceiling != pytest.approx((validation @ validation.T).mean().item(), abs=1e-4)
    assert metrics.encoder == "embedded scorer"


def test_clip_i_is_over_all_pairs_and_clip_t_over_matching_ones() -> None:
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    embedded = Embeddings(pictures=torch.stack([one, one]), prompts=torch.stack([one, other]), validation=torch.stack([one, other, other]))
    assert clip_i(embedded) == pytest.approx(1 / 3, abs=1e-4)
    assert clip_t(embedded) == 0.5
    assert clip_t(Embeddings(embedded.pictures, embedded.pictures, embedded.validation)) == 1.0


def test_the_scorer_prefers_pictures_of_what_the_prompt_says() -> None:
    trees = [draw_subject("araucaria", index) for index in range(3)]
    cups = [draw_subject("chimarrao", index) for index in range(3)]
    found = score(Encoder(), {"base": cups, "tuned": trees}, ["a photo of a tree"] * 3, trees)
    assert found["clip_i"].tuned > found["clip_i"].base
    assert found["clip_t"].tuned > found["clip_t"].base


def test_every_picture_says_that_it_was_generated_and_from_what(project: Project, gallery: tuple[Path, SampleGalleryMetrics]) -> None:
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    for row in read_table(gallery[0] / "pictures.jsonl"):
        with Image.open(gallery[0] / row["file"]) as image:
            facts = json.loads(image.text["Description"].split("model. ")[1])  # type: ignore[attr-defined]
        assert (facts["prompt"], facts["seed"], facts["concept"]) == (row["prompt"], row["seed"], "araucaria")
        is_tuned = row["model"] == "tuned"
        assert facts["adapter"] == (checkpoint.manifest.data_version if is_tuned else None)
        assert facts["attribution"] == ("ATTRIBUTION.csv" if is_tuned else None)
        assert facts["base_model"]["id"] == "embedded"


def with_adapter(project: Project, folder: Path, disturb: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> StageRequest:
    """A request for a gallery of a copy of the checkpoint with other weights."""
    request = project.request("sample_gallery", "araucaria")
    shutil.copytree(request.inputs["checkpoint"], folder / "checkpoint")
    new_adapter(folder / "checkpoint", disturb)
    return request.model_copy(update={"inputs": {"checkpoint": folder / "checkpoint"}})


def test_a_model_in_trouble_draws_black_and_that_is_told(project: Project, tmp_path: Path) -> None:
    request = with_adapter(project, tmp_path, lambda w, g: w * math.nan)
    (tmp_path / "staging").mkdir()
    with pytest.raises(GauchoError, match="every picture is black"), np.errstate(invalid="ignore"):
        run(request, tmp_path / "staging", Reporter(None))


def test_black_pictures_of_the_tuned_model_are_counted(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gaucho_pipeline.gallery import __main__ as stage

    calls = []

    def half_black(*args: Any) -> list[Image.Image]:
        calls.append(1)
        found = generate(*args)
        return [Image.new("RGB", found[0].size), *found[1:]] if len(calls) == 2 else found

    monkeypatch.setattr(stage, "generate", half_black)
    _, metrics = run_gallery(project, tmp_path / "staging")
    assert metrics.black == 1
    assert [row["black"] for row in read_table(tmp_path / "staging" / "pictures.jsonl")] == [False] * 4 + [True] + [False] * 3


def test_the_content_decides_the_data_version(project: Project, gallery: tuple[Path, SampleGalleryMetrics], tmp_path: Path) -> None:
    request = project.request("sample_gallery", "araucaria")
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    one = run(request, tmp_path / "one", Reporter(None)).data_version
    assert run(request, tmp_path / "two", Reporter(None)).data_version == one
    other = request.model_copy(update={"spec": request.spec | {"seeds": [1, 3]}})
    assert run(other, tmp_path / "three", Reporter(None)).data_version != one


def test_the_page_and_the_sheet_that_dagster_shows_are_there(gallery: tuple[Path, SampleGalleryMetrics]) -> None:
    asset = ASSETS["sample_gallery"]
    assert asset.page
    assert asset.figure
    assert (gallery[0] / asset.page).is_file()
    assert (gallery[0] / asset.figure.file).is_file()


def test_samples_are_in_the_order_of_prompts_and_seeds() -> None:
    spec = GallerySpec(prompts=("{token} one", "{token} two"), seeds=(3, 1))
    assert samples_of(spec, "mtl", "tree") == [Sample("mtl one", 3), Sample("mtl one", 1), Sample("mtl two", 3), Sample("mtl two", 1)]


def test_one_picture_is_that_of_the_checkpoint_and_says_so(project: Project, tmp_path: Path) -> None:
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    spec = project.concept("araucaria").gallery
    generate_one(checkpoint, "a photo of mtl tree", 7, spec, tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as image:
        facts = json.loads(image.text["Description"].split("model. ")[1])  # type: ignore[attr-defined]
        drawn = image.convert("RGB")
    assert (facts["seed"], facts["adapter"]) == (7, checkpoint.manifest.data_version)
    family = base_models.load("embedded", None, torch.device("cpu")).family
    assert differ(drawn, generate(family, [Sample("a photo of mtl tree", 7)], spec, 64)[0]) > 3


def test_the_site_shows_each_gallery_and_needs_nothing_else(
    project: Project, gallery: tuple[Path, SampleGalleryMetrics], tmp_path: Path
) -> None:
    from gaucho_pipeline.gallery.site import run as run_site

    artifact = Artifact(gallery[0], stand(project, "sample_gallery", "araucaria").manifest)
    (gallery[0] / MANIFEST).write_text(artifact.manifest.model_dump_json())
    request = project.request("gallery_site", "all").model_copy(update={"inputs": {"araucaria": gallery[0]}})
    (tmp_path / "site").mkdir()
    assert run_site(request, tmp_path / "site", Reporter(None)).metrics.concepts == 1  # type: ignore[attr-defined]
    text = (tmp_path / "site" / "index.html").read_text()
    assert 'href="araucaria/index.html"' in text
    assert "Conceito de mtl" in text
    assert "0.500 → 0.400" in text
    assert (tmp_path / "site" / "araucaria" / "pictures" / "000-tuned.png").is_file()
    assert not (tmp_path / "site" / "araucaria" / MANIFEST).exists()
    assert Manifest.model_validate_json((gallery[0] / MANIFEST).read_text()).asset == "sample_gallery"
