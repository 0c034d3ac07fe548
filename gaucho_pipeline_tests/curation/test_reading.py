"""Reading: every file is measured or named, whatever becomes of the process that reads it, and none twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from gaucho_pipeline.curation import reading
from gaucho_pipeline.curation.measures import VERSION, measure
from gaucho_pipeline.curation.reading import MeasuresCache, StoredMeasures, in_children, measure_all
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.filters.measures import FINGERPRINTS, Measures
from gaucho_pipeline.images.decoding import BadImage
from gaucho_pipeline_tests.conftest import draw_folder


def _kill_when_told(text: str) -> str:
    """Ends its own process where the text says so."""
    if text == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return text.upper()


def test_a_task_that_ends_its_process_costs_nothing_but_itself() -> None:
    tasks = [(str(n), "dies" if n == 5 else f"task {n}") for n in range(20)]
    found = dict(in_children(_kill_when_told, tasks, workers=2))
    assert len(found) == 20
    assert found.pop("5").reason == "ended its process"
    assert all(text == f"TASK {number}" for number, text in found.items())


def test_every_broken_file_is_measured_or_named_with_a_worker_killed_in_the_middle(real: Path, tmp_path: Path) -> None:
    files = {str(n): file for n, file in enumerate(f for f in sorted((real / "bad").rglob("*")) if f.is_file())}
    killed: list[int] = []

    def kill_a_child() -> None:
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and "multiprocessing.forkserver" in (process / "cmdline").read_text():
                    children = (process / "task" / process.name / "children").read_text().split()
                    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                    if children and int(parent) == os.getpid():
                        os.kill(int(children[0]), signal.SIGKILL)
                        killed.append(int(children[0]))
                        return
            except (OSError, ProcessLookupError):
                continue

    told = Counter[str]()

    def tell() -> None:
        told["done"] += 1
        if told["done"] == 100:
            threading.Thread(target=kill_a_child).start()

    found = dict(measure_all(files, files.__getitem__, MeasuresCache(tmp_path), lambda count: tell))
    assert killed
    assert found.keys() == files.keys()
    ends = Counter(outcome.reason if outcome else "measured" for outcome in found.values())
    assert sum(ends.values()) == len(files)
    assert ends["measured"] > 200
    assert set(ends) <= {"measured", "not-an-image", "too-many-pixels", "truncated", "unreadable"}


def test_nothing_is_measured_twice(tmp_path: Path) -> None:
    files = {path.name: path for path in draw_folder(tmp_path / "photos", "araucaria", 6).iterdir()}
    told = Counter[str]()
    for expected in (6, 6):
        cache = MeasuresCache(tmp_path / "cache")
        found = dict(measure_all(files, files.__getitem__, cache, lambda count: lambda: told.update(["measured"])))
        assert len(found) == 6
        assert told["measured"] == expected


def test_measures_are_read_from_the_disk_one_by_one(tmp_path: Path) -> None:
    files = {path.name: path for path in draw_folder(tmp_path / "photos", "araucaria", 3).iterdir()}
    (tmp_path / "broken").write_bytes(b"GIF89a")
    cache = MeasuresCache(tmp_path / "cache")
    outcomes = dict(measure_all([*files, "broken"], lambda name: files.get(name, tmp_path / name), cache, lambda count: lambda: None))
    assert [name for name, outcome in outcomes.items() if outcome] == ["broken"]
    assert str(cache.get_bad("broken")) == str(outcomes["broken"]) == "not-an-image: no known image format"
    stored = StoredMeasures(MeasuresCache(tmp_path / "cache"), sorted([*files, "broken"]), {"broken"})
    assert dict(stored) == {name: measure(path.read_bytes()) for name, path in files.items()}
    assert len(stored) == 3
    for other in (StoredMeasures(cache, ["broken"]), StoredMeasures(cache, [])):
        with pytest.raises(KeyError):
            other["broken"]
        with pytest.raises(KeyError):
            other["another"]


def test_a_slow_task_keeps_no_core_from_the_others() -> None:
    tasks = [("slow", "1.5"), *((str(n), "0.01") for n in range(30))]
    assert [key for key, _ in in_children(_sleep, tasks, workers=2)][-1] == "slow"


def test_what_takes_too_long_is_tried_once_more_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SECONDS", 1.0)
    found = dict(in_children(_sleep, [("ever", "30"), ("quick", "0.01")], workers=2))
    assert found["ever"].reason == "took too long"
    assert found["quick"] == "0.01"


def _sleep(text: str) -> str:
    time.sleep(float(text))
    return text


def test_a_cache_that_is_no_database_is_reported_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "measures.sqlite").write_text("no database, and quite long enough to be taken for one at first sight" * 20)
    with pytest.raises(GauchoError, match=r"measures\.sqlite: .*; make room on the disk, or delete it: what it holds is measured again"):
        MeasuresCache(tmp_path)


def test_many_can_begin_a_cache_at_once(tmp_path: Path) -> None:
    folders = [str(tmp_path / str(n // 4)) for n in range(48)]
    assert {said for _, said in in_children(_begin_cache, list(zip(map(str, range(48)), folders, strict=True)), workers=4)} == {None}


def _begin_cache(folder: str) -> None:
    MeasuresCache(Path(folder)).put_answer("a", "1", 0.5)


def test_what_a_model_answered_is_known_under_its_own_version_only(tmp_path: Path) -> None:
    cache = MeasuresCache(tmp_path)
    cache.put_answer("a", "relevance 1", 0.5)
    cache.put_answer("a", "caption 1", "uma cuia")
    assert (cache.get_answer("a", "relevance 1"), cache.get_answer("a", "caption 1")) == (0.5, "uma cuia")
    assert cache.get_answer("a", "relevance 2") is None
    assert cache.get_answer("b", "relevance 1") is None


def test_the_cache_survives_a_new_measure_and_what_models_answered_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw_folder(tmp_path / "photos", "araucaria", 1) / "00.png"
    cache = MeasuresCache(tmp_path / "cache")
    cache.put("a", measure(path.read_bytes()))
    cache.put_answer("a", "relevance 1", 0.5)
    monkeypatch.setattr(reading, "FINGERPRINTS", (*reading.FINGERPRINTS, "chroma_map"))
    monkeypatch.setattr(reading, "_MEASURES", "measures_of_more")
    later = MeasuresCache(tmp_path / "cache")
    assert not later.has("a")
    assert later.get_answer("a", "relevance 1") == 0.5
    later.put("a", BadImage("truncated", "x"))
    assert later.get_bad("a") is not None
    monkeypatch.undo()
    assert not MeasuresCache(tmp_path / "cache").has("a")  # measured again, and no error


def test_what_is_measured_names_the_caches_table() -> None:
    assert f"measures_{digest([VERSION, [f.name for f in fields(Measures)], FINGERPRINTS])[:12]}" == reading._MEASURES


def test_what_the_machine_was_to_blame_for_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw_folder(tmp_path / "photos", "araucaria", 1) / "00.png"
    cache = MeasuresCache(tmp_path / "cache")
    ends = iter([BadImage("took too long", "x"), BadImage("ended its process", "x"), BadImage("truncated", "x")])
    monkeypatch.setattr(reading, "in_children", lambda work, tasks: [(key, next(ends)) for key, _ in tasks])
    for remembered in (False, False, True):
        dict(measure_all(["a"], lambda name: path, cache, lambda count: lambda: None))
        assert cache.has("a") is remembered


def test_what_took_too_long_once_may_end_well_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SECONDS", 2.0)
    assert dict(in_children(_slow_once, [("a", str(tmp_path / "sign"))], workers=1)) == {"a": "done"}


def _slow_once(sign: str) -> str:
    if not Path(sign).exists():
        Path(sign).write_text("tried")
        time.sleep(60)
    return "done"


def test_one_image_may_not_take_all_memory() -> None:
    found = dict(in_children(_take_memory, [("large", str(4 * 2**30)), ("small", "1000")], workers=1))
    assert found["large"].reason == "too-many-pixels"
    assert found["small"] == 1000


def _take_memory(count: str) -> int:
    return len(bytearray(int(count)))
