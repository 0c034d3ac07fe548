"""What a connection to the web UI may take: floods of headers and requests that never arrive end, and whoever asks rightly is answered."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from gaucho_pipeline.ui import limits
from gaucho_pipeline.ui.guard import Guard
from gaucho_pipeline_tests.programs import wait_until


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads a request, and says how long its body is."""
    if scope["type"] == "http":
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(len(body)).encode()})


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server that waits for half a second."""
    monkeypatch.setattr(limits, "SECONDS_TO_ARRIVE", 0.5)
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 20)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    server = uvicorn.Server(
        uvicorn.Config(Guard(application, number, tmp_path), host="127.0.0.1", port=number, log_level="error", **limits.limits())
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield number
    server.should_exit = True
    thread.join(10)


def begun(port: int, text: str) -> socket.socket:
    """A connection on which a request has begun."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall(text.format(port=port).encode())
    return connection


def has_ended(connection: socket.socket) -> bool:
    """Whether the server ends a connection, whatever it says first."""
    try:
        while connection.recv(10_000):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def answer(port: int, headers: dict[str, str] | None = None, body: bytes = b"") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST" if body else "GET", "/", body or None, {"Origin": f"http://127.0.0.1:{port}"} | (headers or {}))
    found = connection.getresponse()
    return found.status, found.read()


def test_a_flood_of_headers_is_not_kept(port: int) -> None:
    connection = begun(port, "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")
    sent = 0
    try:
        for number in range(50):
            connection.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1_000_000))
            sent += 1
    except OSError:
        pass
    assert sent < 50
    assert answer(port)[0] == 200


HALF_OPEN = (
    "", "GET", "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n",
    "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nContent-Length: 99\r\n\r\nx",
)  # fmt: skip


@pytest.mark.parametrize("text", HALF_OPEN)
def test_a_request_that_does_not_arrive_is_not_waited_for(text: str, port: int) -> None:
    assert has_ended(begun(port, text))


def test_neither_is_one_that_arrives_sign_by_sign_nor_a_second_one(port: int) -> None:
    connection = begun(port, "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
    assert b"200 OK" in connection.recv(10_000)
    connection.sendall(b"GET / HTTP/1.1\r\nX: ")
    ended = threading.Event()

    def trickle() -> None:
        try:
            while not ended.wait(0.05):
                connection.sendall(b"a")
        except OSError:
            ended.set()

    threading.Thread(target=trickle, daemon=True).start()
    assert has_ended(connection)
    ended.set()


def test_more_connections_than_a_person_has_are_refused_and_those_that_ask_are_answered(port: int) -> None:
    half = [begun(port, "GET / HTTP/1.1\r\n") for _ in range(60)]
    assert all(has_ended(each) for each in half)
    assert answer(port, body=b"x" * 30_000) == (200, b"30000")


def test_what_is_asked_slowly_after_an_answer_is_answered(port: int) -> None:
    """A connection that a browser keeps is ended by nobody's deadline but uvicorn's own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"0"
        threading.Event().wait(0.7)
