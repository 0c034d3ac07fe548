"""Asking hosts: a hostile web on loopback, of which every trick is survived, counted and named."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)  # fmt: skip

from gaucho_pipeline.crawl.fetch_errors import BadCertificate, ConnectionRefused, CutOff, FetchError, HostNotFound, TimedOut, TooLarge
from gaucho_pipeline.crawl.fetching import fetch_error
from gaucho_pipeline.crawl.rate_limits import PRIVATE
from gaucho_pipeline.crawl.safety import ForbiddenAddress
from gaucho_pipeline.demo.site import HOST, DemoSite, QuietHandler, demo_site
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images.decoding import BadImage, decode, png_bytes
from gaucho_pipeline_tests.crawling import Crawled, concept_of, crawl_once, openverse, urls
from gaucho_pipeline_tests.replay import send_json, serving

PICTURE = png_bytes(draw_subject("araucaria", 1, side=64))


def with_path(folder: Path) -> str:
    """PYTHONPATH with a folder before what stands there."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


class HostileSite:
    """Every path is a trick of its own."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def __call__(self, handler: QuietHandler) -> None:
        path = handler.path.partition("?")[0]
        times = self.times.setdefault(path, [])
        times.append(time.monotonic())
        first = len(times) == 1
        if path == "/robots.txt":
            handler.send(200, "text/plain", b"User-agent: *\nDisallow: /private/\n")
        elif path == "/.well-known/tdmrep.json":
            handler.send(
                200, "application/json", b'[{"location": "/reserved/*", "tdm-reservation": 1}, {"location": "/", "tdm-reservation": 0}]'
            )
        elif path == "/w/api.php":  # goes on for ever, with nothing new
            send_json(
                handler, {"continue": {"gcmcontinue": str(len(times)), "continue": "-||"}, "query": {"pages": []}, "batchcomplete": True}
            )
        elif path == "/busy.png" and first:
            self._send(handler, 429, [("Retry-After", "2")], b"")
        elif (path == "/down-once.png" and first) or path == "/down.png":
            handler.send(503, "text/plain", b"")
        elif path == "/busy-for-days.png":
            self._send(handler, 429, [("Retry-After", "90000")], b"")
        elif path == "/missing.png":
            handler.send(404, "text/plain", b"")
        elif path == "/drip.png":
            self._drip(handler)
        elif path == "/cut-off.png":
            self._send(handler, 200, [("Content-Length", str(len(PICTURE) + 500))], PICTURE)
        elif path == "/longer-than-it-says.png":
            self._send(handler, 200, [("Content-Length", str(len(PICTURE) - 100))], PICTURE)
        elif path == "/huge.png":
            self._send(handler, 200, [("Content-Length", "3000000")], PICTURE + bytes(3_000_000 - len(PICTURE)))
        elif path == "/huge-untold.png":
            self._send(handler, 200, [("Connection", "close")], PICTURE + bytes(3_000_000))
        elif path == "/bomb.png":
            self._send(handler, 200, [("Content-Encoding", "gzip")], gzip.compress(PICTURE + bytes(50_000_000)), measured=True)
        elif path == "/page.jpg":
            handler.send(200, "image/jpeg", b"<html><body>Sign in</body></html>")
        elif path == "/empty.png":
            handler.send(200, "image/png", b"")
        elif path == "/refresh.png":
            handler.send(200, "text/html", b'<html><meta http-equiv="refresh" content="0;url=/private/x.png"></html>')
        elif path.startswith("/to-"):
            target = {
                "/to-loopback": "https://127.0.0.2/x.png",
                "/to-link-local": "https://169.254.169.254/x.png",
                "/to-itself": "/to-itself",
            }
            target |= {"/to-plain-http": "http://example.org/x.png", "/to-private": "/private/x.png", "/to-good": "/good.png"}
            target |= {"/to-elsewhere": "https://example.net/x.png", "/to-nowhere": "https://127.0.0.1:99999/x"}
            self._send(handler, 302, [("Location", target[path]), ("Content-Length", "0")], b"")
        elif path in ("/noai.png", "/noindex-for-us.png", "/noai-for-others.png", "/reserved.png"):
            headers = {
                "/noai.png": ("X-Robots-Tag", "noimageai, noai"),
                "/noindex-for-us.png": ("X-Robots-Tag", "otherbot: noarchive, gaucho_pipeline: noindex"),
                "/noai-for-others.png": ("X-Robots-Tag", "otherbot: noai"),
                "/reserved.png": ("tdm-reservation", "1"),
            }
            self._send(handler, 200, [headers[path]], PICTURE, measured=True)
        else:
            handler.send(200, "image/png", PICTURE)

    @staticmethod
    def _send(handler: QuietHandler, status: int, headers: list[tuple[str, str]], body: bytes, measured: bool = False) -> None:
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        if measured:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except OSError:
            return  # the crawl has hung up

    @staticmethod
    def _drip(handler: QuietHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(PICTURE)))
        handler.end_headers()
        try:
            for byte in PICTURE:
                handler.wfile.write(bytes([byte]))
                time.sleep(0.5)
        except OSError:
            return


KEPT = {"good.png", "busy.png", "down-once.png", "noai-for-others.png", "to-good", "longer-than-it-says.png"}
NAMED = {
    "down.png": "HTTP 503",
    "busy-for-days.png": "127.0.0.3 asks to wait 90000 seconds",
    "missing.png": "HTTP 404",
    "drip.png": "timed out",
    "cut-off.png": "was cut off",
    "huge.png": "too large",
    "huge-untold.png": "too large",
    "bomb.png": "too large",
    "page.jpg": "not an image",
    "empty.png": "not an image",
    "refresh.png": "not an image",
    "to-loopback": "private address",
    "to-link-local": "private address",
    "to-itself": "too many redirects",
    "to-nowhere": "a redirect to no address",
    "to-plain-http": "not https",
    "to-private": "forbidden by robots.txt",
    "to-elsewhere": "a host that is not one of media_hosts",
    "secret.png": "forbidden by robots.txt",
    "noai.png": "opted out: X-Robots-Tag noai",
    "noindex-for-us.png": "opted out: X-Robots-Tag noindex",
    "reserved.png": "opted out: tdm-reservation header",
    "hers.png": "opted out: tdmrep.json",
    "rebound.png": "its tdmrep.json cannot be read: private address",
    "self-signed.png": "its tdmrep.json cannot be read: has a bad certificate",
}
PLACES = {"secret.png": "private/secret.png", "hers.png": "reserved/hers.png"}


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site over https whose certificate nobody vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    draft = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = draft.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """The crawl hangs up, as it should."""

    server = Quiet((HOST, 0), QuietHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://{HOST}:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def hostile(self_signed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HostileSite, list[str], Crawled]]:
    """One crawl of all tricks; a name server that lies gives `rebinding.example` a private address."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "sitecustomize.py").write_text(
        "import socket\n_real = socket.gethostbyname\n"
        "socket.gethostbyname = lambda name: '10.0.0.1' if name == 'rebinding.example' else _real(name)\n"
    )
    site = HostileSite()
    with serving(site) as server, serving(site, "127.0.0.3") as other, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUCHO_ALLOW_PRIVATE_HOSTS", f"{HOST},127.0.0.3")
        patch.setenv("GAUCHO_CONTACT", "acervo@museu.example")
        patch.setenv("PYTHONPATH", with_path(folder))
        addresses = [f"{server.address}/{PLACES.get(name, name)}" for name in sorted(KEPT | NAMED.keys())]
        addresses = [a for a in addresses if not a.endswith(("rebound.png", "self-signed.png", "busy-for-days.png"))]
        addresses += [
            "https://rebinding.example/rebound.png",
            f"{self_signed}/self-signed.png",
            f"{other.address}/busy-for-days.png",
        ]
        endless = {"commons": {"category": "Guampa", "endpoint": f"{server.address}/w/api.php"}}
        crawled = crawl_once(folder, concept_of(urls(*addresses), endless, timeout=3, max_image_bytes=1_000_000))
        yield site, list(server.requested), crawled


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_trick_is_named(name: str, hostile: tuple[HostileSite, list[str], Crawled]) -> None:
    assert hostile[2].reasons()[name] == NAMED[name]


