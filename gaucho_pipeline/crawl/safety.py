"""Where a crawl may go: public addresses over https, and what GAUCHO_ALLOW_PRIVATE_HOSTS names.

A name is judged by what it resolves to at the moment of connecting, so redirects and rebinding are judged too.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.resolver import CachingThreadedResolver

from gaucho_pipeline.crawl.contact import allowed_private_hosts

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.robotstxt import RobotParser
    from twisted.internet.defer import Deferred


class ForbiddenAddress(IgnoreRequest):
    """An address that a crawl must not connect to."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast


def check_url(url: str) -> None:
    """Raises ForbiddenAddress for what is neither https to a public host nor a private host that is allowed."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if host in allowed_private_hosts() and parts.scheme in ("http", "https"):
        return
    if parts.scheme != "https":
        raise ForbiddenAddress("not https")
    try:
        public = is_public(host)
    except ValueError:
        public = "." in host  # a name: judged when it is resolved
    if not public:
        raise ForbiddenAddress("private address")


class OnlyAllowedAddresses:
    """A downloader middleware: every request, redirects included, goes to an allowed address or nowhere."""

    def process_request(self, request: Request) -> None:
        check_url(request.url)


class RobotsObeyed(RobotsTxtMiddleware):
    """Scrapy's robots.txt middleware, one look-up at a time for a host: its concurrent waiters are let through unjudged."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def robot_parser(self, request: Request) -> RobotParser | None:
        async with self._locks[urlsplit(request.url).netloc]:
            return await super().robot_parser(request)


class PublicResolver(CachingThreadedResolver):
    """Resolves names, and refuses those that lead to a private address."""

    def getHostByName(self, name: str, timeout: Any = ()) -> Deferred[str]:
        found = super().getHostByName(name, timeout)
        found.addCallback(self._checked, name)
        return found

    def _checked(self, address: str, name: str) -> str:
        if not is_public(address) and name.lower() not in allowed_private_hosts():
            raise ForbiddenAddress("private address")
        return address
