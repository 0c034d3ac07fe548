"""Crawled: the crawl's table is read by the hash of the file, a line at a time, and no record of it is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gaucho_pipeline.assets.rows import CrawledImage, to_json, write_rows
from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.files.tables import write_table
from gaucho_pipeline_tests.samples import crawled_image

A, B, C = (character * 64 for character in "abc")


def row(key: str, sha256: str) -> CrawledImage:
    return crawled_image(key=key, sha256=sha256, title=f"araucária {key}")


def test_images_come_in_the_order_of_their_hashes_and_the_first_record_of_a_file_counts(tmp_path: Path) -> None:
    rows = [row("1", B), row("2", A), row("3", B), row("4", C), row("5", B)]
    write_rows(tmp_path / "images.jsonl", rows)
    crawled = Crawled(tmp_path / "images.jsonl")
    assert list(crawled) == [A, B, C]
    assert dict(crawled) == {A: rows[1], B: rows[0], C: rows[3]}
    assert list(crawled.repeated()) == [rows[2], rows[4]]
    assert crawled.records == 5
    assert "dd" not in crawled
    with pytest.raises(KeyError):
        crawled["dd"]


def test_blank_lines_are_no_records(tmp_path: Path) -> None:
    first, second = (json.dumps(to_json(row(key, A))) for key in ("1", "2"))
    (tmp_path / "images.jsonl").write_text(f"\n{first}\n\n{second}")
    crawled = Crawled(tmp_path / "images.jsonl")
    assert dict(crawled) == {A: row("1", A)}
    assert list(crawled.repeated()) == [row("2", A)]


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"sha256": 1}', "7"])
def test_a_line_that_is_no_record_is_one_clear_error(line: str, tmp_path: Path) -> None:
    (tmp_path / "images.jsonl").write_text(line)
    with pytest.raises(GauchoError, match=r"images\.jsonl: is damaged; to have it made again: gaucho run --select raw_crawl --force"):
        Crawled(tmp_path / "images.jsonl")


def test_a_record_that_lacks_a_field_is_named_with_the_field(tmp_path: Path) -> None:
    write_table(tmp_path / "images.jsonl", [to_json(row("1", A)) | {"bytes": "many"}])
    with pytest.raises(GauchoError, match="bytes: Input should be a valid integer"):
        Crawled(tmp_path / "images.jsonl")[A]


def test_a_crawl_that_kept_nothing_is_empty(tmp_path: Path) -> None:
    write_table(tmp_path / "images.jsonl", [])
    assert len(Crawled(tmp_path / "images.jsonl")) == 0
