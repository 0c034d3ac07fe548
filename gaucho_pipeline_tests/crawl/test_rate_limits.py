"""How often hosts may be asked: waiting and counting."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from gaucho_pipeline.crawl.rate_limits import DailyCount, pause_before, retry_after
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.sources.registry import LIMITS


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_after("120") == 120
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 57 < (retry_after(moment) or 0) <= 60
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") is retry_after(None) is None


def test_pauses_grow_and_are_never_in_step() -> None:
    pauses = [[pause_before(attempt) for _ in range(20)] for attempt in (2, 3, 4)]
    assert max(pauses[0]) < 2 * min(pauses[2])
    assert len(set(pauses[0])) > 10


def test_the_requests_of_a_day_are_counted_across_crawls(tmp_path: Path) -> None:
    for _ in range(LIMITS["api.openverse.org"].a_day):
        DailyCount(tmp_path / "today.json").count("api.openverse.org")
    with pytest.raises(GauchoError, match="allows 200 requests a day"):
        DailyCount(tmp_path / "today.json").count("api.openverse.org")
    DailyCount(tmp_path / "today.json").count("museu.example")


def test_a_new_day_counts_from_nothing(tmp_path: Path) -> None:
    (tmp_path / "today.json").write_text('{"2020-01-01": {"api.openverse.org": 200}}')
    month = datetime.now(UTC).strftime("%Y-%m")
    (tmp_path / "month.json").write_text(json.dumps({month: {"api.openverse.org": 200}}))
    for name in ("today", "month"):
        DailyCount(tmp_path / f"{name}.json").count("api.openverse.org")


def test_limits_are_those_that_the_sites_state() -> None:
    assert LIMITS["api.openverse.org"] == (1, 3.2, 200)
    assert LIMITS["api.inaturalist.org"] == (1, 1.05, 10_000)
    assert (LIMITS["commons.wikimedia.org"].connections, LIMITS["commons.wikimedia.org"].seconds_between) == (1, 0.5)
    assert LIMITS["upload.wikimedia.org"].connections == 2
