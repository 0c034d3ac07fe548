"""The whole chain, by the command line and by Dagster's sensors and conditions: only what must run runs, and both agree on what that is.

The second half runs in a copy of what the first has made, so that its assets exist already and only what is asked for is new.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from gaucho_pipeline.assets.table import ASSETS, CONCEPT_ASSETS, GALLERY_SITE, JUDGEMENT, SAMPLE_SEQUENCE
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.changes import CHANGES, FRESH, edit, start
from gaucho_pipeline_tests.programs import CONCEPT_NAMES, gaucho, made, states


@pytest.fixture(scope="module")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = start(tmp_path_factory.mktemp("command"))
    everything = [f"{slug}/{asset}" for slug in ("araucaria", "chimarrao") for asset in CONCEPT_NAMES]
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
    assert states(by_command) == {"araucaria": FRESH, "chimarrao": FRESH, "all": {"gallery_site": "fresh"}}


def test_taking_a_change_back_reuses_what_stands(by_command: Path) -> None:
    edit(by_command, "araucaria", "gallery", guidance_scale=5.0)
    made(by_command)
    edit(by_command, "araucaria", "gallery", guidance_scale=2.0)  # what the embedded model's family recommends
    assert made(by_command) == [
        "araucaria/sample_gallery cached", "araucaria/evaluation cached", "all concepts/gallery_site cached",
    ]  # fmt: skip


def test_status_says_what_changed(by_command: Path) -> None:
    edit(by_command, "araucaria", "training", rank=2)
    value = json.loads(gaucho(by_command, "status", "--json").stdout)["concepts"]["araucaria"]
    assert value["checkpoint"] == {"state": "stale", "reasons": ["rank changed"]}
    assert value["sample_gallery"] == {"state": "waiting", "reasons": ["checkpoint is stale"]}
    assert value["curated_set"]["state"] == "fresh"
    edit(by_command, "araucaria", "training", rank=4)


def test_a_concept_that_was_removed_is_reported_and_changes_nothing(by_command: Path) -> None:
    done = gaucho(by_command, "run", "bombacha", check=False)
    assert done.returncode == 2
    assert "there is no concept 'bombacha'; there are araucaria, chimarrao" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_show_gives_the_manifest_and_the_folder(by_command: Path) -> None:
    value = json.loads(gaucho(by_command, "show", "checkpoint", "araucaria", "--json").stdout)
    assert Path(value["folder"]).is_dir()
    assert value["manifest"]["provenance"]["base_model"]["id"] == "embedded"


def test_the_command_of_dagster_takes_what_stands_and_makes_what_is_missing(by_command: Path, tmp_path: Path) -> None:
    start(tmp_path)
    shutil.copytree(
        by_command / "data", tmp_path / "data", ignore=shutil.ignore_patterns("current*", ".dagster", "sample_gallery", ".pictures")
    )
    environment = os.environ | {
        "GAUCHO_CONCEPTS": str(tmp_path / "concepts.yaml"),
        "GAUCHO_DATA": str(tmp_path / "data"),
        "DAGSTER_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "gaucho_pipeline.definitions"]
    done = subprocess.run(
        [*command, "--select", "*", "--partition", "araucaria"], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert states(tmp_path)["araucaria"] == FRESH
    assert done.stderr.count("exists already") == 3  # set, checkpoint and evaluation
    assert "found 5: kept 5" in done.stderr
    assert "generating: 2/2 pictures" in done.stderr


# ------------------------------------------------------------------------------------------ by sensors and conditions


def as_dagster_has_it(found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """States without `waiting`: Dagster does not hand staleness down, so that what waits is fresh to it."""
    return {slug: {asset: state.replace("waiting", "fresh") for asset, state in row.items()} for slug, row in found.items()}


NOT_ASKED_FOR = (SAMPLE_SEQUENCE.spec_name, JUDGEMENT.spec_name)
"""The specifications of what nobody asks for here."""


class Automatic:
    """A project that Dagster's automation keeps up to date: its sensors and its conditions are evaluated, and what they ask for is run."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance, self.cursor = folder, instance, None
        self.sensor_cursors: dict[str, str | None] = {"edited_concepts": None, "new_files": None}

    @property
    def project(self) -> Project:
        return Project(self.folder / "concepts.yaml", self.folder / "data")

    def evaluate_sensors(self) -> list[str]:
        """Runs what the two sensors ask for; the specifications that were re-evaluated."""
        defs, done = build_defs(self.project), []
        for name in self.sensor_cursors:
            sensor = defs.resolve_sensor_def(name)
            context = dg.build_sensor_context(
                self.instance, cursor=self.sensor_cursors[name], resources=dict(defs.resources or {}), definitions=defs
            )
            result = sensor.evaluate_tick(context)
            self.sensor_cursors[name] = result.cursor
            for request in result.run_requests or []:
                keys = list(request.asset_selection or [])
                self._materialize(defs, keys, request.partition_key)
                keys = [key for key in keys if key.to_user_string() not in NOT_ASKED_FOR]
                done += [f"{request.partition_key}/{key.to_user_string()}" for key in keys]
        return sorted(done)

    def evaluate_specifications(self) -> list[str]:
        """Runs the specifications of all concepts, as a person does in the web UI who has it all kept up to date from then on."""
        defs = build_defs(self.project)
        names = [asset.spec_name for asset in CONCEPT_ASSETS]
        for slug in self.project.slugs:
            self._materialize(defs, [dg.AssetKey(name) for name in names], slug)
        return [f"{slug}/{name}" for slug in self.project.slugs for name in names if name not in NOT_ASKED_FOR]

    def evaluate_conditions(self) -> list[str]:
        """Evaluates the conditions until they ask for nothing, and runs what they ask for; the assets that ran."""
        defs, done = build_defs(self.project), []
        for _ in range(8):
            result = dg.evaluate_automation_conditions(defs, self.instance, cursor=self.cursor)
            self.cursor = result.cursor
            if not result.total_requested:
                break
            for key in (dg.AssetKey(a) for a in ASSETS):
                for slug in sorted(result.get_requested_partitions(key), key=str):
                    self._materialize(defs, [key], slug)
                    if key == dg.AssetKey(SAMPLE_SEQUENCE.name):  # nobody asks for one here, and none is made
                        continue
                    done.append(f"{slug or 'all concepts'}/{key.to_user_string()}")
        return done

    def _materialize(self, defs: dg.Definitions, keys: list[dg.AssetKey], slug: str | None) -> None:
        job = defs.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(asset_selection=keys, partition_key=slug, instance=self.instance).success

    def dagster_states(self) -> dict[str, dict[str, str]]:
        """What Dagster itself holds to be fresh, stale or missing."""
        graph = build_defs(self.project).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        words = {StaleStatus.FRESH: "fresh", StaleStatus.STALE: "stale", StaleStatus.MISSING: "missing"}
        found = {slug: {a: words[resolver.get_status(dg.AssetKey(a), slug)] for a in CONCEPT_NAMES} for slug in self.project.slugs}
        return found | {"all": {GALLERY_SITE.name: words[resolver.get_status(dg.AssetKey(GALLERY_SITE.name))]}}


