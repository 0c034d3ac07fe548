"""The stage: every image of a crawl is kept or excluded with its reason, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gaucho_pipeline.curation import __main__ as stage
from gaucho_pipeline.curation.__main__ import run
from gaucho_pipeline.demo.site import DemoSite
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.tables import read_table, write_table
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.templates import INSTANCE_PROMPT
from gaucho_pipeline.stage.harness import StageResult
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.soundness import blocked_by
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.crawling import concept_of, openverse
from gaucho_pipeline_tests.programs import run_stage
from gaucho_pipeline_tests.standing import stand


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
    assert not {"url", "is_file"} & set(kept[0])  # a person's own folders


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
    assert blocked_by(artifact) == "2 of 8 images are left, 5 are needed (6 too small); there would be 8 without too small"


@pytest.mark.parametrize("damage", ["another byte", "nothing there"])
def test_a_set_never_becomes_smaller_because_of_the_disk(damage: str, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "chimarrao", 4)
    whole = curated_from(tmp_path, folder)
    project = Project(tmp_path / "concepts.yaml", tmp_path / "data")
    blob = project.store.blob_path(read_table(whole.folder / "images.jsonl")[0]["sha256"])
    content = blob.read_bytes()
    if damage == "nothing there":
        blob.unlink()
    else:
        blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    concept = folder_concept(folder, "mtl", "tree") | {"curation": {"min_side": 100}}
    changed = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    said = run_stage(changed, "curated_set", "araucaria", tmp_path / "again").stderr
    assert f"1 images of the crawl are no longer on the disk as they were fetched ({blob})" in said
    assert "run with --select raw_crawl --force" in said
    healed = curated_from(tmp_path, folder, min_side=100)
    assert blob.read_bytes() == content
    assert healed.manifest.data_version == whole.manifest.data_version


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


def crawled_artifact(folder: Path, pictures: dict[str, Image.Image]) -> Project:
    """A project whose crawl stands, with these pictures by their titles."""
    concept: dict[str, object] = {"token": "dnc", "class_noun": "cup", "crawl": {"sources": [{"openverse": {"query": "cuia"}}]}}
    concept["curation"] = {"min_side": 32, "min_sharpness": 0.0, "max_graphic": 1.0, "near_duplicate_correlation": 1.0, "min_images": 2}
    project = Project(write_concepts(folder / "concepts.yaml", {"cuia": concept}), folder / "data")
    artifact = stand(project, "raw_crawl", "cuia")
    rows = []
    for title, picture in pictures.items():
        sha = project.store.add_blob(png_bytes(picture))
        rows.append(
            {
                "key": title, "origin": "openverse: cuia", "url": f"https://a.example/{title}", "title": title, "author": "<b>João</b>",
                "source": "javascript:alert(1)" if title == "evil" else "https://a.example", "license": "CC0-1.0",
                "license_family": "cc0", "license_url": "https://creativecommons.org/publicdomain/zero/1.0/", "flags": [], "sha1": None,
                "labels": [], "is_file": False, "sha256": sha, "bytes": 1, "file": "x",
            }
        )  # fmt: skip
    write_table(artifact.folder / "images.jsonl", rows)
    return project


def curate(project: Project, staging: Path, **keys: object) -> StageResult:
    request = project.request("curated_set", "cuia")
    staging.mkdir(parents=True)
    return run(request.model_copy(update={"spec": request.spec | keys}), staging, Reporter(None))


@pytest.fixture
def cups(tmp_path: Path) -> Project:
    return crawled_artifact(tmp_path, {f"cuia {index}": draw_subject("chimarrao", index, side=128) for index in range(4)})


def test_another_caption_alone_makes_another_set(cups: Project, tmp_path: Path) -> None:
    plain = curate(cups, tmp_path / "plain")
    sha = read_table(tmp_path / "plain" / "images.jsonl")[0]["sha256"]
    (tmp_path / "overrides.csv").write_text(f"image,decision,caption,by,why\n{sha[:16]},,uma cuia de prata,Ana,\n")
    told = curate(cups, tmp_path / "told", overrides=str(tmp_path / "overrides.csv"))
    assert told.metrics.kept == plain.metrics.kept == 4  # type: ignore[attr-defined]
    assert told.data_version != plain.data_version
    assert curate(cups, tmp_path / "again").data_version == plain.data_version
    captions = {row["sha256"]: row["caption"] for row in read_table(tmp_path / "told" / "images.jsonl")}
    assert captions[sha] == "a photo of {token} {class_noun}, uma cuia de prata"


def test_a_models_answers_are_asked_again_of_other_weights_only(cups: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    weights = {"now": "weights 1"}

    def model(spec: object) -> Callable[[Image.Image], float]:
        return lambda picture: asked.append("x") or 0.8  # type: ignore[func-returns-value]

    monkeypatch.setattr(stage, "relevance_model", model)
    monkeypatch.setattr(stage, "model_digest", lambda name: weights["now"])
    relevance = {"model": "embedded", "positive_prompts": ["a cup"], "threshold": 0.5}
    curate(cups, tmp_path / "first", relevance=relevance)
    assert len(asked) == 4
    with pytest.raises(GauchoError, match="every image of cuia was excluded"):
        curate(cups, tmp_path / "stricter", relevance=relevance | {"threshold": 0.9})
    assert len(asked) == 4
    weights["now"] = "weights 2"
    curate(cups, tmp_path / "other weights", relevance=relevance)
    assert len(asked) == 8


def test_pictures_are_no_longer_than_max_side(cups: Project, tmp_path: Path) -> None:
    curate(cups, tmp_path / "small", max_side=64)
    for file in (tmp_path / "small" / "images").iterdir():
        with Image.open(file) as image:
            assert max(image.size) == 64


def test_the_review_page_runs_no_script_of_the_web_and_loses_no_decision(tmp_path: Path) -> None:
    pictures = {"<script>alert(1)</script>": 1, "evil": 2, "plain": 3}
    project = crawled_artifact(tmp_path, {title: draw_subject("chimarrao", n, side=128) for title, n in pictures.items()})
    (tmp_path / "overrides.csv").write_text("image,decision,caption,by,why\nffffffff00000000,drop,,Ana,não é cuia\n")
    result = curate(project, tmp_path / "made", overrides=str(tmp_path / "overrides.csv"))
    text = (tmp_path / "made" / "review.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert r"\u003cscript\u003ealert(1)" in text
    assert "<b>João</b>" not in text
    assert 'href="javascript' not in text
    assert "ffffffff00000000" in text  # it is written back when the page is saved
    assert result.metrics.overrides.without_image == ("ffffffff00000000",)  # type: ignore[attr-defined]


def test_what_a_curator_drops_or_keeps_is_dropped_or_kept(cups: Project, tmp_path: Path) -> None:
    curate(cups, tmp_path / "plain")
    first, second = (row["sha256"] for row in read_table(tmp_path / "plain" / "images.jsonl")[:2])
    (tmp_path / "o.csv").write_text(f"image,decision,caption,by,why\n{first[:16]},drop,,Ana,escura\n{second[:16]},keep,,Ana,\n")
    result = curate(cups, tmp_path / "told", overrides=str(tmp_path / "o.csv"), max_images=2)
    kept = {row["sha256"] for row in read_table(tmp_path / "told" / "images.jsonl")}
    assert second in kept
    assert first not in kept
    assert len(kept) == 2
    assert result.metrics.overrides.applied == 2  # type: ignore[attr-defined]
    (row,) = (row for row in read_table(tmp_path / "told" / "excluded.jsonl") if row["sha256"] == first)
    assert (row["reason"], row["by"], row["why"], row["pt"]) == ("dropped", "Ana", "escura", "O curador a retirou.")


@pytest.mark.parametrize(("captions", "is_reported"), [("prompt", False), ("title", True)])
def test_images_without_the_caption_that_was_requested_are_reported(captions: str, is_reported: bool, tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "photos", "araucaria", 3), "mtl", "tree") | {"curation": {"captions": captions}}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    run_stage(project, "raw_crawl", "araucaria", tmp_path / "raw_crawl")
    reported = run_stage(project, "curated_set", "araucaria", tmp_path / "curated_set").stderr
    assert ("3 of 3 images have no title to caption them with: the plain prompt is theirs" in reported) is is_reported
