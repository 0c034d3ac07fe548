"""What an API has answered is asked for again conditionally, where it says by what: an ETag, or a date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from scrapy.http import Response

from gaucho_pipeline.crawl.answers import Answers
from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline_tests.conftest import write_concepts
from gaucho_pipeline_tests.crawling import concept_of, openverse
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.replay import serving

PNG = png_bytes(Image.new("RGB", (64, 64), "green"))
ADDRESS = "https://api.example.org/v1/images/?q=cuia"
IMAGE = {
    "id": "1", "title": "Cuia", "creator": "João", "license": "cc0", "license_version": "1.0", "foreign_landing_url": "https://a.example/1",
    "license_url": "https://creativecommons.org/publicdomain/zero/1.0/",
}  # fmt: skip


@pytest.mark.parametrize(("name", "asked"), [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")])
def test_an_answer_that_still_holds_is_the_one_that_is_kept(name: str, asked: str, tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers")
    assert answers.conditions(ADDRESS) == {}
    answers.take(ADDRESS, Response(ADDRESS, 200, {name: "x1"}, "é".encode()))
    assert answers.conditions(ADDRESS) == {asked: "x1"}
    assert answers.conditions(ADDRESS + "&page=2") == {}
    kept = answers.take(ADDRESS, Response(ADDRESS, 304, {}))
    assert (kept.status, kept.body) == (200, "é".encode())


def test_what_may_not_be_kept_or_has_nothing_to_ask_by_is_not(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers")
    for status, headers in (
        (200, {}),
        (200, {"ETag": "x", "Cache-Control": "no-store"}),
        (404, {"ETag": "x"}),
        (200, {"ETag": "x" * 2000}),
    ):
        answers.take(ADDRESS, Response(ADDRESS, status, headers, b"x"))
        assert answers.conditions(ADDRESS) == {}


def test_what_the_disk_has_changed_is_asked_for_again(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers")
    answers.take(ADDRESS, Response(ADDRESS, 200, {"ETag": "x"}, b"x"))
    (file,) = (tmp_path / "answers").iterdir()
    file.write_text("{")
    assert answers.conditions(ADDRESS) == {}
    assert answers.take(ADDRESS, Response(ADDRESS, 304, {})).status == 304


def test_a_second_crawl_is_reported_that_nothing_is_new(tmp_path: Path) -> None:
    told: list[int] = []

    def answer(handler: QuietHandler) -> None:
        if not handler.path.startswith("/v1/"):
            handler.send(404 if "robots" in handler.path or "well-known" in handler.path else 200, "image/png", PNG)
            return
        is_known = handler.headers.get("If-None-Match") == '"1"'
        told.append(304 if is_known else 200)
        body = json.dumps({"result_count": 1, "page_count": 1, "results": [IMAGE | {"url": f"{address}/cuia.png"}]}).encode()
        handler.send_response(told[-1])
        handler.send_header("ETag", '"1"')
        handler.send_header("Content-Length", "0" if is_known else str(len(body)))
        handler.end_headers()
        handler.wfile.write(b"" if is_known else body)

    with serving(answer) as server:
        address = server.address
        write_concepts(tmp_path / "concepts.yaml", {"cuia": concept_of(openverse("cuia", address), max_images=5)})
        for _ in range(2):
            assert "1 of 1 images kept" in gaucho(tmp_path, "run", "--select", "raw_crawl", "--force").stdout
    assert told == [200, 304]
