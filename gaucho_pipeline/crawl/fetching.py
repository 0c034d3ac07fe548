"""Asking hosts, decently: attempts, pauses, redirects, robots.txt, opt-outs and limits, for APIs and for images.

Scrapy makes the connections (`safety.py` says where they may go); when to ask, and what an answer allows, is decided here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import scrapy
from OpenSSL import SSL
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
    StopDownload,
)
from scrapy.http import Response
from scrapy.http.headers import Headers
from scrapy.robotstxt import ProtegoRobotParser

from gaucho_pipeline.crawl.answers import Answers
from gaucho_pipeline.crawl.contact import allowed_private_hosts, has_contact, user_agent
from gaucho_pipeline.crawl.fetch_errors import (
    BadCertificate,
    ConnectionRefused,
    CutOff,
    DisallowedHost,
    FetchError,
    HostNotFound,
    NetworkError,
    OptedOut,
    TimedOut,
    TooLarge,
)
from gaucho_pipeline.crawl.optouts import AGENT, Reservations, header_opt_out
from gaucho_pipeline.crawl.rate_limits import ATTEMPTS, LONGEST_WAIT, PRIVATE, RETRY_STATUSES, DailyCount, pause_before, retry_after
from gaucho_pipeline.crawl.safety import HOSTS_KEY, HOSTS_SETTING, ForbiddenAddress, PublicResolver, TooManyHeaders, check_url, is_same_site
from gaucho_pipeline.crawl.tokens import Tokens
from gaucho_pipeline.crawl.usage_rules import AiTxt, UsagePreferences
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.images.files import is_image
from gaucho_pipeline.sources.base import ApiAnswer, ApiBusy, ImageSource, Limit, StatusError, host_of, media_address
from gaucho_pipeline.sources.registry import LIMITS

_Rules = TypeVar("_Rules")
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_API_BYTES = 20_000_000
_WELL_KNOWN_BYTES = 1_000_000
_GONE = frozenset({404, 410})
"""HTTP statuses that say that there is nothing, and will be nothing; of the address itself, and not of a page that it leads to today."""
_SILENT_ATTEMPTS, _SILENT_ADDRESSES = 6, 2
"""So many attempts in a row without an answer, at so many addresses: the host is left alone for the rest of the crawl."""
_MAX_WAITS = 3
"""Times that a host may ask to wait before it has answered anything else."""


def settings(sources: Sequence[ImageSource], hosts: Collection[str], timeout: float) -> dict[str, Any]:
    """Scrapy's settings for a crawl that may go to these hosts. Raises ConfigError without a contact for public ones."""
    limits = limits_of(sources) | dict.fromkeys(allowed_private_hosts(), PRIVATE)
    slots = {h: {"concurrency": li.connections, "delay": li.seconds_between, "jitter": 0.0} for h, li in limits.items()}
    return {
        "USER_AGENT": user_agent(host for source in sources for host in (source.api_hosts or source.media_hosts)),
        HOSTS_SETTING: tuple(hosts),
        "CONCURRENT_REQUESTS": PRIVATE.connections,
        "CONCURRENT_REQUESTS_PER_DOMAIN": Limit().connections,
        "DOWNLOAD_SLOTS": slots,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_TIMEOUT": timeout,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "ROBOTSTXT_OBEY": False,  # here, because Scrapy lets concurrent requests through unjudged
        "REDIRECT_ENABLED": False,  # here, because every hop is judged again
        "METAREFRESH_ENABLED": False,  # an image does not send one elsewhere
        "HTTPPROXY_ENABLED": False,  # a proxy would resolve names where they are not judged
        "RETRY_ENABLED": False,  # here, because Scrapy does not obey Retry-After
        "COOKIES_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "TWISTED_DNS_RESOLVER": "gaucho_pipeline.crawl.safety.PublicResolver",
        "DOWNLOADER_MIDDLEWARES": {"gaucho_pipeline.crawl.safety.OnlyAllowedAddresses": 10},
        "HTTPERROR_ALLOW_ALL": True,
        "LOG_LEVEL": "CRITICAL",
        "LOG_INSTALL_ROOT_HANDLER": False,
    }


def limits_of(sources: Sequence[ImageSource]) -> dict[str, Limit]:
    """What hosts allow: what these sources know of them, else what all do."""
    return dict(LIMITS) | {host: limit for source in sources for host, limit in source.limits.items()}