def test_every_trick_is_counted_and_the_good_images_stand(hostile: tuple[HostileSite, list[str], Crawled]) -> None:
    crawled = hostile[2]
    assert {row["url"].rpartition("/")[2] for row in crawled.table("images")} == KEPT
    assert crawled.metrics.found == len(KEPT) + len(NAMED)


def test_an_api_that_goes_on_for_ever_fails_by_itself(hostile: tuple[HostileSite, list[str], Crawled]) -> None:
    said = hostile[2].metrics.failed_sources["commons: Category:Guampa"]
    assert said == "commons: Category:Guampa goes on for ever; 0 records were read"


def test_retry_after_is_obeyed(hostile: tuple[HostileSite, list[str], Crawled]) -> None:
    first, second = hostile[0].times["/busy.png"]
    assert second - first >= 2


def test_what_may_not_be_asked_for_never_reaches_the_server(hostile: tuple[HostileSite, list[str], Crawled]) -> None:
    assert not [path for path in hostile[1] if path.startswith(("/private/", "/reserved/"))]


def test_an_image_shorter_than_it_should_be_is_named_when_it_is_decoded(hostile: tuple[HostileSite, list[str], Crawled]) -> None:
    crawled = hostile[2]
    (row,) = (row for row in crawled.table("images") if row["url"].endswith("longer-than-it-says.png"))
    with pytest.raises(BadImage):
        decode(crawled.project.store.blob_path(row["sha256"]).read_bytes())


