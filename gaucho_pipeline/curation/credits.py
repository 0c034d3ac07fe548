"""Whom to credit for a picture, and under what licence, where several records state the same one: its file, or a near copy of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from gaucho_pipeline.assets.rows import CrawledImage
from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.filters.registry import NEAR_DUPLICATE, ImageDecision
from gaucho_pipeline.rights.licenses import License, restriction

SEVERAL = "stated by several"
"""The flag of a picture of which records name other authors or another licence."""
_NOBODY = "unknown"


def credits_of(crawled: Crawled, decisions: Mapping[str, ImageDecision]) -> dict[str, dict[str, Any]]:
    """What is credited of the pictures that stay and of which several records say different things, by SHA-256."""
    copies: defaultdict[str, list[str]] = defaultdict(list)
    for sha, decision in decisions.items():
        if decision.reason == NEAR_DUPLICATE and decision.same_as:
            copies[decision.same_as].append(sha)
    several = {row.sha256 for row in crawled.repeated()} | copies.keys()
    found = {}
    for sha in several:
        if sha in decisions and decisions[sha].kept:
            rows = [row for each in (sha, *sorted(copies[sha])) for row in crawled.all_of(each)]
            if credit := _together(rows):
                found[sha] = credit
    return found


def _together(rows: Sequence[CrawledImage]) -> dict[str, Any]:
    """Every author, and the licence that asks for most; empty where all records say the same."""
    authors = list(dict.fromkeys(row.author for row in rows))
    strictest = max(rows, key=lambda row: restriction(License(row.license, row.license_family, row.license_url or "", "")))
    if len(authors) == 1 and len({row.license for row in rows}) == 1:
        return {}
    named = [author for author in authors if author != _NOBODY] or authors
    statements = dict.fromkeys(f"{row.author}, {row.license}: {row.source}" for row in rows)
    return {
        "author": "; ".join(named),
        "license": strictest.license,
        "license_family": strictest.license_family,
        "license_url": strictest.license_url,
        "flags": tuple(dict.fromkeys([*(flag for row in rows for flag in row.flags), SEVERAL])),
        "statements": tuple(statements),
    }
