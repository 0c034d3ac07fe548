"""The journal: what was fetched, and what never will be."""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline.crawl.fetch_errors import FetchError, OptedOut
from gaucho_pipeline.crawl.journal import Journal


def test_a_killed_runs_half_line_in_the_journal_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text('\n{"id": "a b", "sha256": "1"}\n{"id": "c')
    journal = Journal(tmp_path / "journal", "spec 1")
    journal.add("d", "2")
    journal.add_failure("e", FetchError("HTTP 404", permanent=True))
    journal.add_failure("f", OptedOut("forbidden by robots.txt", permanent=True))
    again = Journal(tmp_path / "journal", "spec 1")
    assert again.fetched == {"a b": "1", "d": "2"}
    error = again.failed["e"]
    assert (type(error), error.reason, error.permanent) == (FetchError, "HTTP 404", True)
    assert type(again.failed["f"]) is OptedOut


def test_what_failed_for_good_is_tried_again_under_another_specification(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", "spec 1").add_failure("e", FetchError("too large", permanent=True))
    assert Journal(tmp_path / "journal", "spec 2").failed == {}
