"""Pictures of a prompt of one's own: those of the checkpoint, at a strength, with several concepts at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.gallery.single import generate_pictures, numbered
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.provenance.labels import facts_in
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.gallery.test_gallery_stage import differ, new_adapter
from gaucho_pipeline_tests.standing import stand


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two concepts whose adapters are different noise."""
    folder = tmp_path_factory.mktemp("single")
    concepts = {
        "araucaria": folder_concept(draw_folder(folder / "a", "araucaria", 2), "mtl", "tree"),
        "chimarrao": folder_concept(draw_folder(folder / "c", "chimarrao", 2), "dnc", "cup"),
    }
    project = Project(write_concepts(folder / "concepts.yaml", concepts), folder / "data")
    for slug, scale in (("araucaria", 0.15), ("chimarrao", -0.15)):
        for asset in ("raw_crawl", "curated_set", "checkpoint"):
            artifact = stand(project, asset, slug, data_version=slug)
        new_adapter(artifact.folder, lambda w, g, scale=scale: w + scale * torch.randn(w.shape, generator=g))  # type: ignore[misc]
    return project


def drawn(project: Project, folder: Path, imagined: bool = False, **strengths: float) -> tuple[Image.Image, dict[str, object]]:
    made: dict[str, tuple[Artifact, float]] = {}
    for slug, strength in strengths.items():
        checkpoint = project.store.current("checkpoint", slug)
        assert checkpoint
        made[slug] = checkpoint, strength
    spec, path = project.on_its_base_model("araucaria").gallery, folder / f"{len(list(folder.iterdir()))}.png"
    generate_pictures(made, numbered("a photo of mtl tree", "uma foto", 7, 1), spec, [path], imagined)
    with Image.open(path) as image:
        return image.convert("RGB"), facts_in(image) or {}


def test_strength_and_further_concepts_make_other_pictures_and_are_reported(project: Project, tmp_path: Path) -> None:
    whole, facts = drawn(project, tmp_path, araucaria=1.0)
    none, _ = drawn(project, tmp_path, araucaria=0.0)
    half, of_half = drawn(project, tmp_path, araucaria=0.5)
    both, of_both = drawn(project, tmp_path, imagined=True, araucaria=1.0, chimarrao=0.5)
    assert (facts["seed"], facts["checkpoint"], facts["concept"]) == (7, "araucaria", "araucaria")
    assert "strength" not in facts
    assert facts["written_prompt"] == "uma foto"
    assert of_half["strength"] == 0.5
    assert of_both["others"] == {"chimarrao": {"checkpoint": "chimarrao", "strength": 0.5}}
    assert of_both["imagined"] is True
    assert min(differ(whole, none), differ(whole, half), differ(half, none), differ(whole, both)) > 2
    assert differ(half, none) < differ(whole, none)


def test_a_picture_of_a_unet_carries_a_workflow_and_of_another_denoiser_none(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn(project, tmp_path, araucaria=1.0)
    with Image.open(tmp_path / "0.png") as image:
        assert {"parameters", "prompt"} <= image.text.keys()  # type: ignore[attr-defined]
    asked: list[bool] = []
    monkeypatch.setattr("gaucho_pipeline.gallery.single.png_info", lambda facts, slug, is_unet: asked.append(is_unet) or {})
    drawn(project, tmp_path, araucaria=1.0)
    assert asked == [True]


def test_a_strength_of_one_is_the_same_by_either_way(project: Project, tmp_path: Path) -> None:
    one, _ = drawn(project, tmp_path, araucaria=1.0)
    other, _ = drawn(project, tmp_path, araucaria=1.0, chimarrao=0.0)
    assert np.abs(np.asarray(one, float) - np.asarray(other, float)).mean() < 1


def test_a_size_that_the_model_has_not_is_reported(project: Project, tmp_path: Path) -> None:
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    spec = project.on_its_base_model("araucaria").gallery.model_copy(update={"size": 50})
    with pytest.raises(ConfigError, match="--size: StableDiffusionPipeline takes multiples of 8"):
        generate_pictures({"araucaria": (checkpoint, 1)}, numbered("x", "", 1, 1), spec, [tmp_path / "x.png"], False)


def test_what_does_not_go_together_is_refused(project: Project, tmp_path: Path) -> None:
    checkpoint = project.store.current("checkpoint", "araucaria")
    assert checkpoint
    spec = project.on_its_base_model("araucaria").gallery
    provenance = checkpoint.manifest.provenance
    whole = checkpoint.manifest.model_copy(
        update={"provenance": provenance.model_copy(update={"spec": provenance.spec | {"method": "dreambooth"}})}
    )
    strangers = checkpoint.manifest.model_copy(update={"provenance": provenance.model_copy(update={"base_model": {"id": "other"}})})
    for manifest, message in ((whole, "only a LoRA has a strength"), (strangers, "not trained on the same base model")):
        other = Artifact(checkpoint.folder, manifest)
        with pytest.raises(ConfigError, match=message):
            generate_pictures(
                {"araucaria": (checkpoint, 1), "cuia": (other, 1)}, numbered("x", "", 1, 1), spec, [tmp_path / "x.png"], False
            )
