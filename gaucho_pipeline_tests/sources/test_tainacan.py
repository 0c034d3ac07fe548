"""A museum's collection in Tainacan: a real server on loopback that answers as WordPress does, and what a crawl makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.sources.base import ApiAnswer, ApiPage, StatusError
from gaucho_pipeline.sources.tainacan import Tainacan, TainacanSpec
from gaucho_pipeline_tests.conftest import write_concepts
from gaucho_pipeline_tests.crawling import SLUG, concept_of, crawl_once
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.replay import Server, serving

SITE = "https://museu.example.org"
RIGHTS = {"field": "Condições de reprodução"}


def metadatum(name: str, value: Any) -> dict[str, Any]:
    texts = [each["name"] if isinstance(each, dict) else str(each) for each in (value if isinstance(value, list) else [value])]
    return {"name": name, "id": len(name), "value": value, "value_as_html": f"<b>{texts[0]}</b>", "value_as_string": ", ".join(texts)}


def item(number: int, rights: str = "Domínio público", site: str = SITE, **changes: Any) -> dict[str, Any]:
    full = f"{site}/wp-content/uploads/cuia-{number}.png"
    metadata = {
        "autor": metadatum("Autor", "João Araújo"),
        "material": metadatum("Material", ["cuia", "prata"]),
        "condicoes-de-reproducao": metadatum("Condições de reprodução", rights),
    }
    made = {
        "id": number, "title": f"Cuia nº {number}", "description": "", "status": "publish", "collection_id": 7,
        "url": f"{site}/acervo/cuia-{number}/", "document_type": "attachment", "document": str(number + 1000),
        "document_mimetype": "image/png", "document_as_html": f'<a href="{full}"><img src="{full.replace(".png", "-1024x768.png")}"></a>',
        "_thumbnail_id": str(number + 1000), "thumbnail": {"full": [full, 800, 600, False]}, "metadata": metadata,
    }  # fmt: skip
    return made | changes


def spec(**keys: Any) -> TainacanSpec:
    return TainacanSpec.model_validate({"site": SITE, "collection": 7, "rights": RIGHTS, "author": "autor", "fields": ["material"]} | keys)


def parsed(items: list[dict[str, Any]], headers: dict[str, str] | None = None, **keys: Any) -> ApiPage:
    (request,) = Tainacan(spec(**keys)).start(None).next
    return request.parse(ApiAnswer(json.dumps({"items": items}).encode(), {"x-wp-totalpages": "1"} if headers is None else headers))


def test_an_item_becomes_a_record_with_its_page_its_author_its_rights_and_what_the_catalogue_says() -> None:
    (record,) = parsed([item(3)]).records
    assert record.key == "tainacan:museu.example.org:3"
    assert record.url == f"{SITE}/wp-content/uploads/cuia-3.png"
    assert (record.title, record.author, record.source) == ("Cuia nº 3", "João Araújo", f"{SITE}/acervo/cuia-3/")
    assert (record.license.family, record.stated) == ("pd", "Domínio público")
    assert record.fields == (("material", "cuia, prata"),)


def test_a_page_is_asked_for_by_96_in_an_order_that_does_not_change() -> None:
    (request,) = Tainacan(spec(search="cuia de prata", metaquery={31: "Prata"})).start(None).next
    parts = urlsplit(request.url)
    assert parts.path == "/wp-json/tainacan/v2/collection/7/items"
    assert parse_qs(parts.query) == {
        "perpage": ["96"], "paged": ["1"], "order": ["ASC"], "orderby": ["id"], "search": ["cuia de prata"],
        "metaquery[0][key]": ["31"], "metaquery[0][value][0]": ["Prata"],
    }  # fmt: skip
    (every,) = Tainacan(spec(collection=None, site=f"{SITE}/acervo/")).start(None).next
    assert every.url.startswith(f"{SITE}/acervo/wp-json/tainacan/v2/items?")


@pytest.mark.parametrize(
    ("headers", "count", "asks_on", "is_end"),
    [
        ({"x-wp-totalpages": "3", "x-wp-total": "200"}, 2, True, True),
        ({"x-wp-totalpages": "1", "x-wp-total": "2"}, 2, False, True),
        ({}, 2, True, False),
        ({}, 0, False, True),
        ({"x-wp-totalpages": "many"}, 2, True, False),
    ],
)
def test_it_goes_on_as_the_headers_say_and_without_them_until_a_page_is_empty(
    headers: dict[str, str], count: int, asks_on: bool, is_end: bool
) -> None:
    page = parsed([item(number) for number in range(1, count + 1)], headers)
    assert bool(page.next) == asks_on
    assert page.is_end == is_end
    assert page.total == (int(headers["x-wp-total"]) if "x-wp-total" in headers else None)


@pytest.mark.parametrize(
    ("rights", "values", "family"),
    [
        ("Domínio público", {}, "pd"),
        ("DOMINIO PUBLICO.", {}, "pd"),
        ("CC BY 4.0", {}, "cc-by"),
        ("Creative Commons Atribuição-CompartilhaIgual 4.0 Internacional", {}, "cc-by-sa"),
        ("https://creativecommons.org/licenses/by-nc/4.0/", {}, None),
        ("Livre, com citação da fonte", {}, None),
        ("Livre, com citação da fonte", {"livre, com citação da fonte": "cc-by-4.0"}, "cc-by"),
        ("Todos os direitos reservados", {}, None),
        ("Domínio público", {"Domínio público": "refused"}, None),
        ("", {}, None),
    ],
)
def test_a_phrase_of_no_table_allows_nothing_and_a_concept_may_say_what_its_museum_means(
    rights: str, values: dict[str, str], family: str | None
) -> None:
    (record,) = parsed([item(1, rights)], rights=RIGHTS | {"values": values}).records
    assert record.license.family == family
    assert record.stated == rights
    assert bool(record.license.reason) == (family is None)


def test_a_phrase_that_is_known_to_allow_nothing_says_so_and_not_that_it_is_unknown() -> None:
    (record,) = parsed([item(1, "Todos os direitos reservados")]).records
    assert record.license.reason == "'Todos os direitos reservados' allows nothing"


@pytest.mark.parametrize("name", ["cc-by-nc-4.0", "free", "cc-by"])
def test_a_table_of_rights_names_licences_that_may_be_used(name: str) -> None:
    with pytest.raises(ValidationError, match=r"write for example pd, cc-by-4\.0, or refused"):
        spec(rights=RIGHTS | {"values": {"Livre": name}})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "private"}, "it is not published (private)"),
        ({"status": "draft"}, "it is not published (draft)"),
        ({"document_type": "text", "document": "uma cuia"}, "its document is no image (text)"),
        ({"document_type": "empty"}, "its document is no image (empty)"),
        ({"document_mimetype": "application/pdf"}, "its document is no image (application/pdf)"),
        ({"document_as_html": "", "thumbnail": {}}, "the record names no image"),
        ({"document_as_html": '<a href="javascript:x()">', "thumbnail": None}, "the record names no image"),
        ({"id": None}, "the record names no image"),
    ],
)
def test_what_is_not_published_or_shows_no_image_is_counted_and_named(changes: dict[str, Any], reason: str) -> None:
    page = parsed([item(1) | changes])
    assert page.records == ()
    assert [each.reason for each in page.unusable] == [reason]


def test_the_image_is_what_the_document_links_to_else_its_largest_thumbnail() -> None:
    sizes = {"medium": [f"{SITE}/m.png", 300, 200, True], "full": [f"{SITE}/f.png", 900, 600, False], "odd": "x"}
    records = parsed([
        item(1, document_as_html=f'<p><img src="{SITE}/only.jpg"></p>'),
        item(2, document_as_html="", thumbnail=sizes),
        item(3, document_type="url", document=f"{SITE}/elsewhere.jpg"),
        item(4, document_as_html=f'<a href="{SITE}/acervo/pagina/"><img src="{SITE}/x.png"></a>'),
    ]).records  # fmt: skip
    assert [record.url.rpartition("/")[2] for record in records] == ["only.jpg", "f.png", "elsewhere.jpg", "x.png"]


def test_who_is_named_by_nobody_is_credited_to_the_museum() -> None:
    nameless = item(1)
    del nameless["metadata"]["autor"]
    assert parsed([nameless]).records[0].author == "unknown"
    assert parsed([nameless], holder="Museu Júlio de Castilhos").records[0].author == "Museu Júlio de Castilhos"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "did not answer with JSON"),
        (b'{"error_message": "A cole\\u00e7\\u00e3o"}', "A coleção"),
        (b'{"items": 3}', "is not an answer"),
    ],
)
def test_what_is_no_answer_of_tainacan_is_an_error(content: bytes, message: str) -> None:
    (request,) = Tainacan(spec()).start(None).next
    with pytest.raises(GauchoError, match=message):
        request.parse(content)


def test_hostile_items_are_counted_and_break_nothing() -> None:
    page = parsed([{"id": "x"}, {"id": 5, "metadata": [1], "thumbnail": [3]}, item(6, metadata={"condicoes-de-reproducao": 3}), {}])
    assert [record.license.family for record in page.records] == [None]
    assert len(page.unusable) == 3


def rechecked(answer: bytes, **keys: Any) -> ApiPage:
    source = Tainacan(spec(**keys))
    known = (
        source.start(None).next[0].parse(ApiAnswer(json.dumps({"items": [item(3), item(4)]}).encode(), {"x-wp-totalpages": "1"})).records
    )
    first, second = source.recheck_by_id(known)
    assert (first.request.url, first.keys) == (f"{SITE}/wp-json/tainacan/v2/items/3", {"tainacan:museu.example.org:3"})
    assert second.keys == {"tainacan:museu.example.org:4"}
    return first.request.parse(answer)


def test_what_left_the_list_is_asked_for_by_its_id() -> None:
    page = rechecked(json.dumps(item(3, collection_id=8)).encode())
    assert [record.key for record in page.records] == ["tainacan:museu.example.org:3"]
    hidden = rechecked(json.dumps(item(3, status="trash")).encode())
    assert [each.reason for each in hidden.unusable] == ["it is not published (trash)"]
    (further,) = rechecked(json.dumps(item(3)).encode(), media="document_and_attachments").next
    assert further.url.endswith("/items/3/attachments")
    with pytest.raises(GauchoError, match="not one of the API's"):
        rechecked(b"{}")


@pytest.mark.parametrize(
    ("status", "content", "is_gone"),
    [
        (400, b'{"error_message": "An item with this ID was not found", "item_id": 3}', True),
        (404, b'{"code": "rest_no_route", "message": "No route was found"}', False),
        (400, b"<html>", False),
        (500, b'{"error_message": "x"}', False),
    ],
)
def test_an_item_is_gone_where_tainacan_says_so_and_not_where_the_site_is_broken(status: int, content: bytes, is_gone: bool) -> None:
    source = Tainacan(spec())
    known = source.start(None).next[0].parse(ApiAnswer(json.dumps({"items": [item(3)]}).encode(), {"x-wp-totalpages": "1"})).records
    (recheck,) = source.recheck_by_id(known)
    assert recheck.says_gone(StatusError("museu.example.org", status, content)) == is_gone


class Museum:
    """A site of two pages of one item each, the second with a further image and a PDF."""

    def __init__(self) -> None:
        self.rights = {1: "Domínio público", 2: "Livre, com citação da fonte"}

    def __call__(self, handler: QuietHandler) -> None:
        server = handler.server
        assert isinstance(server, Server)
        parts = urlsplit(handler.path)
        if parts.path == "/wp-json/tainacan/v2/collection/7/items":
            page = int(parse_qs(parts.query)["paged"][0])
            body = json.dumps({"items": [item(page, self.rights[page], server.address)], "template": ""}).encode()
            handler.send_response(200)
            for name, value in {"Content-Length": str(len(body)), "X-WP-Total": "2", "X-WP-TotalPages": "2"}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        elif parts.path.endswith("/attachments"):
            each = {"mime_type": "image/png", "media_type": "image", "title": "verso"}
            values = [
                each | {"id": 88, "url": f"{server.address}/wp-content/uploads/cuia-8.png"},
                {"id": 89, "mime_type": "application/pdf", "media_type": "file", "url": f"{server.address}/x.pdf"},
            ]
            handler.send(200, "application/json", json.dumps(values if "/2/" in parts.path else []).encode())
        elif parts.path.startswith("/wp-content/"):
            number = int(parts.path.rpartition("-")[2].partition(".")[0])
            handler.send(200, "image/png", png_bytes(draw_subject("chimarrao", number)))
        else:
            handler.send(404, "text/plain", b"")


@pytest.fixture
def museum() -> Iterator[Server]:
    with serving(Museum()) as server:
        yield server


def source(museum: Server, **keys: Any) -> dict[str, Any]:
    return {"tainacan": {"site": museum.address, "collection": 7, "rights": RIGHTS, "author": "Autor", "fields": ["material"]} | keys}


def test_a_collection_is_crawled_with_its_rights_and_what_allows_nothing_is_not_fetched(museum: Server, tmp_path: Path) -> None:
    crawled = crawl_once(tmp_path / "a", concept_of(source(museum)))
    (row,) = crawled.table("images")
    assert (row["author"], row["license_family"], row["fields"]) == ("João Araújo", "pd", {"material": "cuia, prata"})
    assert list(crawled.reasons().values()) == ["the licence 'Livre, com citação da fonte' is not known"]
    assert crawled.metrics.found == 2
    assert [path for path in museum.requested if "cuia-2" in path] == []


def test_all_images_of_an_item_are_records_of_their_own(museum: Server, tmp_path: Path) -> None:
    rights = RIGHTS | {"values": {"Livre, com citação da fonte": "cc-by-4.0"}}
    crawled = crawl_once(tmp_path / "a", concept_of(source(museum, rights=rights, media="document_and_attachments")))
    assert sorted(row["title"] for row in crawled.table("images")) == ["Cuia nº 1", "Cuia nº 2", "Cuia nº 2: verso"]
    assert "an attachment that is no image" in {row["reason"] for row in crawled.table("refused")}


def test_a_curator_sees_all_phrases_of_a_collection_and_what_each_is_read_as(museum: Server, tmp_path: Path) -> None:
    project = Project(write_concepts(tmp_path / "concepts.yaml", {SLUG: concept_of(source(museum), max_images=1)}), tmp_path / "data")
    said = gaucho(project.concepts_file.parent, "run", SLUG, "--select", "raw_crawl", "--plan", "--rights").stdout
    assert "1  'Domínio público': PD" in said
    assert "1  'Livre, com citação da fonte': the licence 'Livre, com citação da fonte' is not known" in said
    assert "write it under rights: values:" in said
    assert "would be fetched" not in said


def test_a_museums_items_become_a_set_whose_captions_say_what_its_catalogue_does(tmp_path: Path) -> None:
    """From the site to the captions, as docs/own-photos.md has it."""

    def answer(handler: QuietHandler) -> None:
        server, path = handler.server, urlsplit(handler.path).path
        assert isinstance(server, Server)
        if path.endswith("/items"):
            items = [item(number, site=server.address) for number in range(1, 7)]
            items[0]["metadata"]["material"] = metadatum("Material", "")
            body = json.dumps({"items": items}).encode()
            handler.send_response(200)
            for name, value in {"Content-Length": str(len(body)), "X-WP-Total": "6", "X-WP-TotalPages": "1"}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        elif path.startswith("/wp-content/"):
            number = int(path.rpartition("-")[2].partition(".")[0])
            handler.send(200, "image/png", png_bytes(draw_subject("chimarrao", number, side=256)))
        else:
            handler.send(404, "text/plain", b"")

    (tmp_path / "glossary.csv").write_text("pt,en\nprata,silver\ncuia,gourd\n", encoding="utf-8")
    captions = {"captions": "catalogue", "caption_template": "{material}", "caption_language": "pt", "caption_glossary": "glossary.csv"}
    with serving(answer) as server:
        concept = concept_of(source(server)) | {"curation": captions | {"min_side": 64, "min_sharpness": 0.0001, "max_graphic": 1.0}}
        project = Project(write_concepts(tmp_path / "concepts.yaml", {SLUG: concept}), tmp_path / "data")
        gaucho(tmp_path, "run", SLUG, "--select", "curated_set")
    made = project.store.current("curated_set", SLUG)
    assert made
    found = {row["title"]: (row["caption"], row["caption_by"], row["author"]) for row in read_table(made.folder / "images.jsonl")}
    assert found["Cuia nº 2"] == ("a photo of {token} {class_noun}, gourd, silver", "catalogue", "João Araújo")
    if "Cuia nº 1" in found:
        assert found["Cuia nº 1"][:2] == ("a photo of {token} {class_noun}", "prompt")
