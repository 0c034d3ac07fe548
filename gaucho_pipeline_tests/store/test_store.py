"""Artifacts: whole or not there."""

from __future__ import annotations

import codecs
import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from gaucho_pipeline.assets.metrics import RawCrawlMetrics
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.tables import read_table, write_attribution, write_table
from gaucho_pipeline.store import store as artifacts
from gaucho_pipeline.store.manifest import Manifest, Provenance, is_fingerprint
from gaucho_pipeline.store.store import Store
from gaucho_pipeline_tests.standing import one_concept, stand, stand_all, two_concepts

METRICS = RawCrawlMetrics(
    found=0, kept=0, refused={}, failed={}, licenses={}, flags={}, sources={}, failed_sources={}, gone=0, changed_licenses=0
)


def manifest(fingerprint: str = "f1") -> Manifest:
    provenance = Provenance(spec_version="s", spec={"a": 1}, inputs={}, code_version="1")
    return Manifest(
        asset="raw_crawl",
        concept="chimarrao",
        fingerprint=fingerprint,
        data_version="d",
        provenance=provenance,
        made_at="",
        seconds=0,
        metrics=METRICS,
    )


def test_what_has_no_manifest_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (store.home("raw_crawl", "chimarrao") / "f1").mkdir(parents=True)
    assert store.find("raw_crawl", "chimarrao", "f1") is None


def test_a_published_artifact_is_found_and_is_the_current_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.staging("raw_crawl", "chimarrao", "f1") as staging:
        (staging / "file").write_text("x")
        store.publish(staging, manifest())
    found = store.current("raw_crawl", "chimarrao")
    assert found is not None
    assert (found.folder / "file").read_text() == "x"


def test_a_manifest_cut_off_in_the_middle_is_not_taken_for_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.staging("raw_crawl", "chimarrao", "f1") as staging:
        artifact = store.publish(staging, manifest())
    path = artifact.folder / "manifest.json"
    path.write_text(path.read_text()[:40])
    assert store.find("raw_crawl", "chimarrao", "f1") is None


def test_staging_keeps_what_a_killed_run_left_under_the_same_key_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.staging("checkpoint", "a", "k1") as staging:
        (staging / "state").write_text("half")
    with store.staging("checkpoint", "a", "k1") as staging:
        assert (staging / "state").read_text() == "half"
    with store.staging("checkpoint", "a", "k2") as staging:
        assert not (staging.parent / "k1").exists()


def test_bytes_stand_once_under_their_hash(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.add_blob(b"same") == store.add_blob(b"same")
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GauchoError, match=r"file/data: the data folder cannot be written .* --data"):
        Store(tmp_path / "file" / "data").check_writable()


def test_tables_keep_text_as_text(tmp_path: Path) -> None:
    rows = [{"title": "Chimarrão", "id": "0012", "none": None}]
    write_table(tmp_path / "t.jsonl", rows)
    assert read_table(tmp_path / "t.jsonl") == rows