class Web:
    """The web as a crawl may see it."""

    def __init__(
        self, crawler: Crawler, sources: Sequence[ImageSource], count_file: Path, max_image_bytes: int, tell: Callable[[str], None]
    ) -> None:
        """`count_file` counts the requests of a day; `tell` is told once of a host that is left alone."""
        self._crawler, self._max_image_bytes, self._tell = crawler, max_image_bytes, tell
        self.api_hosts = frozenset(host for source in sources for host in source.api_hosts)
        self._hosts: Collection[str] = crawler.settings[HOSTS_SETTING]
        self._days, self._answers = DailyCount(count_file, limits_of(sources)), Answers(count_file.parent / "answers")
        self._tokens = Tokens([source.sign_in for source in sources if source.sign_in], self._post)
        self._not_before: defaultdict[str, float] = defaultdict(float)
        self._closed: dict[str, str] = {}
        self._silent: defaultdict[str, list[str]] = defaultdict(list)
        self._waits = Counter[str]()
        self._asked_until: defaultdict[str, float] = defaultdict(float)
        self._has_contact = has_contact()
        self._turns = _Turns(crawler.settings["DOWNLOAD_SLOTS"])
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._rules: dict[str, Any] = {}
        self.requests = Counter({"api": 0, "image": 0, "other": 0})
        crawler.signals.connect(self._judge_headers, signal=signals.headers_received)

    # -------------------------------------------------------------------------------------------- what is asked for

    async def ask(self, url: str, parse: Callable[[bytes], Any]) -> Any:
        """An API's answer as its source parses it. Raises GauchoError if there is none."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._tokens.sign_in(host_of(url))
                response = await self._get(url, "api", _API_BYTES, self._hosts)
            except FetchError as error:
                raise GauchoError(f"{host_of(url)}: {error}") from None
            if response.status == HTTPStatus.UNAUTHORIZED and self._tokens.drop(host_of(url)) and attempt < ATTEMPTS:
                continue  # it had ended
            if response.status != 200:
                raise StatusError(host_of(url), response.status, bytes(response.body))
            try:
                headers = {name: values[-1] for name, values in _by_name(response.headers).items() if values}
                return parse(ApiAnswer(response.body, headers))
            except ApiBusy as busy:
                if attempt == ATTEMPTS and busy.partial is not None:
                    return busy.partial
                if attempt == ATTEMPTS:
                    raise
                await self._pause(host_of(url), response.headers, attempt)
        raise AssertionError("unreachable")

    async def image(self, address: str, hosts: Collection[str]) -> bytes:
        """The bytes of an image, as they come, from one of these hosts. Raises FetchError, also where its publisher has opted out."""
        response = await self._get(address, "image", self._max_image_bytes, hosts)
        if response.status != 200:
            raise FetchError(
                _("HTTP {status}", status=response.status), permanent=response.status in _GONE and response.url == address, retry=False
            )
        if reason := header_opt_out(_by_name(response.headers)):
            raise OptedOut(reason, permanent=True)
        content = bytes(response.body)
        if not is_image(content):  # a page of an error, or to log in: tomorrow it may be an image
            raise FetchError(_("not an image"), retry=False)
        return content

    async def opted_out(self, address: str) -> str | None:
        """Why the host of an image that is known already reserves its use today; None if it does not, or does not answer."""
        try:
            return await self._reserved(address)
        except FetchError:
            return None

    # -------------------------------------------------------------------------------------------- attempts

    async def _get(self, address: str, kind: str, most_bytes: int, hosts: Collection[str]) -> Response:
        """An answer, after as many attempts as it is worth. Raises FetchError."""
        attempts = 2 if kind == "rules" else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                response = await self._follow(address, kind, most_bytes, hosts)
            except FetchError as error:
                if not error.retry or attempt == attempts:
                    raise
                await asyncio.sleep(pause_before(attempt + 1))
                continue
            if response.status not in RETRY_STATUSES:
                self._waits[host_of(response.url)] = 0
                return response
            if attempt == attempts:
                return response
            await self._pause(host_of(response.url), response.headers, attempt)
        raise AssertionError("unreachable")

    async def _pause(self, host: str, headers: Headers, attempt: int) -> None:
        """Waits as long as a host asks, or as long as is decent; everybody else who asks it waits too, and for the same end.

        One that asks for more than is worth waiting for, or again and again, is not asked again in this crawl.
        """
        header = headers.get("Retry-After")
        seconds = retry_after(header.decode("latin-1") if header else None)
        if seconds is not None and seconds > LONGEST_WAIT:
            raise self._close(host, _("{host} asks to wait {count} seconds", host=host, count=round(seconds)))
        moment = time.monotonic()
        if seconds is not None:
            self._waits[host] += self._asked_until[host] <= moment  # else another request was told so already
            if self._waits[host] > _MAX_WAITS:
                raise self._close(host, _("{host} asks to wait again and again", host=host))
            until = self._asked_until[host] = max(self._asked_until[host], moment + seconds)
        else:
            until = moment + pause_before(attempt + 1)
        self._not_before[host] = max(self._not_before[host], until)
        await asyncio.sleep(until - moment)

    def _close(self, host: str, reason: str) -> FetchError:
        """Leaves a host alone for the rest of the crawl, and says so once."""
        if host not in self._closed:
            self._tell(_("{reason}; it is left alone until the next crawl", reason=reason))
        self._closed[host] = reason
        return FetchError(reason, retry=False)

    async def _follow(self, address: str, kind: str, most_bytes: int, hosts: Collection[str]) -> Response:
        """An answer that is no redirect; every hop is judged as the first was.

        A host's own rules may lead to another host of its site (RFC 9309, 2.3.1.2).
        """
        first = host_of(address)
        for _unused in range(_MAX_REDIRECTS + 1):
            if kind == "rules" and is_same_site(first, host_of(address)):
                hosts = (host_of(address),)
            await self._check(address, kind, hosts)
            response = await self._in_turn(address, kind, most_bytes, hosts)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            address = _joined(address, location)
        raise FetchError(_("too many redirects"), retry=False)

    async def _check(self, address: str, kind: str, hosts: Collection[str]) -> None:
        """Whether an address may be asked for now. Raises FetchError if not."""
        host = host_of(address)
        try:
            check_url(address, hosts)
        except (ForbiddenAddress, ValueError) as error:
            raise DisallowedHost(str(error), retry=False) from None
        if not self._has_contact and host not in allowed_private_hosts():
            raise FetchError(_("{host} is not told whom to write to (GAUCHO_CONTACT)", host=host), retry=False)
        if kind == "api":
            self._days.count(host)
        if kind == "image" and (reason := await self._reserved(address)):
            raise OptedOut(reason, retry=False)
        if not self._is_exempt(address, kind) and not await self._allowed_by_robots(address):
            raise OptedOut(_("forbidden by robots.txt"), retry=False)

    async def _in_turn(self, address: str, kind: str, most_bytes: int, hosts: Collection[str]) -> Response:
        """An answer, asked for when it is this request's turn at the host, and not while the host has asked to wait."""
        host = host_of(address)
        async with self._turns[host]:
            while (wait := self._not_before[host] - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if reason := self._closed.get(host):
                raise FetchError(reason, retry=False)
            try:
                response = await self._download(address, kind, most_bytes, hosts)
            except NetworkError as error:
                if error.retry:
                    self._count_silence(host, address, error)
                raise
            self._silent[host].clear()
            return response

    def _count_silence(self, host: str, address: str, error: NetworkError) -> None:
        """Leaves a host alone that does not answer, so that all its images together cost a bounded time."""
        self._silent[host].append(address)
        if len(self._silent[host]) >= _SILENT_ATTEMPTS and len(set(self._silent[host])) >= _SILENT_ADDRESSES:
            raise self._close(host, f"{host} {error.reason} {len(self._silent[host])} times in a row")

    def _is_exempt(self, address: str, kind: str) -> bool:
        """The one exemption from robots.txt: the APIs that a source names, whose rules are their own, and the files that state rules."""
        return (kind == "api" and host_of(address) in self.api_hosts) or kind == "rules"

    async def _download(self, address: str, kind: str, most_bytes: int, hosts: Collection[str]) -> Response:
        self.requests[kind if kind in self.requests else "other"] += 1
        try:
            meta = {"download_maxsize": most_bytes, "kind": kind, HOSTS_KEY: tuple(hosts)}
            headers = self._answers.conditions(address) | self._tokens.header(address) if kind == "api" else {}
            response = await self._crawler.engine.download_async(scrapy.Request(address, headers=headers, meta=meta, dont_filter=True))
            return self._answers.take(address, response) if kind == "api" else response
        except Exception as error:  # whatever the network does, it is this request's failure alone
            if host_of(address) in PublicResolver.refused:
                raise FetchError(_("private address"), retry=False) from None
            raise fetch_error(error) from None

    async def _post(self, address: str, form: Mapping[str, str]) -> Response:
        """The answer to a form, which is posted once and follows no redirect. Raises FetchError."""
        await self._check(address, "api", self._hosts)
        meta = {"download_maxsize": _API_BYTES, HOSTS_KEY: tuple(self._hosts)}
        self.requests["api"] += 1
        try:
            request = scrapy.FormRequest(address, formdata=dict(form), meta=meta, dont_filter=True)
            return await self._crawler.engine.download_async(request)
        except Exception as error:
            raise fetch_error(error) from None

    def _judge_headers(self, headers: Headers, request: scrapy.Request) -> None:
        """Stops an image at its headers where they forbid the use: what may not be used is not fetched."""
        if request.meta.get("kind") == "image" and header_opt_out(_by_name(headers)):
            raise StopDownload(fail=False)

    # -------------------------------------------------------------------------------------------- a host's own rules

    async def _allowed_by_robots(self, address: str) -> bool:
        """Whether robots.txt lets this crawl fetch an address; one that cannot be read forbids all (RFC 9309, 2.3.1.4)."""
        rules, _unused = await self._rules_of(address, "robots.txt", self._read_robots)
        return bool(rules.allowed(address, AGENT))

    def _read_robots(self, content: bytes) -> tuple[ProtegoRobotParser, UsagePreferences]:
        return ProtegoRobotParser(content, self._crawler.spider), UsagePreferences(content)

    async def _reserved(self, address: str) -> str | None:
        """Why a host's files forbid the use of what is at an address; None if they do not.

        Raises FetchError if one cannot be read: what may be reserved is not fetched.
        """
        reservations = await self._rules_of(address, ".well-known/tdmrep.json", Reservations)
        _robots, preferences = await self._rules_of(address, "robots.txt", self._read_robots)
        ai_txt = await self._rules_of(address, "ai.txt", AiTxt)
        return preferences.opt_out(address) or reservations.opt_out(address) or ai_txt.opt_out(address)

    async def _rules_of(self, address: str, name: str, read: Callable[[bytes], _Rules]) -> _Rules:
        """What a host's own file says, asked for once; one that is not there is an empty one. Raises FetchError if it cannot be read."""
        parts = urlsplit(address)
        file = f"{parts.scheme}://{parts.netloc}/{name}"
        async with self._locks[file]:
            if file not in self._rules:
                self._rules[file] = await self._read_rules(file, read)
        found = self._rules[file]
        if isinstance(found, FetchError):
            raise FetchError(found.reason, retry=False)
        return found

    async def _read_rules(self, file: str, read: Callable[[bytes], _Rules]) -> _Rules | FetchError:
        try:
            response = await self._get(file, "rules", _WELL_KNOWN_BYTES, (host_of(file),))
        except FetchError as error:
            return FetchError(_("its {name} cannot be read: {error}", name=file.rpartition("/")[2], error=error), retry=False)
        if response.status >= 500 or response.status == 429:
            return FetchError(
                _("its {name} cannot be read: HTTP {status}", name=file.rpartition("/")[2], status=response.status), retry=False
            )
        return read(bytes(response.body) if response.status == 200 else b"")


class _Turns(dict[str, asyncio.Semaphore]):
    """By host: as many requests at once as it allows."""

    def __init__(self, slots: Mapping[str, Mapping[str, float]]) -> None:
        """`slots`: what `settings` says of hosts."""
        super().__init__()
        self._slots = slots

    def __missing__(self, host: str) -> asyncio.Semaphore:
        self[host] = asyncio.Semaphore(int(self._slots.get(host, {}).get("concurrency", Limit().connections)))
        return self[host]


def _joined(address: str, location: bytes) -> str:
    """Where a redirect leads: UTF-8, as browsers read it, or Latin-1. Raises FetchError if that is no web address."""
    try:
        text = location.decode()
    except UnicodeDecodeError:
        text = location.decode("latin-1")
    try:
        target = media_address(urljoin(address, text.strip()), address)
    except ValueError:
        target = None
    if target is None:
        raise FetchError(_("a redirect to no address"), retry=False)
    return target


def _by_name(headers: Headers) -> dict[str, list[str]]:
    return {name.decode("latin-1").lower(): [value.decode("latin-1") for value in headers.getlist(name)] for name in headers}


_TYPES: tuple[tuple[type[BaseException], type[NetworkError]], ...] = (
    (DownloadTimeoutError, TimedOut),
    (DownloadConnectionRefusedError, ConnectionRefused),
    (CannotResolveHostError, HostNotFound),
    (DownloadCancelledError, TooLarge),  # the only reason for which this crawl has a download cancelled
    (IgnoreRequest, TooLarge),  # Scrapy's decompression, which is the only one to ignore a response here
    (TooManyHeaders, TooLarge),
    (SSL.Error, BadCertificate),
    (ResponseDataLossError, CutOff),
    (DownloadFailedError, CutOff),
)
"""By Scrapy's type; the first that fits counts."""


def fetch_error(error: BaseException) -> FetchError:
    """A failure of the network as one of ours, by the types of what was raised and of what caused it, never by its words."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ForbiddenAddress):
            return FetchError(str(cause), retry=False)
    for theirs, ours in _TYPES:
        if any(isinstance(cause, theirs) for cause in causes):
            return ours()
    return FetchError(_("failed ({name})", name=type(error).__name__))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """What was raised, what it was raised from, and what Twisted gathers under `reasons`."""
    while error is not None:
        yield error
        for reason in getattr(error, "reasons", None) or ():
            yield from _causes(getattr(reason, "value", None))
        error = error.__cause__ or error.__context__
