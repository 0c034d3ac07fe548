"""What Dagster loads: light, quick, and what the design says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg

from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.project.project import Project

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "gaucho_pipeline" / "demo" / "concepts.yaml"

LOAD = """
import json, sys
from pathlib import Path
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.project.project import Project
build_defs(Project(Path(sys.argv[1]), Path("data"))).resolve_implicit_global_asset_job_def()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "peft", "scrapy", "twisted", "scipy", "matplotlib", "pandas"}


def test_definitions_load_none_of_the_heavy_packages() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD, str(DEMO)], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"dagster", "pydantic"} <= loaded
    assert not HEAVY & loaded


def test_the_command_line_and_its_checks_load_neither_dagster_nor_a_crawler() -> None:
    code = "import sys, gaucho_pipeline.cli, gaucho_pipeline.commands.preflight; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert "click" in loaded
    assert not (HEAVY | {"dagster"}) & loaded


def definitions(tmp_path: Path) -> dg.Definitions:
    return build_defs(Project(DEMO, tmp_path / "data"))


def test_the_graph_is_that_of_the_design(tmp_path: Path) -> None:
    graph = definitions(tmp_path).resolve_asset_graph()
    parents = {node.key.to_user_string(): sorted(p.to_user_string() for p in node.parent_keys) for node in graph.asset_nodes}
    assert parents == {
        "crawl_spec": [],
        "curation_spec": [],
        "training_spec": [],
        "gallery_spec": [],
        "raw_crawl": ["crawl_spec"],
        "curated_set": ["curation_spec", "raw_crawl"],
        "checkpoint": ["curated_set", "training_spec"],
        "sample_gallery": ["checkpoint", "gallery_spec"],
        "evaluation_spec": [],
        "evaluation": ["checkpoint", "evaluation_spec", "sample_gallery"],
        "sequence_spec": [],
        "sample_sequence": ["checkpoint", "sequence_spec"],
        "judgement_spec": [],
        "judgement": ["judgement_spec", "sample_gallery"],
        "gallery_site": ["evaluation", "judgement", "sample_sequence"],
    }


def test_every_asset_is_described_owned_and_partitioned_by_concept(tmp_path: Path) -> None:
    graph = definitions(tmp_path).resolve_asset_graph()
    for node in graph.asset_nodes:
        assert node.description
        assert node.owners
        assert node.kinds
        assert node.partitions_def is None if node.key.to_user_string() == "gallery_site" else node.partitions_def.get_partition_keys()


def test_training_and_gallery_share_the_gpu_pool(tmp_path: Path) -> None:
    graph = definitions(tmp_path).resolve_asset_graph()
    assert {n.key.to_user_string() for n in graph.asset_nodes if "gpu" in (n.pools or set())} == {
        "checkpoint",
        "sample_gallery",
        "evaluation",
        "sample_sequence",
    }


def test_what_runs_by_itself_is_off_until_switched_on(tmp_path: Path) -> None:
    repository = definitions(tmp_path).get_repository_def()
    sensors = {s.name: s.default_status for s in repository.sensor_defs}
    taken_down = {"removed_concepts": dg.DefaultSensorStatus.RUNNING}  # but for a concept that was removed, which leaves the site
    switched = ["keep_up_to_date", "edited_concepts", "new_files", "try_again", "tell_people"]
    assert sensors == dict.fromkeys(switched, dg.DefaultSensorStatus.STOPPED) | taken_down
    assert {s.name: s.default_status for s in repository.schedule_defs} == dict.fromkeys(
        ["crawl_every_night", "clean_every_week"], dg.DefaultScheduleStatus.STOPPED
    )


def test_the_workspace_file_loads(tmp_path: Path) -> None:
    text = (ROOT / "workspace.yaml").read_text()
    assert "gaucho_pipeline.definitions" in text
    assert "tool.dagster" not in (ROOT / "pyproject.toml").read_text()
