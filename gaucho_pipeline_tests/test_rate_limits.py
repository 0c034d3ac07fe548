"""How hosts are treated: waiting, counting, opt-outs, and where a crawl may go."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from gaucho_pipeline.crawl.fetch_errors import FetchError, OptedOut
from gaucho_pipeline.crawl.journal import Journal
from gaucho_pipeline.crawl.optouts import Reservations, fits, header_opt_out
from gaucho_pipeline.crawl.rate_limits import LIMITS, DailyCount, pause_before, retry_after
from gaucho_pipeline.crawl.safety import ForbiddenAddress, check_url, is_listed, is_public
from gaucho_pipeline.errors import GauchoError


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


@pytest.mark.parametrize(
    ("header", "forbids"),
    [
        ("noai", True),
        ("NoImageAI, nofollow", True),
        ("noindex", True),
        ("noimageindex", True),
        ("none", True),
        ("gaucho_pipeline: noai", True),
        ("otherbot: noindex, nofollow", False),
        ("otherbot: nofollow, Gaucho_Pipeline: noimageindex", True),
        ("*: noai", True),
        ("max-image-preview:large", False),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST, noindex", True),
        ("unavailable_after: Wed, 25 Jun 2026 15:00:00 GMT, noai", True),
        ("nofollow", False),
    ],
)
def test_x_robots_tag_opts_out_for_all_agents_or_for_this_one(header: str, forbids: bool) -> None:
    assert bool(header_opt_out({"x-robots-tag": [header]})) == forbids


def test_the_tdm_header_opts_out() -> None:
    assert header_opt_out({"tdm-reservation": ["1"]})
    assert header_opt_out({"tdm-reservation": ["0"]}) is None


@pytest.mark.parametrize(
    ("path", "forbids"),
    [("/acervo/1.jpg", True), ("/acervo/livre/1.jpg", False), ("/fotos/a.png", True), ("/fotos/a.png?x", False), ("/", False)],
)
def test_the_first_rule_of_tdmrep_json_that_fits_counts(path: str, forbids: bool) -> None:
    rules = (
        b'[{"location": "/acervo/livre/", "tdm-reservation": 0}, {"location": "/acervo/", "tdm-reservation": 1},'
        b' {"location": "/fotos/*.png$", "tdm-reservation": 1}, {"location": 7}, "x"]'
    )
    assert bool(Reservations(rules).opt_out(f"https://museu.example{path}")) == forbids


def test_a_tdmrep_json_that_is_none_reserves_nothing() -> None:
    assert Reservations(b"<html>").opt_out("https://museu.example/a.jpg") is None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "::ffff:127.0.0.1", "fe80::1", "0.0.0.0", "100.64.0.1"]
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.jpg", "https://10.0.0.1/a.jpg", "https://[::1]/a", "file:///etc/passwd", "https://localhost/a",
        "https://example.org.evil.example/a", "https://user@evil.example/a",
    ],
)  # fmt: skip
def test_only_https_to_listed_public_hosts_is_let_through(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url, ("example.org", "localhost"))


def test_a_listed_host_may_stand_for_all_below_it() -> None:
    assert is_listed("live.staticflickr.com", (".staticflickr.com",))
    assert not is_listed("staticflickr.com.evil.example", (".staticflickr.com",))
    assert not is_listed("evilstaticflickr.com", (".staticflickr.com",))


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


@pytest.mark.parametrize(
    ("location", "path", "is_its"),
    [
        ("/", "/a", True),
        ("/a", "/b", False),
        ("/*.png$", "/x.png", True),
        ("/*.png$", "/x.png.jpg", False),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("/a*b*c", "/a1b2c3", True),
        ("/a*b*c$", "/a1b2c3", False),
        ("*", "/x", True),
        ("/x*x$", "/x", False),
    ],
)
def test_a_location_is_read_as_in_robots_txt(location: str, path: str, is_its: bool) -> None:
    assert fits(location, path) == is_its


def test_no_location_however_hostile_takes_long() -> None:
    started = time.monotonic()
    assert not fits("*a" * 5000 + "$", "a" * 4000 + "b")
    assert time.monotonic() - started < 1
