"""The Python interface: the examples of docs/python.md as they are written, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import gaucho_pipeline
from gaucho_pipeline import Project
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline_tests.recorded_data import VERSION_BEFORE, unpack

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return unpack(VERSION_BEFORE, tmp_path)


@pytest.fixture
def project(folder: Path) -> Project:
    return Project(folder / "concepts.yaml", folder / "data")


def test_the_examples_run_as_they_are_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    assert len(names["images"]) > 3  # type: ignore[arg-type]
    assert {"step", "train", "validation"} <= set(names["losses"].columns)  # type: ignore[attr-defined]


def test_states_are_those_of_the_command_line(project: Project, folder: Path) -> None:
    states = project.states()
    assert list(states.columns) == ["concept", "asset", "state", "reasons"]
    raised = {"raw_crawl", "curated_set", "evaluation", "gallery_site"}  # docs/versions.md
    assert set(states[~states.asset.isin(raised)].state) <= {"fresh", "waiting"}
    assert set(states[states.asset.isin({"checkpoint", "sample_gallery"})].state) == {"waiting"}  # for the set, which comes out the same
    file = folder / "concepts.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("num_inference_steps: ", "num_inference_steps: 1"), encoding="utf-8")
    now = project.states()
    assert "sample_gallery" in set(now[now.state == "stale"].asset)
    assert now[now.state == "stale"].reasons.str.len().min() > 0


def test_metrics_have_a_row_for_each_concept_that_has_them(project: Project) -> None:
    found = project.metrics("evaluation")
    assert list(found.index) == ["araucaria", "chimarrao"]
    assert found["clip_i.tuned"].between(-1, 1).all()
    assert list(project.metrics("sample_sequence").index) == ["chimarrao"]
    assert list(project.metrics("gallery_site").index) == ["all"]


def test_what_is_none_is_refused_by_name(project: Project) -> None:
    with pytest.raises(ConfigError, match="no asset 'checkpoints'; there are raw_crawl"):
        project.metrics("checkpoints")
    with pytest.raises(ConfigError, match="no concept 'mate'"):
        project.rows("curated_set", "mate")
    with pytest.raises(ConfigError, match=r"no table 'x.jsonl'; it has .*images.jsonl"):
        project.rows("curated_set", "araucaria", "x.jsonl")
    with pytest.raises(GauchoError, match="sample_sequence of araucaria was never made"):
        project.folder("sample_sequence", "araucaria")


def test_the_version_is_the_packages_and_the_package_has_types() -> None:
    assert gaucho_pipeline.__version__ == version("gaucho-pipeline")
    assert (Path(gaucho_pipeline.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'Projekt'"):
        gaucho_pipeline.Projekt  # noqa: B018


def test_a_stage_does_not_load_it() -> None:
    stages = ("crawl", "curation", "training", "gallery", "evaluation", "sequence", "pages")
    imports = "; ".join(f"import gaucho_pipeline.{stage}.__main__" for stage in stages)
    above = "('gaucho_pipeline.project', 'gaucho_pipeline.commands')"
    code = f"{imports}; import sys; print([name for name in sys.modules if name.startswith({above})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
