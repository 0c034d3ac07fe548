"""What lets no other site in: Dagster's server checks neither Host nor Origin, and takes mutations over GET.

The web UI has one origin, `http://127.0.0.1:PORT`, and the pages of artifacts another, `http://localhost:PORT`, of the same server: what
runs in a page can then do nothing in the web UI. Every request is judged before Dagster sees it. Reaching the UI from another machine goes
by an SSH tunnel, or by a proxy of the house that knows who may.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.orchestration.metadata import ARTIFACTS
from gaucho_pipeline.store.manifest import MANIFEST, read_manifest

UI_HOST, PAGES_HOST = "127.0.0.1", "localhost"
_READING = frozenset({"GET", "HEAD"})
_HEADERS = {
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_TYPES = {".html": "text/html; charset=utf-8", ".jsonl": "text/plain; charset=utf-8", ".csv": "text/csv; charset=utf-8",
          ".md": "text/plain; charset=utf-8", ".json": "application/json", ".css": "text/css", ".js": "text/javascript",
          ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}  # fmt: skip


class Guard:
    """ASGI middleware around Dagster's application (https://asgi.readthedocs.io/en/latest/specs/main.html)."""

    def __init__(self, app: ASGIApp, port: int, data: Path) -> None:
        """`data`: the data folder, of which artifacts are shown and nothing else."""
        self._app, self._data = app, data.resolve()
        self._ui, self._pages = f"{UI_HOST}:{port}", f"{PAGES_HOST}:{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif refused := self._refusal(scope):
            await _refuse(scope, receive, send, refused)
        elif answer := self._answer(scope):
            await answer(scope, receive, _with_headers(send))
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> str:
        """Why a request is not let through; empty if it is."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in (self._ui, self._pages):
            return f"this server is {self._ui}, and no other name of it"
        if scope["type"] == "websocket":
            return "" if host == self._ui and headers.get("origin") == f"http://{self._ui}" else "another site's connection"
        if scope["method"] not in _READING:
            is_right = host == self._ui and self._is_of_the_ui(headers)
            return "" if is_right else f"another site's request; a program must send the header Origin: http://{self._ui}"
        if scope["path"].rstrip("/") == "/graphql":
            return "GraphQL is asked by POST"
        return ""

    def _is_of_the_ui(self, headers: Headers) -> bool:
        """Whether a request comes from a page of the web UI, as browsers say and no page can make them say otherwise."""
        if (origin := headers.get("origin")) is not None:
            return origin == f"http://{self._ui}"
        return headers.get("sec-fetch-site") == "same-origin"

    def _answer(self, scope: Scope) -> Response | None:
        """What is not Dagster's to answer: the files of artifacts, and which of the two names a page belongs to."""
        is_page, host = scope["path"].startswith(ARTIFACTS), Headers(scope=scope).get("host")
        if scope["type"] != "http":
            return None
        if is_page and host == self._pages:
            file = artifact_file(self._data, scope["path"].removeprefix(ARTIFACTS))
            return _file_response(file) if file else PlainTextResponse("there is no such file of an artifact\n", 404)
        if is_page or host == self._pages:
            other = self._pages if is_page else self._ui
            query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
            return RedirectResponse(f"http://{other}{quote(scope['path'])}{query}")
        return None


def artifact_file(data: Path, path: str) -> Path | None:
    """The file that <asset>/<concept>/<fingerprint or 'current'>/<file> names, if it is a file of an artifact and nothing else."""
    asset, _, rest = path.partition("/")
    if asset not in ASSETS or any(part.startswith(".") for part in rest.split("/")) or "\0" in rest:
        return None
    home = (data / asset).resolve()
    try:
        file = (home / rest).resolve()
        if file.is_dir():
            file = file / "index.html"
        is_right = home == data.resolve() / asset and file.is_relative_to(home) and file.is_file()
    except (OSError, ValueError, RuntimeError):  # a name that no disk has, links that lead to one another
        return None
    return file if is_right and len(file.relative_to(home).parts) > 2 else None


_PAGE_POLICY = (
    "sandbox allow-scripts allow-same-origin allow-downloads allow-modals allow-popups; default-src 'none'; img-src 'self' data:; "
    "media-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILE_POLICY = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""What a page of an artifact may do, and what any other file may: it asks no host, and sends nothing anywhere (CSP3)."""


def is_page(file: Path) -> bool:
    """Whether an HTML file is one that its artifact says that it holds: nothing that was put there later is shown as a page."""
    for folder in file.parents:
        if (folder / MANIFEST).is_file():
            try:
                files = read_manifest(folder).files
            except GauchoError:
                return False
            return not files or file.relative_to(folder).as_posix() in files
    return False


def _file_response(file: Path) -> Response:
    kind = _TYPES.get(file.suffix)
    if kind and kind.startswith("text/html") and not is_page(file):
        return PlainTextResponse("this page is no part of its artifact\n", 404)
    disposition = {} if kind else {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
    policy = _PAGE_POLICY if kind and kind.startswith("text/html") else _FILE_POLICY
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy} | disposition
    return FileResponse(file, media_type=kind or "application/octet-stream", headers=headers)


def _with_headers(send: Send) -> Send:
    """Sends an answer that no other site may frame, open, or read."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.decode("latin-1").title() not in _HEADERS]
            message["headers"] = [*kept, *_encoded(_HEADERS.items())]
        await send(message)

    return sent


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403, "reason": reason})  # before it is accepted: HTTP 403
        return
    await PlainTextResponse(f"refused: {reason}\n", 403)(scope, receive, _with_headers(send))
