"""The stage: every image of a crawl is kept or excluded with its reason, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.artifacts import Artifact, read_table
from gaucho_pipeline.asset_checks import is_usable, run_check
from gaucho_pipeline.embedded.demo_site import DemoSite
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline.prompts import INSTANCE_PROMPT
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.crawling import concept_of, openverse
from gaucho_pipeline_tests.programs import run_stage


@pytest.fixture
def curated(site: DemoSite, tmp_path: Path) -> tuple[Project, Artifact]:
    concept = concept_of(openverse("araucária", site.address)) | {
        "curation": {
            "min_side": 128,
            "min_sharpness": 0.0001,
            "near_duplicate_distance": 2,
            "near_duplicate_correlation": 0.98,
            "max_graphic": 1.0,
        }
    }
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(project, asset, "araucaria", tmp_path / asset)
    artifact = project.store.current("curated_set", "araucaria")
    assert artifact, done.stderr
    return project, artifact


def test_the_planted_images_go_each_for_its_reason(curated: tuple[Project, Artifact]) -> None:
    artifact = curated[1]
    metrics = artifact.manifest.metrics
    assert metrics.read == metrics.kept + sum(metrics.excluded.values()) == 28
    assert metrics.kept == 24
    assert metrics.excluded == {"blurred": 1, "duplicate": 1, "near-duplicate": 1, "too small": 1}
    kept = read_table(artifact.folder / "images.jsonl")
    assert sorted(p.name for p in (artifact.folder / "images").iterdir()) == sorted(Path(r["file"]).name for r in kept)
    assert {row["caption"] for row in kept} == {INSTANCE_PROMPT}
    assert "Conceição Müller" in (artifact.folder / "ATTRIBUTION.csv").read_text(encoding="utf-8-sig")
    assert "media" not in kept[0]


def test_too_few_fails_the_check_and_says_what_would_pass(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 6)
    draw_subject("araucaria", 20, side=300).save(folder / "large.png")
    draw_subject("araucaria", 21, side=300).save(folder / "large too.png")
    concept = folder_concept(folder, "mtl", "tree") | {
        "curation": {"min_side": 200, "min_sharpness": 0.00005, "min_images": 5, "near_duplicate_correlation": 0.99}
    }
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(project, asset, "araucaria", tmp_path / asset)
    artifact = project.store.current("curated_set", "araucaria")
    assert artifact, done.stderr
    result = run_check(artifact)
    assert not is_usable(artifact)
    assert result.text == "2 of 8 images are left, 5 are needed (6 too small); there would be 8 without too small"


def test_what_can_no_longer_be_read_costs_nothing_but_itself_and_its_copy_takes_its_place(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "chimarrao", 4)
    large = draw_subject("araucaria", 3, side=300)
    large.save(folder / "large.png")
    large.resize((200, 200)).save(folder / "small.png")
    curated = curated_from(tmp_path, folder)
    (copy,) = (row for row in read_table(curated.folder / "excluded.jsonl") if row["reason"] == "near-duplicate")
    assert copy["title"] == "small"
    Project(tmp_path / "concepts.yaml", tmp_path / "data").store.blob_path(copy["same_as"]).write_bytes(
        b"rotten"
    )  # it was measured already
    curated = curated_from(tmp_path, folder, min_side=100)
    assert {row["title"]: row["reason"] for row in read_table(curated.folder / "excluded.jsonl")} == {"large": "not-an-image"}
    assert "small" in {row["title"] for row in read_table(curated.folder / "images.jsonl")}


def test_what_would_stay_without_a_filter_is_judged_by_the_others(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 3)
    draw_subject("araucaria", 20, side=300).save(folder / "large.png")
    houses = {"model": "embedded", "positive_prompts": ["a photo of a house"], "negative_prompts": ["a photo of a tree"], "threshold": 0.9}
    concept = folder_concept(folder, "mtl", "tree") | {
        "curation": {"min_side": 200, "relevance": houses, "near_duplicate_correlation": 1.0}
    }
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    run_stage(project, "raw_crawl", "araucaria", tmp_path / "raw_crawl")
    said = run_stage(project, "curated_set", "araucaria", tmp_path / "curated_set").stderr
    assert "every image of araucaria was excluded (3 too small, 1 irrelevant; 1 would stay without irrelevant)" in said


def curated_from(folder: Path, photos: Path, **curation: object) -> Artifact:
    """The set that is curated from a folder of photos, with these keys."""
    concept = folder_concept(photos, "mtl", "tree") | {"curation": curation}
    project = Project(write_concepts(folder / "concepts.yaml", {"araucaria": concept}), folder / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(project, asset, "araucaria", folder / asset)
    artifact = project.store.current("curated_set", "araucaria")
    assert artifact, done.stderr
    return artifact
