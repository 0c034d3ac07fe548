"""The crawl, against real servers on loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gaucho_pipeline.artifacts import read_table
from gaucho_pipeline.concepts import OpenverseSource
from gaucho_pipeline.crawl.engine import looks_like_an_image
from gaucho_pipeline.crawl.openverse import read_page
from gaucho_pipeline.crawl.safety import ForbiddenAddress, check_url, is_public
from gaucho_pipeline.embedded.demo_site import DemoSite, demo_site
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import run_stage
from gaucho_pipeline_tests.replay import replay


def openverse_concept(query: str, endpoint: str, token: str = "mtl") -> dict[str, object]:
    return {"token": token, "class_noun": "bird", "crawl": {"sources": [{"openverse": {"query": query, "endpoint": endpoint}}]}}


def crawled(tmp_path: Path, concept: dict[str, object], **variables: str) -> tuple[Project, str]:
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"galah": concept}), tmp_path / "data")
    done = run_stage(project, "raw_crawl", "galah", tmp_path / "request", **variables)
    return project, done.stderr


@pytest.mark.parametrize("query", ["galah", "honey", "dog"])
def test_of_a_recorded_answer_all_that_is_allowed_is_fetched_and_nothing_else_is_asked_for(query: str, real: Path, tmp_path: Path) -> None:
    with replay(real / "openverse") as server:
        project, said = crawled(tmp_path, openverse_concept(query, server.endpoint))
        artifact = project.store.current("raw_crawl", "galah")
        assert artifact, said
        kept = read_table(artifact.folder / "images.jsonl")
        figures = artifact.manifest.figures
        allowed = {path for path, file in server.paths.items() if file}
        media = [path for path in server.requested if not path.startswith(("/v1/", "/robots"))]
    assert sorted(media) == sorted(allowed)
    assert figures["kept"] == len(kept) == len(allowed)
    assert figures["found"] == figures["kept"] + sum(figures["refused"].values()) + sum(figures["failed"].values()) == 20
    assert all(row["author"] and row["license"].startswith(("CC", "PD")) and row["source"].startswith("http") for row in kept)
    for row in kept:
        assert project.store.blob_path(row["sha256"]).stat().st_size == row["bytes"]


def test_the_forbidden_image_is_never_asked_for_and_the_page_is_no_image(site: DemoSite, tmp_path: Path) -> None:
    project, said = crawled(tmp_path, openverse_concept("chimarrão", f"{site.address}/v1/images/"))
    artifact = project.store.current("raw_crawl", "galah")
    assert artifact, said
    assert not [path for path in site.requested if "forbidden" in path]
    assert artifact.manifest.figures["refused"] == {"the licence is non-commercial": 1}
    assert artifact.manifest.figures["failed"] == {"not an image": 1}


def test_crawling_again_fetches_no_image_and_ends_in_the_same_artifact(site: DemoSite, tmp_path: Path) -> None:
    concept = openverse_concept("chimarrão", f"{site.address}/v1/images/")
    project, _ = crawled(tmp_path, concept)
    first = project.store.current("raw_crawl", "galah")
    site.requested.clear()
    project, _ = crawled(tmp_path, concept)
    second = project.store.current("raw_crawl", "galah")
    assert first
    assert second
    assert second.manifest == first.manifest
    assert [p for p in site.requested if p.startswith("/media/") and "page.png" not in p] == []


def test_a_public_site_is_not_asked_without_a_contact(tmp_path: Path) -> None:
    _, said = crawled(tmp_path, openverse_concept("galah", "https://api.openverse.org/v1/images/"), GAUCHO_CONTACT="")
    assert said.strip().splitlines()[-1].startswith("error: GAUCHO_CONTACT: api.openverse.org must know whom to write to")


def test_a_loopback_site_that_is_not_allowed_is_refused(site: DemoSite, tmp_path: Path) -> None:
    concept = openverse_concept("galah", f"{site.address}/v1/images/")
    _, said = crawled(tmp_path, concept, GAUCHO_ALLOW_PRIVATE_HOSTS="", GAUCHO_CONTACT="a@example.org")
    assert "error: every source failed" in said
    assert site.requested == []


def test_a_source_that_is_down_says_so(tmp_path: Path) -> None:
    _, said = crawled(tmp_path, openverse_concept("galah", "http://127.0.0.1:9/v1/images/"))
    assert "127.0.0.1 refused the connection" in said


def test_a_folder_gives_its_images_their_stated_rights(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 3)
    (folder / "notes.txt").write_text("not an image")
    project, said = crawled(tmp_path, folder_concept(folder, "mtl", "tree"))
    artifact = project.store.current("raw_crawl", "galah")
    assert artifact, said
    rows = read_table(artifact.folder / "images.jsonl")
    assert [(r["author"], r["license"]) for r in rows] == [("João Araújo", "CC-BY-4.0")] * 3


@pytest.mark.parametrize(("make", "says"), [(False, "there is no folder"), (True, "holds no image")])
def test_a_folder_that_is_missing_or_empty_is_told(make: bool, says: str, tmp_path: Path) -> None:
    if make:
        (tmp_path / "photos").mkdir()
    _, said = crawled(tmp_path, folder_concept(tmp_path / "photos", "mtl", "tree"))
    assert says in said.splitlines()[-1]


def test_a_killed_runs_half_line_in_the_journal_is_passed_over(tmp_path: Path) -> None:
    from gaucho_pipeline.crawl.engine import Journal

    (tmp_path / "journal").write_text('\n{"key": "a b", "sha256": "1"}\n{"key": "c')
    journal = Journal(tmp_path / "journal", {})
    journal.add("d", "2")
    assert Journal(tmp_path / "journal", {}).finished == {"a b": "1", "d": "2"}


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "::ffff:127.0.0.1", "fe80::1", "0.0.0.0"]
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url", ["http://example.org/a.jpg", "https://10.0.0.1/a.jpg", "https://[::1]/a", "file:///etc/passwd", "https://localhost/a"]
)
def test_only_https_to_public_hosts_is_let_through(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url)


def test_what_is_no_image_is_seen_from_its_first_bytes() -> None:
    assert looks_like_an_image(b"\x89PNG\r\n\x1a\n")
    assert not looks_like_an_image(json.dumps({"a": 1}).encode())
    assert not looks_like_an_image(b"")


def test_what_robots_txt_forbids_is_not_fetched_however_many_ask_at_once(tmp_path: Path) -> None:
    with demo_site() as site:
        site.robots = b"User-agent: *\nDisallow: /media/\n"
        _, said = crawled(tmp_path, openverse_concept("chimarrão", f"{site.address}/v1/images/"))
    assert [path for path in site.requested if path.startswith("/media/")] == []
    assert "29 forbidden by robots.txt" in said


def test_a_record_that_names_no_address_costs_nothing_but_itself() -> None:
    def item(identity: str, url: object) -> dict[str, object]:
        return {"id": identity, "url": url, "license": "by", "license_version": "2.0", "title": "\ud83d", "creator": "Conceição"}

    items = [
        item("a", "https://[bad/x"),
        item("b", "http:foo"),
        item("c", "https://h:abc/x"),
        item("d", 7),
        item("e", "https://h.org/x.jpg"),
    ]
    listing = read_page(OpenverseSource(query="x"), json.dumps({"results": items, "page_count": 1}).encode(), 1)
    assert [record.key for record in listing.records] == ["openverse:e"]
    assert [row["key"] for row in listing.unusable] == [f"openverse:{name}" for name in "abcd"]
    assert listing.records[0].author == "Conceição"


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"results": 1, "page_count": 1}', b'{"results": [], "page_count": Infinity}'])
def test_an_answer_that_is_none_is_told(content: bytes) -> None:
    with pytest.raises(GauchoError, match="openverse: page 1"):
        read_page(OpenverseSource(query="x"), content, 1)


def test_files_of_the_same_name_in_two_folders_are_both_kept(tmp_path: Path) -> None:
    sources = [
        folder_concept(draw_folder(tmp_path / n, "araucaria", 1, first=i), "mtl", "tree")["crawl"]["sources"][0] for i, n in enumerate("ab")
    ]  # type: ignore[index]
    (tmp_path / "b" / "01.png").rename(tmp_path / "b" / "00.png")
    project, said = crawled(tmp_path, {"token": "mtl", "class_noun": "tree", "crawl": {"sources": sources}})
    artifact = project.store.current("raw_crawl", "galah")
    assert artifact, said
    assert artifact.manifest.figures["kept"] == 2


def test_a_source_that_fails_today_does_not_lose_what_it_gave_before(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 2)
    with demo_site() as site:
        concept = openverse_concept("chimarrão", f"{site.address}/v1/images/")
        concept["crawl"]["sources"].append(folder_concept(folder, "x", "y")["crawl"]["sources"][0])  # type: ignore[index]
        project, _ = crawled(tmp_path, concept)
        before = project.store.current("raw_crawl", "galah")
    project, said = crawled(tmp_path, concept)
    after = project.store.current("raw_crawl", "galah")
    assert before
    assert after
    assert after.manifest.data_version == before.manifest.data_version
    assert after.manifest.figures["failed_sources"], said
