"""`gaucho migrate`: data of every older version is taken over, and so is a history that an older Dagster has made."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import dagster
import pytest
from filelock import FileLock

from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.recorded_data import ALL_VERSIONS, unpack
from gaucho_pipeline_tests.standing import two_concepts

_MIGRATIONS = Path(dagster.__file__).parent / "_core" / "storage" / "alembic" / "versions"


@pytest.mark.parametrize("commit", ALL_VERSIONS)
def test_data_of_every_older_version_are_taken_over_and_none_are_removed(commit: str, tmp_path: Path) -> None:
    folder = unpack(commit, tmp_path)
    before = sum(1 for path in (folder / "data").rglob("manifest.json") if path.parent.name != "current")
    done = gaucho(folder, "migrate")
    assert "Dagster's history is up to date" in done.stderr
    aside = list((folder / "data" / ".quarantine").glob("*/*/*/manifest.json"))
    assert bool(aside) is (commit == "c8bc0d6")
    after = sum(1 for path in (folder / "data").rglob("manifest.json") if path.parent.name != "current")
    assert after == before
    again, checked = gaucho(folder, "migrate"), gaucho(folder, "fsck")
    assert again.stdout == ""
    assert (checked.stdout, "older" in checked.stderr) == ("", False)


def test_a_stage_that_is_at_work_is_waited_for(tmp_path: Path) -> None:
    folder = unpack("c8bc0d6", tmp_path)
    home = folder / "data" / ".staging" / "checkpoint" / "araucaria"
    home.mkdir(parents=True)
    with FileLock(home / ".lock"):
        done = gaucho(folder, "migrate", check=False)
    assert (done.returncode, "checkpoint of araucaria: being made now" in done.stderr) == (1, True)


def make_older(database: Path) -> None:
    """Has a database of Dagster's say that it is one migration behind."""
    with sqlite3.connect(database) as connection:
        ((head,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        (text,) = (each for path in _MIGRATIONS.glob("*.py") if f'revision = "{head}"' in (each := path.read_text(encoding="utf-8")))
        found = re.search(r'^down_revision = "(\w+)"', text, re.MULTILINE)
        assert found
        connection.execute("UPDATE alembic_version SET version_num = ?", (found[1],))
    connection.close()


def test_a_history_of_an_older_dagster_is_named_and_brought_up_to_date(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    with get_instance(project) as instance:
        assert instance.get_runs() == []
    make_older(project.store.root / ".dagster" / "history" / "runs.db")
    done = gaucho(tmp_path, "run", "--force", "--select", "gallery_site", check=False)
    assert done.returncode == 2
    assert "an older version of Dagster has made the history: gaucho migrate" in done.stderr
    gaucho(tmp_path, "migrate")
    gaucho(tmp_path, "run", "--force", "--select", "gallery_site")