_FIVE_HUNDRED = """
import asyncio, sys
from pathlib import Path
from scrapy.crawler import AsyncCrawlerProcess
from gaucho_pipeline.sources.declared import UrlsSpec
from gaucho_pipeline.sources.declared import Urls
from gaucho_pipeline.crawl.engine import CrawlSpider, WebAccess
from gaucho_pipeline.crawl.fetching import OptedOut, settings
base, count = sys.argv[1], Path(sys.argv[2])
paths = [f"/{'private' if n % 10 == 0 else 'public'}/{n}.png" for n in range(500)]
source = Urls(UrlsSpec(addresses=[base + p for p in paths], license="cc0", author="a", source="b"))
access = WebAccess([source], source.media_hosts, count, 60, 1_000_000, print)
async def work(web):
    done = await asyncio.gather(*(web.image(base + p, source.media_hosts) for p in paths), return_exceptions=True)
    print(sum(isinstance(d, bytes) for d in done), sum(isinstance(d, OptedOut) for d in done))
wide = {"CONCURRENT_REQUESTS": 500, "DOWNLOAD_SLOTS": {"127.0.0.1": {"concurrency": 500, "delay": 0, "jitter": 0.0}}}
process = AsyncCrawlerProcess(settings([source], source.media_hosts, 60) | wide)
process.crawl(CrawlSpider, access=access, work=work, outcome={})
process.start(install_signal_handlers=False)
"""


