"""IIIF manifests and collections of both versions, and what a crawl makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images.decoding import jpeg_bytes
from gaucho_pipeline.sources.base import ApiPage, PageQuestion
from gaucho_pipeline.sources.iiif import IIIF, IIIFSpec
from gaucho_pipeline_tests.crawling import concept_of, crawl_once
from gaucho_pipeline_tests.replay import Server, send_json, serving

AT = "https://acervo.example.org"
BY = "http://creativecommons.org/licenses/by/4.0/"


def service(version: int, level: int, identity: str = f"{AT}/image/1") -> dict[str, Any]:
    if version == 3:
        return {"id": identity, "type": "ImageService3", "profile": f"level{level}"}
    return {
        "@id": identity,
        "@context": "http://iiif.io/api/image/2/context.json",
        "profile": f"http://iiif.io/api/image/2/level{level}.json",
    }


def body(width: int = 800, height: int = 600, **changes: Any) -> dict[str, Any]:
    return {"id": f"{AT}/files/1.jpg", "type": "Image", "format": "image/jpeg", "width": width, "height": height} | changes


def manifest3(*bodies: Any, **changes: Any) -> dict[str, Any]:
    canvases = [
        {
            "id": f"{AT}/canvas/{number}", "type": "Canvas", "label": {"none": [f"f. {number}"]},
            "items": [{"type": "AnnotationPage", "items": [{"type": "Annotation", "motivation": "painting", "body": each}]}],
        }
        for number, each in enumerate(bodies, start=1)
    ]  # fmt: skip
    made = {
        "@context": "http://iiif.io/api/presentation/3/context.json", "id": f"{AT}/manifest.json", "type": "Manifest",
        "label": {"en": ["Gourd"], "pt-BR": ["Cuia de prata"]}, "rights": BY,
        "requiredStatement": {"label": {"pt": ["Crédito"]}, "value": {"pt": ["<b>Museu X</b>"]}},
        "homepage": [{"id": f"{AT}/objeto/1", "type": "Text"}],
        "metadata": [
            {"label": {"pt": ["Autor"]}, "value": {"none": ["João Araújo"]}},
            {"label": {"pt": ["Técnica"]}, "value": {"pt": ["cinzel"]}},
        ],
        "items": canvases,
    }  # fmt: skip
    return made | changes


def manifest2(resource: Any, **changes: Any) -> dict[str, Any]:
    made = {
        "@context": "http://iiif.io/api/presentation/2/context.json", "@id": f"{AT}/manifest.json", "@type": "sc:Manifest",
        "label": [{"@value": "Gourd", "@language": "en"}, {"@value": "Cuia", "@language": "pt"}], "license": BY, "attribution": "Museu X",
        "related": {"@id": f"{AT}/objeto/2"}, "metadata": [{"label": "Creator", "value": "Ana"}],
        "sequences": [{"canvases": [{"@id": f"{AT}/c/1", "label": "1", "images": [{"resource": resource}]}]}, {"canvases": [{"@id": "x"}]}],
    }  # fmt: skip
    return made | changes


def parsed(value: Any, **keys: Any) -> ApiPage:
    (request,) = IIIF(IIIFSpec(manifest=f"{AT}/manifest.json", **keys)).start(None).next
    return request.parse(json.dumps(value).encode())


def test_a_canvas_of_version_3_becomes_a_record() -> None:
    (record,) = parsed(manifest3(body()), fields=("tecnica",)).records
    assert (record.url, record.title, record.author) == (f"{AT}/files/1.jpg", "Cuia de prata", "João Araújo; Museu X")
    assert (record.license.id, record.source, record.fields) == ("CC-BY-4.0", f"{AT}/objeto/1", (("tecnica", "cinzel"),))


def test_a_canvas_of_version_2_becomes_a_record() -> None:
    resource = {"@id": f"{AT}/files/2.jpg", "@type": "dctypes:Image", "width": 900, "height": 500}
    (record,) = parsed(manifest2(resource)).records
    assert (record.url, record.title, record.author) == (f"{AT}/files/2.jpg", "Cuia", "Ana; Museu X")
    assert (record.license.id, record.source) == ("CC-BY-4.0", f"{AT}/objeto/2")


def test_each_page_of_an_object_has_its_own_title_and_key() -> None:
    records = parsed(manifest3(body(), body(id=f"{AT}/files/2.jpg"))).records
    assert [record.title for record in records] == ["Cuia de prata: f. 1", "Cuia de prata: f. 2"]
    assert len({record.key for record in records}) == 2
    assert [record.key for record in parsed(manifest3(body(), body())).records] == [record.key for record in records]


@pytest.mark.parametrize(
    ("version", "width", "height", "address"),
    [
        (3, 800, 600, f"{AT}/files/1.jpg"),
        (3, 9000, 6000, f"{AT}/image/1/full/2048,/0/default.jpg"),
        (2, 9000, 6000, f"{AT}/image/1/full/2048,/0/default.jpg"),
        (2, 3000, 6000, f"{AT}/image/1/full/1024,/0/default.jpg"),
    ],
)
def test_a_server_that_makes_sizes_is_asked_for_one_within_the_limit(version: int, width: int, height: int, address: str) -> None:
    (record,) = parsed(manifest3(body(width, height, service=[service(version, 2)]))).records
    assert record.url == address


@pytest.mark.parametrize(
    ("context", "sizes", "address"),
    [
        ("http://iiif.io/api/image/3/context.json", [(512, 384), (2000, 1500), (9000, 6750)], f"{AT}/image/1/full/2000,1500/0/default.jpg"),
        ("http://iiif.io/api/image/2/context.json", [(512, 384), (2000, 1500)], f"{AT}/image/1/full/2000,/0/default.jpg"),
        ("http://iiif.io/api/image/3/context.json", [(9000, 6750)], f"{AT}/files/1.jpg"),
        ("http://iiif.io/api/image/3/context.json", [], f"{AT}/files/1.jpg"),
    ],
)
def test_a_server_of_fixed_sizes_is_asked_which_they_are(context: str, sizes: list[tuple[int, int]], address: str) -> None:
    page = parsed(manifest3(body(9000, 6750, service=service(3, 0))))
    assert page.records == ()
    (request,) = page.next
    assert request.url == f"{AT}/image/1/info.json"
    info = {"@context": context, "sizes": [{"width": width, "height": height} for width, height in sizes]}
    (record,) = request.parse(json.dumps(info).encode()).records
    assert record.url == address


@pytest.mark.parametrize(
    ("rights", "family"),
    [
        ("http://creativecommons.org/publicdomain/mark/1.0/", "pd"),
        ("https://creativecommons.org/licenses/by-nc/4.0/", None),
        ("http://rightsstatements.org/vocab/InC/1.0/", None),
        ("http://rightsstatements.org/vocab/NoC-US/1.0/", None),
        ("https://museu.example/termos", None),
        ([BY, "http://creativecommons.org/licenses/by-nc/4.0/"], None),
        (None, None),
        (7, None),
    ],
)
def test_only_a_licence_that_is_known_is_one(rights: Any, family: str | None) -> None:
    (record,) = parsed(manifest3(body(), rights=rights)).records
    assert record.license.family == family
    assert bool(record.license.reason) == (family is None)


def test_a_canvas_that_states_rights_of_its_own_has_these() -> None:
    manifest = manifest3(body(), body())
    manifest["items"][1]["rights"] = "https://creativecommons.org/licenses/by-nd/4.0/"
    assert [record.license.family for record in parsed(manifest).records] == ["cc-by", None]


@pytest.mark.parametrize(
    "bad", [None, [], {"type": "Video", "id": f"{AT}/v.mp4"}, {"type": "Image"}, {"type": "Image", "id": "ftp://x/y"}, 3]
)
def test_a_canvas_without_an_image_is_counted(bad: Any) -> None:
    page = parsed(manifest3(bad))
    assert page.records == ()
    assert [each.reason for each in page.unusable] == ["the canvas shows no image"]


def test_of_several_to_choose_from_the_first_is_taken() -> None:
    (record,) = parsed(manifest3({"type": "Choice", "items": [body(), body(id=f"{AT}/x-ray.jpg")]})).records
    assert record.url == f"{AT}/files/1.jpg"


def collection(*members: Any) -> dict[str, Any]:
    return {"id": f"{AT}/c.json", "type": "Collection", "label": {"pt": ["Acervo"]}, "items": list(members)}


def test_a_collection_is_followed_on_its_own_host_and_no_further_than_is_reasonable() -> None:
    members = [{"id": f"{AT}/1.json", "type": "Manifest"}, {"id": "https://other.example/2.json"}, {"id": f"{AT}/1.json"}, {"x": 1}]
    (request,) = IIIF(IIIFSpec(collection=f"{AT}/c.json")).start(None).next
    page = request.parse(json.dumps(collection(*members)).encode())
    assert [each.url for each in page.next] == [f"{AT}/1.json"]
    assert [each.reason.partition(";")[0] for each in page.unusable] == [
        "it is on another host (other.example)", "the collection names no address",
    ]  # fmt: skip
    for depth in range(2, 6):
        (request,) = page.next
        page = request.parse(json.dumps(collection({"id": f"{AT}/{depth}.json", "type": "Collection"})).encode())
        if not page.next:
            break
    assert "more than 4 levels" in page.unusable[0].reason


@pytest.mark.parametrize("value", [{}, {"type": "Canvas"}, {"@type": "sc:Range"}])
def test_what_is_neither_is_an_error(value: Any) -> None:
    with pytest.raises(GauchoError, match="is no IIIF manifest and no collection"):
        parsed(value)


@pytest.mark.parametrize("keys", [{}, {"manifest": f"{AT}/m", "collection": f"{AT}/c"}, {"manifest": "not an address"}])
def test_a_source_names_one_of_the_two(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        IIIFSpec.model_validate(keys)


def test_a_collection_is_crawled(tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        server = handler.server
        assert isinstance(server, Server)
        path = urlsplit(handler.path).path
        own = json.dumps(manifest3(body(), body(9000, 6000, service=service(3, 1)))).replace(AT, server.address)
        if path == "/c.json":
            send_json(handler, json.loads(json.dumps(collection({"id": f"{AT}/m.json", "type": "Manifest"})).replace(AT, server.address)))
        elif path == "/m.json":
            send_json(handler, json.loads(own))
        elif path in ("/files/1.jpg", "/image/1/full/2048,/0/default.jpg"):
            handler.send(200, "image/jpeg", jpeg_bytes(draw_subject("chimarrao", len(path)), 90))
        else:
            handler.send(404, "text/plain", b"")

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of({"iiif": {"collection": f"{server.address}/c.json"}}))
    assert [row["author"] for row in crawled.table("images")] == ["João Araújo; Museu X"] * 2
    assert crawled.metrics.kept == 2


@pytest.mark.parametrize(
    ("content", "kind"), [(manifest3(body()), "manifest"), (manifest2({"@id": f"{AT}/1.jpg"}), "manifest"), ({"a": 1}, None)]
)
def test_a_page_that_is_a_manifest_is_proposed_as_a_source_and_another_is_not(content: dict[str, Any], kind: str | None) -> None:
    address = f"{AT}/manifest.json"
    (question,) = IIIFSpec.recognise(address)
    assert question.url == address
    proposal = question.read(json.dumps(content).encode())
    assert not isinstance(proposal, PageQuestion)
    assert (proposal and list(proposal.keys)) == (kind and [kind])
