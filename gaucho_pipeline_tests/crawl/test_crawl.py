"""The crawl as a whole, against real servers on loopback: what is kept, what is asked for, and what happens the second time."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gaucho_pipeline.assets.table import RAW_CRAWL
from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.crawl.engine import Crawl
from gaucho_pipeline.crawl.listing import Listing
from gaucho_pipeline.demo.site import HOST, DemoSite, QuietHandler, demo_site
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.files.tables import ATTRIBUTION_COLUMNS, read_table
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.rights.licenses import parse_license
from gaucho_pipeline.sources.records import Record
from gaucho_pipeline.sources.registry import build_sources
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.soundness import blocked_by, run_check
from gaucho_pipeline.store.store import Store
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.crawling import SLUG, concept_of, crawl_once, openverse, urls
from gaucho_pipeline_tests.programs import content_of, gaucho, kill_after, run_stage, stage_command
from gaucho_pipeline_tests.replay import CommonsReplay, INaturalistReplay, OpenverseReplay, real_images, send_json, serving


@pytest.mark.parametrize("query", ["galah", "honey", "dog"])
def test_of_a_recorded_answer_all_that_is_allowed_is_fetched_and_nothing_else_is_asked_for(query: str, real: Path, tmp_path: Path) -> None:
    recorded = OpenverseReplay(real / "openverse")
    with serving(recorded) as server:
        crawled = crawl_once(tmp_path, concept_of(openverse(query, server.address)))
    allowed = {path for path, file in recorded.paths.items() if file}
    assert sorted(server.media()) == sorted(allowed)
    assert crawled.metrics.kept == len(allowed)
    assert crawled.metrics.found == 20
    for row in crawled.table("images"):
        assert row["author"]
        assert row["license"].startswith(("CC", "PD"))
        assert row["source"].startswith("http")
        assert crawled.project.store.blob_path(row["sha256"]).stat().st_size == row["bytes"]


def test_three_continued_pages_of_commons_give_every_file_once_with_its_author_in_plain_text(real: Path, tmp_path: Path) -> None:
    recorded = CommonsReplay(real)
    with serving(recorded) as server:
        crawled = crawl_once(tmp_path, concept_of({"commons": {"category": "Guampa", "endpoint": f"{server.address}/w/api.php"}}))
    assert [path for path in server.requested if "gucontinue" in path] != []
    assert sorted(server.media()) == sorted(recorded.files)
    assert crawled.metrics.kept == crawled.metrics.found == 9
    rows = {row["title"]: row for row in crawled.table("images")}
    assert rows["Minchinmavida Volcano"]["author"] == "The original uploader was Elvezio at Italian Wikipedia."
    assert rows["Minchinmavida Volcano"]["license"] == "PD"


@pytest.mark.parametrize(("code", "kept"), [("cc-by", True), ("cc-by-nc", False), (None, False)])
def test_every_photo_of_inaturalist_has_a_licence_of_its_own_and_no_place(code: str | None, kept: bool, real: Path, tmp_path: Path) -> None:
    recorded = INaturalistReplay(real, real_images(real)[0])
    recorded.license_code = code
    with serving(recorded) as server:
        source = {"inaturalist": {"taxon": "Nicrophorus vespillo", "endpoint": f"{server.address}/v1"}}
        crawled = crawl_once(tmp_path, concept_of(source))
    assert ["taxon_id=131878" in path for path in server.requested if path.startswith("/v1/observations")] == [True]
    assert len(server.media()) == int(kept)
    if kept:
        assert crawled.table("images")[0]["author"] == "samroom"
    for path in (tmp_path / "data").rglob("*.json*"):
        assert "Wilcox" not in path.read_text()
        assert "50.09" not in path.read_text()


def test_the_forbidden_image_is_never_asked_for_and_the_page_is_no_image(site: DemoSite, tmp_path: Path) -> None:
    crawled = crawl_once(tmp_path, concept_of(openverse("chimarrão", site.address)))
    assert not [path for path in site.requested if "forbidden" in path]
    assert crawled.metrics.refused == {"the licence is non-commercial": 1}
    assert crawled.metrics.failed == {"not an image": 1}


def test_attribution_names_every_image_with_its_accents(site: DemoSite, tmp_path: Path) -> None:
    crawled = crawl_once(tmp_path, concept_of(openverse("chimarrão", site.address)))
    lines = (crawled.folder / "ATTRIBUTION.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == ",".join(ATTRIBUTION_COLUMNS)
    assert len(lines) == crawled.metrics.kept + 1
    assert any("Conceição Müller" in line and "https://creativecommons.org/" in line for line in lines)


def test_crawling_again_asks_for_no_image_and_ends_in_the_same_artifact(site: DemoSite, tmp_path: Path) -> None:
    concept = concept_of(openverse("chimarrão", site.address))
    first = crawl_once(tmp_path, concept).manifest
    site.requested.clear()
    second = crawl_once(tmp_path, concept).manifest
    assert second == first
    assert [path for path in site.requested if path.startswith("/media/")] == ["/media/chimarrao/page.png"]  # which may be an image now


def test_what_is_gone_or_has_changed_its_licence_is_marked_and_the_rest_is_not_fetched_again(real: Path, tmp_path: Path) -> None:
    recorded = OpenverseReplay(real / "openverse")
    with serving(recorded) as server:
        concept = concept_of(openverse("galah", server.address))
        first = crawl_once(tmp_path, concept)
        rows = [row for row in first.table("images") if row["license_family"] == "cc-by"]
        gone, forbidden, freed = (row["key"].partition(":")[2] for row in rows[:3])
        recorded.without = {gone}
        recorded.changed = {
            forbidden: {"license": "by-nc", "license_url": "https://creativecommons.org/licenses/by-nc/2.0/"},
            freed: {"license": "cc0", "license_version": "1.0", "license_url": "https://creativecommons.org/publicdomain/zero/1.0/"},
        }
        server.requested.clear()
        second = crawl_once(tmp_path, concept)
        assert server.media() == []
        recorded.without, recorded.changed = set(), {}
        third = crawl_once(tmp_path, concept)
        assert server.media() == []
    assert [row["key"] for row in second.table("gone")] == [f"openverse:{gone}"]
    assert second.metrics.kept == first.metrics.kept - 2
    assert second.metrics.changed_licenses == 2
    refused = {row["key"]: row for row in second.table("refused")}
    assert refused[f"openverse:{forbidden}"]["previous_license"].startswith("CC")
    assert third.manifest.data_version == first.manifest.data_version
    assert third.table("gone") == []


class LongList:
    """A taxon with ever more observations, the newest first, each with one photo."""

    def __init__(self) -> None:
        self.newest, self.licenses, self.without = 3, dict[int, str](), set[int]()

    def __call__(self, handler: QuietHandler) -> None:
        parts = urlsplit(handler.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v1/taxa":
            send_json(handler, {"results": [{"id": 41, "name": "Leopardus guttulus", "is_active": True}]})
        elif parts.path == "/v1/observations":
            self._send_observations(handler, asked)
        elif parts.path.startswith("/photos/"):
            number = int(parts.path.split("/")[2])
            handler.send(200, "image/png", png_bytes(draw_subject("araucaria", number, side=64)))
        else:
            handler.send_error(404)

    def _send_observations(self, handler: QuietHandler, asked: dict[str, str]) -> None:
        there = [n for n in range(self.newest, 0, -1) if n not in self.without and n < int(asked.get("id_below", 10**9))]
        wanted = [n for n in there if str(n) in asked["id"].split(",")] if "id" in asked else there
        base = f"http://{HOST}:{handler.server.server_address[1]}"
        observations = [
            {
                "id": n, "quality_grade": "research", "uri": f"https://www.inaturalist.org/observations/{n}", "user": {"login": "ana"},
                "photos": [{"id": n, "url": f"{base}/photos/{n}/square.png", "license_code": self.licenses.get(n, "cc-by")}],
            }
            for n in wanted[:200]
        ]  # fmt: skip
        send_json(handler, {"total_results": len(wanted), "results": observations})


def test_what_is_far_down_a_list_that_has_grown_is_asked_for_by_its_id(tmp_path: Path) -> None:
    site = LongList()
    with serving(site) as server:
        source = {"inaturalist": {"taxon": "Leopardus guttulus", "endpoint": f"{server.address}/v1"}}
        concept = concept_of(source, max_images=3)
        first = crawl_once(tmp_path, concept)
        site.newest, site.licenses, site.without = 3000, {1: "cc-by-nc"}, {2}
        server.requested.clear()
        second = crawl_once(tmp_path, concept)
        assert len([path for path in server.requested if path.startswith("/v1/observations")]) < 10
        assert sorted(server.media()) == ["/photos/2999/large.png", "/photos/3000/large.png"]
        site.without = set()
        third = crawl_once(tmp_path, concept)
    assert [row["key"] for row in first.table("images")] == ["inaturalist:1", "inaturalist:2", "inaturalist:3"]
    assert [row["key"] for row in second.table("images")] == ["inaturalist:2999", "inaturalist:3", "inaturalist:3000"]
    assert [row["key"] for row in second.table("gone")] == ["inaturalist:2"]
    assert [row["key"] for row in third.table("gone")] == []
    refused = {row["key"]: row for row in second.table("refused")}
    assert refused["inaturalist:1"]["reason"] == "the licence is non-commercial"
    assert refused["inaturalist:1"]["previous_license"] == "CC-BY-4.0"


def test_a_source_that_fails_today_does_not_lose_what_it_gave_before(tmp_path: Path) -> None:
    folder = folder_concept(draw_folder(tmp_path / "photos", "araucaria", 2), "x", "y")["crawl"]["sources"][0]  # type: ignore[index]
    with demo_site() as site:
        concept = concept_of(openverse("chimarrão", site.address), folder)
        before = crawl_once(tmp_path, concept)
    after = crawl_once(tmp_path, concept)
    assert after.manifest.data_version == before.manifest.data_version
    assert list(after.metrics.failed_sources) == ["openverse: chimarrão"]
    assert after.table("gone") == []


def test_a_crawl_shows_no_librarys_warnings(site: DemoSite, tmp_path: Path) -> None:
    """The demo's first screen: what Scrapy, Twisted and others mean for programmers is nothing for whoever runs it."""
    said = crawl_once(tmp_path, concept_of(openverse("chimarrão", site.address), max_images=4), PYTHONWARNINGS="default").said
    assert "kept 4" in said
    assert not [line for line in said.splitlines() if "Scrapy" in line or "Warning" in line]


