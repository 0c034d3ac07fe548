"""Opting out: what a publisher says in headers and in tdmrep.json."""

from __future__ import annotations

import pytest

from gaucho_pipeline.crawl.optouts import Reservations, fits, header_opt_out


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
    assert not fits("*a" * 5000 + "$", "a" * 4000 + "b")  # a reading that tried every way would not end


def test_every_x_robots_tag_header_is_read() -> None:
    assert header_opt_out({"x-robots-tag": ["nofollow", "noai"]}) == "opted out: X-Robots-Tag noai"


def test_locations_are_read_as_addresses_are_written() -> None:
    reserved = Reservations(b'[{"location": "/cora%C3%A7%C3%A3o/", "tdm-reservation": 1}]')
    assert reserved.opt_out("https://museu.example/cora%C3%A7%C3%A3o/1.jpg")
    assert reserved.opt_out("https://museu.example/coração/1.jpg")
    assert not reserved.opt_out("https://museu.example/outro/1.jpg")
