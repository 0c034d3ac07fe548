"""Where a crawl may go: listed hosts at public addresses over https, and what GAUCHO_ALLOW_PRIVATE_HOSTS names.

A name is judged by what it resolves to at the moment of connecting, so redirects and rebinding are judged too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from scrapy.exceptions import IgnoreRequest
from scrapy.resolver import CachingThreadedResolver

from gaucho_pipeline.crawl.contact import allowed_private_hosts

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from twisted.internet.defer import Deferred

HOSTS_SETTING = "GAUCHO_HOSTS"


class ForbiddenAddress(IgnoreRequest):
    """An address that a crawl must not connect to."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast


def is_listed(host: str, hosts: Collection[str]) -> bool:
    """Whether a host is one of a list, in which `.example.org` stands for all hosts below it; private hosts that are allowed are."""
    name = host.lower()
    return name in allowed_private_hosts() or any(name == listed or (listed.startswith(".") and name.endswith(listed)) for listed in hosts)


def check_url(url: str, hosts: Collection[str]) -> None:
    """Raises ForbiddenAddress for what is neither https to a listed public host nor a private host that is allowed."""
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
    if not is_listed(host, hosts):
        raise ForbiddenAddress("a host that is not one of media_hosts")


class OnlyAllowedAddresses:
    """A downloader middleware: every request goes to an allowed address or nowhere."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = hosts

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> OnlyAllowedAddresses:
        return cls(crawler.settings[HOSTS_SETTING])

    def process_request(self, request: Request) -> None:
        check_url(request.url, self._hosts)


class PublicResolver(CachingThreadedResolver):
    """Resolves names, and refuses those that lead to a private address."""

    refused: ClassVar[set[str]] = set()
    """Names that were refused: Twisted makes a name that cannot be found of them."""

    def getHostByName(self, name: str, timeout: Any = ()) -> Deferred[str]:
        found = super().getHostByName(name, timeout)
        found.addCallback(self._checked, name)
        return found

    def _checked(self, address: str, name: str) -> str:
        if not is_public(address) and name.lower() not in allowed_private_hosts():
            self.refused.add(name.lower())
            raise ForbiddenAddress("private address")
        return address