@pytest.mark.parametrize("kept", [2, 0])
def test_rows_of_a_persons_own_table_that_are_refused_are_named_with_their_reasons(kept: int, tmp_path: Path) -> None:
    draw_folder(tmp_path / "photos", "chimarrao", 6)
    licenses = ["cc-by-4.0" if kept else "cc-by-nc-4.0"] * 2 + ["cc-by-nc-4.0", "cc-by-nd-4.0", "todos os direitos reservados", ""]
    rows = "".join(f"{number:02d}.png,Cuia,Ana,{license_},acervo\n" for number, license_ in enumerate(licenses))
    (tmp_path / "acervo.csv").write_text(f"file,title,author,license,source\n{rows}", encoding="utf-8")
    said = crawl_once(tmp_path, concept_of({"folder": {"path": "photos", "table": "acervo.csv"}})).said
    told = {line.split(": ")[1]: line for line in said.splitlines() if line.startswith("left out: ")}
    assert sorted(told) == [f"{number:02d}.png" for number in range(kept, 6)]
    assert "non-commercial" in told["02.png"]


def test_of_many_that_are_refused_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    draw_folder(tmp_path / "photos", "chimarrao", 14)
    rows = "".join(f"{number:02d}.png,Cuia,Ana,{'cc0' if number == 7 else 'cc-by-nc-4.0'},acervo\n" for number in range(14))
    (tmp_path / "acervo.csv").write_text(f"file,title,author,license,source\n{rows}", encoding="utf-8")
    said = crawl_once(tmp_path, concept_of({"folder": {"path": "photos", "table": "acervo.csv"}})).said
    assert said.count("left out: ") == 10
    assert "and 3 more, in refused.jsonl and failed.jsonl" in said


