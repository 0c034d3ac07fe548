"""The sources: what they ask, and how they read answers that are odd, hostile, or none."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gaucho_pipeline.assets.rows import NotFetched, parse_row, to_json
from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.crawl.report import _fields, record_of
from gaucho_pipeline.crawl.selection import refusal_of
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.images import decoding as images
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.rights.licenses import parse_license
from gaucho_pipeline.sources.base import ApiBusy, ApiPage, media_address, query, without_secrets
from gaucho_pipeline.sources.commons import Commons, CommonsSpec
from gaucho_pipeline.sources.declared import Folder, FolderSpec, Urls, UrlsSpec
from gaucho_pipeline.sources.inaturalist import INaturalist, INaturalistSpec
from gaucho_pipeline.sources.openverse import Openverse, OpenverseSpec
from gaucho_pipeline.sources.records import Record, has_words, plain
from gaucho_pipeline.sources.registry import build_sources
from gaucho_pipeline_tests.conftest import draw_folder


def read_first(source: Any, value: object, answer: dict[str, Any] | None = None) -> ApiPage:
    """What a source makes of an answer to its first question."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return source.start(answer).next[0].parse(content)


# ------------------------------------------------------------------------------------------ Openverse


def through_a_table(record: Record) -> Record:
    """A record as the next crawl knows it, from its row."""
    row = NotFetched(**_fields(record, {}), reason="x")
    return record_of(parse_row(json.loads(json.dumps(to_json(row))), NotFetched, "here"))


def test_openverse_asks_by_search_licence_and_category() -> None:
    source = Openverse(OpenverseSpec(query="chimarrão", license="by,cc0", category="photograph"))
    address = source.start(None).next[0].url
    assert address == "https://api.openverse.org/v1/images/?q=chimarr%C3%A3o&license=by%2Ccc0&category=photograph"


def test_a_record_that_names_no_address_costs_nothing_but_itself() -> None:
    def item(identity: str, url: object) -> dict[str, object]:
        return {"id": identity, "url": url, "license": "by", "license_version": "2.0", "title": "\ud83d", "creator": "Conceição"}

    addresses = ["https://[bad/x", "http:foo", "https://h:abc/x", 7, "https://h.org/x.jpg"]
    items = [item(name, address) for name, address in zip("abcde", addresses, strict=True)]
    page = read_first(Openverse(OpenverseSpec(query="x")), {"results": items, "page_count": 1})
    assert [record.key for record in page.records] == ["openverse:e"]
    assert [row.key for row in page.unusable] == [f"openverse:{name}" for name in "abcd"]
    assert page.records[0].author == "Conceição"


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"results": 1, "page_count": 1}', b'{"results": [], "page_count": Infinity}'])
def test_an_answer_that_is_none_is_reported(content: bytes) -> None:
    with pytest.raises(GauchoError, match="openverse: page 1"):
        read_first(Openverse(OpenverseSpec(query="x")), content)


# ------------------------------------------------------------------------------------------ Commons


def file_page(identity: int, **said: str) -> dict[str, Any]:
    metadata = {name: {"value": value} for name, value in said.items()}
    info = {"url": f"https://upload.wikimedia.org/{identity}.jpg", "thumburl": f"https://upload.wikimedia.org/1280px-{identity}.jpg"}
    return {
        "pageid": identity,
        "ns": 6,
        "title": f"File:Cuia {identity}.jpg",
        "imageinfo": [info | {"sha1": "a" * 40, "extmetadata": metadata}],
    }


FREE = {"License": "cc-by-sa-4.0", "LicenseShortName": "CC BY-SA 4.0"}


def test_commons_takes_the_rendering_that_comes_back_and_knows_the_file_by_its_sha1() -> None:
    page = read_first(Commons(CommonsSpec(category="Guampa")), {"batchcomplete": True, "query": {"pages": [file_page(1, **FREE)]}})
    (record,) = page.records
    assert record.url == "https://upload.wikimedia.org/1280px-1.jpg"
    assert record.bytes_id == f"sha1:{'a' * 40}"
    assert record.license.id == "CC-BY-SA-4.0"


def test_commons_asks_for_renderings_of_1280_pixels_and_with_maxlag() -> None:
    address = Commons(CommonsSpec(category="category:guampa")).start(None).next[0].url
    assert "gcmtitle=Category%3AGuampa" in address
    assert "iiurlwidth=1280" in address
    assert "maxlag=5" in address


def test_commons_puts_a_batch_together_before_it_goes_on() -> None:
    source = Commons(CommonsSpec(search="cuia"))
    bare = {key: value for key, value in file_page(1).items() if key != "imageinfo"}
    first = read_first(source, {"continue": {"iistart": "x", "continue": "||"}, "query": {"pages": {"1": bare}}})
    assert first.records == ()
    assert "iistart=x" in first.next[0].url
    second = first.next[0].parse(json.dumps({"batchcomplete": "", "query": {"pages": {"1": file_page(1, **FREE)}}}).encode())
    assert [record.key for record in second.records] == ["commons:1"]
    assert second.next == ()


def test_commons_follows_subcategories_to_the_depth_but_not_false_friends_nor_rounds() -> None:
    source = Commons(CommonsSpec(category="Guampa", depth=1), exclude=("Parque Farroupilha",))
    names = ["Category:Guampas de prata", "Category:Parque Farroupilha (Porto Alegre)", "Category:Guampa"]
    subcategories = [{"pageid": n, "ns": 14, "title": name} for n, name in enumerate(names)]
    page = read_first(source, {"batchcomplete": True, "query": {"pages": subcategories}})
    (deeper,) = page.next
    assert "Guampas+de+prata" in deeper.url
    assert "gcmtype=file&" in deeper.url
    assert deeper.parse(json.dumps({"batchcomplete": True, "query": {"pages": subcategories}}).encode()).next == ()