def test_of_five_hundred_concurrent_requests_the_fifty_that_robots_txt_forbids_never_reach_the_server(tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        if handler.path == "/robots.txt":
            time.sleep(0.3)  # all five hundred wait for it
            handler.send(200, "text/plain", b"User-agent: gaucho_pipeline\nDisallow: /private/\n")
        else:
            handler.send(200, "image/png", PICTURE)

    with serving(answer) as server:
        command = [sys.executable, "-c", _FIVE_HUNDRED, server.address, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["450", "50"], done.stderr
    assert len(server.media()) == 450
    assert not [path for path in server.requested if path.startswith("/private/")]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_robots_txt_that_cannot_be_read_forbids_all(status: int, tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        handler.send(status if handler.path == "/robots.txt" else 200, "image/png", PICTURE)

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(urls(f"{server.address}/a.png")))
    assert server.media() == []
    assert "1 its robots.txt cannot be read" in crawled.last_words


def test_an_api_that_a_source_names_is_asked_whatever_the_robots_txt_of_its_host_says_and_no_image_of_it(tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        if handler.path == "/robots.txt":
            handler.send(200, "text/plain", b"User-agent: *\nDisallow: /\n")
        elif handler.path.startswith("/v1/images/"):
            picture = {"id": "a", "url": f"{server.address}/a.png", "license": "cc0", "license_version": "1.0", "creator": "Ana"}
            picture |= {"foreign_landing_url": "https://example.org/a", "title": "a"}
            body = {"result_count": 1, "page_count": 1, "results": [picture]}
            handler.send(200, "application/json", json.dumps(body).encode())
        else:
            handler.send(200, "image/png", PICTURE)

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(openverse("cuia", server.address)))
    assert any(path.startswith("/v1/images/") for path in server.requested)
    assert server.media() == []
    assert "forbidden by robots.txt" in crawled.last_words


def test_a_host_that_asks_to_wait_is_left_alone_by_everybody(tmp_path: Path) -> None:
    times: list[float] = []

    def answer(handler: QuietHandler) -> None:
        if not handler.path.endswith(".png"):
            handler.send(404, "text/plain", b"")
            return
        times.append(time.monotonic())
        if len(times) == 1:
            HostileSite._send(handler, 429, [("Retry-After", "3"), ("Content-Length", "0")], b"")
        else:
            handler.send(200, "image/png", PICTURE)

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(urls(*(f"{server.address}/{n}.png" for n in range(40)))))
    assert crawled.metrics.kept == 40
    assert sum(moment - times[0] < 2.9 for moment in times) <= PRIVATE.connections  # those that were under way already


def raised_from(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "type_", "permanent", "retry"),
    [
        (DownloadTimeoutError("maxsize"), TimedOut, False, True),
        (DownloadCancelledError("timeout"), TooLarge, False, False),
        (IgnoreRequest("x"), TooLarge, False, False),
        (DownloadConnectionRefusedError("timeout"), ConnectionRefused, False, True),
        (CannotResolveHostError("refused"), HostNotFound, False, True),
        (ResponseDataLossError("ssl"), CutOff, False, True),
        (DownloadFailedError("timeout"), CutOff, False, True),
        (raised_from(DownloadFailedError("x"), SSL.Error("certificate")), BadCertificate, False, False),
        (raised_from(DownloadFailedError("x"), ForbiddenAddress("private address")), FetchError, False, False),
        (ValueError("timed out"), FetchError, False, True),
    ],
)  # fmt: skip
def test_failures_are_reported_by_their_types_and_never_by_their_words(
    error: BaseException, type_: type[FetchError], permanent: bool, retry: bool
) -> None:
    found = fetch_error(error)
    assert (type(found), found.permanent, found.retry) == (type_, permanent, retry)


def test_what_is_permanent_is_not_tried_again() -> None:
    assert not FetchError("x", permanent=True).retry
    assert FetchError("x").retry
    assert not FetchError("x", retry=False).retry


def count(server: Any, path: str) -> int:
    return sum(asked == path for asked in server.requested)


def test_what_failed_for_good_is_not_asked_again_and_what_did_not_is(tmp_path: Path) -> None:
    """Only what says that it is gone is remembered: a busy server, and today's robots.txt, are not."""
    state = {"up": False}

    def answer(handler: QuietHandler) -> None:
        if handler.path == "/robots.txt":
            handler.send(200, "text/plain", b"" if state["up"] else b"User-agent: *\nDisallow: /private/\n")
        elif handler.path == "/gone.png":
            handler.send(404, "text/plain", b"")
        elif handler.path == "/down.png" and not state["up"]:
            handler.send(503, "text/plain", b"")
        elif handler.path == "/huge.png":
            handler.send(200, "image/png", PICTURE + bytes(400_000))
        elif handler.path.endswith(".png"):
            handler.send(200, "image/png", PICTURE)
        else:
            handler.send(404, "text/plain", b"")

    with serving(answer) as server:
        paths = ("gone.png", "down.png", "private/a.png", "huge.png", "good.png")
        concept = concept_of(urls(*(f"{server.address}/{path}" for path in paths)), max_image_bytes=200_000)
        first = crawl_once(tmp_path, concept)
        assert first.reasons() == {
            "gone.png": "HTTP 404", "down.png": "HTTP 503", "a.png": "forbidden by robots.txt", "huge.png": "too large",
        }  # fmt: skip
        assert count(server, "/huge.png") == count(server, "/gone.png") == 1
        assert count(server, "/down.png") == 4
        state["up"] = True
        server.requested.clear()
        second = crawl_once(tmp_path, concept)
        assert sorted(server.media()) == ["/down.png", "/huge.png", "/private/a.png"]
    assert second.reasons() == {"gone.png": "HTTP 404", "huge.png": "too large"}
    assert second.metrics.kept == 3


