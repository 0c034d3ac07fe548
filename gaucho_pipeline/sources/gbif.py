"""GBIF's occurrences with still images, of museums' specimens and of observations (https://techdocs.gbif.org/en/openapi/v1/occurrence).

Answers are pages of `results`; `offset` and `endOfRecords` say where one is. Each image has a licence of its own, as words or as an
address; the licence of the occurrence is that of its data, and is not taken for the image's. Where it was found is never kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.rights.licenses import parse_license
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
    words_of,
)
from gaucho_pipeline.sources.records import Record, plain
from gaucho_pipeline.spec import JsonObject, Text

_PAGE_SIZE, _MAX_OFFSET = 300, 100_000
"""What the API gives at once, and how far it counts: https://techdocs.gbif.org/en/openapi/v1/occurrence#/Searching%20occurrences."""
_BASES = {"specimen": "PRESERVED_SPECIMEN", "observation": "HUMAN_OBSERVATION"}
MEDIA_HOSTS = (
    "inaturalist-open-data.s3.amazonaws.com",
    "static.inaturalist.org",
    "upload.wikimedia.org",
    ".arctos.database.museum",
    ".gbif.org",
)
"""Hosts of originals that many datasets use; a museum's own is named in `media_hosts`."""


class GBIFSpec(ImageSourceSpec):
    """Occurrences of a taxon; exactly one of taxon and taxon_key."""

    limits: ClassVar[Mapping[str, Limit]] = {"api.gbif.org": Limit(1, 0.5)}  # https://techdocs.gbif.org/en/openapi/#rate-limits
    taxon: Text | None = Field(None, description="Scientific name, as GBIF's backbone has it: Leopardus guttulus")
    taxon_key: int | None = Field(None, ge=1, description="Its key in GBIF's backbone")
    country: str | None = Field(None, pattern="^[A-Z]{2}$", description="Country, by two capitals: BR")
    institution: Text | None = Field(None, description="Code of the institution that keeps the specimens: MCN")
    basis: Literal["specimen", "observation"] | None = Field(None, description="Specimens of collections, or observations; absent: both")
    endpoint: str = Field("https://api.gbif.org/v1", description="Address of the API")

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return api_address(value, "/v1").rstrip("/")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.taxon is None) == (self.taxon_key is None):
            raise ValueError("must have exactly one of taxon, taxon_key")
        return self

    @classmethod
    def recognise(cls, address: str) -> Iterator[Proposal]:
        if host_of(address) not in ("www.gbif.org", "gbif.org"):
            return
        words, found = words_of(address), re.search(r"/species/(\d+)$", urlsplit(address).path)
        key = found[1] if found else words.get("taxon_key") or words.get("taxonKey") or ""
        if key.isascii() and key.isdigit():
            country = words.get("country", "")
            more = {"country": country} if re.fullmatch("[A-Z]{2}", country) else {}
            yield Proposal("gbif", JsonObject(taxon_key=int(key), **more))

    @property
    def hosts(self) -> tuple[str, ...]:
        return (host_of(self.endpoint),)

    def build(self, number: int, exclude: tuple[str, ...]) -> GBIF:
        return GBIF(self)