def test_commons_keeps_restrictions_as_flags_and_html_as_text() -> None:
    said = FREE | {"Restrictions": "personality|trademarked", "Artist": '<div class="x"><a href="//y">José</a> &amp; Anália</div>'}
    page = read_first(Commons(CommonsSpec(category="Guampa")), {"batchcomplete": True, "query": {"pages": [file_page(1, **said)]}})
    assert page.records[0].flags == ("personality", "trademarked")
    assert page.records[0].author == "José & Anália"


def test_commons_renders_books_and_videos_too_and_they_are_no_pictures() -> None:
    book = file_page(1, **FREE)
    book["imageinfo"][0]["mime"] = "application/pdf"
    page = read_first(Commons(CommonsSpec(search="farrapos")), {"batchcomplete": True, "query": {"pages": [book]}})
    assert [row.reason for row in page.unusable] == ["the file is no photograph or scan (application/pdf)"]


def test_commons_is_asked_for_files_by_their_page_ids_fifty_at_a_time() -> None:
    source = Commons(CommonsSpec(category="Guampa"))
    known = [Record(f"commons:{n}", source.origin, "", "", "", "", parse_license("cc0")) for n in range(60)]
    first, second = source.recheck_by_id(known)
    assert (len(first.keys), len(second.keys)) == (50, 10)
    assert "pageids=50%7C51%7C52" in second.request.url
    answer = {"batchcomplete": True, "query": {"pages": [file_page(51, **FREE), {"pageid": 52, "missing": True}]}}
    page = second.request.parse(json.dumps(answer).encode())
    assert [record.key for record in page.records] == ["commons:51"]
    assert (page.missing, page.unusable) == ({"commons:52"}, ())


def test_commons_that_lags_is_busy_and_other_errors_are_reported() -> None:
    source = Commons(CommonsSpec(category="Guampa"))
    with pytest.raises(ApiBusy):
        read_first(source, {"error": {"code": "maxlag", "info": "Waiting for 10.64.1.2: 6 seconds lagged."}})
    with pytest.raises(GauchoError, match="Bad title"):
        read_first(source, {"error": {"code": "invalidtitle", "info": "Bad title."}})


def test_commons_tells_an_empty_category_from_a_missing_one() -> None:
    lookup = Commons(CommonsSpec(category="Chimarrão")).lookup
    assert lookup
    there = {"pageid": 5, "ns": 14, "title": "Category:Chimarrão"}
    assert lookup.parse(json.dumps({"query": {"pages": [there]}}).encode())["files"] == 0
    with pytest.raises(GauchoError, match="there is no Category:Chimarrão"):
        lookup.parse(json.dumps({"query": {"pages": [{"ns": 14, "title": "Category:Chimarrão", "missing": True}]}}).encode())


def test_an_item_is_found_by_its_exact_name_and_only_if_there_is_one() -> None:
    lookup = Commons(CommonsSpec(depicts="chimarrão")).lookup
    assert lookup
    mate = {"id": "Q203540", "label": "Chimarrão", "description": "bebida"}
    assert lookup.parse(json.dumps({"search": [mate, {"id": "Q1", "label": "Chimarrão doce"}]}).encode())["id"] == "Q203540"
    with pytest.raises(GauchoError, match="2 items are called 'chimarrão'; write the id of the one meant"):
        lookup.parse(json.dumps({"search": [mate, mate | {"id": "Q2"}]}).encode())


def test_an_item_given_by_its_id_is_not_looked_up() -> None:
    source = Commons(CommonsSpec(depicts="Q203540"))
    assert source.lookup is None
    assert "haswbstatement%3AP180%3DQ203540" in source.start(None).next[0].url


# ------------------------------------------------------------------------------------------ iNaturalist


def test_a_taxon_is_found_by_its_exact_scientific_name(real: Path) -> None:
    taxa = (real / "inaturalist" / "get_taxa_autocomplete.json").read_bytes()
    lookup = INaturalist(INaturalistSpec(taxon="vespula  vulgaris")).lookup
    assert lookup
    with pytest.raises(GauchoError, match="there is no taxon 'vespula  vulgaris'; near it are Vespidae"):
        lookup.parse(taxa)
    known = INaturalist(INaturalistSpec(taxon="Nicrophorus vespillo")).lookup
    assert known
    assert known.parse(taxa) == {"id": 131878, "name": "Nicrophorus vespillo", "rank": "species"}


def test_a_taxon_that_is_no_longer_in_use_is_reported() -> None:
    lookup = INaturalist(INaturalistSpec(taxon="Leopardus tigrinus")).lookup
    assert lookup
    with pytest.raises(GauchoError, match="no longer in use"):
        lookup.parse(json.dumps({"results": [{"id": 1, "name": "Leopardus tigrinus", "is_active": False}]}).encode())


def test_observations_are_research_grade_and_a_recorded_photo_keeps_its_own_licence(real: Path) -> None:
    source = INaturalist(INaturalistSpec(taxon="Danaus plexippus"))
    assert "quality_grade=research" in source.start({"id": 48662}).next[0].url
    page = read_first(source, (real / "inaturalist" / "get_observations_page1.json").read_bytes(), {"id": 48662})
    (record,) = page.records
    assert record.license.id == "CC-BY-NC-4.0"
    assert record.license.family is None
    assert "/large.jpg" in record.url
    assert "50.09" not in repr(record)
    assert page.next[0].url.endswith("id_below=57754375")