def test_a_folder_that_is_not_there_today_loses_nothing_and_the_check_says_so(tmp_path: Path) -> None:
    folders = [
        folder_concept(draw_folder(tmp_path / n, "araucaria", 2, 5 * k), "x", "y")["crawl"]["sources"][0] for k, n in enumerate("ab")
    ]  # type: ignore[index]
    before = crawl_once(tmp_path, concept_of(*folders))
    (tmp_path / "b").rename(tmp_path / "unmounted")
    after = crawl_once(tmp_path, concept_of(*folders))
    assert after.manifest.data_version == before.manifest.data_version
    assert after.artifact
    result = run_check(RAW_CRAWL.checks[0], after.artifact)
    assert result.text.startswith("missing: folder: b (there is no folder")
    assert not result.passed
    assert not blocked_by(after.artifact)


def test_a_second_crawl_asks_for_no_image_also_where_max_bytes_binds(tmp_path: Path) -> None:
    pictures = {f"/{n:02d}.png": _picture(n) for n in range(40)}

    def answer(handler: QuietHandler) -> None:
        handler.send(200 if handler.path in pictures else 404, "image/png", pictures.get(handler.path, b""))

    with serving(answer) as server:
        concept = concept_of(urls(*(f"{server.address}{path}" for path in pictures)), max_bytes=3 * len(pictures["/00.png"]))
        first = crawl_once(tmp_path, concept)
        server.requested.clear()
        second = crawl_once(tmp_path, concept)
        assert server.media() == []
    assert second.manifest == first.manifest


