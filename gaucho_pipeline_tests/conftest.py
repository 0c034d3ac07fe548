"""What tests share: small concepts files, folders of drawn pictures, the real input where it is, and the demo's site."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    "test_chain", "test_stage", "test_browser", "test_crawl", "test_fetching", "test_loop", "test_families_taught", "test_methods",
    "test_docs", "test_curation", "test_upkeep", "test_run_workers", "test_reloading", "test_remote_store", "test_packing",
    "test_gallery_stage", "test_real_subjects", "test_training", "test_orchestration",
)  # fmt: skip
"""Files of which each takes a minute or more: begun last, one would keep a worker busy when the other has nothing left to do."""


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