def test_observations_are_asked_for_by_id_whatever_the_order_of_their_photos(real: Path) -> None:
    source = INaturalist(INaturalistSpec(taxon="Leopardus guttulus"))
    recorded = (real / "inaturalist" / "get_observations_page1.json").read_bytes()
    known = read_first(source, recorded, {"id": 1}).records
    (recheck,) = source.recheck_by_id(known)
    assert recheck.keys == {record.key for record in known}
    assert "/observations?id=" in recheck.request.url
    page = recheck.request.parse(recorded)
    assert page.records == known
    assert (page.next, page.missing) == ((), frozenset())
    more = source.recheck_by_id([*known, replace(known[0], key="inaturalist:7")])[0].request.parse(recorded)
    assert more.missing == {"inaturalist:7"}
    assert recheck.request.parse(b'{"total_results": 0, "results": []}').missing == frozenset()
    assert "taxon_id=1&" in recheck.request.url
    elsewhere = Record("inaturalist:1", source.origin, "", "", "", "https://example.org/1", parse_license("cc0"))
    assert source.recheck_by_id([elsewhere]) == ()


def test_an_observation_that_does_not_exist_lists_nothing(real: Path) -> None:
    content = (real / "inaturalist" / "get_nonexistent_observation.json").read_bytes()
    assert read_first(INaturalist(INaturalistSpec(taxon="x")), content, {"id": 1}) == ApiPage()


# ------------------------------------------------------------------------------------------ declared


def test_a_folder_gives_its_images_their_stated_rights(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 3)
    (folder / "notes.txt").write_text("not an image")
    page = Folder(FolderSpec(path=folder, license="cc-by-4.0", author="João Araújo", source="acervo"), 1).start(None)
    assert [(r.author, r.license.id) for r in page.records] == [("João Araújo", "CC-BY-4.0")] * 3


