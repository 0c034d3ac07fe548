"""Folders that others have made: regular files inside them are read, and nothing that leads elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.digests import weights_digest
from gaucho_pipeline.files.inside import file_inside, files_inside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in it, and a key beside it."""
    (tmp_path / "key").write_text("private")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("x")
    (tmp_path / "model" / "unet").mkdir(parents=True)
    (tmp_path / "model" / "unet" / "config.json").write_text("{}")
    return tmp_path / "model"


ATTACKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a link out": (lambda m: (m / "unet" / "x.json").symlink_to(m.parent / "key"), r"unet/x\.json is a link that leads out of"),
    "a relative one": (lambda m: (m / "unet" / "x.json").symlink_to("../../key"), "leads out of"),
    "a link to a link": (lambda m: ((m / "a").symlink_to("b"), (m / "b").symlink_to("../key")), "leads out of"),
    "a folder elsewhere": (lambda m: (m / "vae").symlink_to(m.parent / "other"), "vae is a link that leads out of"),
    "a folder within": (lambda m: (m / "vae").symlink_to("unet"), "vae leads nowhere: it is no regular file"),
    "a loop": (lambda m: (m / "unet" / "loop").symlink_to(".."), "loop leads nowhere"),
    "a device": (lambda m: (m / "x.safetensors").symlink_to("/dev/zero"), "leads out of"),
    "a pipe": (lambda m: os.mkfifo(m / "unet" / "model.safetensors"), "leads nowhere: it is no regular file; fetch it again, or remove it"),
    "a hidden one": (lambda m: (m / ".cache").symlink_to(m.parent / "other"), "leads out of"),
    "blobs that are none": (
        lambda m: ((m.parent / "blobs").mkdir(), (m.parent / "blobs" / "k").write_text("x"), (m / "x").symlink_to("../blobs/k")),
        "leads out of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_leads_elsewhere_or_is_no_file_is_refused_before_it_is_read(attack: str, folder: Path) -> None:
    do, message = ATTACKS[attack]
    do(folder)
    for ask in (files_inside, weights_digest):
        with pytest.raises(ConfigError, match=message) as caught:
            ask(folder)
        assert "\n" not in str(caught.value)


def test_more_and_deeper_folders_than_anybody_makes_are_one_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder
    for _ in range(200):
        deep = deep / "a"
    deep.mkdir(parents=True)
    with pytest.raises(ConfigError, match="lies more than 50 folders deep"):
        files_inside(folder)
    monkeypatch.setattr("gaucho_pipeline.files.inside._MAX_FILES", 0)
    with pytest.raises(ConfigError, match="holds more than 0 files"):
        files_inside(folder / "unet")


def test_links_within_the_folder_and_those_of_a_hubs_cache_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, commit = tmp_path / "hub" / "models--owner--name" / "blobs", tmp_path / "hub" / "models--owner--name" / "snapshots" / "abc"
    for each in (blobs, commit / "unet", tmp_path / "own"):
        each.mkdir(parents=True)
    (blobs / "1234").write_text("weights")
    (commit / "unet" / "model.safetensors").symlink_to("../../../blobs/1234")
    (commit / "again").symlink_to("unet/model.safetensors")
    assert files_inside(commit) == dict.fromkeys(("unet/model.safetensors", "again"), blobs / "1234")
    (tmp_path / "own" / "x").symlink_to(blobs / "1234")  # as earlier versions of `hf download --local-dir` left them
    with pytest.raises(ConfigError, match="leads out of"):
        files_inside(tmp_path / "own")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert files_inside(tmp_path / "own") == {"x": blobs / "1234"}


def test_a_folder_may_be_named_by_a_link_and_what_leads_nowhere_is_nothing(folder: Path) -> None:
    (folder / "gone").symlink_to("nothing")
    (folder / "round").symlink_to("round")
    (folder.parent / "link").symlink_to("model")
    assert list(files_inside(folder.parent / "link")) == ["unet/config.json"]
    assert file_inside(folder, folder / "gone") is None
    assert files_inside(folder / "nothing") == {}
