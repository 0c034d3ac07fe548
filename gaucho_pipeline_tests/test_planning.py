"""A plan: what a crawl would do, told before it does it."""

from __future__ import annotations

import json
from pathlib import Path

from gaucho_pipeline.embedded.demo_site import DemoSite
from gaucho_pipeline_tests.conftest import write_concepts
from gaucho_pipeline_tests.crawling import concept_of, openverse
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.replay import CommonsReplay, serving


def test_a_plan_says_what_would_be_fetched_and_fetches_no_image(site: DemoSite, tmp_path: Path) -> None:
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept_of(openverse("chimarrão", site.address), max_images=10)})
    said = gaucho(tmp_path, "run", "chimarrao", "--select", "raw_crawl", "--plan").stdout
    assert "openverse: chimarrão: 20 of 30 records; 10 would be fetched, 0 stand already" in said
    assert "CC-BY-4.0" in said
    assert "in all: 10 images would be fetched, 0 stand already (at most 10 images" in said
    assert not [path for path in site.requested if path.startswith("/media/")]
    gaucho(tmp_path, "run", "chimarrao", "--select", "raw_crawl")
    assert "0 would be fetched, 10 stand already" in gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan").stdout


def test_names_are_asked_anew_on_request_only_and_a_change_is_told(real: Path, tmp_path: Path) -> None:
    recorded = CommonsReplay(real)
    with serving(recorded) as server:
        source = {"commons": {"category": "Guampa", "endpoint": f"{server.address}/w/api.php"}}
        write_concepts(tmp_path / "concepts.yaml", {"cuia": concept_of(source)})
        gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan")
        lock = tmp_path / "concepts.lock.json"
        assert json.loads(lock.read_text())["names"]["category: Category:Guampa"]["id"] == 7
        server.requested.clear()
        gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan")
        assert not [path for path in server.requested if "categoryinfo" in path]
        lock.write_text(lock.read_text().replace('"id": 7', '"id": 8'))
        done = gaucho(tmp_path, "run", "--select", "raw_crawl", "--plan", "--refresh-lock", check=False)
    assert done.returncode == 1
    assert "category 'Category:Guampa' was 8" in done.stderr
    assert '"id": 8' in lock.read_text()


def test_a_plan_goes_with_the_crawl_only(tmp_path: Path, site: DemoSite) -> None:
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept_of(openverse("chimarrão", site.address))})
    done = gaucho(tmp_path, "run", "--plan", check=False)
    assert done.returncode == 2
    assert "--plan: goes with --select raw_crawl" in done.stderr
