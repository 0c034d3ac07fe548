"""Bytes that come more than once: placeholders of a host, and images that somebody else states under a stricter licence."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.crawl.file_rights import FileRights
from gaucho_pipeline.crawl.journal import Journal
from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline_tests.conftest import draw_folder
from gaucho_pipeline_tests.crawling import concept_of, crawl_once, urls
from gaucho_pipeline_tests.replay import serving
from gaucho_pipeline_tests.sources.test_sources import FREE, file_page


def picture(number: int) -> bytes:
    return png_bytes(draw_subject("araucaria", number, side=64))


@pytest.mark.parametrize(("addresses", "kept"), [(2, 6), (3, 4)])
def test_the_same_bytes_at_three_addresses_of_a_host_are_a_placeholder_and_are_asked_for_again(
    addresses: int, kept: int, tmp_path: Path
) -> None:
    media = {f"/{number}.png": picture(number) for number in range(4)} | {f"/gone{number}.png": picture(9) for number in range(addresses)}

    def answer(handler: QuietHandler) -> None:
        handler.send(200 if handler.path in media else 404, "image/png", media.get(handler.path, b""))

    with serving(answer) as server:
        rows = "".join(f"{server.address}{path},cc0,Author {path},https://museu.example{path}\n" for path in media)
        (tmp_path / "t.csv").write_text(f"url,license,author,source\n{rows}")
        concept = concept_of({"urls": {"table": str(tmp_path / "t.csv")}})
        first = crawl_once(tmp_path, concept)
        assert first.metrics.kept == kept
        if addresses == 3:
            assert first.metrics.failed == {"a placeholder: the same bytes come from 3 addresses": 3}
            media["/gone0.png"] = picture(7)
            second = crawl_once(tmp_path, concept)
            assert {row["url"].rpartition("/")[2] for row in second.table("images")} == {
                "0.png",
                "1.png",
                "2.png",
                "3.png",
                "gone0.png",
                "gone1.png",
                "gone2.png",
            }


def test_what_one_person_declares_to_be_one_pages_is_no_placeholder(tmp_path: Path) -> None:
    with serving(lambda handler: handler.send(200 if handler.path.endswith(".png") else 404, "image/png", picture(1))) as server:
        assert crawl_once(tmp_path, concept_of(urls(*(f"{server.address}/{number}.png" for number in range(4))))).metrics.kept == 4


def test_one_image_three_times_in_a_folder_is_no_placeholder(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 1)
    for name in "ab":
        (folder / f"{name}.png").write_bytes((folder / "00.png").read_bytes())
    source = {"folder": {"path": str(folder), "license": "cc0", "author": "A", "source": "S"}}
    assert crawl_once(tmp_path / "project", concept_of(source)).metrics.kept == 3


@pytest.mark.parametrize(("code", "kept"), [("cc-by-nc-4.0", 1), ("all rights reserved", 2), ("", 2), ("cc-by-sa-4.0", 3)])
def test_an_image_that_another_table_forbids_is_not_kept(code: str, kept: int, tmp_path: Path) -> None:
    museum, other = draw_folder(tmp_path / "museum", "araucaria", 2), draw_folder(tmp_path / "other", "araucaria", 1)
    (tmp_path / "t.csv").write_text(f"file,license,author\n00.png,{code},Ana\n")
    sources: list[dict[str, Any]] = [
        {"folder": {"path": str(museum), "license": "cc0", "author": "Museu", "source": "acervo"}},
        {"folder": {"path": str(other), "table": str(tmp_path / "t.csv")}},
    ]
    crawled = crawl_once(tmp_path / "project", concept_of(*sources))
    assert crawled.metrics.kept == kept
    if kept == 1:
        assert crawled.metrics.refused == {
            "the licence is non-commercial": 1, "the same bytes are CC-BY-NC-4.0 elsewhere (folder:2:00.png)": 1,
        }  # fmt: skip


def test_a_file_of_commons_that_is_forbidden_there_is_known_by_its_sha1(tmp_path: Path) -> None:
    museum = draw_folder(tmp_path / "museum", "araucaria", 2)
    page = file_page(1, **FREE | {"License": "cc-by-nc-4.0", "LicenseShortName": "CC BY-NC 4.0"})
    page["imageinfo"][0]["sha1"] = hashlib.sha1((museum / "00.png").read_bytes()).hexdigest()

    def answer(handler: QuietHandler) -> None:
        from gaucho_pipeline_tests.replay import send_json

        send_json(handler, {"batchcomplete": True, "query": {"pages": [page]}})

    with serving(answer) as server:
        commons = {"commons": {"search": "x", "endpoint": f"{server.address}/w/api.php"}}
        folder = {"folder": {"path": str(museum), "license": "cc0", "author": "Museu", "source": "acervo"}}
        crawled = crawl_once(tmp_path / "project", concept_of(folder, commons))
    assert [row["key"] for row in crawled.table("images")] == ["folder:01.png"]


def test_bytes_that_were_discarded_are_unknown_to_the_next_crawl(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "s")
    journal.add("a", "1" * 64, FileRights())
    journal.discard("a")
    assert (journal.fetched, Journal(tmp_path / "journal", "s").fetched) == ({}, {})
