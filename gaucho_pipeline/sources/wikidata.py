"""Items of Wikidata that a SPARQL query names, and the files of Commons that show them (https://query.wikidata.org).

Of each item its own image (P18) and the files that depict it (P180) are listed; images that the query itself names are, too. What is read
of the files, their licences among it, is in `commons.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.sources.base import (
    ApiBusy,
    ApiPage,
    ApiRequest,
    ImageSourceSpec,
    Limit,
    Proposal,
    api_address,
    host_of,
    query,
    read_json,
)
from gaucho_pipeline.sources.commons import BATCH, MAXLAG, CommonsFiles, FileQuery
from gaucho_pipeline.spec import JsonObject

_MAX_ITEMS = 2000
_LONGEST_SEARCH = 300
"""Characters that CirrusSearch reads: https://www.mediawiki.org/wiki/Help:CirrusSearch."""
_ENTITY = re.compile(r"https?://www\.wikidata\.org/entity/(Q[1-9]\d{0,11})")
_FILE = re.compile(r"https?://commons\.wikimedia\.org/wiki/Special:FilePath/([^?#]+)", re.IGNORECASE)
_IMAGE = "P18"


class WikidataSpec(ImageSourceSpec):
    """A query of Wikidata whose results name items: https://query.wikidata.org."""

    limits: ClassVar[Mapping[str, Limit]] = {
        "query.wikidata.org": Limit(1, 1.0)  # https://www.mediawiki.org/wiki/Wikidata_Query_Service/User_Manual#Query_limits
    }
    query: Annotated[str, Field(min_length=1, max_length=6000)] = Field(
        description="SPARQL that selects items, such as SELECT ?item WHERE { ?item wdt:P31 wd:Q3305213; wdt:P195 wd:Q10333835 }"
    )
    endpoint: str = Field("https://query.wikidata.org/sparql", description="Address of the query service")
    items_endpoint: str = Field("https://www.wikidata.org/w/api.php", description="Address of Wikidata's API, which knows items' images")
    files_endpoint: str = Field("https://commons.wikimedia.org/w/api.php", description="Address of Commons' API")

    @field_validator("query")
    @classmethod
    def _selects(cls, value: str) -> str:
        if not re.search(r"(?i)\bselect\b", value):
            raise ValueError("must be a SPARQL query that selects items: SELECT ?item WHERE { … }")
        return value.strip()

    @field_validator("endpoint")
    @classmethod
    def _is_a_service(cls, value: str) -> str:
        return api_address(value, "/sparql")

    @field_validator("items_endpoint", "files_endpoint")
    @classmethod
    def _is_an_api(cls, value: str) -> str:
        return api_address(value, "/w/api.php")

    @classmethod
    def recognise(cls, address: str) -> Iterator[Proposal]:
        text = unquote(urlsplit(address).fragment)
        if host_of(address) == "query.wikidata.org" and re.search(r"(?i)\bselect\b", text):
            yield Proposal("wikidata", JsonObject(query=text))

    @property
    def hosts(self) -> tuple[str, ...]:
        return (host_of(self.endpoint), host_of(self.items_endpoint), host_of(self.files_endpoint))

    def build(self, number: int, exclude: tuple[str, ...]) -> Wikidata:
        return Wikidata(self)


class Wikidata(CommonsFiles):
    """The files that show what a query names as a source."""

    def __init__(self, spec: WikidataSpec) -> None:
        super().__init__(f"wikidata: query {digest(spec.query)[:8]}", spec.files_endpoint)
        self.spec = spec
        self.api_hosts = spec.hosts

    def start(self, answer: JsonObject | None) -> ApiPage:
        return ApiPage(next=(ApiRequest(query(self.spec.endpoint, {"query": self.spec.query, "format": "json"}), self._parse_results),))

    def _parse_results(self, content: bytes) -> ApiPage:
        """What to ask of the items and files that the results name.

        Raises ApiBusy for an answer that was cut off, and GauchoError for one that is none, or whose results name no item.
        """
        try:
            json.loads(content)
        except ValueError:
            raise ApiBusy(f"{self.origin}: the answer is cut off") from None  # the service ran out of time while it wrote
        answer = read_json(content, self.origin)
        if not isinstance(answer.child("results").get("bindings"), list):
            raise GauchoError(_("{origin}: the answer is not one of the query service", origin=self.origin))
        rows = answer.child("results").children("bindings")
        values = [row.child(name).text("value") for row in rows for name in row]
        items = list(dict.fromkeys(found[1] for value in values if (found := _ENTITY.fullmatch(value))))
        files = list(dict.fromkeys(unquote(found[1]) for value in values if (found := _FILE.fullmatch(value))))
        if rows and not items and not files:
            raise GauchoError(_("{origin}: its results name no item; select one: SELECT ?item WHERE", origin=self.origin))
        if len(items) + len(files) > _MAX_ITEMS:
            raise GauchoError(_("{origin}: names more than {most} items; add a LIMIT", origin=self.origin, most=_MAX_ITEMS))
        return ApiPage(next=(*self._by_title(files), *self._of_items(items), *map(self._search_request, _searches(items))))

    def _of_items(self, items: Sequence[str]) -> Iterator[ApiRequest]:
        """Asks which images items name as their own."""
        for part in _parts(items):
            parameters = {"action": "wbgetentities", "ids": "|".join(part), "props": "claims", "format": "json", "maxlag": MAXLAG}
            yield ApiRequest(query(self.spec.items_endpoint, parameters), self._parse_items)

    def _parse_items(self, content: bytes) -> ApiPage:
        answer = self._answer_of_items(content)
        entities = answer.child("entities")
        claims = [claim for name in entities for claim in entities.child(name).child("claims").children(_IMAGE)]
        live = [claim for claim in claims if claim.text("rank") != "deprecated"]
        titles = [claim.child("mainsnak").child("datavalue").text("value") for claim in live]
        return ApiPage(next=tuple(self._by_title(list(dict.fromkeys(filter(None, titles))))))

    def _answer_of_items(self, content: bytes) -> JsonObject:
        answer = read_json(content, self.origin)
        if "error" in answer:
            self._refuse(answer)
        if not isinstance(answer.get("entities"), dict):
            raise GauchoError(_("{origin}: the answer is not one of the API's", origin=self.origin))
        return answer

    def _by_title(self, titles: Sequence[str]) -> Iterator[ApiRequest]:
        """Asks for files by their names; a name that would be read as several is passed over."""
        for part in _parts([title for title in titles if "|" not in title]):
            yield self._request(FileQuery({"titles": "|".join(f"File:{title}" for title in part)}))


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[first : first + BATCH] for first in range(0, len(names), BATCH))


def _searches(items: Sequence[str]) -> Iterator[str]:
    """Searches for the files that depict items, as many items in each as it may have characters."""
    words = ""
    for item in items:
        longer = f"{words}|P180={item}" if words else f"haswbstatement:P180={item}"
        if len(longer) > _LONGEST_SEARCH:
            yield words
            longer = f"haswbstatement:P180={item}"
        words = longer
    if words:
        yield words
