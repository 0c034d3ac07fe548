"""Openverse's image search: addresses to ask and answers to read (https://api.openverse.org/v1/).

Answers are pages of `results`; `page` and `page_count` say where one is. Images come from the hosts that Openverse indexes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar, Literal
from urllib.parse import urljoin

from pydantic import Field, field_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.rights.licenses import License, agreed, parse_license
from gaucho_pipeline.sources.base import (
    ApiPage,
    ApiRequest,
    ImageSource,
    ImageSourceSpec,
    Limit,
    Proposal,
    SignIn,
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

DEFAULT_PAGE_SIZE = 20
CLIENT = ("GAUCHO_OPENVERSE_CLIENT_ID", "GAUCHO_OPENVERSE_CLIENT_SECRET")
"""Environment variables of a registered client: https://api.openverse.org/v1/#tag/auth."""
_OF_A_CLIENT = Limit(1, 0.6, 10_000)
"""What Openverse allows to a registered client: 100 requests a minute, 10,000 a day."""
MEDIA_HOSTS = (
    ".staticflickr.com", "upload.wikimedia.org", "images.metmuseum.org", "openaccess-cdn.clevelandart.org", "ids.si.edu", "images.nypl.org",
    "cdn.stocksnap.io", "img.rawpixel.com", "images.nappy.co", "images.phylopic.org", ".geograph.org.uk",
    "coimages.sciencemuseumgroup.org.uk",
    "inaturalist-open-data.s3.amazonaws.com", "static.inaturalist.org", "pd.w.org", "lh3.googleusercontent.com", "cdn.thingiverse.com",
)  # fmt: skip
"""Hosts of the collections that Openverse indexes: https://openverse.org/sources. Others are named in `media_hosts`."""


class OpenverseSpec(ImageSourceSpec):
    """A search of Openverse: https://api.openverse.org/v1/ (images/ is its image search)."""

    limits: ClassVar[Mapping[str, Limit]] = {
        "api.openverse.org": Limit(1, 3.2, 200)  # without a key: https://api.openverse.org/v1/#section/Register-and-Authenticate
    }
    query: Text = Field(description="What to search for")
    license: str | None = Field(None, pattern=r"[a-z0-9-]+(,[a-z0-9-]+)*", description="Licences to ask for, such as by,by-sa,cc0,pdm")
    category: Literal["photograph", "illustration", "digitized_artwork"] | None = Field(None, description="Kind of image to ask for")
    endpoint: str = Field("https://api.openverse.org/v1/images/", description="Address of the API's image search")
    page_size: int = Field(20, ge=1, le=500, description="Records asked for at once")

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return api_address(value, "/v1/images/")

    @classmethod
    def recognise(cls, address: str) -> Iterator[Proposal]:
        if host_of(address) in ("openverse.org", "www.openverse.org") and (words := words_of(address).get("q")):
            yield Proposal("openverse", JsonObject(query=words))

    @property
    def hosts(self) -> tuple[str, ...]:
        return (host_of(self.endpoint),)

    def problem(self) -> tuple[str, str] | None:
        lacking = [name for name in CLIENT if not os.environ.get(name)]
        if len(lacking) != 1:
            return None
        return "query", f"{lacking[0]} is not set; a registered client has both {' and '.join(CLIENT)}"

    def build(self, number: int, exclude: tuple[str, ...]) -> Openverse:
        return Openverse(self)


class Openverse(ImageSource):
    """A search of Openverse as a source."""

    media_hosts = MEDIA_HOSTS

    def __init__(self, spec: OpenverseSpec) -> None:
        self.spec = spec
        self.origin = f"openverse: {spec.query}"
        self.api_hosts = (host_of(spec.endpoint),)
        if sign_in := _sign_in(spec.endpoint):
            self.sign_in, self.limits = sign_in, {self.api_hosts[0]: _OF_A_CLIENT}

    def start(self, answer: JsonObject | None) -> ApiPage:
        return ApiPage(next=(self._request(1),))

    def _request(self, page: int) -> ApiRequest:
        """The address of a page of the search, counted from 1."""
        parameters: dict[str, str | int] = {"q": self.spec.query}
        parameters |= {key: value for key, value in (("license", self.spec.license), ("category", self.spec.category)) if value}
        if self.spec.page_size != DEFAULT_PAGE_SIZE:
            parameters["page_size"] = self.spec.page_size
        if page > 1:
            parameters["page"] = page
        return ApiRequest(query(self.spec.endpoint, parameters), partial(self._parse, page))

    def _parse(self, page: int, content: bytes) -> ApiPage:
        """The records of a page. Raises GauchoError if it is not an answer of this API."""
        answer = read_json(content, f"openverse: page {page} of {self.spec.query!r}")
        try:
            results, page_count = answer["results"], int(str(answer["page_count"]))
        except (ValueError, KeyError):
            raise GauchoError(
                _("openverse: page {page} of {query!r} is not an answer of the API", page=page, query=self.spec.query)
            ) from None
        if not isinstance(results, list):
            raise GauchoError(_("openverse: page {page} of {query!r} has no list of results", page=page, query=self.spec.query))
        records, bad = [], []
        for number, item in enumerate(results, start=1):
            record = self._record(JsonObject(item)) if isinstance(item, dict) else None
            if record is None:
                bad.append(unusable(f"openverse:{_name(item) or f'page {page}, {number}'}", self.origin))
            else:
                records.append(record)
        more = page < page_count and bool(results)
        total = answer.get("result_count")
        return ApiPage(
            tuple(records),
            tuple(bad),
            next=(self._request(page + 1),) if more else (),
            total=total if isinstance(total, int) else None,
            is_end=page >= page_count,
        )

    def _record(self, item: JsonObject) -> Record | None:
        identity, url = item.text("id"), media_address(item.get("url"), self.spec.endpoint)
        if not identity or url is None:
            return None
        return Record(
            key=f"openverse:{plain(identity)[:100]}",
            origin=self.origin,
            url=url,
            title=plain(item.get("title"), markup=True),
            author=plain(item.get("creator"), markup=True) or "unknown",
            source=without_secrets(page if is_web_address(page := item.text("foreign_landing_url")) else url),
            license=openverse_license(item),
            labels=tuple(plain(tag.get("name")) for tag in item.children("tags")),
        )


def _sign_in(endpoint: str) -> SignIn | None:
    """How the client whom the environment names is let in; None where it names none."""
    identity, secret = (os.environ.get(name, "") for name in CLIENT)
    if not identity or not secret:
        return None
    form = {"grant_type": "client_credentials", "client_id": identity, "client_secret": secret}
    address = urljoin(endpoint.partition("?")[0].rstrip("/") + "/", "../auth_tokens/token/")
    return SignIn(address, form, _token, " and ".join(CLIENT))


def _token(content: bytes) -> str:
    """The token of an answer. Raises GauchoError if there is none."""
    answer = read_json(content, "openverse: the answer to the client's id")
    if answer.text("token_type").lower() != "bearer" or not (token := answer.text("access_token")):
        raise GauchoError(_("openverse: the answer to the client's id has no token"))
    return token


def _name(item: object) -> str:
    identity = item.get("id") if isinstance(item, dict) else None
    return identity if isinstance(identity, str) else ""


def openverse_license(record: JsonObject) -> License:
    """The licence of an Openverse image record (`license`, `license_version`, `license_url`)."""
    return agreed([parse_license(record.get("license"), record.get("license_version"))], record.get("license_url"))
