"""Wikimedia Commons by category, search, or Wikidata item depicted (https://commons.wikimedia.org/w/api.php).

What is asked of files, and what is read of the answers, is in `commons_files.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.sources.base import (
    ApiPage,
    ImageSourceSpec,
    Limit,
    Lookup,
    Proposal,
    UnclearAnswer,
    api_address,
    host_of,
    query,
    words_of,
)
from gaucho_pipeline.sources.commons_files import MAXLAG, CommonsFiles, category_title, pages_of
from gaucho_pipeline.sources.records import plain
from gaucho_pipeline.spec import JsonObject, Text


class CommonsSpec(ImageSourceSpec):
    """Files of Wikimedia Commons; exactly one of category, search and depicts: https://www.mediawiki.org/wiki/API:Main_page."""

    limits: ClassVar[Mapping[str, Limit]] = {
        "commons.wikimedia.org": Limit(1, 0.5),  # in series: https://www.mediawiki.org/wiki/API:Etiquette
        "www.wikidata.org": Limit(1, 0.5),
        "upload.wikimedia.org": Limit(2),  # https://wikitech.wikimedia.org/wiki/Robot_policy
    }
    category: Text | None = Field(None, description="A category's name, such as Guampa")
    depth: int = Field(0, ge=0, le=5, description="How many levels of subcategories to follow")
    search: Text | None = Field(None, description="Words to search for among files")
    depicts: Text | None = Field(None, description="A Wikidata item that the files depict: its id (Q203540) or its exact name")
    endpoint: str = Field("https://commons.wikimedia.org/w/api.php", description="Address of Commons' API")
    items_endpoint: str = Field("https://www.wikidata.org/w/api.php", description="Address of Wikidata's API, which knows items by name")

    @field_validator("endpoint", "items_endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return api_address(value, "/w/api.php")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.category, self.search, self.depicts)) != 1:
            raise ValueError("must have exactly one of category, search, depicts")
        if self.depth and self.category is None:
            raise ValueError("depth goes with category only")
        return self

    @classmethod
    def recognise(cls, address: str) -> Iterator[Proposal]:
        host, path, words = host_of(address), unquote(urlsplit(address).path).replace("_", " "), words_of(address)
        if host in ("commons.wikimedia.org", "commons.m.wikimedia.org"):
            if found := re.match(r"/wiki/Category:(.+)", path):
                yield Proposal("commons", JsonObject(category=found[1]))
            elif "search" in words:
                yield Proposal("commons", JsonObject(search=words["search"]))
        if host.endswith("wikidata.org") and (found := re.match(r"/wiki/(Q\d+)$", path)):
            yield Proposal("commons", JsonObject(depicts=found[1]))

    @property
    def hosts(self) -> tuple[str, ...]:
        return (host_of(self.endpoint), *([host_of(self.items_endpoint)] if self.depicts else []))

    def build(self, number: int, exclude: tuple[str, ...]) -> Commons:
        return Commons(self, exclude)


class Commons(CommonsFiles):
    """A category, a search or what depicts an item as a source."""

    def __init__(self, spec: CommonsSpec, exclude: tuple[str, ...] = ()) -> None:
        self.spec = spec
        title = category_title(spec.category) if spec.category is not None else ""
        shown = title or (f"depicts {spec.depicts}" if spec.depicts is not None else str(spec.search))
        super().__init__(f"commons: {shown}", spec.endpoint, spec.depth, exclude)
        if spec.category is not None:
            look_up = self._address({"action": "query", "titles": title, "prop": "categoryinfo"})
            self.lookup = Lookup("category", title, look_up, self._parse_category, required=False)
        elif spec.depicts is not None and not re.fullmatch(r"Q\d+", spec.depicts):
            parameters = {"action": "wbsearchentities", "search": spec.depicts, "language": "pt", "uselang": "pt", "type": "item"}
            look_up = query(spec.items_endpoint, parameters | {"limit": 20, "format": "json", "maxlag": MAXLAG})
            self.api_hosts += (host_of(spec.items_endpoint),)
            self.lookup = Lookup("item", spec.depicts, look_up, self._parse_item, required=True)

    def _parse_category(self, content: bytes) -> JsonObject:
        """A category's page id and number of files. Raises GauchoError if there is none."""
        title = category_title(self.spec.category or "")
        for page in pages_of(self._answer(content)):
            if page.get("title") == title:
                if "missing" in page and page.get("missing") is not False and "categoryinfo" not in page:
                    raise GauchoError(_("commons: there is no {title}", title=title))
                return JsonObject(id=page.get("pageid"), title=title, files=page.child("categoryinfo").get("files", 0))
        raise UnclearAnswer(_("commons: the look-up of {title} was not understood", title=title))

    def _parse_item(self, content: bytes) -> JsonObject:
        """An item's id. Raises GauchoError if no item is called so, or more than one."""
        answer = self._answer(content)
        wanted = (self.spec.depicts or "").casefold()
        found = [item for item in answer.children("search") if re.fullmatch(r"Q\d+", str(item.get("id")))]
        exact = [item for item in found if wanted in _names_of(item)]
        if len(exact) == 1:
            return JsonObject(id=exact[0]["id"], label=plain(exact[0].get("label")), description=plain(exact[0].get("description")))
        shown = "; ".join(f"{item['id']} {plain(item.get('label'))}: {plain(item.get('description'))}" for item in (exact or found)[:5])
        what = f"{len(exact)} items are called" if exact else "no item is called"
        raise GauchoError(
            _(
                "commons: {what} {depicts!r}{remedy}",
                what=what,
                depicts=self.spec.depicts,
                remedy=f"; write the id of the one meant ({shown})" if shown else "",
            )
        )

    def start(self, answer: JsonObject | None) -> ApiPage:
        if self.spec.category is not None:
            return ApiPage(next=(self._category_request(category_title(self.spec.category), 0),))
        words = self.spec.search or ""
        if self.spec.depicts is not None:
            words = f"haswbstatement:P180={answer['id'] if answer else self.spec.depicts}"
        return ApiPage(next=(self._search_request(words),))


def _names_of(item: JsonObject) -> list[str]:
    return [str(name).casefold() for name in (item.get("label"), *item.array("aliases"))]
