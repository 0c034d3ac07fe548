"""Curation: what is measured, what is decided, and that nothing is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from PIL import Image, ImageFilter

from gaucho_pipeline.artifacts import read_table
from gaucho_pipeline.concepts import CurationSpec
from gaucho_pipeline.curation.filters import SENTENCES, judge
from gaucho_pipeline.curation.measures import Measures, distance, measure
from gaucho_pipeline.embedded.demo_site import DemoSite
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.images import decode
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline_tests.conftest import write_concepts
from gaucho_pipeline_tests.crawling import concept_of, openverse
from gaucho_pipeline_tests.programs import run_stage


def seen(sharpness: float = 0.01, phash: str = "0" * 16, side: int = 600, **other: float) -> Measures:
    values = {"dark": 0.0, "bright": 0.0} | other
    return Measures(side, side, sharpness, values["dark"], values["bright"], phash, "f" * 16)


def test_a_blurred_picture_is_less_sharp_and_a_larger_copy_is_not_sharper() -> None:
    picture = draw_subject("araucaria", 2, side=256)
    assert measure(picture.filter(ImageFilter.GaussianBlur(8))).sharpness < measure(picture).sharpness / 5
    large = measure(picture.resize((1024, 1024), Image.Resampling.LANCZOS)).sharpness
    assert abs(large - measure(picture).sharpness) < 0.5 * measure(picture).sharpness


def test_a_mirrored_photograph_is_found_by_its_mirrored_hash(real: Path) -> None:
    file = sorted((real / "photos" / "dreambooth" / "backpack_dog").glob("*.jpg"))[0]
    photo = decode(file.read_bytes())
    mirrored = measure(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert distance(measure(photo).phash_mirrored, mirrored.phash) <= 2
    assert distance(measure(photo).phash, mirrored.phash) > 8


def test_each_filter_names_itself_with_score_and_threshold() -> None:
    spec = CurationSpec()
    found = judge(
        {
            "a": seen(side=100), "b": seen(sharpness=0.0001), "c": seen(dark=0.9), "d": seen(bright=0.99),
            "e": Measures(2000, 520, 0.01, 0, 0, "0" * 16, "f" * 16),
        },
        {}, spec,
    )  # fmt: skip
    assert {k: v.reason for k, v in found.items()} == {
        "a": "too small",
        "b": "blurred",
        "c": "too dark",
        "d": "too bright",
        "e": "too long",
    }
    assert (found["a"].score, found["a"].threshold) == (100, 512)
    assert all(v.reason in SENTENCES for v in found.values())


def test_of_copies_the_larger_stays_and_the_others_point_to_it() -> None:
    measures = {"small": seen(side=520), "large": seen(side=800), "other": seen(phash="0f0f0f0f0f0f0f0f")}
    found = judge(measures, {"small": "1", "large": "2", "other": "3"}, CurationSpec())
    assert found["large"].kept
    assert found["other"].kept
    assert (found["small"].reason, found["small"].same_as) == ("near-duplicate", "large")


def test_the_order_of_the_input_does_not_matter() -> None:
    measures = {str(i): seen(phash=f"{i:016x}", sharpness=0.01 + i / 1000) for i in range(12)}
    pixels = {k: k for k in measures}
    backwards = dict(reversed(measures.items()))
    assert judge(measures, pixels, CurationSpec()) == judge(backwards, pixels, CurationSpec())


def test_of_too_many_the_sharpest_stay() -> None:
    measures = {str(i): seen(phash=f"{i * 0x1111111111111111:016x}", sharpness=0.01 + i / 1000) for i in range(8)}
    found = judge(measures, {k: k for k in measures}, CurationSpec(max_images=3, min_images=2))
    assert sorted(k for k, v in found.items() if v.kept) == ["5", "6", "7"]


def test_the_planted_images_go_each_for_its_reason(site: DemoSite, tmp_path: Path) -> None:
    concept = concept_of(openverse("araucária", site.address)) | {"curation": {"min_side": 128, "min_sharpness": 0.0001}}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(project, asset, "araucaria", tmp_path / asset)
    artifact = project.store.current("curated_set", "araucaria")
    assert artifact, done.stderr
    figures = artifact.manifest.figures
    assert figures == {
        "read": 28, "kept": 24, "excluded": {"duplicate": 1, "near-duplicate": 1, "too small": 1, "blurred": 1},
        "licenses": {"CC-BY-4.0": 8, "CC-BY-SA-4.0": 8, "CC0-1.0": 8},
    } | {"excluded": figures["excluded"], "licenses": figures["licenses"]}  # fmt: skip
    assert Counter(figures["excluded"]) == Counter({"duplicate": 1, "near-duplicate": 1, "too small": 1, "blurred": 1})
    kept = read_table(artifact.folder / "images.jsonl")
    assert sorted(p.name for p in (artifact.folder / "images").iterdir()) == sorted(Path(r["file"]).name for r in kept)
    assert "Conceição Müller" in (artifact.folder / "ATTRIBUTION.csv").read_text(encoding="utf-8-sig")


def test_of_the_recorded_images_every_one_is_judged(real: Path) -> None:
    files = sorted((real / "openverse" / "images").glob("*"))
    measures = {f.name: measure(decode(f.read_bytes())) for f in files}
    found = judge(measures, {name: name for name in measures}, CurationSpec(min_side=300))
    assert set(found) == set(measures)
    assert sum(v.kept for v in found.values()) > 50