def test_a_host_that_reserves_its_images_today_has_them_refused_although_they_are_known(tmp_path: Path) -> None:
    state = {"reserved": False}

    def answer(handler: QuietHandler) -> None:
        if handler.path == "/.well-known/tdmrep.json":
            handler.send(200, "application/json", b'[{"location": "/", "tdm-reservation": %d}]' % state["reserved"])
        else:
            handler.send(404 if handler.path == "/robots.txt" else 200, "image/png", PICTURE)

    with serving(answer) as server:
        concept = concept_of(urls(f"{server.address}/a.png"), openverse_of_nothing(server.address))
        crawl_once(tmp_path, concept)
        state["reserved"] = True
        server.requested.clear()
        second = crawl_once(tmp_path, concept)
        assert server.media() == []
    assert "opted out: tdmrep.json" in second.said


def openverse_of_nothing(address: str) -> dict[str, Any]:
    return {"urls": {"addresses": [f"{address}/b.png"], "license": "cc0", "author": "x", "source": "y"}}


def test_an_image_that_may_not_be_used_is_left_at_its_headers(tmp_path: Path) -> None:
    sent: list[int] = []

    def answer(handler: QuietHandler) -> None:
        if handler.path != "/noai.png":
            handler.send(404, "text/plain", b"")
            return
        handler.send_response(200)
        handler.send_header("X-Robots-Tag", "noai")
        handler.send_header("Content-Length", str(50_000_000))
        handler.end_headers()
        try:
            for _ in range(500):
                handler.wfile.write(bytes(100_000))
                sent.append(100_000)
        except OSError:
            return  # the crawl has hung up

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(urls(f"{server.address}/noai.png"), max_image_bytes=100_000_000))
    assert "opted out: X-Robots-Tag noai" in crawled.said
    assert sum(sent) < 25_000_000


def test_two_records_of_the_same_address_cost_one_request(site: DemoSite, tmp_path: Path) -> None:
    address = f"{site.address}/media/chimarrao/03.png"
    crawled = crawl_once(tmp_path, concept_of(openverse("chimarrão", site.address), urls(address)))
    assert site.requested.count("/media/chimarrao/03.png") == 1
    assert sum(row["url"] == address for row in crawled.table("images")) == 2


def test_requests_of_a_limited_host_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", with_path(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        f"from gaucho_pipeline.crawl import rate_limits\nrate_limits.LIMITS[{HOST!r}] = rate_limits.Limit(1, 0.0, 2)\n"
    )
    with demo_site() as site:
        crawled = crawl_once(tmp_path / "project", concept_of(openverse("chimarrão", site.address)))
        assert json.loads((tmp_path / "project" / "data" / ".asked" / "today.json").read_text()).popitem()[1] == {HOST: 2}
        (tmp_path / "project" / "data" / "raw_crawl").rename(tmp_path / "project" / "gone")
        again = crawl_once(tmp_path / "project", concept_of(openverse("chimarrão", site.address)))
    assert crawled.metrics.kept > 0
    assert "allows 2 requests a day, and today's are used up" in again.said


