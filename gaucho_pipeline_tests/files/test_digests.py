"""Names of things by what they hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gaucho_pipeline.files.digests import digest, file_digest, folder_digest


def test_the_order_of_keys_is_no_part_of_a_digest_and_that_of_lists_is() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest("Chimarrão") != digest("Chimarrao")
    assert len(digest({})) == 32


def test_what_is_no_number_has_no_digest() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))


def test_all_of_a_file_counts(tmp_path: Path) -> None:
    content = bytes(2 * 2**20)
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(content[:-1] + b"x")
    assert file_digest(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")


def test_a_folder_is_its_files_and_their_names_and_not_their_times(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").write_bytes(b"1")
    before = folder_digest(tmp_path)
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / ".hidden").write_bytes(b"2")
    assert folder_digest(tmp_path) == before
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    renamed = folder_digest(tmp_path)
    (tmp_path / "b.png").rename(tmp_path / "in" / "b.png")
    assert len({before, renamed, folder_digest(tmp_path)}) == 3