def test_whatever_stands_in_a_folder_is_counted_as_an_image_or_by_its_reason(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    picture = draw_subject("araucaria", 1, side=64)
    for name, kind in (("a.jfif", "JPEG"), ("b.jpe", "JPEG"), ("c", "PNG"), ("d.mpo", "MPO"), ("e.j2k", "JPEG2000"), ("f.HEIC", "HEIF")):
        keys = {"save_all": True, "append_images": [picture]} if kind == "MPO" else {"no_jp2": True} if kind == "JPEG2000" else {}
        images._formats()  # registers what Pillow does not write itself
        with (folder / name).open("wb") as file:
            picture.save(file, kind, **keys)
    (folder / "notes.txt").write_text("not an image")
    (folder / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "nothing.png").touch()
    (folder / "rights.csv").write_text("file,license,author,source\n")
    (folder / "elsewhere").symlink_to(folder, target_is_directory=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/arauc\xe1ria.jpg")).write_bytes(png_bytes(picture))
    (folder / "two\nlines.png").write_bytes(png_bytes(picture))
    page = Folder(FolderSpec(path=folder, table=folder / "rights.csv"), 1).start(None)
    assert [record.key for record in page.records] == [
        f"folder:{name}" for name in ("00.png", "a.jfif", "b.jpe", "c", "d.mpo", "e.j2k", "f.HEIC", r"two\nlines.png")
    ]
    assert {row.key: row.reason for row in page.unusable} == {
        "folder:.DS_Store": "a hidden file",
        r"folder:arauc\xe1ria.jpg": "its name is not UTF-8; rename it",
        "folder:elsewhere": "a link to a folder is not followed",
        "folder:film.mp4": "not an image",
        "folder:notes.txt": "not an image",
        "folder:nothing.png": "empty",
    }
    for record in page.records:
        images.decode(Path(record.url).read_bytes())


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_names_are_the_same_in_whatever_unicode_form_they_are_written(on_disk: Any, in_table: Any, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / unicodedata.normalize(on_disk, "chimarrão.png")).write_bytes(png_bytes(draw_subject("chimarrao", 1, side=64)))
    line = unicodedata.normalize(in_table, "chimarrão.png,Roda,Ana,cc-by-4.0,s\n")
    (tmp_path / "t.csv").write_text(f"file,title,author,license,source\n{line}", encoding="utf-8")
    page = Folder(FolderSpec(path=folder, table=tmp_path / "t.csv"), 1).start(None)
    assert [(record.key, record.license.id, record.title) for record in page.records] == [("folder:chimarrão.png", "CC-BY-4.0", "Roda")]
    assert page.unusable == ()


def test_images_of_ones_own_are_declared_so_and_only_in_a_folder(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    record = Folder(FolderSpec(path=folder, license="own", author="Museu", source="acervo"), 1).start(None).records[0]
    assert (record.license.id, refusal_of(record, CrawlSpec(sources=[{"folder": {"path": folder, "table": "t"}}]), ())) == (
        "all rights reserved",
        None,
    )  # type: ignore[arg-type]
    (tmp_path / "t.csv").write_text("url,author,license\nhttps://b.example/1,Ana,own\n")
    assert Urls(UrlsSpec(table=tmp_path / "t.csv")).start(None).records[0].license.family is None
    with pytest.raises(ValidationError, match="'own' is not known"):
        UrlsSpec(addresses=("https://b.example/1",), license="own", author="X", source="Y")


def test_a_licence_without_its_version_is_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"CC-BY is stated without its version; write which, such as CC-BY-4\.0"):
        FolderSpec(path=tmp_path, license="CC BY", author="X", source="Y")


def test_a_folder_without_an_image_that_can_be_read_is_reported_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"\xff\xd8\xff and no more")
    spec = FolderSpec(path=tmp_path / "photos", license="pd", author="X", source="Y")
    assert spec.problem() == ("path", f"{tmp_path / 'photos'} holds no image that can be read")


def test_a_table_says_more_of_each_file_and_what_it_does_not_name_has_no_rights(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 2)
    table = tmp_path / "acervo.csv"
    table.write_text(
        "﻿file;title;author;license;source\n00.png;Araucária ao pôr do sol;Conceição;CC BY-SA 4.0;https://museu.example/1\nx.png;;;;\n"
    )
    page = Folder(FolderSpec(path=folder, table=table), 1).start(None)
    named, unnamed = page.records
    assert (named.title, named.author, named.license.id) == ("Araucária ao pôr do sol", "Conceição", "CC-BY-SA-4.0")
    assert unnamed.license.reason == "no licence is stated"
    assert [row.reason for row in page.unusable] == ["the table names it, and it is not there (row 3)"]


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("fotos\\Cuia 1.jpg", "fotos/Cuia 1.jpg"),
        ("cuia-2.jpg", "Cuia-2.JPG"),
        ("cuia-3", "cuia-3.tif"),
        ("c:\\Users\\Ana\\photos\\cuia-4.jpg", "cuia-4.jpg"),
        ("photos/cuia-5.jpg", "cuia-5.jpg"),
        ("./cuia-6.jpg", "cuia-6.jpg"),
        ("cuia.7", "cuia.7.png"),
        ("Cuia-8", "fotos/cuia-8.JPG"),
    ],
)
def test_a_line_names_its_file_as_people_see_it(line: str, file: str, tmp_path: Path) -> None:
    path = tmp_path / "photos" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(draw_subject("chimarrao", 1, side=64)))
    (tmp_path / "t.csv").write_text(f'Arquivo;Título;Licença;Fonte\n{line};Cuia;cc0;"=HYPERLINK(""https://m.example/1"";""ver"")"\n')
    page = Folder(FolderSpec(path=tmp_path / "photos", table=tmp_path / "t.csv"), 1).start(None)
    assert page.unusable == ()
    assert [(r.key, r.title, r.license.family, r.source) for r in page.records] == [
        (f"folder:{file}", "Cuia", "cc0", "https://m.example/1")
    ]


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        (["cuia"], ["cuia.jpg", "cuia.png"]),
        (["CUIA.jpg"], ["cuia.jpg", "Cuia.jpg"]),
        (["Cuia", "cuia"], ["CUIA.jpg"]),
        (["A/cuia.jpg"], ["B/cuia.jpg"]),
        (["Cuia.jpg"], ["A/cuia.jpg", "B/CUIA.jpg"]),
        (["cuia.jpeg"], ["cuia.jpg"]),
    ],
)
def test_a_line_gives_no_rights_to_what_it_may_not_mean(lines: list[str], files: list[str], tmp_path: Path) -> None:
    for number, file in enumerate(files):
        path = tmp_path / "photos" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(draw_subject("chimarrao", number, side=64)))
    (tmp_path / "t.csv").write_text("file,license\n" + "".join(f"{line},cc0\n" for line in lines))
    page = Folder(FolderSpec(path=tmp_path / "photos", table=tmp_path / "t.csv"), 1).start(None)
    assert [record.license.family for record in page.records] == [None] * len(files)
    assert [row.reason.partition(" (")[0] for row in page.unusable] == ["the table names it, and it is not there"] * len(lines)


def test_a_line_that_names_no_file_is_told_with_its_row_and_what_it_may_mean(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cuia-01.png").write_bytes(png_bytes(draw_subject("chimarrao", 1, side=64)))
    (tmp_path / "t.csv").write_text("file,license\ncuai-01.png,cc0\n")
    page = Folder(FolderSpec(path=tmp_path / "photos", table=tmp_path / "t.csv"), 1).start(None)
    assert [row.reason for row in page.unusable] == ["the table names it, and it is not there (row 2; the nearest names are cuia-01.png)"]


@pytest.mark.parametrize("name", "abcdfghil")
def test_tables_as_excel_saves_them_are_read(name: str, cases: Path, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"cuia-{number:02d}.jpg").write_bytes(png_bytes(draw_subject("chimarrao", number, side=64)))
    (table,) = (cases / "tables").glob(f"{name}_*.csv")
    page = Folder(FolderSpec(path=tmp_path, table=table), 1).start(None)
    assert [record.license.id for record in page.records] == ["CC-BY-4.0"] * 4
    assert {record.author.partition(" ")[0] for record in page.records} == {"Anália"}


def test_a_formula_is_told_with_what_to_do(cases: Path, tmp_path: Path) -> None:
    (tmp_path / "cuia-00.jpg").write_bytes(png_bytes(draw_subject("chimarrao", 1, side=64)))
    with pytest.raises(ConfigError, match=r"hyperlink\.csv:2: title is the formula =CONCAT.*copy the column, paste it as values"):
        Folder(FolderSpec(path=tmp_path, table=cases / "tables" / "j_hyperlink.csv"), 1).start(None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title,author\n", "has no column 'file'"),
        ("file,colour\n", "has a column 'colour'"),
        ("file\na.png\na.png\n", "'a.png' stands twice"),
    ],
)
def test_a_table_that_is_none_is_reported(text: str, says: str, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    (tmp_path / "acervo.csv").write_text(text)
    with pytest.raises(ConfigError, match=says):
        Folder(FolderSpec(path=folder, table=tmp_path / "acervo.csv"), 1).start(None)


def test_a_folder_that_is_missing_or_empty_is_reported(tmp_path: Path) -> None:
    spec = FolderSpec(path=tmp_path / "photos", license="pd", author="a", source="b")
    with pytest.raises(ConfigError, match="there is no folder"):
        Folder(spec, 1).start(None)
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError, match="holds no image"):
        Folder(spec, 1).start(None)