def test_attribution_keeps_accents_and_disarms_formulas(tmp_path: Path) -> None:
    row = {"file": "a", "title": "=HYPERLINK(1)", "author": "João", "source": "s", "license": "CC0-1.0", "license_url": "u", "sha256": "0"}
    write_attribution(tmp_path / "A.csv", [row])
    text = (tmp_path / "A.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[0] == "file,title,author,source,license,license_url,sha256"
    assert "João" in text
    assert "'=HYPERLINK" in text


def test_cells_stay_inert_in_a_spreadsheet(tmp_path: Path) -> None:
    titles = ["=1+1", "+1+cmd", "-1", "@SUM(A1)", "plain = text", "  =spaced", "a;=1+1", "a; @x", "＝1", "Mate, -5 graus"]
    write_attribution(tmp_path / "a.csv", [{"file": "x", "title": title} for title in titles])
    with (tmp_path / "a.csv").open(encoding="utf-8-sig") as file:
        cells = [row["title"] for row in csv.DictReader(file)]
    told = ["'=1+1", "'+1+cmd", "'-1", "'@SUM(A1)", "plain = text", "'=spaced", "a;'=1+1", "a; '@x", "'＝1", "Mate, -5 graus"]
    assert cells == told


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"7", b"\xff\xfe", b'{"fingerprint": 7}', b'{"fingerprint": "../.."}', b"[" * 100_000]
)
def test_a_damaged_pointer_costs_its_own_artifact_and_is_named(content: bytes, tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    stand_all(project)
    (project.store.home("curated_set", "araucaria") / "current.json").write_bytes(content)
    states = project.states("araucaria")
    assert (states["curated_set"].state, states["raw_crawl"].state) == ("missing", "fresh")
    assert "curated_set/araucaria/current.json is damaged" in states["curated_set"].reasons[0]
    assert project.states("chimarrao")["evaluation"].state == "fresh"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe"])
def test_a_damaged_manifest_costs_its_own_artifact_and_is_named(content: bytes, tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    stand_all(project)
    current = project.store.current("curated_set", "araucaria")
    assert current
    (current.folder / "manifest.json").write_bytes(content)
    state = project.states("araucaria")["curated_set"]
    assert (state.state, "manifest.json is damaged" in state.reasons[0]) == ("missing", True)


def test_a_table_that_is_damaged_is_reported(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(b'{"a": 1}\n{"a"\n')
    with pytest.raises(GauchoError, match=r"t\.jsonl: is damaged; remove its folder and run again"):
        read_table(tmp_path / "t.jsonl")


def test_files_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    script = (
        "import os, sys; os.umask(int(sys.argv[1], 8)); from pathlib import Path; from gaucho_pipeline.store.store import write_atomically;"
        "write_atomically(Path(sys.argv[2]), 'x')"
    )
    for mask, mode in (("077", 0o600), ("002", 0o664)):
        subprocess.run([sys.executable, "-c", script, mask, str(tmp_path / mask)], check=True)
        assert (tmp_path / mask).stat().st_mode & 0o777 == mode


def test_bytes_that_the_disk_has_changed_are_written_again_and_what_is_put_aside_is_no_blob(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sha = store.add_blob(b"picture")
    store.blob_path(sha).write_bytes(b"picturf")
    assert store.add_blob(b"picture") == sha
    assert store.blob_path(sha).read_bytes() == b"picture"
    store.put_aside(sha)
    assert not store.blob_path(sha).exists()
    store.put_aside(sha)


def test_attribution_begins_with_the_mark_that_spreadsheets_need_and_ends_with_the_last_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gaucho_pipeline.files.tables._ROWS_AT_ONCE", 2)
    write_attribution(tmp_path / "a.csv", ({"file": str(n), "author": "João"} for n in range(5)))
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(codecs.BOM_UTF8)
    assert len(content.decode("utf-8-sig").splitlines()) == 6
    assert "João" in content.decode("utf-8-sig")


def test_what_a_killed_run_was_writing_is_gone_when_its_staging_is_entered_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.staging("raw_crawl", "chimarrao", "k") as staging:
        (staging / "images").mkdir()
        (staging / "images" / ".half.part").write_bytes(b"x")
        (staging / ".half.part").write_bytes(b"x")
        (staging / "whole").write_bytes(b"x")
    with store.staging("raw_crawl", "chimarrao", "k") as staging:
        assert [path.name for path in staging.rglob("*") if path.is_file()] == ["whole"]


def test_one_process_at_a_time_fills_a_staging_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_SECONDS_OF_A_LOOK", 0.2)
    store = Store(tmp_path)
    with store.staging("raw_crawl", "chimarrao", "k"):
        with pytest.raises(GauchoError, match="is being made by another process"), store.staging("raw_crawl", "chimarrao", "k"):
            pass
        with store.staging("raw_crawl", "another", "k"):
            pass


def test_a_manifest_of_an_asset_or_with_counts_that_cannot_be_is_none() -> None:
    value = manifest().model_dump(mode="json")
    for wrong in ({"asset": "nothing"}, {"metrics": value["metrics"] | {"found": 9}}):
        with pytest.raises(ValidationError):
            Manifest.model_validate(value | wrong)


@pytest.mark.parametrize(
    "name", ["/dev/zero", "/etc/passwd", "../../secret", "a/../../b", "a//b", "./a", "a/.", "a\0b", "x" * 2_000], ids=lambda name: name[:12]
)
def test_a_manifest_that_names_a_file_outside_is_none(name: str, tmp_path: Path) -> None:
    project = one_concept(tmp_path)
    made = stand(project, "raw_crawl", "araucaria")
    value = json.loads((made.folder / "manifest.json").read_text(encoding="utf-8"))
    value["files"][name] = "0" * 64
    (made.folder / "manifest.json").write_text(json.dumps(value), encoding="utf-8")
    assert project.store.current("raw_crawl", "araucaria") is None
    assert "damaged" in project.store.damage("raw_crawl", "araucaria")


@pytest.mark.parametrize("name", ["current", "current.json", "current-2", "a/b", "..", "", "x" * 200])
def test_what_stands_beside_artifacts_and_what_is_a_path_names_none(name: str) -> None:
    assert not is_fingerprint(name)
