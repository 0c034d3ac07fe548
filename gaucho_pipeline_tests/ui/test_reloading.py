"""The web UI follows the concepts file without a click, also through a mistake in it; a removed concept leaves the site; an orderly end."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import psutil
import yaml

from gaucho_pipeline import orchestration
from gaucho_pipeline.assets.table import ALL, GALLERY_SITE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder
from gaucho_pipeline_tests.programs import gaucho, wait_until
from gaucho_pipeline_tests.standing import two_concepts
from gaucho_pipeline_tests.web_ui import SLOW, ask, is_training, launch, served


def spec_node(port: int) -> Any:
    query = '{assetNodeOrError(assetKey:{path:["crawl_spec"]}){... on AssetNode{partitionKeys description}}}'
    return ask(port, query)["assetNodeOrError"]


def partitions(port: int) -> list[str]:
    return list(spec_node(port).get("partitionKeys", []))


def shown(project: Project) -> list[str]:
    site = project.store.current(GALLERY_SITE.name, ALL)
    return list(site.manifest.provenance.spec["concepts"]) if site else []


def test_the_web_ui_follows_the_file_and_ends_in_order(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    shutil.copyfile(Path(orchestration.__file__).parent / "dagster.yaml", tmp_path / "dagster.yaml")
    file, good = project.concepts_file, project.concepts_file.read_text(encoding="utf-8")
    value = yaml.safe_load(good)
    with served(tmp_path) as (process, port):
        assert partitions(port) == ["araucaria", "chimarrao"]
        other = gaucho(tmp_path, "ui", "--port", "39999", check=False)
        assert (other.returncode, f"served at http://127.0.0.1:{port} already" in other.stderr) == (2, True)

        file.write_text(good.replace("class_noun", "clas_noun"), encoding="utf-8")
        wait_until(lambda: "clas_noun" in spec_node(port)["description"])
        assert "concepts.yaml:" in spec_node(port)["description"]
        assert partitions(port) == ["araucaria", "chimarrao"]

        value["concepts"]["pampa"] = value["concepts"]["chimarrao"] | {"token": "pmp", "training": SLOW}
        file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
        wait_until(lambda: partitions(port) == ["araucaria", "chimarrao", "pampa"])
        assert "clas_noun" not in spec_node(port)["description"]

        del value["concepts"]["chimarrao"]
        file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
        wait_until(lambda: shown(project) == ["araucaria"])
        wait_until(lambda: partitions(port) == ["araucaria", "pampa"])

        draw_folder(tmp_path / "c", "chimarrao", 6)
        gaucho(tmp_path, "run", "pampa", "--select", "curated_set")
        launch(port, "pampa", "training_spec", "checkpoint")
        wait_until(lambda: is_training(tmp_path, "pampa"))
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert not psutil.wait_procs(family, timeout=60)[1]
    assert list((tmp_path / "data" / ".staging" / "checkpoint" / "pampa").glob("*/state/*"))  # it was saved, and goes on
