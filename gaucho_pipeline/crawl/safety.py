"""Where a crawl may go: listed hosts at public addresses over https, and what GAUCHO_ALLOW_PRIVATE_HOSTS names.

A name is judged by what it resolves to at the moment of connecting, so redirects and rebinding are judged too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from scrapy.core.downloader.handlers import http11
from scrapy.exceptions import IgnoreRequest
from scrapy.resolver import CachingThreadedResolver
from tldextract import TLDExtract

from gaucho_pipeline.crawl.contact import allowed_private_hosts

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from twisted.internet.defer import Deferred

HOSTS_SETTING = "GAUCHO_HOSTS"
HOSTS_KEY = "hosts"
"""Of a request: where it may go, if not wherever the crawl may."""


MAX_HEADER_BYTES = 256 * 1024
"""Of one answer; browsers allow as many."""


class ForbiddenAddress(IgnoreRequest):
    """An address that a crawl must not connect to."""


_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24", "192.88.99.0/24",  # protocol assignments (RFC 6890), relays of 6to4 (RFC 7526)
        "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",  # what stands for an IPv4 address
        "fec0::/10", "100::/64", "5f00::/16",  # site-local (RFC 3879), discarded (RFC 6666), segments of a route (RFC 9602)
    )
)  # fmt: skip
"""What no site has, and what a router or a translator turns into an address of another network."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)


def is_listed(host: str, hosts: Collection[str]) -> bool:
    """Whether a host is one of a list, in which `.example.org` stands for all hosts below it."""
    name = host.lower()
    return any(name == listed or (listed.startswith(".") and name.endswith(listed)) for listed in hosts)


def check_url(url: str, hosts: Collection[str]) -> None:
    """Raises ForbiddenAddress for what is neither https to a listed public host nor a listed private host that is allowed."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if host in allowed_private_hosts() and parts.scheme in ("http", "https"):
        if not is_listed(host, hosts):
            raise ForbiddenAddress("a private host that its source does not name")
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


def is_same_site(one: str, other: str) -> bool:
    """Whether two hosts are of one registered domain, such as example.org and www.example.org (https://publicsuffix.org/)."""
    sites = [_suffixes()(host).top_domain_under_public_suffix for host in (one, other)]
    return one == other or (bool(sites[0]) and sites[0] == sites[1])


@lru_cache(maxsize=1)
def _suffixes() -> TLDExtract:
    """The list of public suffixes that comes with the library: nobody is asked for a newer one."""
    return TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


class TooManyHeaders(Exception):
    """An answer whose headers go on and on."""


class BoundedParser(http11._LenientHTTPClientParser):
    """Scrapy's parser of answers, which by itself keeps headers without end in memory."""

    left = MAX_HEADER_BYTES

    def lineReceived(self, line: bytes) -> None:
        """A line of the status or of the headers; the body is no lines. Raises TooManyHeaders."""
        self.left -= len(line)
        if self.left < 0:
            raise TooManyHeaders
        super().lineReceived(line)


def bound_headers() -> None:
    """Has every answer of this process parsed within bounds; neither Scrapy nor Twisted has a setting for it."""
    http11._LenientHTTPClientParser = BoundedParser


class OnlyAllowedAddresses:
    """A downloader middleware: every request goes to an allowed address or nowhere."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = hosts

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> OnlyAllowedAddresses:
        return cls(crawler.settings[HOSTS_SETTING])

    def process_request(self, request: Request) -> None:
        check_url(request.url, request.meta.get(HOSTS_KEY, self._hosts))


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
