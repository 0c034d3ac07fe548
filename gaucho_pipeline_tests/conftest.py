"""What tests share: small concepts files, folders of drawn pictures, the real input where it is, and the demo's site."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaucho_pipeline.demo.site import HOST, DemoSite, demo_site
from gaucho_pipeline.demo.subjects import draw_subject

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test files run at once, and spinning threads starve each other

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"


collect_ignore = [] if os.environ.get("GAUCHO_SCALE") else ["scale"]
"""What needs a cluster or a database server is run by `make test-scale`."""
_LONGEST_FIRST = (
    "test_chain", "test_run_workers", "test_families_taught", "test_browser", "test_fetching", "test_study", "test_stage", "test_crawl",
    "test_methods", "test_upkeep", "test_loop", "test_interrupts", "test_stage_server", "test_docs", "test_reloading", "test_packing",
    "test_remote", "test_report", "test_sequence_stage", "test_curation", "test_gallery_stage", "test_side_by_side", "test_real_subjects",
    "test_sequence_of_the_demo", "test_ui", "test_training", "test_orchestration", "test_processes", "test_reading",
)  # fmt: skip
"""Files of which each takes half a minute or more: begun last, one would keep a worker busy when the other has nothing left to do."""
IS_CHECK = os.environ.get("GAUCHO_CHECK") == "1"
"""Whether only the tests that start no process are wanted: `make check`."""
_STARTS_PROCESSES = re.compile(
    r"(programs|browsing|web_ui|crawling|test_gallery_stage) import|import (subprocess|psutil|imageio_ffmpeg)|multiprocessing|measure_all"
    r"|read_workbook|read_spreadsheet|put_in_place|ipynb"
)
_IS_IN_TEST = threading.Event()


def pytest_configure() -> None:
    if IS_CHECK:
        sys.addaudithook(_refuse_processes)


def _refuse_processes(event: str, arguments: tuple[object, ...]) -> None:
    if _IS_IN_TEST.is_set() and event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"):
        raise AssertionError(f"a test of `make check` starts a process ({event}); see _STARTS_PROCESSES in conftest.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    _IS_IN_TEST.set()
    try:
        return (yield)
    finally:
        _IS_IN_TEST.clear()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if not IS_CHECK or not collection_path.name.startswith("test_"):
        return None
    return True if _STARTS_PROCESSES.search(collection_path.read_text(encoding="utf-8")) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Ends a run by naming what was skipped, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.section("skipped" if skipped else "nothing was skipped")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real recorded input, which is not part of the project."""
    if not REAL.is_dir():
        pytest.skip(f"the real input is not on this machine ({REAL})")
    return REAL


@pytest.fixture(scope="session")
def cases(real: Path) -> Path:
    """The folder of what has failed for others, which is not part of the project either."""
    return real.parent / "cases"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person who runs the tests reaches them, and each has a place of its own."""
    for name in ("GAUCHO_DATA", "GAUCHO_CONCEPTS", "GAUCHO_CONTACT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GAUCHO_LANG", "en")
    monkeypatch.setenv("GAUCHO_ALLOW_PRIVATE_HOSTS", HOST)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def site() -> Iterator[DemoSite]:
    with demo_site() as running:
        yield running


def draw_folder(folder: Path, subject: str, count: int, first: int = 0) -> Path:
    """A folder with drawn pictures of 128 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        draw_subject(subject, index, side=128).save(folder / f"{index:02d}.png")
    return folder


SMALL = {
    "curation": {
        "min_side": 64,
        "min_sharpness": 0.00005,
        "near_duplicate_distance": 2,
        "near_duplicate_correlation": 0.98,
        "max_graphic": 1.0,
    },
    "training": {
        "target_modules": "attention",
        "rank": 4,
        "learning_rate": 0.001,
        "epochs": 4,
        "validation_steps": 2,
        "validation_noises": 2,
        "crops": 1,
    },
    "gallery": {"seeds": [1], "num_inference_steps": 2, "prompts": ["a photo of {token} {class_noun}"], "class_pictures": False},
}
"""Stages so small that a whole chain takes seconds."""


def write_concepts(path: Path, concepts: dict[str, dict[str, object]]) -> Path:
    """A concepts file with SMALL for defaults."""
    path.write_text(yaml.safe_dump({"defaults": SMALL, "concepts": concepts}, allow_unicode=True), encoding="utf-8")
    return path


def folder_concept(folder: Path, token: str, class_noun: str) -> dict[str, object]:
    source = {"path": str(folder), "license": "cc-by-4.0", "author": "João Araújo", "source": "https://example.org/acervo"}
    return {"name": {"pt": f"Conceito de {token}"}, "token": token, "class_noun": class_noun, "crawl": {"sources": [{"folder": source}]}}
