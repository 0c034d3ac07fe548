"""A client that is registered at Openverse: let in by its id and secret, which go nowhere else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from gaucho_pipeline.crawl.fetching import limits_of
from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images.decoding import jpeg_bytes
from gaucho_pipeline.sources.openverse import CLIENT, Openverse, OpenverseSpec
from gaucho_pipeline_tests.crawling import concept_of, crawl_once, openverse
from gaucho_pipeline_tests.replay import Server, send_json, serving

ID, SECRET = "our-client", "s3gr3do"
REGISTERED = dict(zip(CLIENT, (ID, SECRET), strict=True))
IMAGE = jpeg_bytes(draw_subject("chimarrao", 1), 90)


class Api:
    """Openverse's search, for whoever has a token that still holds."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.ends_after = 100
        self.status = 200
        self.seen: list[tuple[str, str]] = []
        """The path, and what was sent along to be let in."""

    def __call__(self, handler: QuietHandler) -> None:
        sent = handler.headers.get("Authorization", "")
        self.seen.append((handler.path.partition("?")[0], sent))
        server = handler.server
        assert isinstance(server, Server)
        if handler.path == "/v1/auth_tokens/token/" and handler.command == "POST":
            form = parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
            assert form == {"grant_type": ["client_credentials"], "client_id": [ID], "client_secret": [SECRET]}
            self.tokens.append(f"token{len(self.tokens)}")
            handler.send(self.status, "application/json", f'{{"access_token": "{self.tokens[-1]}", "token_type": "Bearer"}}'.encode())
        elif handler.path.startswith("/v1/images/"):
            is_let_in = bool(self.tokens) and sent == f"Bearer {self.tokens[-1]}" and self.ends_after > 0
            self.ends_after -= 1
            if not is_let_in:
                self.ends_after = 100
                handler.send(401, "application/json", b"{}")
                return
            record = {"id": "a1", "url": f"{server.address}/1.jpg", "creator": "Ana", "license": "by", "license_version": "4.0"}
            send_json(handler, {"results": [record], "page_count": 1, "result_count": 1})
        elif handler.path == "/1.jpg":
            handler.send(200, "image/jpeg", IMAGE)
        else:
            handler.send(404, "text/plain", b"")


def test_a_registered_client_is_let_in_and_what_lets_it_in_is_sent_and_kept_nowhere_else(tmp_path: Path) -> None:
    api = Api()
    with serving(api) as server:
        crawled = crawl_once(tmp_path, concept_of(openverse("cuia", server.address)), **REGISTERED)
    assert crawled.metrics.kept == 1
    sent = {path: header for path, header in api.seen if path != "/v1/auth_tokens/token/"}
    assert sent.pop("/v1/images/") == "Bearer token0"
    assert set(sent.values()) == {""}
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(secret in text for secret in (SECRET, "token0") for text in (crawled.said, written.decode("latin-1")))


def test_a_token_that_has_ended_is_had_anew(tmp_path: Path) -> None:
    api = Api()
    api.ends_after = 0
    with serving(api) as server:
        crawled = crawl_once(tmp_path, concept_of(openverse("cuia", server.address)), **REGISTERED)
    assert (crawled.metrics.kept, api.tokens) == (1, ["token0", "token1"])


def test_a_client_that_is_not_let_in_is_told_what_to_check(tmp_path: Path) -> None:
    api = Api()
    api.status = 403
    with serving(api) as server:
        said = crawl_once(tmp_path, concept_of(openverse("cuia", server.address)), **REGISTERED).said
    assert f"did not let the client in (HTTP 403); check {CLIENT[0]} and {CLIENT[1]}" in said
    assert SECRET not in said


def test_a_client_may_ask_more_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits_of([Openverse(OpenverseSpec(query="cuia"))])["api.openverse.org"].a_day == 200
    for name, value in REGISTERED.items():
        monkeypatch.setenv(name, value)
    registered = Openverse(OpenverseSpec(query="cuia"))
    assert limits_of([registered])["api.openverse.org"].a_day == 10_000
    assert registered.sign_in
    assert registered.sign_in.url == "https://api.openverse.org/v1/auth_tokens/token/"
    assert SECRET not in repr(registered.sign_in)


def test_half_of_what_lets_in_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLIENT[0], ID)
    spec = OpenverseSpec(query="cuia")
    assert spec.problem() == ("query", f"{CLIENT[1]} is not set; a registered client has both {CLIENT[0]} and {CLIENT[1]}")
    assert Openverse(spec).sign_in is None


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"token_type": "bearer"}', b'{"access_token": "x"}'])
def test_an_answer_without_a_token_is_an_error(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REGISTERED.items():
        monkeypatch.setenv(name, value)
    sign_in = Openverse(OpenverseSpec(query="cuia")).sign_in
    assert sign_in
    with pytest.raises(GauchoError):
        sign_in.parse(content)


def test_a_secret_is_not_sent_in_clear(tmp_path: Path) -> None:
    concept = concept_of({"openverse": {"query": "cuia", "endpoint": "http://api.openverse.org/v1/images/"}})
    said = crawl_once(tmp_path, concept, GAUCHO_CONTACT="ana@example.org", **REGISTERED).said
    assert "a secret is sent over https only" in said
