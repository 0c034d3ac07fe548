"""Openverse's image search: addresses to ask and answers to read (https://api.openverse.org/v1/).

Answers are pages of `results`; `page` and `page_count` say where one is. Images come from the hosts that Openverse indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gaucho_pipeline.concepts import OpenverseSource
from gaucho_pipeline.crawl.records import Record, plain
from gaucho_pipeline.crawl.sources import Again, Name, Page, Question, host_of, is_web_address, query, read_json, unusable
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.rights import openverse_license

DEFAULT_PAGE_SIZE = 20
MEDIA_HOSTS = (
    ".staticflickr.com", "upload.wikimedia.org", "images.metmuseum.org", "openaccess-cdn.clevelandart.org", "ids.si.edu", "images.nypl.org",
    "cdn.stocksnap.io", "img.rawpixel.com", "images.nappy.co", "images.phylopic.org", ".geograph.org.uk",
    "coimages.sciencemuseumgroup.org.uk",
    "inaturalist-open-data.s3.amazonaws.com", "static.inaturalist.org", "pd.w.org", "lh3.googleusercontent.com", "cdn.thingiverse.com",
)  # fmt: skip
"""Hosts of the collections that Openverse indexes: https://openverse.org/sources. Others are named in `media_hosts`."""


class Openverse:
    """A search of Openverse as a source."""

    media_hosts: tuple[str, ...] = MEDIA_HOSTS
    name: Name | None = None

    def __init__(self, spec: OpenverseSource) -> None:
        self.spec = spec
        self.origin = f"openverse: {spec.query}"
        self.api_hosts: tuple[str, ...] = (host_of(spec.endpoint),)

    def start(self, answer: Mapping[str, Any] | None) -> Page:
        return Page(next=(self._question(1),))

    def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
        return ()  # it answers for one image at a time, and 200 times a day

    def _question(self, page: int) -> Question:
        """The address of a page of the search, counted from 1."""
        parameters: dict[str, Any] = {"q": self.spec.query}
        parameters |= {key: value for key, value in (("license", self.spec.license), ("category", self.spec.category)) if value}
        if self.spec.page_size != DEFAULT_PAGE_SIZE:
            parameters["page_size"] = self.spec.page_size
        if page > 1:
            parameters["page"] = page
        return Question(query(self.spec.endpoint, parameters), partial(self._read, page))

    def _read(self, page: int, content: bytes) -> Page:
        """The records of a page. Raises GauchoError if it is not an answer of this API."""
        answer = read_json(content, f"openverse: page {page} of {self.spec.query!r}")
        try:
            results, page_count = answer["results"], int(answer["page_count"])
        except (ValueError, KeyError, TypeError, OverflowError):
            raise GauchoError(f"openverse: page {page} of {self.spec.query!r} is not an answer of the API") from None
        if not isinstance(results, list):
            raise GauchoError(f"openverse: page {page} of {self.spec.query!r} has no list of results")
        records, bad = [], []
        for number, item in enumerate(results, start=1):
            record = self._record(item) if isinstance(item, dict) else None
            if record is None:
                bad.append(unusable(f"openverse:{_name(item) or f'page {page}, {number}'}", self.origin))
            else:
                records.append(record)
        more = page < page_count and bool(results)
        total = answer.get("result_count")
        return Page(
            tuple(records),
            tuple(bad),
            next=(self._question(page + 1),) if more else (),
            total=total if isinstance(total, int) else None,
            is_end=page >= page_count,
        )

    def _record(self, item: dict[str, Any]) -> Record | None:
        identity, media = item.get("id"), item.get("url")
        if not isinstance(identity, str) or not identity or not is_web_address(media):
            return None
        tags = item.get("tags")
        return Record(
            key=f"openverse:{plain(identity)[:100]}",
            origin=self.origin,
            media=media,
            title=plain(item.get("title")),
            author=plain(item.get("creator")) or "unknown",
            source=page if is_web_address(page := item.get("foreign_landing_url")) else media,
            license=openverse_license(item),
            labels=tuple(plain(tag.get("name")) for tag in tags if isinstance(tag, dict)) if isinstance(tags, list) else (),
        )


def _name(item: object) -> str:
    identity = item.get("id") if isinstance(item, dict) else None
    return identity if isinstance(identity, str) else ""