def test_sites_are_reported_whom_to_write_to(site: DemoSite, tmp_path: Path) -> None:
    agents: list[str] = []

    def answer(handler: QuietHandler) -> None:
        agents.append(handler.headers["User-Agent"])
        handler.send(404 if handler.path == "/robots.txt" else 200, "image/png", PICTURE)

    with serving(answer) as server:
        crawl_once(tmp_path, concept_of(urls(f"{server.address}/a.png")), GAUCHO_CONTACT="acervo@museu.example")
    assert set(agents) == {"gaucho_pipeline/0.1 (acervo@museu.example)"}


def test_what_is_no_image_today_is_asked_for_again(tmp_path: Path) -> None:
    """A page with status 200, a redirect to one, and to nowhere: none of them says that the image is gone."""
    state = {"up": False}

    def answer(handler: QuietHandler) -> None:
        path = handler.path
        if not path.endswith(".png"):
            handler.send(200 if path == "/login" else 404, "text/html", b"<html>Entrar</html>")
        elif state["up"]:
            handler.send(200, "image/png", PICTURE)
        elif path == "/page.png":
            handler.send(200, "text/html", "<html>Em manutenção</html>".encode())
        else:
            to = "/login" if path == "/login.png" else "https://127.0.0.1:99999/x" if path == "/nowhere.png" else "http://example.net/x"
            HostileSite._send(handler, 302, [("Location", to), ("Content-Length", "0")], b"")

    with serving(answer) as server:
        names = ("page.png", "login.png", "nowhere.png", "elsewhere.png")
        concept = concept_of(urls(*(f"{server.address}/{name}" for name in names)), folder_of_one(tmp_path))
        first = crawl_once(tmp_path / "project", concept)
        assert first.reasons() == {
            "page.png": "not an image", "login.png": "not an image",
            "nowhere.png": "a redirect to no address", "elsewhere.png": "not https",
        }  # fmt: skip
        state["up"] = True
        second = crawl_once(tmp_path / "project", concept)
    assert second.metrics.kept == 5


def folder_of_one(folder: Path) -> dict[str, Any]:
    """A source of one image, so that a crawl whose others fail has something to keep."""
    (folder / "photos").mkdir()
    (folder / "photos" / "own.png").write_bytes(PICTURE)
    return {"folder": {"path": str(folder / "photos"), "license": "pd", "author": "x", "source": "y"}}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_redirect_may_be_written_with_accents(encoding: str, tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        if handler.path == "/r":
            handler.send_response(302)
            handler.send_header("Content-Length", "0")
            handler.flush_headers()  # http.server would write the accents in Latin-1
            handler.wfile.write(b"Location: /u/" + "Araucária 1.png".encode(encoding) + b"\r\n\r\n")
        else:
            found = handler.path == "/u/Arauc%C3%A1ria%201.png"
            handler.send(200 if found else 404, "image/png", PICTURE)

    with serving(answer) as server:
        assert crawl_once(tmp_path, concept_of(urls(f"{server.address}/r"))).metrics.kept == 1


def test_rules_that_lead_elsewhere_are_named_in_the_refusal(tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        if handler.path == "/robots.txt":
            HostileSite._send(handler, 302, [("Location", "http://localhost:1/elsewhere"), ("Content-Length", "0")], b"")
        else:
            handler.send(200, "image/png", PICTURE)

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(urls(f"{server.address}/a.png")))
    assert "1 its robots.txt cannot be read: not https" in crawled.last_words


def test_rules_are_followed_to_another_address_of_the_same_site(tmp_path: Path) -> None:
    def answer(handler: QuietHandler) -> None:
        if handler.path == "/robots.txt":
            HostileSite._send(handler, 302, [("Location", "/moved/robots.txt"), ("Content-Length", "0")], b"")
        elif handler.path == "/moved/robots.txt":
            handler.send(200, "text/plain", b"User-agent: *\nDisallow: /private/\n")
        else:
            handler.send(404 if "tdmrep" in handler.path else 200, "image/png", PICTURE)

    with serving(answer) as server:
        crawled = crawl_once(tmp_path, concept_of(urls(f"{server.address}/a.png", f"{server.address}/private/b.png")))
    assert (crawled.metrics.kept, crawled.reasons()) == (1, {"b.png": "forbidden by robots.txt"})


def test_a_host_that_hangs_costs_a_bounded_time_for_all_its_images_and_is_reported_once(tmp_path: Path) -> None:
    asked: list[str] = []
    released = threading.Event()

    def answer(handler: QuietHandler) -> None:
        if handler.path.endswith(".png"):
            asked.append(handler.path)
            released.wait(60)
        else:
            handler.send(404, "text/plain", b"")

    with serving(answer) as server:
        addresses = [f"{server.address}/{number}.png" for number in range(200)]
        crawled = crawl_once(tmp_path / "project", concept_of(urls(*addresses), folder_of_one(tmp_path), timeout=1))
        released.set()
    assert len(asked) <= 2 * PRIVATE.connections
    assert crawled.said.count("it is left alone until the next crawl") == 1
    assert crawled.metrics.kept == 1
    assert sum(crawled.metrics.failed.values()) == 200


def test_headers_without_end_cost_a_bounded_memory(tmp_path: Path) -> None:
    sent: list[int] = []

    def answer(handler: QuietHandler) -> None:
        if not handler.path.endswith(".png"):
            handler.send(404, "text/plain", b"")
            return
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(OSError):
            for number in range(20_000):
                handler.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 10_000))
                sent.append(10_000)

    with serving(answer) as server:
        crawled = crawl_once(tmp_path / "project", concept_of(urls(f"{server.address}/a.png"), folder_of_one(tmp_path), timeout=10))
    assert crawled.metrics.kept == 1
    assert crawled.reasons() == {"a.png": "too large"}
    assert sum(sent) < 30_000_000