class GBIF(ImageSource):
    """A taxon's occurrences as a source."""

    media_hosts = MEDIA_HOSTS

    def __init__(self, spec: GBIFSpec) -> None:
        self.spec = spec
        self.origin = f"gbif: {spec.taxon or spec.taxon_key}{f', {spec.basis}s' if spec.basis else ''}"
        self.api_hosts = spec.hosts
        address = query(f"{spec.endpoint}/species/match", {"name": spec.taxon or "", "strict": "true"})
        self.lookup = Lookup("taxon of GBIF", spec.taxon, address, self._parse_taxon, required=True) if spec.taxon else None

    def _parse_taxon(self, content: bytes) -> JsonObject:
        """The accepted taxon of exactly this name: a name that was moved is followed. Raises GauchoError if there is none."""
        answer = read_json(content, f"gbif: the look-up of {self.spec.taxon!r}")
        key = answer.integer("acceptedUsageKey") or answer.integer("usageKey")
        if answer.text("matchType") != "EXACT" or key is None:
            near = plain(answer.get("scientificName"))
            text = _("gbif: there is no taxon {taxon!r}{near}", taxon=self.spec.taxon, near=f"; near it is {near}" if near else "")
            raise GauchoError(text)
        moved = {"is_now": plain(answer.get("species") or answer.get("scientificName"))} if answer.integer("acceptedUsageKey") else {}
        return JsonObject(id=key, name=plain(answer.get("scientificName")), rank=plain(answer.get("rank")), **moved)

    def start(self, answer: JsonObject | None) -> ApiPage:
        key = int(str(answer["id"])) if answer else self.spec.taxon_key
        if key is None:
            raise GauchoError(_("gbif: the key of {taxon!r} is not known", taxon=self.spec.taxon))
        return ApiPage(next=(self._request(key, 0),))

    def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
        occurrences: dict[str, set[str]] = {}
        for record in records:
            occurrences.setdefault(record.key.split(":")[1], set()).add(record.key)
        return tuple(
            Recheck(
                ApiRequest(f"{self.spec.endpoint}/occurrence/{identity}", self._parse_occurrence),
                frozenset(keys),
                lambda error: error.status in (404, 410),
            )
            for identity, keys in occurrences.items()
        )

    def _parse_occurrence(self, content: bytes) -> ApiPage:
        """An occurrence that was asked for by its key. Raises GauchoError if it is not an answer of this API."""
        answer = read_json(content, self.origin)
        if answer.integer("key") is None:
            raise GauchoError(_("{origin}: the answer is not one of the API's", origin=self.origin))
        return ApiPage(*self._images([answer]))

    def _request(self, key: int, offset: int) -> ApiRequest:
        parameters: dict[str, str | int] = {"mediaType": "StillImage", "taxonKey": key, "limit": _PAGE_SIZE, "offset": offset}
        parameters |= {"country": self.spec.country} if self.spec.country else {}
        parameters |= {"institutionCode": self.spec.institution} if self.spec.institution else {}
        parameters |= {"basisOfRecord": _BASES[self.spec.basis]} if self.spec.basis else {}
        return ApiRequest(query(f"{self.spec.endpoint}/occurrence/search", parameters), partial(self._parse, key, offset))

    def _parse(self, key: int, offset: int, content: bytes) -> ApiPage:
        """The images of a page of occurrences. Raises GauchoError if it is not an answer of this API."""
        answer = read_json(content, self.origin)
        if not isinstance(answer.get("results"), list):
            raise GauchoError(_("{origin}: the answer is not one of the API's", origin=self.origin))
        results = answer.children("results")
        records, bad = self._images(results)
        is_end = bool(answer.get("endOfRecords")) or not results
        following = offset + _PAGE_SIZE
        more = not is_end and following < _MAX_OFFSET
        return ApiPage(records, bad, next=(self._request(key, following),) if more else (), is_end=is_end)

    def _images(self, occurrences: Sequence[JsonObject]) -> tuple[tuple[Record, ...], tuple[UnusableRecord, ...]]:
        """The images of occurrences, and what is none."""
        records, bad = list[Record](), list[UnusableRecord]()
        for occurrence in occurrences:
            for number, media in enumerate(occurrence.children("media"), start=1):
                record = self._record(occurrence, media)
                if record:
                    records.append(record)
                else:
                    bad.append(unusable(f"gbif:{occurrence.get('key')}:{number}", self.origin))
        return tuple(records), tuple(bad)

    def _record(self, occurrence: JsonObject, media: JsonObject) -> Record | None:
        """One image; None for what is none, or has no address of its own."""
        identity, url = occurrence.integer("key"), media_address(media.get("identifier"), self.spec.endpoint)
        kind, form = media.text("type") or "StillImage", media.text("format") or "image/"
        if identity is None or url is None or kind != "StillImage" or not form.startswith("image/"):
            return None
        page = media.text("references") or occurrence.text("references")
        named = (media.get("creator"), media.get("rightsHolder"), occurrence.get("recordedBy"), occurrence.get("institutionCode"))
        authors = [text for value in named if (text := plain(value, markup=True))]
        basis = next((name for name, code in _BASES.items() if code == occurrence.text("basisOfRecord")), "")
        return Record(
            key=f"gbif:{identity}:{digest(url)[:12]}",
            origin=self.origin,
            url=url,
            title=plain(media.get("title"), markup=True) or plain(occurrence.get("species")) or plain(occurrence.get("scientificName")),
            author="; ".join(dict.fromkeys(authors[:2])) or "unknown",
            source=without_secrets(page) if is_web_address(page) else f"https://www.gbif.org/occurrence/{identity}",
            license=parse_license(media.get("license")),
            labels=tuple(filter(None, (basis, plain(occurrence.get("institutionCode")), plain(occurrence.get("collectionCode"))))),
            fields=(("basis", basis),) if basis else (),
        )
