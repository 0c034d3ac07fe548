"""What is added stands in one place: the examples of docs/developers.md, put into a copy of the package as they are written, work.

A block of Python is a new file, named in its first line. A block of a diff names a file, then lines that stand there once, then new ones.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline_tests.conftest import SMALL, draw_folder
from gaucho_pipeline_tests.replay import serving

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "developers.md").read_text(encoding="utf-8")
EXAMPLES = PAGE[PAGE.index("\nA key, which") : PAGE.index("\n## Versions")]


def new_files() -> dict[str, str]:
    """The text of each new file, by its path."""
    return {
        text.splitlines()[0].removeprefix("# "): text.partition("\n")[2] for text in re.findall(r"```python\n(.*?)```", EXAMPLES, re.DOTALL)
    }


def changes() -> Iterator[tuple[str, str, str]]:
    """Each change of a file: its path, what stands there, and what comes after that."""
    for block in re.findall(r"```diff\n(.*?)```", EXAMPLES, re.DOTALL):
        for part in re.split(r"^--- ", block, flags=re.MULTILINE)[1:]:
            name, *lines = part.splitlines()
            before = [line[1:] for line in lines if not line.startswith("+")]
            yield name, "".join(f"{line}\n" for line in before), "".join(f"{line[1:]}\n" for line in lines if line.startswith("+"))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its tests with all examples in it."""
    place = tmp_path_factory.mktemp("changed")
    for folder in ("gaucho_pipeline", "gaucho_pipeline_tests"):
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__", "recorded"))
    for name, text in new_files().items():
        (place / name).parent.mkdir(exist_ok=True)
        assert not (place / name).exists()
        (place / name).write_text(text, encoding="utf-8")
    for name, before, after in changes():
        text = (place / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name}: does not stand there once:\n{before}"
        (place / name).write_text(text.replace(before, before + after), encoding="utf-8")
    return place


def run(changed: Path, *command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "GAUCHO_STAGE_SERVER"} | {"PYTHONPATH": str(changed)}
    return subprocess.run([sys.executable, *command], cwd=folder or changed, env=environment, capture_output=True, text=True)


def test_a_concept_that_uses_all_of_them_is_made(changed: Path, tmp_path: Path) -> None:
    photos = sorted(draw_folder(tmp_path / "photos", "chimarrao", 8).iterdir())

    def answer(handler: QuietHandler) -> None:
        items = [
            {"id": path.stem, "file": f"{server.address}/{path.name}", "title": "Mate", "author": "João", "license": "CC BY 4.0"}
            for path in photos
        ]
        found = {f"/{path.name}": path.read_bytes() for path in photos} | {"/list": json.dumps({"items": items}).encode()}
        handler.send(
            200 if handler.path in found else 404,
            "application/json" if handler.path == "/list" else "image/png",
            found.get(handler.path, b""),
        )

    with serving(answer) as server:
        concept = {
            "token": "dnc", "class_noun": "cup", "crawl": {"sources": [{"museum": {"endpoint": f"{server.address}/list"}}]},
            "curation": SMALL["curation"] | {"max_chroma": 0.9}, "training": SMALL["training"] | {"method": "lora_plus"},
            "gallery": SMALL["gallery"] | {"occasion": "a talk"}, "postcard": {"side": 40},
        }  # fmt: skip
        (tmp_path / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {"mate": concept}}), encoding="utf-8")
        done = run(changed, "-m", "gaucho_pipeline.cli", "run", folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    manifests = {path.parts[-4]: json.loads(path.read_text()) for path in (tmp_path / "data").glob("*/mate/*/manifest.json")}
    assert manifests["evaluation"]["metrics"]["nearest"]["tuned"] is not None
    assert manifests["checkpoint"]["provenance"]["spec"]["method"] == "lora_plus"
    assert manifests["raw_crawl"]["metrics"]["kept"] == 8
    assert max(manifests["postcard"]["metrics"].values()) == 40
    assert manifests["sample_gallery"]["provenance"]["spec"]["occasion"] == "a talk"
    states = json.loads(run(changed, "-m", "gaucho_pipeline.cli", "status", "--json", folder=tmp_path).stdout)
    assert {row["state"] for row in states["concepts"]["mate"].values()} == {"fresh"}
    assert "Nearest" in (tmp_path / "data" / "gallery_site" / "all" / "current" / "mate" / "en.html").read_text(encoding="utf-8")


def test_dagster_has_the_new_asset_and_the_schema_the_new_keys(changed: Path, tmp_path: Path) -> None:
    concept = {"token": "dnc", "class_noun": "cup", "crawl": {"sources": [{"museum": {"endpoint": "https://api.museum.example/list"}}]}}
    (tmp_path / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {"mate": concept}}), encoding="utf-8")
    code = "from gaucho_pipeline.definitions import defs; print(sorted(k.to_user_string() for k in defs().resolve_all_asset_keys()))"
    found = run(changed, "-c", code, folder=tmp_path)
    assert "'postcard'" in found.stdout, found.stderr
    assert "'postcard_spec'" in found.stdout
    schema = run(changed, "-m", "gaucho_pipeline.cli", "schema", folder=tmp_path).stdout
    assert all(f'"{key}"' in schema for key in ("museum", "max_chroma", "occasion", "postcard"))


def test_the_house_still_stands_with_them(changed: Path) -> None:
    done = run(
        changed, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "--rootdir", str(changed), "gaucho_pipeline_tests/test_house.py"
    )
    assert done.returncode == 0, done.stdout


def test_a_key_a_filter_a_scorer_a_source_and_a_method_touch_no_more_than_is_said() -> None:
    touched = Counter(name for name, _, _ in changes())
    assert set(touched) == {
        "gaucho_pipeline/concepts/gallery.py", "gaucho_pipeline/filters/registry.py", "gaucho_pipeline/scorers/__init__.py",
        "gaucho_pipeline/sources/registry.py", "gaucho_pipeline/methods/__init__.py", "gaucho_pipeline/concepts/concept.py",
        "gaucho_pipeline/assets/metrics.py", "gaucho_pipeline/assets/table.py", "gaucho_pipeline_tests/test_house.py",
    }  # fmt: skip
    assert set(new_files()) == {
        "gaucho_pipeline/scorers/nearest.py", "gaucho_pipeline/sources/museum.py", "gaucho_pipeline/methods/lora_plus.py",
        "gaucho_pipeline/concepts/postcard.py", "gaucho_pipeline/postcard/__init__.py", "gaucho_pipeline/postcard/__main__.py",
    }  # fmt: skip
