"""Crawled: the crawl's table is read by the hash of the file, a line at a time, and no record of it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.files.tables import write_table


def row(key: str, sha256: str) -> dict[str, str]:
    return {"key": key, "sha256": sha256, "title": f"araucária {key}"}


def test_images_come_in_the_order_of_their_hashes_and_the_first_record_of_a_file_counts(tmp_path: Path) -> None:
    rows = [row("1", "bb"), row("2", "aa"), row("3", "bb"), row("4", "cc"), row("5", "bb")]
    write_table(tmp_path / "images.jsonl", rows)
    crawled = Crawled(tmp_path / "images.jsonl")
    assert list(crawled) == ["aa", "bb", "cc"]
    assert dict(crawled) == {"aa": rows[1], "bb": rows[0], "cc": rows[3]}
    assert list(crawled.repeated()) == [rows[2], rows[4]]
    assert crawled.records == 5
    assert "dd" not in crawled
    with pytest.raises(KeyError):
        crawled["dd"]


def test_blank_lines_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "images.jsonl").write_text('\n{"sha256": "aa"}\n\n{"sha256": "aa", "key": 2}')
    crawled = Crawled(tmp_path / "images.jsonl")
    assert dict(crawled) == {"aa": {"sha256": "aa"}}
    assert list(crawled.repeated()) == [{"sha256": "aa", "key": 2}]


def test_a_crawl_that_kept_nothing_is_empty(tmp_path: Path) -> None:
    write_table(tmp_path / "images.jsonl", [])
    assert len(Crawled(tmp_path / "images.jsonl")) == 0