def test_a_host_that_asks_to_wait_again_and_again_is_waited_for_a_few_times_for_all_its_images(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(handler: QuietHandler) -> None:
        if handler.path.endswith(".png"):
            asked.append(handler.path)
            HostileSite._send(handler, 429, [("Retry-After", "1"), ("Content-Length", "0")], b"")
        else:
            handler.send(404, "text/plain", b"")

    with serving(answer) as server:
        addresses = [f"{server.address}/{number}.png" for number in range(100)]
        crawled = crawl_once(tmp_path / "project", concept_of(urls(*addresses), folder_of_one(tmp_path)))
    assert len(asked) <= 5 * PRIVATE.connections
    assert crawled.said.count(f"{HOST} asks to wait again and again; it is left alone") == 1


def test_a_private_host_is_allowed_to_the_source_that_names_it_and_to_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Openverse's records point at a host inside the house, which another source may ask."""
    monkeypatch.setenv("GAUCHO_ALLOW_PRIVATE_HOSTS", f"{HOST},127.0.0.3")
    inside: list[str] = []

    def secret(handler: QuietHandler) -> None:
        inside.append(handler.path)
        handler.send(200 if handler.path.endswith(".png") else 404, "image/png", PICTURE)

    with serving(secret, "127.0.0.3") as house:

        def answer(handler: QuietHandler) -> None:
            record = {"license": "cc0", "license_version": "1.0", "title": "T", "foreign_landing_url": "https://museu.example/1"}
            found = [record | {"id": "a", "url": f"{house.address}/admin.png"}, record | {"id": "b", "url": f"{server.address}/r"}]
            if handler.path.startswith("/v1/images"):
                send_json(handler, {"result_count": 2, "page_count": 1, "results": found})
            elif handler.path == "/r":
                HostileSite._send(handler, 302, [("Location", f"{house.address}/redirected.png"), ("Content-Length", "0")], b"")
            else:
                handler.send(404, "text/plain", b"")

        with serving(answer) as server:
            concept = concept_of(openverse("x", server.address), urls(f"{house.address}/meant.png"))
            crawled = crawl_once(tmp_path, concept)
    assert sorted(path for path in inside if path.endswith(".png")) == ["/meant.png"]
    assert crawled.reasons() == {"admin.png": "its host is not one of media_hosts", "r": "a private host that its source does not name"}
