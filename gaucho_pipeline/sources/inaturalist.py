"""Research-grade observations of a taxon on iNaturalist (https://api.inaturalist.org/v1/docs/).

Every photo has a licence of its own, which counts. Where an observation was made is never read: some of these species are poached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.rights.creative_commons import plain_words
from gaucho_pipeline.rights.licenses import RESERVED, License, parse_license, unknown
from gaucho_pipeline.sources.base import (
    ApiPage,
    ApiRequest,
    ImageSource,
    ImageSourceSpec,
    Limit,
    Lookup,
    Proposal,
    Recheck,
    UnusableRecord,
    api_address,
    host_of,
    is_web_address,
    media_address,
    query,
    read_json,
    unusable,
    without_secrets,
)
from gaucho_pipeline.sources.records import Record, plain
from gaucho_pipeline.spec import JsonObject, Text

MEDIA_HOSTS = ("inaturalist-open-data.s3.amazonaws.com", "static.inaturalist.org")
_PAGE_SIZE = 200  # the most that the API gives at once
_RECHECKED_AT_ONCE = 100  # observations by id: an address must not be too long
_SIZE = "large"  # longest side 1024 px


class INaturalistSpec(ImageSourceSpec):
    """Research-grade observations of a taxon: https://api.inaturalist.org/v1/docs/."""

    limits: ClassVar[Mapping[str, Limit]] = {
        "api.inaturalist.org": Limit(1, 1.05, 10_000)  # https://www.inaturalist.org/pages/api+recommended+practices
    }
    taxon: Text = Field(description="Scientific name, such as Leopardus guttulus")
    endpoint: str = Field("https://api.inaturalist.org/v1", description="Address of the API")

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return api_address(value, "/v1").rstrip("/").removesuffix("/observations")

    @classmethod
    def recognise(cls, address: str) -> Iterator[Proposal]:
        found = re.match(r"/taxa/\d+-([A-Za-z-]+)$", urlsplit(address).path)
        if found and re.fullmatch(r"(www|m)?\.?inaturalist\.[a-z.]+", host_of(address)):
            yield Proposal("inaturalist", JsonObject(taxon=found[1].replace("-", " ")))

    @property
    def hosts(self) -> tuple[str, ...]:
        return (host_of(self.endpoint),)

    def build(self, number: int, exclude: tuple[str, ...]) -> INaturalist:
        return INaturalist(self)