def test_files_of_the_same_name_in_two_folders_are_reported_apart(tmp_path: Path) -> None:
    folders = [draw_folder(tmp_path / name, "araucaria", 1) for name in "ab"]
    spec = CrawlSpec(sources=[{"folder": {"path": f, "license": "pd", "author": "a", "source": "b"}} for f in folders])  # type: ignore[arg-type]
    keys = [record.key for source in build_sources(spec.sources, spec.exclude) for record in source.start(None).records]
    assert len(set(keys)) == 2


def test_addresses_come_from_their_own_hosts_only() -> None:
    source = Urls(UrlsSpec(addresses=("https://museu.example/a.jpg",), license="cc0", author="a", source="b"))
    assert source.media_hosts == ("museu.example",)
    assert source.start(None).records[0].license.id == "CC0-1.0"


def test_two_sources_of_the_same_search_are_reported_apart() -> None:
    spec = CrawlSpec(sources=[{"openverse": {"query": "x"}}, {"openverse": {"query": "x", "license": "by"}}])  # type: ignore[arg-type]
    assert [source.origin for source in build_sources(spec.sources, spec.exclude)] == ["openverse: x", "openverse: x (2)"]


def test_a_line_of_the_table_goes_to_the_file_of_exactly_that_name(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    draw_folder(folder / "A", "araucaria", 1)
    (tmp_path / "acervo.csv").write_text("file,license\n00.png,cc0\n")
    page = Folder(FolderSpec(path=folder, table=tmp_path / "acervo.csv"), 1).start(None)
    assert {record.key: record.license.family for record in page.records} == {"folder:00.png": "cc0", "folder:A/00.png": None}


# ------------------------------------------------------------------------------------------ records


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<p>Jo&atilde;o</p><p>Silva</p>", "João Silva"),
        ("<script>alert(1)</script>Ana", "Ana"),
        ("5 < 6 & 7", "5 < 6 & 7"),
        ("a\u202eb\x00c", "ab c"),
        (None, ""),
        ("x" * 1000, "x" * 299 + "…"),
        ("x" * 300, "x" * 300),
    ],
)
def test_markup_becomes_plain_text_on_one_line(written: object, read: str) -> None:
    assert plain(written, markup=True) == read


def test_a_record_survives_its_table() -> None:
    record = Record(
        "commons:1",
        "commons: x",
        "https://a.b/c",
        "Título",
        "Anália",
        "https://a.b",
        parse_license("cc-by-4.0"),
        ("personality",),
        "a" * 40,
    )
    assert through_a_table(record) == record


def test_commons_searches_among_files() -> None:
    url = Commons(CommonsSpec(search="cuia")).start(None).next[0].url
    assert "gsrnamespace=6" in url
    assert "gsrsearch=cuia" in url


@pytest.mark.parametrize(
    "code",
    [
        "maxlag", "ratelimited", "readonly", "cirrussearch-too-busy-error", "cirrussearch-backend-error",
        "cirrussearch-regex-too-busy-error", "internal_api_error_DBQueryTimeoutError", "internal_api_error_DBConnectionError",
    ],
)  # fmt: skip
def test_commons_that_is_busy_is_asked_again(code: str) -> None:
    with pytest.raises(ApiBusy):
        read_first(Commons(CommonsSpec(category="Guampa")), {"error": {"code": code, "info": "wait"}})


@pytest.mark.parametrize(
    ("mime", "is_picture"),
    [("image/jpeg", True), ("image/png", True), ("image/svg+xml", False), ("image/vnd.djvu", False), ("video/webm", False)],
)
def test_commons_gives_photographs_and_scans_only(mime: str, is_picture: bool) -> None:
    page = file_page(7, License="pd")
    page["imageinfo"][0]["mime"] = mime
    found = read_first(Commons(CommonsSpec(category="Guampa")), {"batchcomplete": True, "query": {"pages": [page]}})
    assert bool(found.records) is is_picture
    assert bool(found.unusable) is not is_picture


def test_false_friends_reach_the_sources() -> None:
    spec = CrawlSpec.model_validate({"sources": [{"commons": {"category": "Farroupilha", "depth": 1}}], "exclude": ["Parque"]})
    (source,) = build_sources(spec.sources, spec.exclude)
    pages = [{"pageid": n, "ns": 14, "title": f"Category:{name}"} for n, name in enumerate(("Parque Farroupilha", "Batalhas"))]
    page = read_first(source, {"batchcomplete": True, "query": {"pages": pages}})
    assert [request.url.count("Batalhas") for request in page.next] == [1]


@pytest.mark.parametrize("form", ["warnings", "*"])
def test_a_search_that_timed_out_is_asked_again_and_then_is_not_whole(form: str) -> None:
    text = "The search timed out, only partial results are available."
    answer = {"batchcomplete": True, "warnings": {"search": {form: text}}, "query": {"pages": [file_page(1, **FREE)]}}
    with pytest.raises(ApiBusy, match="partial results") as busy:
        read_first(Commons(CommonsSpec(search="cuia")), answer)
    page = busy.value.partial
    assert page
    assert ([record.key for record in page.records], page.doubt) == (["commons:1"], text)


