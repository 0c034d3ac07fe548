"""What hosts say of training in robots.txt and ai.txt, and in headers; obeyed before an image is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.crawl.optouts import forbids_training, header_opt_out
from gaucho_pipeline.crawl.usage_rules import AiTxt, UsagePreferences
from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline_tests.crawling import concept_of, crawl_once, urls
from gaucho_pipeline_tests.replay import serving

AT = "https://museu.example"


@pytest.mark.parametrize(
    ("preferences", "forbids"),
    [
        ("train-ai=n", True),
        ("Train-AI = N", True),
        ("train-ai=y", False),
        ("search=y, train-ai=n", True),
        ("search=n", False),
        ("bots=n", True),
        ("bots=n, train-ai=y", False),
        ("train-ai=y, train-genai=n", True),
        ("ai-train=no", True),
        ("search=yes,ai-input=yes,ai-train=yes", False),
        ('train-ai="n"', True),
        ("train-ai", False),
        ("", False),
        ("retrain-ai=n", False),
    ],
)
def test_the_narrowest_use_that_is_named_decides(preferences: str, forbids: bool) -> None:
    assert forbids_training(preferences) is forbids


@pytest.mark.parametrize(
    ("name", "value", "forbids"),
    [
        ("content-usage", "train-ai=n", True),
        ("content-signal", "ai-train=no", True),
        ("content-usage", "train-ai=y", False),
        ("link", '<https://museu.example/l.xml>; rel="license"; type="application/rsl+xml"', True),
        ("link", '<https://museu.example/l>; rel="license"', False),
    ],
)
def test_headers_forbid_too(name: str, value: str, forbids: bool) -> None:
    assert bool(header_opt_out({name: [value]})) is forbids


@pytest.mark.parametrize(
    ("robots", "path", "forbids"),
    [
        ("User-agent: *\nContent-Usage: train-ai=n\nAllow: /", "/a.jpg", True),
        ("User-agent: *\nContent-Signal: search=yes,ai-train=no", "/a.jpg", True),
        ("Content-Signal: ai-train=no\nUser-agent: *\nDisallow:", "/a.jpg", True),
        ("User-agent: other\nContent-Usage: train-ai=n\n\nUser-agent: *\nAllow: /", "/a.jpg", False),
        ("User-agent: *\nContent-Usage: train-ai=n\nUser-agent: GAUCHO_pipeline\nContent-Usage: train-ai=y", "/a.jpg", False),
        ("User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /livre/ train-ai=y", "/livre/a.jpg", False),
        ("User-agent: *\nContent-Usage: /fotos/ train-ai=n", "/outras/a.jpg", False),
        ("User-agent: *\nContent-Usage: /fotos/ train-ai=n", "/fotos/a.jpg", True),
        ("User-agent: *\nAllow: / # Content-Usage: train-ai=n", "/a.jpg", False),
        ("License: https://museu.example/license.xml\nUser-agent: *", "/a.jpg", True),
        ("User-agent: a\nUser-agent: *\nContent-Usage: train-ai=n", "/a.jpg", True),
        ("", "/a.jpg", False),
    ],
)
def test_robots_txt_states_preferences_beside_its_rules(robots: str, path: str, forbids: bool) -> None:
    reason = UsagePreferences(robots.encode()).opt_out(f"{AT}{path}")
    assert bool(reason) is forbids
    assert (reason or "opted out").startswith("opted out")


@pytest.mark.parametrize(
    ("text", "path", "forbids"),
    [
        ("User-Agent: *\nDisallow: /", "/a.jpg", True),
        ("User-Agent: *\nDisallow: *.jpg", "/x/a.JPG", True),
        ("User-Agent: *\nDisallow: *.jpg", "/x/a.png", False),
        ("User-Agent: *\nDisallow: /\nAllow: /livre/", "/livre/a.jpg", False),
        ("User-Agent: other\nDisallow: /", "/a.jpg", False),
        ("<!doctype html><html>Disallow: /</html>", "/a.jpg", False),
        ("User-Agent: *\nDisallow:", "/a.jpg", False),
        ("", "/a.jpg", False),
    ],
)
def test_ai_txt_is_read_as_robots_txt_is(text: str, path: str, forbids: bool) -> None:
    assert bool(AiTxt(text.encode()).opt_out(f"{AT}{path}")) is forbids


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b":" * 100_000, b"User-agent: *\n" * 50_000, b"Content-Usage: " + b"*a" * 50_000])
def test_hostile_files_forbid_nothing_and_take_no_time(content: bytes) -> None:
    assert UsagePreferences(content).opt_out(f"{AT}/a.jpg") is None
    assert AiTxt(content).opt_out(f"{AT}/a.jpg") is None


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("/robots.txt", "User-agent: *\nContent-Signal: ai-train=no\nAllow: /", "opted out: robots.txt forbids to train on it"),
        ("/ai.txt", "User-Agent: *\nDisallow: /", "opted out: ai.txt"),
        ("/none", "", ""),
    ],
)
def test_an_image_is_not_asked_for_where_its_host_forbids_to_learn_from_it(file: str, content: str, reason: str, tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        if handler.path == "/a.png":
            handler.send(200, "image/png", png_bytes(draw_subject("chimarrao", 1)))
        else:
            handler.send(200 if handler.path == file else 404, "text/plain", content.encode())

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(urls(f"{server.address}/a.png")))
        assert ("/a.png" in server.requested) is (not reason)
    assert (f"1 {reason}" in crawled.said) if reason else crawled.metrics.kept == 1
