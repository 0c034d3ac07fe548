"""The JSON Schema of concepts.yaml, as an editor judges by it: right is what the program reads, wrong what it refuses of single keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.concepts.schema import SCHEMA_FILE, SCHEMA_LINE, concepts_schema
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho, gaucho_process

ROOT = Path(__file__).parents[2]
CONCEPT = {"token": "chmrr", "class_noun": "drink", "crawl": {"sources": [{"openverse": {"query": "chimarrão"}}]}}


def mistakes(value: object) -> list[str]:
    """Where an editor would draw a red line."""
    found = Draft202012Validator(concepts_schema()).iter_errors(value)
    return sorted(".".join(map(str, error.absolute_path)) for error in found)


def test_it_is_a_schema_and_every_key_in_it_is_described() -> None:
    schema = concepts_schema()
    Draft202012Validator.check_schema(schema)
    for name, model in schema.child("$defs").items():
        assert isinstance(model, dict)
        for key, about in model.get("properties", {}).items():
            assert about.get("description"), f"{name}.{key}"


@pytest.mark.parametrize("name", ["concepts.yaml", "gaucho_pipeline/demo/concepts.yaml"])
def test_the_files_that_ship_have_no_mistake(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert mistakes(yaml.safe_load(text)) == []


def test_defaults_may_give_what_a_concept_leaves_out() -> None:
    value = {"defaults": {"crawl": CONCEPT["crawl"]}, "concepts": {"chimarrao": {"token": "chmrr", "class_noun": "drink"}}}
    assert mistakes(value) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"tokn": "x"}, "concepts.chimarrao"),
        ({"curation": {"min_side": "large"}}, "concepts.chimarrao.curation.min_side"),
        ({"curation": {"min_side": 3}}, "concepts.chimarrao.curation.min_side"),
        ({"training": {"method": "magic"}}, "concepts.chimarrao.training.method"),
        ({"crawl": {"sources": [{"openverse": {"query": "x"}, "folder": {"path": "y"}}]}}, "concepts.chimarrao.crawl.sources.0"),
        ({"crawl": {"sources": [{}]}}, "concepts.chimarrao.crawl.sources.0"),
        ({"sequence": {"stories": ["no_story"]}}, "concepts.chimarrao.sequence"),
        ({"historical": "maybe"}, "concepts.chimarrao.historical"),
    ],
)
def test_a_mistake_is_one_for_the_editor_and_for_the_program(change: dict[str, Any], place: str, tmp_path: Path) -> None:
    value = {"concepts": {"chimarrao": CONCEPT | change}}
    assert mistakes(value) == [place]
    (tmp_path / "concepts.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    with pytest.raises(ConfigError):
        load_concepts(tmp_path / "concepts.yaml")


@pytest.mark.parametrize(
    "value", [{"concepts": {"Chimarrão": CONCEPT}}, {"concepts": {}}, {}, {"defaults": {"trainng": {}}, "concepts": {"a": CONCEPT}}]
)
def test_so_is_one_of_the_whole_file(value: dict[str, Any], tmp_path: Path) -> None:
    assert mistakes(value)
    (tmp_path / "concepts.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    with pytest.raises(ConfigError):
        load_concepts(tmp_path / "concepts.yaml")


def test_the_command_prints_it_without_a_concepts_file(tmp_path: Path) -> None:
    assert json.loads(gaucho_process(tmp_path, "schema").stdout) == concepts_schema()


def test_init_writes_it_beside_the_file_which_names_it(tmp_path: Path) -> None:
    gaucho(tmp_path, "init", str(tmp_path / "own"))
    file, schema = tmp_path / "own" / "concepts.yaml", tmp_path / "own" / SCHEMA_FILE
    first = file.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    assert first == SCHEMA_LINE.format(SCHEMA_FILE)
    assert json.loads(schema.read_text(encoding="utf-8")) == concepts_schema()
    assert mistakes(yaml.safe_load(file.read_text(encoding="utf-8"))) == []


def test_what_the_tests_write_is_right_by_it(tmp_path: Path) -> None:
    path = write_concepts(
        tmp_path / "concepts.yaml", {"araucaria": folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")}
    )
    assert mistakes(yaml.safe_load(path.read_text(encoding="utf-8"))) == []