def test_an_answer_of_commons_that_does_not_say_that_it_is_complete_is_not_the_end() -> None:
    assert not read_first(Commons(CommonsSpec(search="cuia")), {"query": {"pages": [file_page(1, **FREE)]}}).is_end
    assert read_first(Commons(CommonsSpec(search="cuia")), {"batchcomplete": "", "query": {"pages": [file_page(1, **FREE)]}}).is_end


def test_a_result_that_was_cut_off_is_in_doubt_and_other_warnings_are_not() -> None:
    cut = {"result": {"warnings": "This result was truncated because it would otherwise be larger than the limit"}}
    answer = {"batchcomplete": True, "warnings": cut, "query": {"pages": [file_page(1, **FREE)]}}
    with pytest.raises(ApiBusy):
        read_first(Commons(CommonsSpec(category="Guampa")), answer)
    answer["warnings"] = {"main": {"warnings": "Unrecognized parameter: x."}}
    assert read_first(Commons(CommonsSpec(category="Guampa")), answer).doubt == ""


def test_observations_go_on_below_the_oldest_that_was_read() -> None:
    source = INaturalist(INaturalistSpec(taxon="Danaus plexippus"))
    observations = [{"id": n, "quality_grade": "research", "photos": []} for n in (9, 8, 7)]
    page = read_first(source, {"total_results": 9, "results": observations}, {"id": 48662})
    assert page.next[0].url.endswith("id_below=7")
    assert not page.is_end
    last = read_first(source, {"total_results": 3, "results": observations}, {"id": 48662})
    assert (last.next, last.is_end) == ((), True)


def test_openverse_is_asked_for_no_page_that_is_not_there() -> None:
    source = Openverse(OpenverseSpec(query="cuia"))
    answer = {"result_count": 2, "page_count": 1, "results": [{"id": "a"}]}
    assert read_first(source, answer).next == ()
    assert "page=2" in read_first(source, answer | {"page_count": 2}).next[0].url


def test_an_endpoint_may_have_parameters_of_its_own() -> None:
    assert query("https://a.b/w/api.php?x=1", {"y": 2}) == "https://a.b/w/api.php?x=1&y=2"
    assert query("https://a.b/w/api.php", {"y": 2}) == "https://a.b/w/api.php?y=2"


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    outside = draw_folder(tmp_path / "elsewhere", "araucaria", 1)
    (folder / "link.png").symlink_to(outside / "00.png")
    page = Folder(FolderSpec(path=folder, license="pd", author="X", source="Y"), 1).start(None)
    assert [record.key for record in page.records] == ["folder:00.png"]
    assert [(row.key, row.reason) for row in page.unusable] == [("folder:link.png", "a link leads out of the folder")]


def test_what_the_table_says_of_a_file_wins_over_what_is_stated_for_all(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 2)
    (tmp_path / "t.csv").write_text("file,license,author,title,source\n00.png,cc-by-sa-4.0,Ana,Uma,https://a.example\n")
    spec = FolderSpec(path=folder, table=tmp_path / "t.csv", license="cc0", author="João", source="acervo")
    found = {record.key: (record.license.id, record.author, record.source) for record in Folder(spec, 1).start(None).records}
    assert found == {
        "folder:00.png": ("CC-BY-SA-4.0", "Ana", "https://a.example"),
        "folder:01.png": ("CC0-1.0", "João", "acervo"),
    }


def test_a_bare_name_in_the_table_gives_no_rights_to_one_of_two_files_of_that_name(tmp_path: Path) -> None:
    for name in "AB":
        draw_folder(tmp_path / "photos" / name, "araucaria", 1)
    (tmp_path / "t.csv").write_text("file,license\n00.png,cc0\n")
    page = Folder(FolderSpec(path=tmp_path / "photos", table=tmp_path / "t.csv"), 1).start(None)
    assert [record.license.family for record in page.records] == [None, None]
    assert [row.reason for row in page.unusable] == [
        "the table names it, and it is not there (row 2; the nearest names are A/00.png, B/00.png)"
    ]


def test_a_source_knows_its_paths_its_hosts_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    right = FolderSpec(path=folder, license="pd", author="X", source="Y")
    assert (right.paths, right.hosts, right.problem()) == ((folder,), (), None)
    assert FolderSpec(path=folder, table=tmp_path / "t.csv").problem() == (
        "table", f"there is no table {tmp_path / 't.csv'}; make it, or correct the path",
    )  # fmt: skip
    key, text = right.model_copy(update={"path": tmp_path / "nowhere"}).problem() or ("", "")
    assert (key, text.startswith("there is no folder")) == ("path", True)
    assert UrlsSpec(addresses=("https://b.example/1",), license="pd", author="X", source="Y").hosts == ("b.example",)
    assert (UrlsSpec(table=tmp_path / "u.csv").problem() or ("", ""))[0] == "table"
    assert CommonsSpec(depicts="chimarrão").hosts == ("commons.wikimedia.org", "www.wikidata.org")


def test_a_record_keeps_its_labels_and_whether_it_is_a_file() -> None:
    record = Record("folder:1", "folder: x", "/a/b", "T", "A", "S", parse_license("cc0"), labels=("Parque", "Cuia"), is_file=True)
    assert through_a_table(record) == record


