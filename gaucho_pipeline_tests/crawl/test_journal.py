"""The journal: what was fetched, and what never will be."""

from __future__ import annotations

import json
from pathlib import Path

from gaucho_pipeline.crawl.fetch_errors import FetchError, OptedOut
from gaucho_pipeline.crawl.file_rights import FileRights
from gaucho_pipeline.crawl.journal import Journal

ONE, TWO = "1" * 64, "2" * 64


def test_a_killed_runs_half_line_in_the_journal_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("\n" + json.dumps({"id": "a b", "sha256": ONE}) + '\n{"id": "c')
    journal = Journal(tmp_path / "journal", "spec 1")
    journal.add("d", TWO, FileRights("opted out", "", ("CC BY-NC 4.0",)))
    journal.add_failure("e", FetchError("HTTP 404", permanent=True))
    journal.add_failure("f", OptedOut("forbidden by robots.txt", permanent=True))
    again = Journal(tmp_path / "journal", "spec 1")
    assert again.fetched == {"a b": ONE, "d": TWO}
    assert again.rights == {"d": FileRights("opted out", "", ("CC BY-NC 4.0",))}
    error = again.failed["e"]
    assert (type(error), error.reason, error.permanent) == (FetchError, "HTTP 404", True)
    assert type(again.failed["f"]) is OptedOut


def test_what_failed_for_good_is_tried_again_under_another_specification(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", "spec 1").add_failure("e", FetchError("too large", permanent=True))
    assert Journal(tmp_path / "journal", "spec 2").failed == {}


def test_lines_that_the_disk_has_changed_are_passed_over(tmp_path: Path) -> None:
    damaged = [
        b"5",
        b"[]",
        b"{}",
        b'{"id": "x\xff", "sha256": "1"}',
        b'{"id": "y", "sha256": 7}',
        b"[" * 100_000,
        b'{"id": "z", "reason": 1}',
    ]
    (tmp_path / "journal").write_bytes(b"\n".join([*damaged, f'{{"id": "a", "sha256": "{ONE}"}}'.encode()]))
    journal = Journal(tmp_path / "journal", "spec 1")
    assert (journal.fetched, journal.failed) == ({"a": ONE}, {})
