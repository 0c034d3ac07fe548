"""Images of the class: the user's own with their rights, or the base model's, made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gaucho_pipeline.concepts.training import ClassImages, TrainingSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.digests import file_digest
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.training.class_images import generated_images, own_images
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import invoke, run_stage

RIGHTS = {"license": "cc-by-4.0", "author": "João", "source": "https://museu.example"}


def generated(root: Path, count: int = 3, **keys: Any) -> dict[Path, str]:
    base = base_models.load("embedded", None, torch.device("cpu"))
    wanted = ClassImages(count=count, num_inference_steps=2, **keys)
    spec = TrainingSpec(prior="class_images", class_images=wanted, resolution=64)
    return generated_images(base, spec, wanted, ConceptWords("mtl", "tree"), root, Reporter(None))


def test_generated_ones_are_made_once_and_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = generated(tmp_path)
    assert len(found) == len(set(found.values())) == 3
    with Image.open(next(iter(found))) as picture:
        assert picture.size == (64, 64)
    times = {file: file.stat().st_mtime_ns for file in found}
    assert generated(tmp_path) == found
    assert times == {file: file.stat().st_mtime_ns for file in found}
    assert list(generated(tmp_path, count=4))[:3] == list(found)  # more of the same kind begin with the same


def test_what_a_killed_run_has_made_is_kept_and_the_rest_comes_out_the_same(tmp_path: Path) -> None:
    whole = generated(tmp_path)
    files = list(whole)
    files[1].unlink()
    kept = files[0].stat().st_mtime_ns
    assert generated(tmp_path) == whole
    assert files[0].stat().st_mtime_ns == kept


def test_other_settings_make_others(tmp_path: Path) -> None:
    assert set(generated(tmp_path)).isdisjoint(generated(tmp_path, guidance_scale=1.5))


def test_the_users_own_are_decoded_with_their_credited_and_what_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_folder(tmp_path / "trees", "araucaria", 3)
    (folder / "notes.txt").write_text("no picture")
    (folder / "zz.png").symlink_to(draw_folder(tmp_path / "others", "chimarrao", 1) / "00.png")
    (folder / "twice.png").write_bytes((folder / "00.png").read_bytes())
    spec = ClassImages(count=2, folder=folder, **RIGHTS)
    rows = own_images(spec, folder, tmp_path / "class_images", Forgotten(), Reporter(None))
    assert [row.title for row in rows] == ["00", "01"]
    assert {(row.author, row.license, row.source) for row in rows} == {("João", "CC-BY-4.0", "https://museu.example")}
    with Image.open(tmp_path / rows[0].file) as picture, Image.open(folder / "00.png") as original:
        assert np.array_equal(np.asarray(picture), np.asarray(original.convert("RGB")))
    assert len(own_images(ClassImages(folder=folder, **RIGHTS), folder, tmp_path / "class_images", Forgotten(), Reporter(None))) == 3
    told = capsys.readouterr().err
    for reason in ("notes.txt: not-taken: not an image", "zz.png: not-taken: a link leads out of the folder", "twice.png: duplicate"):
        assert f"class image left out: {reason}" in told
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"training\.class_images: .*empty holds no image that can be read"):
        own_images(spec, tmp_path / "empty", tmp_path / "class_images", Forgotten(), Reporter(None))


def test_one_that_was_forgotten_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, forgotten = draw_folder(tmp_path / "trees", "araucaria", 3), Forgotten(tmp_path / "concepts.forgotten.json")
    forgotten.add(file_digest(folder / "01.png"), [], "asked")
    rows = own_images(ClassImages(folder=folder, **RIGHTS), folder, tmp_path / "class_images", forgotten, Reporter(None))
    assert [row.title for row in rows] == ["00", "02"]
    assert "class image left out: 01.png: forgotten" in capsys.readouterr().err


def test_a_folder_without_rights_is_refused() -> None:
    with pytest.raises(ValidationError, match="the images of a folder need license, author and source"):
        ClassImages(folder=Path("trees"), license="cc0")
    with pytest.raises(ValidationError, match="class_images goes with prior: class_images"):
        TrainingSpec(class_images=ClassImages())


def test_a_checkpoint_credited_the_users_own_images_of_the_class_and_another_image_makes_it_stale(tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "photos", "araucaria", 5), "mtl", "tree")
    trees = draw_folder(tmp_path / "trees", "chimarrao", 2)
    concept["training"] = {"prior": "class_images", "class_images": {"folder": "trees", **RIGHTS}}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set", "checkpoint"):
        done = run_stage(project, asset, "araucaria", tmp_path / asset)
        assert done.returncode == 0, done.stderr
    artifact = project.store.current("checkpoint", "araucaria")
    assert artifact
    credited = (artifact.folder / "ATTRIBUTION.csv").read_text(encoding="utf-8")
    assert credited.count("João") >= 2
    assert "https://museu.example" in credited
    assert len(read_table(artifact.folder / "train.jsonl")) == 4
    told = invoke(project, "forget", file_digest(trees / "00.png"), "--reason", "asked").output
    assert "learned from it" in told or f"checkpoint of araucaria {artifact.manifest.fingerprint[:8]}" in told, told
    draw_subject("chimarrao", 9).save(trees / "09.png")
    again = Project(tmp_path / "concepts.yaml", tmp_path / "data")
    assert again.state("checkpoint", "araucaria").state == "stale"


def test_only_trainings_with_images_of_the_class_have_another_version_since_their_draws_are_their_own() -> None:
    assert TrainingSpec(prior="class_images").identity()["class_images_code_version"] == "2"
    studied = TrainingSpec(study={"prior": ["self", "class_images"]})
    assert studied.identity()["class_images_code_version"] == "2"
    assert "class_images_code_version" not in TrainingSpec().identity()
    assert "class_images_code_version" not in TrainingSpec(study={"rank": [4, 8]}).identity()