def test_max_images_is_shared_fairly_among_the_sources(site: DemoSite, tmp_path: Path) -> None:
    folder = folder_concept(draw_folder(tmp_path / "photos", "araucaria", 2), "x", "y")["crawl"]["sources"][0]  # type: ignore[index]
    concept = concept_of(openverse("chimarrão", site.address), openverse("araucária", site.address), folder, max_images=10)
    metrics = crawl_once(tmp_path, concept).metrics
    assert {origin: row.kept for origin, row in metrics.sources.items()} == {
        "openverse: chimarrão": 4,
        "openverse: araucária": 4,
        "folder: photos": 2,
    }
    assert len([path for path in site.requested if path.startswith("/media/")]) == 8
    assert metrics.refused["more than max_images"] > 0


def _picture(seed: int) -> bytes:
    return png_bytes(draw_subject("araucaria", seed, side=64))


def test_max_bytes_ends_a_crawl_in_the_same_place_whatever_arrives_first(tmp_path: Path) -> None:
    pictures = {f"/{n:02d}.png": _picture(n) for n in range(12)}

    def answer(handler: QuietHandler) -> None:
        handler.send(200 if handler.path in pictures else 404, "image/png", pictures.get(handler.path, b""))

    most = sum(len(content) for content in list(pictures.values())[:5]) + 10
    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(urls(*(f"{server.address}{path}" for path in pictures)), max_bytes=most))
    assert sorted(row["url"][-6:] for row in crawled.table("images")) == [f"{n:02d}.png" for n in range(5)]
    assert crawled.metrics.refused == {"more than max_bytes": 7}