class INaturalist(ImageSource):
    """A taxon as a source."""

    media_hosts = MEDIA_HOSTS

    def __init__(self, spec: INaturalistSpec) -> None:
        self.spec = spec
        self.origin = f"inaturalist: {spec.taxon}"
        self._taxon = 0  # until its name is known
        self.api_hosts = (host_of(spec.endpoint),)
        self.lookup = Lookup("taxon", spec.taxon, query(f"{spec.endpoint}/taxa", {"q": spec.taxon}), self._parse_taxon, required=True)

    def _parse_taxon(self, content: bytes) -> JsonObject:
        """The taxon of exactly this scientific name. Raises GauchoError if there is none, or none that is in use."""
        results = self._results(read_json(content, f"inaturalist: the look-up of {self.spec.taxon!r}"))
        wanted = " ".join(self.spec.taxon.split()).casefold()
        named = [taxon for taxon in results if taxon.text("name").casefold() == wanted]
        for taxon in named:
            if taxon.get("is_active") and taxon.integer("id") is not None:
                return JsonObject(id=taxon["id"], name=plain(taxon["name"]), rank=plain(taxon.get("rank")))
        if named:
            raise GauchoError(_("inaturalist: the taxon {taxon!r} is no longer in use there", taxon=self.spec.taxon))
        near = ", ".join(plain(taxon.get("name")) for taxon in results[:3])
        raise GauchoError(
            _("inaturalist: there is no taxon {taxon!r}{near}", taxon=self.spec.taxon, near=f"; near it are {near}" if near else "")
        )

    def start(self, answer: JsonObject | None) -> ApiPage:
        if answer is None:
            raise GauchoError(_("inaturalist: the id of {taxon!r} is not known", taxon=self.spec.taxon))
        self._taxon = int(str(answer["id"]))
        return ApiPage(next=(self._request(self._taxon, None),))

    def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
        observations: dict[str, set[str]] = {}
        for record in records:
            if found := re.search(r"/observations/(\d+)$", record.source):
                observations.setdefault(found[1], set()).add(record.key)
        ids = sorted(observations)
        parts = [ids[first : first + _RECHECKED_AT_ONCE] for first in range(0, len(ids), _RECHECKED_AT_ONCE)]
        keys = [frozenset[str]().union(*(observations[id_] for id_ in part)) for part in parts]
        return tuple(Recheck(self._by_id(part, wanted), wanted) for part, wanted in zip(parts, keys, strict=True))

    def _by_id(self, observations: Sequence[str], keys: frozenset[str]) -> ApiRequest:
        parameters = {"id": ",".join(observations), "taxon_id": self._taxon, "quality_grade": "research", "photos": "true"}
        address = query(f"{self.spec.endpoint}/observations", parameters | {"per_page": _PAGE_SIZE})
        return ApiRequest(address, partial(self._parse_by_id, keys))

    def _parse_by_id(self, keys: frozenset[str], content: bytes) -> ApiPage:
        """What is still listed of these; an answer that knows none of them may well be a mistake of the site's, and says nothing."""
        page = self._parse(self._taxon, None, content)
        missing = keys - {record.key for record in page.records} if page.records else frozenset[str]()
        return replace(page, next=(), missing=missing)

    def _request(self, taxon: int, below: int | None) -> ApiRequest:
        parameters = {"taxon_id": taxon, "quality_grade": "research", "photos": "true", "order_by": "id", "order": "desc"}
        parameters |= {"per_page": _PAGE_SIZE} | ({"id_below": below} if below else {})
        return ApiRequest(query(f"{self.spec.endpoint}/observations", parameters), partial(self._parse, taxon, below))

    def _parse(self, taxon: int, below: int | None, content: bytes) -> ApiPage:
        answer = read_json(content, self.origin)
        results = self._results(answer)
        total = answer.integer("total_results")
        records: list[Record] = []
        bad: list[UnusableRecord] = []
        for observation in results:
            for photo in observation.array("photos") if observation.get("quality_grade") == "research" else ():
                record = self._record(observation, JsonObject(photo)) if isinstance(photo, dict) else None
                if record:
                    records.append(record)
                else:
                    bad.append(unusable(f"inaturalist:observation {observation.get('id')}, photo {len(bad) + 1}", self.origin))
        every = [number for each in results if (number := each.integer("id")) is not None]
        ids = [number for number in every if below is None or number < below]
        more = bool(ids) and not (total is not None and total <= len(results))
        following = (self._request(taxon, min(ids)),) if more else ()
        is_end = total is None or total <= len(results)
        return ApiPage(tuple(records), tuple(bad), next=following, is_end=is_end)

    def _results(self, answer: JsonObject) -> list[JsonObject]:
        if not isinstance(answer.get("results"), list):
            raise GauchoError(_("{origin}: the answer is not one of the API's", origin=self.origin))
        return answer.children("results")

    def _record(self, observation: JsonObject, photo: JsonObject) -> Record | None:
        identity, url = photo.integer("id"), media_address(photo.get("url"), self.spec.endpoint)
        if identity is None or url is None:
            return None
        user, taxon = observation.child("user"), observation.child("taxon")
        flags = _open_flags(photo)
        page = observation.text("uri")
        return Record(
            key=f"inaturalist:{identity}",
            origin=self.origin,
            url=re.sub(r"/(square|thumb|small|medium)\.", f"/{_SIZE}.", url),
            title=plain(taxon.get("name")) or self.spec.taxon,
            author=_credited(photo.get("attribution")) or plain(user.get("name")) or plain(user.get("login")) or "unknown",
            source=without_secrets(page if is_web_address(page) else url),
            license=inaturalist_license(photo.get("license_code"), is_disputed=any("copyright" in flag for flag in flags)),
            flags=flags,
        )


def _credited(attribution: object) -> str:
    """Who is to be credited for a photo, who need not be the observer: `(c) Ana, some rights reserved (CC BY)` is Ana's."""
    text = plain(attribution)
    found = re.fullmatch(r"(?:(?:\(c\)|©) )?(.+?), (?:(?:some|all|no) rights reserved|no known copyright).*", text)
    if uploaded := re.fullmatch(r"no rights reserved, uploaded by (.+)", text):
        return uploaded[1]
    return found[1] if found else "" if re.search(r"(?i)rights reserved|public domain", text) else text


def _open_flags(photo: JsonObject) -> tuple[str, ...]:
    """What people have flagged a photo for, and nobody has resolved."""
    found = [flag for flag in photo.children("flags") if not flag.get("resolved")]
    return tuple(sorted({plain(flag.get("flag")).lower() or "flagged" for flag in found}))


def inaturalist_license(code: object, is_disputed: bool = False) -> License:
    """The licence of an iNaturalist photo (`license_code`); null means that all rights are reserved, and CC licences are version 4.0.

    `is_disputed`: whether somebody has flagged it as another's, and that is not resolved.
    """
    if is_disputed:
        return unknown("it is flagged as a copyright infringement")
    if code is None or code == "":
        return License(RESERVED, None, "", "all rights are reserved")
    return parse_license(code, None if isinstance(code, str) and plain_words(code) in ("cc0", "pd") else "4.0")
