"""The whole chain by the command line: only what must run runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gaucho_pipeline.pipeline import ASSETS
from gaucho_pipeline_tests.changes import CHANGES, FRESH, edit, start
from gaucho_pipeline_tests.programs import gaucho, made, states


@pytest.fixture(scope="module")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = start(tmp_path_factory.mktemp("command"))
    everything = [f"{slug}/{asset}" for slug in ("araucaria", "chimarrao") for asset in ASSETS]
    assert made(folder) == [f"{name} made" for name in [*everything, "all concepts/gallery_site"]]
    return folder


def test_a_second_run_does_nothing(by_command: Path) -> None:
    assert states(by_command) == {"araucaria": FRESH, "chimarrao": FRESH, "all": {"gallery_site": "fresh"}}
    assert made(by_command) == []


@pytest.mark.parametrize("change", CHANGES)
def test_gaucho_run_makes_what_a_change_concerns_and_nothing_else(change: str, by_command: Path) -> None:
    act, expected = CHANGES[change]
    act(by_command)
    assert made(by_command) == [f"{name} made" for name in expected]
    assert made(by_command) == []


def test_taking_a_change_back_reuses_what_stands(by_command: Path) -> None:
    edit(by_command, "araucaria", "gallery", guidance=3.0)
    made(by_command)
    edit(by_command, "araucaria", "gallery", guidance=6.0)
    assert made(by_command) == ["araucaria/sample_gallery reused", "all concepts/gallery_site reused"]


def test_status_says_what_changed(by_command: Path) -> None:
    edit(by_command, "araucaria", "training", rank=2)
    value = json.loads(gaucho(by_command, "status", "--json").stdout)["concepts"]["araucaria"]
    assert value["checkpoint"] == {"state": "stale", "reasons": ["rank changed"]}
    assert value["sample_gallery"]["state"] == "fresh"  # until the checkpoint has really changed, as in Dagster's view
    assert value["curated_set"]["state"] == "fresh"
    edit(by_command, "araucaria", "training", rank=4)


def test_a_concept_that_was_removed_is_told_and_changes_nothing(by_command: Path) -> None:
    done = gaucho(by_command, "run", "bombacha", check=False)
    assert done.returncode == 2
    assert "there is no concept 'bombacha'; there are araucaria, chimarrao" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_show_gives_the_manifest_and_the_folder(by_command: Path) -> None:
    value = json.loads(gaucho(by_command, "show", "checkpoint", "araucaria", "--json").stdout)
    assert Path(value["folder"]).is_dir()
    assert value["manifest"]["made_from"]["base_model"]["id"] == "embedded"


def test_the_command_of_dagster_does_the_whole_chain_and_then_reuses_it(tmp_path: Path) -> None:
    start(tmp_path)
    environment = os.environ | {
        "GAUCHO_CONCEPTS": str(tmp_path / "concepts.yaml"),
        "GAUCHO_DATA": str(tmp_path / "data"),
        "DAGSTER_HOME": str(tmp_path),
    }
    command = [
        sys.executable,
        "-m",
        "dagster",
        "asset",
        "materialize",
        "-m",
        "gaucho_pipeline.definitions",
        "--select",
        "*",
        "--partition",
        "araucaria",
    ]
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
    assert states(tmp_path)["araucaria"] == FRESH
    assert done.stderr.count("stands already") == 4
    assert "found 5: kept 5" in done.stderr
