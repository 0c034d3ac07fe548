"""GBIF's specimens and observations, and what a crawl makes of them."""

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
from gaucho_pipeline.sources.base import ApiPage, StatusError
from gaucho_pipeline.sources.gbif import GBIF, GBIFSpec
from gaucho_pipeline_tests.crawling import concept_of, crawl_once
from gaucho_pipeline_tests.replay import Server, send_json, serving

AT = "https://colecao.example.org"
BY = "http://creativecommons.org/licenses/by/4.0/legalcode"


def occurrence(key: int = 7, *media: Any, **changes: Any) -> dict[str, Any]:
    own = {
        "type": "StillImage",
        "format": "image/jpeg",
        "identifier": f"{AT}/{key}.jpg",
        "license": BY,
        "rightsHolder": "Museu X",
        "creator": "Ana",
    }
    made = {
        "key": key, "basisOfRecord": "PRESERVED_SPECIMEN", "species": "Melanophryniscus dorsalis", "institutionCode": "MCN",
        "collectionCode": "anfíbios", "license": "http://creativecommons.org/publicdomain/zero/1.0/legalcode", "recordedBy": "B. Braun",
        "decimalLatitude": -29.3, "decimalLongitude": -50.1, "media": list(media) or [own],
    }  # fmt: skip
    return made | changes


def page_of(*occurrences: Any, **changes: Any) -> bytes:
    return json.dumps(
        {"offset": 0, "limit": 300, "endOfRecords": True, "count": len(occurrences), "results": list(occurrences)} | changes
    ).encode()


def parsed(content: bytes, **keys: Any) -> ApiPage:
    (request,) = GBIF(GBIFSpec(taxon_key=2422480, **keys)).start(None).next
    return request.parse(content)


def test_an_image_of_a_specimen_becomes_a_record_without_where_it_was_found() -> None:
    (record,) = parsed(page_of(occurrence())).records
    assert record.url == f"{AT}/7.jpg"
    assert (record.title, record.author, record.source) == (
        "Melanophryniscus dorsalis",
        "Ana; Museu X",
        "https://www.gbif.org/occurrence/7",
    )
    assert (record.license.id, record.labels) == ("CC-BY-4.0", ("specimen", "MCN", "anfíbios"))
    assert "29.3" not in str(record)


@pytest.mark.parametrize(
    ("stated", "family"),
    [
        (BY, "cc-by"),
        ("CC0", "cc0"),
        ("CC-BY-NC 4.0", None),
        ("http://creativecommons.org/licenses/by-nc/4.0/", None),
        ("© Museu X", None),
        (None, None),
        (3, None),
    ],
)
def test_the_licence_is_the_images_own_and_never_that_of_the_occurrence(stated: Any, family: str | None) -> None:
    media = {"type": "StillImage", "identifier": f"{AT}/1.jpg", "license": stated}
    assert parsed(page_of(occurrence(7, media))).records[0].license.family == family


@pytest.mark.parametrize(
    "media",
    [
        {"type": "Sound", "identifier": f"{AT}/1.mp3"},
        {"type": "StillImage"},
        {"identifier": "javascript:x"},
        {"format": "video/mp4", "identifier": f"{AT}/v"},
    ],
)
def test_what_is_no_still_image_is_counted(media: dict[str, str]) -> None:
    page = parsed(page_of(occurrence(7, media)))
    assert page.records == ()
    assert [each.key for each in page.unusable] == ["gbif:7:1"]