def test_false_friends_are_left_out_by_name(site: DemoSite, tmp_path: Path) -> None:
    crawled = crawl_once(tmp_path, concept_of(openverse("chimarrão", site.address), exclude=["chimarrão 1"]))
    refused = [row["title"] for row in crawled.table("refused") if row["reason"] == "left out by name: chimarrão 1"]
    assert "Chimarrão 1" in refused
    assert "Chimarrão 2" not in refused
    assert not [path for path in site.requested if path.endswith("/00.png")]


def test_a_source_that_loses_most_at_once_changes_nothing_until_somebody_says_so(real: Path, tmp_path: Path) -> None:
    recorded = OpenverseReplay(real / "openverse")
    with serving(recorded) as server:
        concept = concept_of(openverse("galah", server.address))
        first = crawl_once(tmp_path, concept)
        assert first.metrics.kept >= 3
        keys = [row["key"].partition(":")[2] for row in first.table("images")]
        recorded.without = set(keys[1:])
        second = crawl_once(tmp_path, concept)
        assert [row["key"] for row in second.table("images")] == [row["key"] for row in first.table("images")]
        assert "--accept-losses" in next(iter(second.metrics.failed_sources.values()))
        assert second.artifact
        results = [run_check(check, second.artifact) for check in RAW_CRAWL.checks]
        assert ["gone at once" in result.text for result in results if not result.passed] == [True]
        said = gaucho(tmp_path, "run", SLUG, "--select", "raw_crawl", "--accept-losses", check=False)
        third = second.project.store.current("raw_crawl", SLUG)
        assert third, said.stderr
        assert [row["key"] for row in read_table(third.folder / "images.jsonl")] == [f"openverse:{keys[0]}"]
    refused = gaucho(tmp_path, "run", SLUG, "--accept-losses", check=False)
    assert (refused.returncode, "--accept-losses: goes with --select raw_crawl" in refused.stderr) == (2, True)


def test_a_public_site_is_not_asked_without_a_contact(tmp_path: Path) -> None:
    crawled = crawl_once(tmp_path, concept_of({"openverse": {"query": "galah"}}), GAUCHO_CONTACT="")
    assert crawled.last_words.startswith("error: GAUCHO_CONTACT: api.openverse.org must know whom to write to")


def test_a_loopback_site_that_is_not_allowed_is_refused(site: DemoSite, tmp_path: Path) -> None:
    concept = concept_of(openverse("galah", site.address))
    crawled = crawl_once(tmp_path, concept, GAUCHO_ALLOW_PRIVATE_HOSTS="", GAUCHO_CONTACT="a@example.org")
    assert "error: every source failed" in crawled.said
    assert site.requested == []


def test_a_source_that_is_down_says_so(tmp_path: Path) -> None:
    assert "127.0.0.1: refused the connection" in crawl_once(tmp_path, concept_of(openverse("galah", "http://127.0.0.1:9"))).said


def _big_site(count: int) -> dict[str, bytes]:
    return {f"/{n:03d}.png": _picture(n) for n in range(count)}


def test_killed_at_twenty_random_moments_it_ends_as_if_left_alone_and_fetches_no_image_twice(tmp_path: Path) -> None:
    pictures = _big_site(40)
    served: list[str] = []

    def answer(handler: QuietHandler) -> None:
        content = pictures.get(handler.path, b"")
        handler.send(200 if content else 404, "image/png", content)
        if content:
            served.append(handler.path)

    with serving(answer) as server:
        concept = concept_of(urls(*(f"{server.address}{path}" for path in pictures), f"{server.address}/missing.png"))
        alone = crawl_once(tmp_path / "alone", concept)
        whole = content_of(alone.folder)
        draw, started = random.Random(20), time.monotonic()
        project = Project(write_concepts(tmp_path / "concepts.yaml", {SLUG: concept}), tmp_path / "data")
        command = stage_command(project, "raw_crawl", SLUG, tmp_path / "request")
        run_stage(project, "raw_crawl", SLUG, tmp_path / "request")
        seconds = time.monotonic() - started
        shutil.rmtree(tmp_path / "data")
        served.clear()
        kills = 0
        while kills < 20:
            kills += kill_after(command, draw.uniform(0.1, 1) * seconds)
            if project.store.current("raw_crawl", SLUG):  # it came to its end before the kill: begin again
                shutil.rmtree(tmp_path / "data")
                served.clear()
        run_stage(project, "raw_crawl", SLUG, tmp_path / "request")
        resumed = project.store.current("raw_crawl", SLUG)
    assert resumed
    assert content_of(resumed.folder) == whole
    again = len(served) - len(set(served))
    assert again <= 3 * kills, "only what was on its way when a kill came may be asked for again"


