"""Openverse's image search: addresses to ask and answers to read (https://api.openverse.org/v1/).

Answers are pages of `results`; `page` and `page_count` say where one is. Nothing here fetches.
"""

from __future__ import annotations

import html
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from gaucho_pipeline.concepts import OpenverseSource
from gaucho_pipeline.crawl.records import Listing, Record
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.rights import openverse_license

DEFAULT_PAGE_SIZE = 20


def page_address(source: OpenverseSource, page: int) -> str:
    """The address of a page of the search, counted from 1."""
    query: dict[str, Any] = {"q": source.query}
    if source.page_size != DEFAULT_PAGE_SIZE:
        query["page_size"] = source.page_size
    if page > 1:
        query["page"] = page
    return f"{source.endpoint}?{urlencode(query)}"


def read_page(source: OpenverseSource, content: bytes, page: int) -> Listing:
    """The records of an answer. Raises GauchoError if it is not an answer of this API."""
    try:
        answer = json.loads(content)
        results, page_count = answer["results"], int(answer["page_count"])
    except (ValueError, KeyError, TypeError, OverflowError):
        raise GauchoError(f"openverse: page {page} of {source.query!r} is not an answer of the API") from None
    if not isinstance(results, list):
        raise GauchoError(f"openverse: page {page} of {source.query!r} has no list of results")
    origin = f"openverse: {source.query}"
    records, unusable = [], []
    for item in results:
        record = _record(item, origin) if isinstance(item, dict) else None
        if record is None:
            identity = item.get("id") if isinstance(item, dict) else None
            unusable.append({"key": f"openverse:{identity}", "origin": origin, "reason": "the record names no image"})
        else:
            records.append(record)
    more = page < page_count and bool(results)
    return Listing(tuple(records), tuple(unusable), page_address(source, page + 1) if more else None)


def _record(item: dict[str, Any], origin: str) -> Record | None:
    identity, media = item.get("id"), item.get("url")
    if not isinstance(identity, str) or not identity or not isinstance(media, str) or not _is_address(media):
        return None
    return Record(
        key=f"openverse:{_text(identity)[:100]}",
        origin=origin,
        media=media,
        title=_text(item.get("title")),
        author=_text(item.get("creator")) or "unknown",
        source=_text(item.get("foreign_landing_url")) or media,
        license=openverse_license(item),
    )


def _is_address(text: str) -> bool:
    """Whether a text is an http or https address with a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False


def _text(value: object) -> str:
    """Plain text on one line, at most 300 characters; what is no text becomes '?'."""
    if not isinstance(value, str):
        return ""
    return " ".join(html.unescape(value).encode("utf-8", "replace").decode().split())[:300]