def test_signs_that_turn_text_around_are_dropped() -> None:
    assert [plain(f"a{sign}b") for sign in "\u2066\u2067\u2069\u202e\u200b\u00ad\u200d\ufeff\u3164\ufe0f\U000e0041"] == ["ab"] * 11
    assert [plain(f"a{sign}b") for sign in "\u2028\x85\n"] == ["a b"] * 3


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('<a href="x">Unknown author</a><span style="display: none;">Unknown author</span>', "Unknown author"),
        ('Foto: <time>1931</time><span style="DISPLAY:none"> date QS:P571,+1931/9</span> Bento G', "Foto: 1931 Bento G"),
        ('<div style="display: none;">creator <b>QS:P170</b></div><bdi>Augusto B</bdi>', "Augusto B"),
        ('<p hidden>a<img style="display:none">b<br>c</p>Ana', "Ana"),
        ('a<img style="display:none">b', "ab"),
        ('<span style="visibility: hidden">x</div>Ana', ""),
    ],
)  # fmt: skip
def test_what_a_reader_would_not_see_is_no_part_of_a_credit(written: str, read: str) -> None:
    assert plain(written, markup=True) == read


@pytest.mark.parametrize(
    ("text", "words", "has"),
    [
        ("Roda de chimarrão", "chimarrão", True),
        ("Roda de chimarra\u0303o", "chimarrão", True),
        ("CHIMARRÃO na praça", "chimarrão", True),
        ("roda_de_mate.jpg", "mate", True),
        ("Material escolar", "mate", False),
        ("Matemática", "mate", False),
        ("Mate, Rio Grande", "rio grande", True),
        ("Rio Pequeno Grande", "rio grande", False),
        ("anything", "…", False),
    ],
)
def test_words_are_found_whole_whatever_their_case_and_form(text: str, words: str, has: bool) -> None:
    assert has_words(text, words) is has


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("http://h.example/u/Araucária angustifolia.jpg", "http://h.example/u/Arauc%C3%A1ria%20angustifolia.jpg"),
        ("//h.example/img.jpg", "https://h.example/img.jpg"),
        (" https://h.example/a\n.jpg ", "https://h.example/a.jpg"),
        ("https://h.example/Arauc%C3%A1ria.jpg", "https://h.example/Arauc%C3%A1ria.jpg"),
        ("img.jpg", None),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        ("https://[::1/x", None),
        (None, None),
    ],
)
def test_an_address_is_repaired_as_browsers_do(written: object, address: str | None) -> None:
    assert media_address(written, "https://api.example/v1/") == address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://b.example/a.jpg?X-Amz-Signature=1&X-Amz-Date=2", "https://b.example/a.jpg"),
        ("https://b.example/a.jpg?sv=2020&sig=abc%3D", "https://b.example/a.jpg"),
        ("https://ana:secret@b.example/a.jpg", "https://b.example/a.jpg"),
        ("https://b.example/a?access_token=1#x", "https://b.example/a"),
        ("https://b.example/view?id=12&page=2", "https://b.example/view?id=12&page=2"),
        ("https://b.example/a;jsessionid=12?x=1", "https://b.example/a?x=1"),
        ("https://b.example/a?a=1;token=2", "https://b.example/a"),
        ("https://b.example/a#access_token=1", "https://b.example/a"),
        ("https://b.example/a?url=https%3A%2F%2Fc.example%2F%3Fsig%3D1", "https://b.example/a"),
    ],
)
def test_what_lets_people_in_is_no_part_of_a_source(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


def test_a_signed_address_of_a_table_is_fetched_and_credited_without_its_signature(tmp_path: Path) -> None:
    signed = "https://b.example/a.jpg?sv=2020&sig=abc"
    (tmp_path / "t.csv").write_text(f"url,author,license\n{signed},Ana,cc0\n")
    record = Urls(UrlsSpec(table=tmp_path / "t.csv")).start(None).records[0]
    assert (record.url, record.source) == (signed, "https://b.example/a.jpg")


def test_openverses_titles_and_creators_are_text_and_its_addresses_are_repaired() -> None:
    item = {
        "id": "a", "title": "Roda <b>de</b> mate", "creator": '<a href="https://x.example">João &amp; Maria</a>', "license": "by",
        "license_version": "4.0", "license_url": "https://creativecommons.org/licenses/by/4.0/", "url": "//live.staticflickr.com/a b.jpg",
        "foreign_landing_url": "https://ana:secret@museu.example/a?token=1",
    }  # fmt: skip
    (record,) = read_first(Openverse(OpenverseSpec(query="mate")), {"result_count": 1, "page_count": 1, "results": [item]}).records
    assert (record.title, record.author, record.url) == ("Roda de mate", "João & Maria", "https://live.staticflickr.com/a%20b.jpg")
    assert record.source == "https://museu.example/a"


def observed(**photo: object) -> Record:
    """The record of one photo by somebody else than the observer."""
    own = {"id": 1, "license_code": "cc-by", "url": "https://static.inaturalist.org/photos/1/square.jpg", "flags": []}
    observation = {"id": 11, "quality_grade": "research", "user": {"login": "observer"}, "photos": [own | photo]}
    source = INaturalist(INaturalistSpec(taxon="Araucaria angustifolia"))
    return read_first(source, {"total_results": 1, "results": [observation]}, {"id": 7}).records[0]


@pytest.mark.parametrize(
    ("attribution", "author"),
    [
        ("(c) Another Person, some rights reserved (CC BY)", "Another Person"),
        ("(c) Silva, João, all rights reserved", "Silva, João"),
        ("no rights reserved, uploaded by doadora", "doadora"),
        ("João, CC BY", "João, CC BY"),
        ("no rights reserved", "observer"),
        ("(c) some rights reserved (CC BY)", "observer"),
        ("Ana, no known copyright restrictions (public domain)", "Ana"),
        (None, "observer"),
    ],
)
def test_a_photo_is_credited_as_its_own_attribution_says(attribution: str | None, author: str) -> None:
    assert observed(attribution=attribution).author == author


def test_a_photo_that_is_flagged_as_anothers_is_refused_until_that_is_resolved() -> None:
    flag = {"flag": "copyright infringement", "resolved": False}
    assert observed(flags=[flag]).license.reason == "it is flagged as a copyright infringement"
    assert observed(flags=[flag | {"resolved": True}]).license.id == "CC-BY-4.0"
    assert (observed(flags=[{"flag": "Spam"}]).license.id, observed(flags=[{"flag": "Spam"}]).flags) == ("CC-BY-4.0", ("spam",))


def test_every_file_has_a_name_of_its_own_and_loops_of_links_and_closed_folders_are_named(tmp_path: Path) -> None:
    folder, picture = tmp_path / "photos", png_bytes(draw_subject("chimarrao", 1, side=64))
    folder.mkdir()
    for name in (unicodedata.normalize("NFD", "cuiã.png"), unicodedata.normalize("NFC", "cuiã.png"), "a\nb.png", r"a\nb.png"):
        (folder / name).write_bytes(picture)
    (folder / "loop").symlink_to("loop")
    page = Folder(FolderSpec(path=folder, license="cc0", author="X", source="Y"), 1).start(None)
    assert len({record.key for record in page.records}) == 4
    assert [(row.key, row.reason) for row in page.unusable] == [("folder:loop", "a link leads nowhere")]


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    (folder / "closed").mkdir()
    real = os.scandir

    def closed(path: Any) -> Any:  # whoever runs the tests may be allowed everything
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    page = Folder(FolderSpec(path=folder, license="cc0", author="X", source="Y"), 1).start(None)
    assert [(row.key, row.reason) for row in page.unusable] == [("folder:closed", "cannot be read")]


@pytest.mark.parametrize("code", ["-", "()", ",", "—", "–", "<>"])
def test_a_licence_that_says_nothing_is_none(code: str) -> None:
    assert parse_license(code).reason == "no licence is stated"


@pytest.mark.parametrize(
    ("stated", "author", "is_flagged"),
    [
        ({"Attribution": "Foto: Museu X / Ana", "Artist": "Ana"}, "Foto: Museu X / Ana", False),
        ({"Attribution": "<b>© Ana</b>", "Artist": "Own work"}, "© Ana", False),
        ({"Attribution": " - ", "Artist": "Ana"}, "Ana", False),
        ({"Artist": "Unknown author", "Credit": "Flickr"}, "Unknown author", False),
        ({"Artist": "The original uploader was Ana at pt.wikipedia"}, "The original uploader was Ana at pt.wikipedia", False),
        ({"Artist": "", "Credit": "Own work"}, "Anália", False),
        ({"Artist": "", "Credit": "Fotografia própria"}, "Anália", False),
        ({"Artist": "Self-made", "Credit": "Flickr"}, "Anália", False),
        ({"Credit": "Trabajo propio."}, "Anália", False),
        ({"Artist": "", "Credit": ""}, "Anália", True),
        ({"Credit": "Flickr"}, "Anália", True),
        ({"Credit": "Digitised from the book X, p. 31"}, "Anália", True),
        ({"Credit": "Transferred from pt.wikipedia"}, "Anália", True),
        ({}, "Anália", True),
    ],
)
def test_attribution_is_the_credit_and_a_source_is_no_author(stated: dict[str, str], author: str, is_flagged: bool) -> None:
    page = file_page(51, **FREE | stated)
    page["imageinfo"][0]["user"] = "Anália"
    (record,) = read_first(Commons(CommonsSpec(search="x")), {"batchcomplete": True, "query": {"pages": [page]}}).records
    assert (record.author, "credited to its uploader" in record.flags) == (author, is_flagged)
    assert record.source.endswith("Cuia_51.jpg")


def test_what_a_file_is_from_is_kept_beside_its_page() -> None:
    page = file_page(51, **FREE, Artist="Ana", Credit="Digitised from <i>the book X</i>, p. 31")
    (record,) = read_first(Commons(CommonsSpec(search="x")), {"batchcomplete": True, "query": {"pages": [page]}}).records
    assert record.fields == (("credit", "Digitised from the book X, p. 31"),)


def test_the_uploader_is_credited_for_own_work() -> None:
    page = file_page(51, **FREE | {"Artist": '<span style="display:none">x</span>', "Credit": "Own work"})
    page["imageinfo"][0]["user"] = "Anália"
    (record,) = read_first(Commons(CommonsSpec(search="x")), {"batchcomplete": True, "query": {"pages": [page]}}).records
    assert record.author == "Anália"


def test_a_file_in_a_bin_does_not_take_the_rights_of_the_file_of_its_name(tmp_path: Path) -> None:
    for name in (".Trash-1000/files", "A"):
        draw_folder(tmp_path / "photos" / name, "araucaria", 1)
    (tmp_path / "t.csv").write_text("file,license\n00.png,cc0\n")
    page = Folder(FolderSpec(path=tmp_path / "photos", table=tmp_path / "t.csv"), 1).start(None)
    assert [(record.key, record.license.family) for record in page.records] == [("folder:A/00.png", "cc0")]
    assert [(row.key, row.reason) for row in page.unusable] == [("folder:.Trash-1000/files/00.png", "in a hidden folder")]