def test_the_wire_carries_no_image_twice_in_one_crawl(tmp_path: Path) -> None:
    content = _picture(1)

    def answer(handler: QuietHandler) -> None:
        handler.send(200, "image/png", content) if handler.path.endswith(".png") else handler.send_error(404)

    with serving(answer) as server:
        crawl_once(tmp_path, concept_of(urls(f"{server.address}/a.png"), urls(f"{server.address}/a.png", f"{server.address}/b.png")))
        assert sorted(server.media()) == ["/a.png", "/b.png"]


def test_another_licence_alone_makes_another_data_version_and_what_was_gone_stays_told(real: Path, tmp_path: Path) -> None:
    recorded = OpenverseReplay(real / "openverse")
    with serving(recorded) as server:
        concept = concept_of(openverse("galah", server.address))
        first = crawl_once(tmp_path, concept)
        rows = [row for row in first.table("images") if row["license_family"] == "cc-by"]
        gone, freed = (row["key"].partition(":")[2] for row in rows[:2])
        deed = "https://creativecommons.org/publicdomain/zero/1.0/"
        recorded.changed = {freed: {"license": "cc0", "license_version": "1.0", "license_url": deed}}
        second = crawl_once(tmp_path, concept)
        assert second.metrics.kept == first.metrics.kept
        assert second.manifest.data_version != first.manifest.data_version
        recorded.without = {gone}
        third = crawl_once(tmp_path, concept)
        fourth = crawl_once(tmp_path, concept)
    for crawled in (third, fourth):
        assert [row["key"] for row in crawled.table("gone")] == [f"openverse:{gone}"]
        assert crawled.metrics.gone == 1


def test_hosts_that_the_concept_names_are_asked_and_others_are_not(tmp_path: Path) -> None:
    spec = CrawlSpec.model_validate({"sources": [{"openverse": {"query": "x"}}], "media_hosts": ["museu.example"]})
    sources = build_sources(spec.sources, spec.exclude)
    crawl = Crawl(spec, sources, Store(tmp_path), LockFile(None), Reporter(None))
    listing = Listing(sources[0].origin)
    for key, host in (("a", "museu.example"), ("b", "live.staticflickr.com"), ("c", "elsewhere.example")):
        listing.records[key] = Record(key, sources[0].origin, f"https://{host}/1.jpg", "T", "A", "S", parse_license("cc0"))
    crawl.add(listing)
    crawl.decide()
    assert [record.key for record in crawl.order] == ["a", "b"]
    assert {key: reason for key, (_, reason) in crawl.refused.items()} == {"c": "its host is not one of media_hosts"}


def test_a_file_of_a_folder_that_is_too_large_is_reported(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 2)
    (folder / "huge.png").write_bytes((folder / "00.png").read_bytes() + bytes(500_000))
    source = {"path": str(folder), "license": "cc0", "author": "A", "source": "S"}
    crawled = crawl_once(tmp_path / "project", concept_of({"folder": source}, max_image_bytes=400_000))
    assert {row["key"]: row["reason"] for row in crawled.table("failed")} == {"folder:huge.png": "too large"}
