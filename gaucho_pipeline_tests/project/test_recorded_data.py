"""Data that earlier versions wrote: that of the version before is read as it is, and nothing of it is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.assets import rows
from gaucho_pipeline.assets.table import ALL, ASSETS, RUN_ASSETS
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.recorded_data import ALL_VERSIONS, FOLDER, VERSION_BEFORE, unpack

TABLES = {
    ("raw_crawl", "images.jsonl"): rows.CrawledImage,
    ("curated_set", "images.jsonl"): rows.CuratedImage,
    ("curated_set", "excluded.jsonl"): rows.CuratedImage,
    ("checkpoint", "train.jsonl"): rows.TrainImage,
    ("checkpoint", "validation.jsonl"): rows.TrainImage,
    ("checkpoint", "losses.jsonl"): rows.Loss,
    ("sample_gallery", "pictures.jsonl"): rows.Picture,
    ("evaluation", "copies.jsonl"): rows.Copy,
    ("evaluation", "training.jsonl"): rows.CreditedThumbnail,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = unpack(VERSION_BEFORE, tmp_path_factory.mktemp("before"))
    return Project(folder / "concepts.yaml", folder / "data")


MADE_AGAIN = {"raw_crawl", "curated_set", "evaluation", "gallery_site"}
"""Of what dfe545a made: what files say of their rights is read, and nothing fetched for it; copies are looked for anew, and the set is the
same; the verdict has another rule, which draws and trains nothing, and pages show it (docs/versions.md)."""


def test_all_of_it_is_up_to_date_but_for_the_verdict_and_what_files_say(project: Project) -> None:
    states = {(slug, name): state for slug in project.slugs for name, state in project.states(slug).items()}
    states[ALL, "gallery_site"] = project.site_state()
    assert {name for _, name in states} == {name for name in RUN_ASSETS if not ASSETS[name].is_of_collections}
    stale = {name for (_, name), state in states.items() if state.state == "stale"}
    assert stale == MADE_AGAIN
    assert {name for (_, name), state in states.items() if state.state == "missing"} == set()


def test_a_run_makes_the_verdict_again_and_nothing_else(project: Project) -> None:
    folder = project.concepts_file.parent

    def manifests() -> dict[Path, int]:
        return {path.resolve(): path.stat().st_mtime_ns for path in (folder / "data").glob("*/*/*/manifest.json")}

    before = manifests()
    gaucho(folder, "run")
    assert {path.parts[-4] for path in manifests().keys() - before.keys()} == MADE_AGAIN
    assert {path: time for path, time in manifests().items() if path in before} == before
    assert "fresh, nothing to do" in gaucho(folder, "run").stdout


def test_every_row_of_every_table_is_one_of_its_type(project: Project) -> None:
    read = 0
    for (asset, name), of in TABLES.items():
        for slug in project.slugs:
            artifact = project.store.current(asset, slug)
            assert artifact, (asset, slug)
            found = rows.read_rows(artifact.folder / name, of)
            assert [rows.to_json(row) for row in found] == rows.read_table(artifact.folder / name)
            read += len(found)
    assert read > 40


@pytest.mark.parametrize("commit", ALL_VERSIONS)
def test_recorded_data_are_small_and_hold_every_asset(commit: str, tmp_path: Path) -> None:
    assert (FOLDER / f"{commit}.tar.gz").stat().st_size < 5_000_000
    data = unpack(commit, tmp_path) / "data"
    made = {path.parts[-4] for path in data.glob("*/*/*/manifest.json")}
    assert made >= {"raw_crawl", "curated_set", "checkpoint", "sample_gallery", "gallery_site"}


@pytest.mark.parametrize("commit", ALL_VERSIONS)
def test_what_older_versions_wrote_is_older_and_not_damaged(commit: str, tmp_path: Path) -> None:
    folder = unpack(commit, tmp_path)
    done = gaucho(folder, "fsck", check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "all is well"), done.stdout
    assert ("of an older version" in done.stderr) is (commit == "c8bc0d6")  # whose manifests have another layout
    pointers = [path for path in (folder / "data").glob("*/*/current.json") if "layout 1" not in done.stdout]
    assert [path for path in pointers if not (path.parent / "current").is_symlink()] == []  # which edc22ec did not make

    (manifest, *_) = sorted((folder / "data").glob("checkpoint/*/*/manifest.json"))
    manifest.write_bytes(manifest.read_bytes()[:-40])
    done = gaucho(folder, "fsck", check=False)
    assert done.returncode == 1
    assert f"{manifest.relative_to(folder)}: is no manifest" in done.stdout.replace(f"{folder}/", "")
