"""What runs print on a terminal: those of `gaucho ui` warnings and failures only, whatever Dagster's own logger prints."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution import context_creation_job

from gaucho_pipeline.orchestration.console import QUIET_VARIABLE, quiet_if_asked
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.standing import two_concepts


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(context_creation_job, "default_system_loggers", context_creation_job.default_system_loggers)  # put back after
    return two_concepts(tmp_path)


def printed(project: Project, slug: str, capfd: pytest.CaptureFixture[str]) -> str:
    """What a run of a specification prints that was started as the web UI starts one: without a configuration."""
    definitions = build_defs(project, lambda: Project(project.concepts_file, project.store.root))
    with get_instance(project, captures_output=False) as instance:
        quiet_if_asked()
        capfd.readouterr()
        job = definitions.resolve_implicit_global_asset_job_def()
        job.execute_in_process(asset_selection=[dg.AssetKey("crawl_spec")], partition_key=slug, instance=instance, raise_on_error=False)
    said = capfd.readouterr()
    return said.out + said.err


def test_a_run_of_the_web_ui_prints_nothing_where_all_is_well(
    project: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "RUN_SUCCESS" in printed(project, "araucaria", capfd)  # of `dagster asset materialize`, which a person watches
    monkeypatch.setenv(QUIET_VARIABLE, "1")
    assert printed(project, "araucaria", capfd) == ""


def test_a_run_of_the_web_ui_prints_what_failed(
    project: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(QUIET_VARIABLE, "1")
    assert project.slugs == ["araucaria", "chimarrao"]  # the definitions know the file as it was
    good = project.concepts_file.read_text(encoding="utf-8")
    project.concepts_file.write_text(good.replace("  chimarrao:", "  mate:"), encoding="utf-8")
    said = printed(project, "chimarrao", capfd)
    assert "there is no concept 'chimarrao'" in said
    assert "STEP_START" not in said
    assert len(said.splitlines()) == 2  # of the step and of its run
