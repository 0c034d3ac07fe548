"""What a page is as a source: by its address, or by what its site answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from click.testing import CliRunner

from gaucho_pipeline.cli import main
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.crawl.recognising import proposal_for
from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.sources.registry import SourceSpec
from gaucho_pipeline.sources.tainacan import UNKNOWN_FIELD
from gaucho_pipeline_tests.replay import Server, send_json, serving

COMMONS = "https://commons.wikimedia.org"


@pytest.mark.parametrize(
    ("address", "kind", "keys"),
    [
        (f"{COMMONS}/wiki/Category:Chimarr%C3%A3o_in_Brazil", "commons", {"category": "Chimarrão in Brazil"}),
        (f"{COMMONS}/wiki/Category:Guampa?uselang=pt#mw-subcategories", "commons", {"category": "Guampa"}),
        (f"{COMMONS}/w/index.php?search=cuia+de+prata&ns6=1", "commons", {"search": "cuia de prata"}),
        ("https://www.wikidata.org/wiki/Q203540", "commons", {"depicts": "Q203540"}),
        ("https://query.wikidata.org/#SELECT%20%3Fitem%20WHERE%20%7B%7D", "wikidata", {"query": "SELECT ?item WHERE {}"}),
        ("https://www.inaturalist.org/taxa/43456-Leopardus-guttulus", "inaturalist", {"taxon": "Leopardus guttulus"}),
        ("https://www.gbif.org/pt/species/2435035", "gbif", {"taxon_key": 2435035}),
        ("https://www.gbif.org/occurrence/gallery?taxon_key=2435035&country=BR", "gbif", {"taxon_key": 2435035, "country": "BR"}),
        ("https://openverse.org/pt-br/search/image?q=chimarr%C3%A3o", "openverse", {"query": "chimarrão"}),
    ],
)
def test_a_page_is_known_by_its_address_and_nobody_is_asked(address: str, kind: str, keys: dict[str, Any]) -> None:
    found = proposal_for(address)
    assert (found.kind, found.keys) == (kind, keys)
    SourceSpec.model_validate({found.kind: found.keys})


@pytest.mark.parametrize("address", ["", "cuia", "ftp://a.b/c", "file:///etc/passwd", "javascript:x", "https://"])
def test_what_is_no_web_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no web address"):
        proposal_for(address)


def init_from(address: str, folder: Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["init", str(folder), "--from", address])
    return done.exit_code, done.output


def crawl_in(folder: Path) -> dict[str, Any]:
    (concept,) = yaml.safe_load((folder / "concepts.yaml").read_text(encoding="utf-8"))["concepts"].values()
    found: dict[str, Any] = concept["crawl"]
    return found


def museum(name: str = "Condições de reprodução", status: int = 200) -> Callable[[QuietHandler], None]:
    """WordPress at /acervo, with two collections."""

    def answer(handler: QuietHandler) -> None:
        server = handler.server
        assert isinstance(server, Server)
        base, path = f"{server.address}/acervo", urlsplit(handler.path).path
        if path == "/acervo/wp-json/tainacan/v2/collections":
            send_json(handler, [{"id": 5, "name": "Armas", "url": f"{base}/armas/"}, {"id": 7, "name": "Cuias", "url": f"{base}/cuias"}])
        elif path == "/acervo/wp-json/tainacan/v2/collection/7/metadata" and status == 200:
            send_json(handler, [{"id": 1, "name": "Título"}, {"id": 2, "name": "Autor"}, {"id": 3, "name": name}])
        else:
            handler.send(404 if status == 200 else status, "text/html", b"<h1>404</h1>")

    return answer


def test_a_collection_of_tainacan_is_found_by_the_page_of_one_of_its_items(tmp_path: Path) -> None:
    with serving(museum()) as server:
        status, said = init_from(f"{server.address}/acervo/cuias/cuia-de-prata/", tmp_path / "cuias")
    assert (status, "run --select raw_crawl --plan --rights" in said) == (0, True), said
    assert crawl_in(tmp_path / "cuias") == {"sources": [{"tainacan": {
        "site": f"{server.address}/acervo", "collection": 7, "rights": {"field": "Condições de reprodução"}, "author": "Autor",
    }}]}  # fmt: skip
    assert list(load_concepts(tmp_path / "cuias" / "concepts.yaml").concepts) == ["cuias"]
    assert not (tmp_path / "cuias" / "photos").exists()


@pytest.mark.parametrize("answer", [museum("Procedência"), museum(status=401)], ids=["no such metadatum", "metadata that are not shown"])
def test_where_nothing_says_that_it_states_rights_a_person_is_asked_to_name_it(answer: Any, tmp_path: Path) -> None:
    with serving(answer) as server:
        assert init_from(f"{server.address}/acervo/cuias", tmp_path / "cuias")[0] == 0
    (source,) = crawl_in(tmp_path / "cuias")["sources"]
    assert source["tainacan"]["rights"] == {"field": UNKNOWN_FIELD}
    spec = SourceSpec.model_validate(source).spec
    assert "name the metadatum that says who may use an image" in str(spec.problem())


def test_a_manifest_is_known_by_what_it_answers_with_the_hosts_of_its_images(tmp_path: Path) -> None:
    body = {"id": "https://iiif.example.org/1/full/max/0/default.jpg", "type": "Image", "format": "image/jpeg", "width": 900, "height": 600}
    annotation = {"type": "Annotation", "motivation": "painting", "body": body}
    canvas = {"id": "c", "type": "Canvas", "items": [{"type": "AnnotationPage", "items": [annotation]}]}
    manifest = {"@context": "http://iiif.io/api/presentation/3/context.json", "id": "m", "type": "Manifest", "items": [canvas]}
    with serving(lambda handler: send_json(handler, manifest)) as server:
        address = f"{server.address}/iiif/7/manifest.json"
        status, said = init_from(f"https://viewer.example.org/uv.html?manifest={address}", tmp_path / "mapas")
    assert status == 0, said
    assert crawl_in(tmp_path / "mapas") == {"sources": [{"iiif": {"manifest": address}}], "media_hosts": ["iiif.example.org"]}


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b"[5]", b'[{"id": "x"}]', b'{"items": 5}', b'{"type": "Manifest"}', b"\xff", b"[" * 100_000]
)
def test_a_page_of_no_kind_that_is_known_is_one_line_and_writes_nothing(content: bytes, tmp_path: Path) -> None:
    with serving(lambda handler: handler.send(200, "application/json", content)) as server:
        status, said = init_from(f"{server.address}/a/manifest", tmp_path / "x")
    assert (status, "is no page of a kind that is known" in said, len(said.splitlines())) == (2, True, 1), said
    assert not (tmp_path / "x" / "concepts.yaml").exists()


def test_a_site_is_asked_with_a_contact_only_and_never_a_private_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = init_from("https://museu.example.org/acervo", tmp_path / "x")
    assert (status, "GAUCHO_CONTACT" in said) == (2, True)
    monkeypatch.setenv("GAUCHO_CONTACT", "ana@example.org")
    monkeypatch.setenv("GAUCHO_ALLOW_PRIVATE_HOSTS", "")
    with serving(museum()) as server:
        status, said = init_from(f"{server.address}/acervo/cuias", tmp_path / "y")
    assert (status, server.requested) == (2, [])


def test_what_a_site_calls_its_metadata_stays_a_text(tmp_path: Path) -> None:
    with serving(museum('licença: {x: "y"} # z')) as server:
        assert init_from(f"{server.address}/acervo/cuias", tmp_path / "cuias")[0] == 0
    assert crawl_in(tmp_path / "cuias")["sources"][0]["tainacan"]["rights"] == {"field": 'licença: {x: "y"} # z'}


def test_the_program_writes_json() -> None:
    command = [sys.executable, "-P", "-m", "gaucho_pipeline.crawl.recognising", f"{COMMONS}/wiki/Category:Guampa"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert json.loads(done.stdout) == {"kind": "commons", "keys": {"category": "Guampa"}, "media_hosts": []}
