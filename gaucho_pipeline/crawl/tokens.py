"""The tokens by which a registered client is let in to an API: had once in a crawl, kept in memory only, sent to its own host only."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from scrapy.http import Response

from gaucho_pipeline.crawl.contact import allowed_private_hosts
from gaucho_pipeline.crawl.fetch_errors import FetchError
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.sources.base import SignIn, host_of

Post = Callable[[str, Mapping[str, str]], Awaitable[Response]]
"""Posts a form. Raises FetchError."""


class Tokens:
    """What lets a crawl in, by host."""

    def __init__(self, sign_ins: Sequence[SignIn], post: Post) -> None:
        self._sign_ins, self._post = {host_of(each.url): each for each in sign_ins}, post
        self._tokens: dict[str, str] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def sign_in(self, host: str) -> None:
        """Has a token for a host where its source is registered; does nothing at any other, nor where there is one.

        Raises FetchError if the host cannot be reached, and GauchoError if it does not take what is sent, or it would be sent in clear.
        """
        wanted = self._sign_ins.get(host)
        if wanted is None:
            return
        async with self._locks[host]:
            if host not in self._tokens:
                self._tokens[host] = await self._ask(wanted, host)

    async def _ask(self, wanted: SignIn, host: str) -> str:
        if urlsplit(wanted.url).scheme != "https" and host not in allowed_private_hosts():
            raise FetchError(_("a secret is sent over https only"), retry=False)
        response = await self._post(wanted.url, wanted.form)
        if response.status != 200:
            raise GauchoError(
                _(
                    "{host} did not let the client in (HTTP {status}); check {what}",
                    host=host,
                    status=response.status,
                    what=wanted.what_to_check,
                )
            )
        token = wanted.parse(bytes(response.body))
        if not token.isascii() or not token.isprintable() or " " in token:
            raise GauchoError(_("{host} gave a token that is none", host=host))
        return token

    def header(self, address: str) -> dict[str, str]:
        """What goes along with a request to an address."""
        token = self._tokens.get(host_of(address))
        return {"Authorization": f"Bearer {token}"} if token else {}

    def drop(self, host: str) -> bool:
        """Forgets a token that is not taken any more; whether there was one."""
        return self._tokens.pop(host, None) is not None