@pytest.fixture(scope="module")
def automatic(by_command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Automatic]:
    """The project as it was before any change, with everything that was ever made of it in the data folder."""
    folder = start(tmp_path_factory.mktemp("automatic"))
    shutil.copytree(by_command / "data", folder / "data", ignore=shutil.ignore_patterns("current.json", ".dagster", ".requests"))
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("home"))) as instance:
        automatic = Automatic(folder, instance)
        automatic.evaluate_conditions()  # nothing fires on the very first evaluation
        assert automatic.evaluate_sensors() == []  # what is there is remembered
        assert len(automatic.evaluate_specifications()) == 10
        assert len(automatic.evaluate_conditions()) == 11
        yield automatic


def test_with_nothing_changed_nothing_is_asked_for(automatic: Automatic) -> None:
    assert automatic.evaluate_sensors() == []
    assert automatic.evaluate_conditions() == []
    assert automatic.dagster_states() == states(automatic.folder)


@pytest.mark.parametrize("change", CHANGES)
def test_the_conditions_ask_for_what_a_change_concerns_and_nothing_else(change: str, automatic: Automatic) -> None:
    act, expected = CHANGES[change]
    act(automatic.folder)
    specs = automatic.evaluate_sensors()
    assert len(specs) == 1
    assert specs[0].split("/")[1] in {ASSETS[name.split("/")[1]].spec_name for name in expected if not name.startswith("all")}
    assert automatic.dagster_states() == as_dagster_has_it(states(automatic.folder))
    assert automatic.evaluate_conditions() == expected
    everything = {"araucaria": FRESH, "chimarrao": FRESH, "all": {GALLERY_SITE.name: "fresh"}}
    assert automatic.dagster_states() == states(automatic.folder) == everything
