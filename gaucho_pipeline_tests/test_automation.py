"""The whole chain by Dagster's sensors and conditions: only what must run runs, and Dagster's view is that of `gaucho status`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from gaucho_pipeline.definitions import build_defs
from gaucho_pipeline.orchestration.assets import spec_key
from gaucho_pipeline.pipeline import ASSETS, SITE, Project
from gaucho_pipeline_tests.changes import CHANGES, FRESH, start
from gaucho_pipeline_tests.programs import states


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
                done += [f"{request.partition_key}/{key.to_user_string()}" for key in keys]
        return sorted(done)

    def evaluate_conditions(self) -> list[str]:
        """Evaluates the conditions until they ask for nothing, and runs what they ask for; the assets that ran."""
        defs, done = build_defs(self.project), []
        for _ in range(8):
            result = dg.evaluate_automation_conditions(defs, self.instance, cursor=self.cursor)
            self.cursor = result.cursor
            if not result.total_requested:
                break
            for key in (dg.AssetKey(a) for a in (*ASSETS, SITE)):
                for slug in sorted(result.get_requested_partitions(key), key=str):
                    self._materialize(defs, [key], slug)
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
        found = {slug: {a: words[resolver.get_status(dg.AssetKey(a), slug)] for a in ASSETS} for slug in self.project.slugs}
        return found | {"all": {SITE: words[resolver.get_status(dg.AssetKey(SITE))]}}


@pytest.fixture(scope="module")
def automatic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Automatic]:
    folder = start(tmp_path_factory.mktemp("automatic"))
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("home"))) as instance:
        automatic = Automatic(folder, instance)
        automatic.evaluate_conditions()  # nothing fires on the very first evaluation
        assert len(automatic.evaluate_sensors()) == 8
        assert len(automatic.evaluate_conditions()) == 9
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
    assert specs[0].split("/")[1] in {spec_key(name.split("/")[1]) for name in expected if not name.startswith("all")}
    assert automatic.dagster_states() == states(automatic.folder)
    assert automatic.evaluate_conditions() == expected
    assert automatic.dagster_states() == states(automatic.folder) == {"araucaria": FRESH, "chimarrao": FRESH, "all": {SITE: "fresh"}}