def test_pages_go_on_until_the_records_end_and_what_is_asked_is_what_was_specified() -> None:
    source = GBIF(GBIFSpec(taxon_key=5, country="BR", institution="MCN", basis="specimen"))
    (request,) = source.start(None).next
    assert parse_qs(urlsplit(request.url).query) == {
        "mediaType": ["StillImage"], "taxonKey": ["5"], "limit": ["300"], "offset": ["0"], "country": ["BR"], "institutionCode": ["MCN"],
        "basisOfRecord": ["PRESERVED_SPECIMEN"],
    }  # fmt: skip
    page = request.parse(page_of(occurrence(), endOfRecords=False))
    assert (page.is_end, len(page.next)) == (False, 1)
    assert parse_qs(urlsplit(page.next[0].url).query)["offset"] == ["300"]
    assert request.parse(page_of(endOfRecords=False)).is_end


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"usageKey": 5, "matchType": "EXACT", "scientificName": "Leopardus guttulus", "rank": "SPECIES"}, {"id": 5}),
        ({"usageKey": 5, "acceptedUsageKey": 9, "matchType": "EXACT", "scientificName": "Felis guttula", "species": "Leopardus guttulus"},
         {"id": 9, "is_now": "Leopardus guttulus"}),
    ],
)  # fmt: skip
def test_a_name_is_looked_up_in_the_backbone_and_one_that_was_moved_is_followed(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    lookup = GBIF(GBIFSpec(taxon="Leopardus guttulus")).lookup
    assert lookup
    assert lookup.parse(json.dumps(answer).encode()).items() >= expected.items()


@pytest.mark.parametrize("match", ["FUZZY", "HIGHERRANK", "NONE"])
def test_a_name_that_is_near_is_not_taken(match: str) -> None:
    lookup = GBIF(GBIFSpec(taxon="Leopardus gutulus")).lookup
    assert lookup
    with pytest.raises(GauchoError, match="there is no taxon 'Leopardus gutulus'; near it is Leopardus guttulus"):
        lookup.parse(json.dumps({"usageKey": 5, "matchType": match, "scientificName": "Leopardus guttulus"}).encode())


@pytest.mark.parametrize("keys", [{}, {"taxon": "x", "taxon_key": 3}, {"taxon_key": 3, "country": "Brasil"}])
def test_a_source_names_one_taxon(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GBIFSpec.model_validate(keys)


def test_what_left_the_list_is_asked_for_by_its_key() -> None:
    source = GBIF(GBIFSpec(taxon_key=5))
    known = source.start(None).next[0].parse(page_of(occurrence(7), occurrence(8))).records
    first, second = source.recheck_by_id(known)
    assert (first.request.url, first.keys) == ("https://api.gbif.org/v1/occurrence/7", {known[0].key})
    assert second.request.url.endswith("/occurrence/8")
    assert first.request.parse(json.dumps(occurrence(7)).encode()).records == known[:1]
    assert [first.says_gone(StatusError("api.gbif.org", status, b"")) for status in (404, 410, 400, 503)] == [True, True, False, False]
    with pytest.raises(GauchoError, match="not one of the API's"):
        first.request.parse(b"{}")


def test_a_taxon_is_crawled(tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        server, path = handler.server, urlsplit(handler.path).path
        assert isinstance(server, Server)
        if path == "/v1/species/match":
            send_json(handler, {"usageKey": 5, "matchType": "EXACT", "scientificName": "Leopardus guttulus"})
        elif path == "/v1/occurrence/search":
            bad = {"type": "StillImage", "identifier": f"{AT}/8.jpg", "license": "CC BY-NC 4.0"}
            send_json(handler, json.loads(page_of(occurrence(7), occurrence(8, bad)).decode().replace(AT, server.address)))
        elif path == "/7.jpg":
            handler.send(200, "image/jpeg", jpeg_bytes(draw_subject("chimarrao", 1), 90))
        else:
            handler.send(404, "text/plain", b"")

    with serving(answer) as server:
        concept = concept_of({"gbif": {"taxon": "Leopardus guttulus", "endpoint": f"{server.address}/v1"}}, media_hosts=["127.0.0.1"])
        crawled = crawl_once(tmp_path, concept)
    assert [row["author"] for row in crawled.table("images")] == ["Ana; Museu X"]
    assert crawled.metrics.refused == {"the licence is non-commercial": 1}
    assert "29.3" not in json.dumps(crawled.table("images"))
