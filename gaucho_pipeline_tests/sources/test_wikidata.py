"""Items that a query of Wikidata names, and the files of Commons that show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images.decoding import jpeg_bytes
from gaucho_pipeline.sources.base import ApiBusy, ApiPage
from gaucho_pipeline.sources.wikidata import Wikidata, WikidataSpec
from gaucho_pipeline_tests.crawling import concept_of, crawl_once
from gaucho_pipeline_tests.replay import Server, send_json, serving

CUIAS = "SELECT ?item WHERE { ?item wdt:P31 wd:Q1149275 }"


def results(*rows: dict[str, str]) -> bytes:
    bindings = [{name: {"type": "uri", "value": value} for name, value in row.items()} for row in rows]
    return json.dumps({"head": {"vars": ["item"]}, "results": {"bindings": bindings}}).encode()


def entity(number: int) -> dict[str, str]:
    return {"item": f"http://www.wikidata.org/entity/Q{number}"}


def asked(source: Wikidata, content: bytes) -> ApiPage:
    (request,) = source.start(None).next
    return request.parse(content)


def questions(page: ApiPage) -> list[dict[str, str]]:
    return [{name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()} for request in page.next]


def test_the_query_is_asked_as_it_was_written() -> None:
    (request,) = Wikidata(WikidataSpec(query=f"{CUIAS}\n")).start(None).next
    assert request.url.startswith("https://query.wikidata.org/sparql?")
    assert parse_qs(urlsplit(request.url).query) == {"query": [CUIAS], "format": ["json"]}


def test_of_each_item_its_image_and_what_depicts_it_are_asked_for() -> None:
    page = asked(Wikidata(WikidataSpec(query=CUIAS)), results(entity(5), entity(7), entity(5)))
    items, search = questions(page)
    assert (items["action"], items["ids"], items["props"]) == ("wbgetentities", "Q5|Q7", "claims")
    assert (search["gsrsearch"], search["gsrnamespace"]) == ("haswbstatement:P180=Q5|P180=Q7", "6")


def test_images_that_the_query_names_are_asked_for_by_their_names() -> None:
    row = {"image": "http://commons.wikimedia.org/wiki/Special:FilePath/Cuia%20de%20prata%20n%C2%BA%201.jpg"}
    (files,) = questions(asked(Wikidata(WikidataSpec(query=CUIAS)), results(row)))
    assert files["titles"] == "File:Cuia de prata nº 1.jpg"


def test_searches_are_no_longer_than_what_is_read_of_them_and_leave_no_item_out() -> None:
    numbers = range(100_000_000, 100_000_090)
    page = asked(Wikidata(WikidataSpec(query=CUIAS)), results(*map(entity, numbers)))
    words = [question["gsrsearch"] for question in questions(page) if "gsrsearch" in question]
    assert max(map(len, words)) <= 300
    assert [f"Q{number}" for number in numbers] == [part.rpartition("=")[2] for each in words for part in each.split("|")]
    assert [len(question["ids"].split("|")) for question in questions(page) if "ids" in question] == [50, 40]


def test_an_items_own_images_are_taken_but_for_those_that_are_deprecated() -> None:
    def claim(name: Any, rank: str = "normal") -> dict[str, Any]:
        return {"rank": rank, "mainsnak": {"datavalue": {"value": name}}}

    page = asked(Wikidata(WikidataSpec(query=CUIAS)), results(entity(5)))
    answer = {
        "entities": {
            "Q5": {"claims": {"P18": [claim("A.jpg"), claim("B.jpg", "deprecated"), claim(7), claim("A|B.jpg")]}},
            "Q6": {"missing": ""},
        }
    }
    (files,) = questions(page.next[0].parse(json.dumps(answer).encode()))
    assert files["titles"] == "File:A.jpg"


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"results": 5}', b'{"results": {"bindings": 5}}', b"5"])
def test_an_answer_that_is_none_is_reported(content: bytes) -> None:
    with pytest.raises(GauchoError, match="wikidata: query"):
        asked(Wikidata(WikidataSpec(query=CUIAS)), content)


def test_an_answer_that_was_cut_off_is_asked_for_again() -> None:
    with pytest.raises(ApiBusy, match="cut off"):
        asked(Wikidata(WikidataSpec(query=CUIAS)), results(entity(5))[:-9] + b"java.util.concurrent.TimeoutException")


def test_results_that_name_no_item_are_an_error_and_none_at_all_are_an_empty_list() -> None:
    source = Wikidata(WikidataSpec(query=CUIAS))
    with pytest.raises(GauchoError, match="name no item"):
        asked(source, results({"label": "cuia"}))
    assert asked(source, results()).next == ()
    with pytest.raises(GauchoError, match="more than 2000 items; add a LIMIT"):
        asked(source, results(*map(entity, range(1, 2002))))


def test_an_api_that_lags_is_busy() -> None:
    page = asked(Wikidata(WikidataSpec(query=CUIAS)), results(entity(5)))
    with pytest.raises(ApiBusy):
        page.next[0].parse(b'{"error": {"code": "maxlag", "info": "Waiting"}}')
    with pytest.raises(GauchoError, match="Could not find an entity"):
        page.next[0].parse(b'{"error": {"code": "no-such-entity", "info": "Could not find an entity"}}')


@pytest.mark.parametrize("text", ["", "ASK { ?a ?b ?c }", "Q5", "x" * 6001])
def test_what_selects_nothing_is_no_query(text: str) -> None:
    with pytest.raises(ValidationError):
        WikidataSpec(query=text)


def test_a_query_is_crawled_with_the_licences_that_commons_states(tmp_path: Path) -> None:
    def file_of(server: Server, number: int, license: str) -> dict[str, Any]:
        said = {"Artist": {"value": "<b>João Araújo</b>"}, "LicenseShortName": {"value": license}}
        info = {
            "url": f"{server.address}/{number}.jpg", "thumburl": f"{server.address}/{number}.jpg", "mime": "image/jpeg",
            "descriptionurl": f"{server.address}/wiki/{number}", "extmetadata": said,
        }  # fmt: skip
        return {"pageid": number, "ns": 6, "title": f"File:Cuia {number}.jpg", "imageinfo": [info]}

    def answer(handler: QuietHandler) -> None:
        server, parts = handler.server, urlsplit(handler.path)
        assert isinstance(server, Server)
        wanted = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/sparql":
            send_json(handler, json.loads(results(entity(5))))
        elif wanted.get("action") == "wbgetentities":
            send_json(handler, {"entities": {"Q5": {"claims": {"P18": [{"mainsnak": {"datavalue": {"value": "Cuia 1.jpg"}}}]}}}})
        elif "titles" in wanted:
            send_json(handler, {"batchcomplete": True, "query": {"pages": [file_of(server, 1, "CC BY 4.0")]}})
        elif "gsrsearch" in wanted:
            pages = [file_of(server, 1, "CC BY 4.0"), file_of(server, 2, "CC BY-SA 3.0"), file_of(server, 3, "CC BY-NC 4.0")]
            send_json(handler, {"batchcomplete": True, "query": {"searchinfo": {"totalhits": 3}, "pages": pages}})
        elif parts.path.endswith(".jpg"):
            handler.send(200, "image/jpeg", jpeg_bytes(draw_subject("chimarrao", int(parts.path[1])), 90))
        else:
            handler.send(404, "text/plain", b"")

    with serving(answer) as server:
        api = f"{server.address}/w/api.php"
        keys = {"query": CUIAS, "endpoint": f"{server.address}/sparql", "items_endpoint": api, "files_endpoint": api}
        crawled = crawl_once(tmp_path, concept_of({"wikidata": keys}))
    assert {row["key"]: (row["author"], row["license"]) for row in crawled.table("images")} == {
        "commons:1": ("João Araújo", "CC-BY-4.0"),
        "commons:2": ("João Araújo", "CC-BY-SA-3.0"),
    }
    assert crawled.metrics.refused == {"the licence is non-commercial": 1}
