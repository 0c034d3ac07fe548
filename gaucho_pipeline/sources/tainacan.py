"""Tainacan, the repository of many museums of Brazil: addresses to ask and answers to read (WordPress, `wp-json/tainacan/v2`).

Answers are pages of `items`; headers say how many pages there are. Tainacan itself knows no licences: they are in a metadatum that each
museum fills in its own words, which the table `rights` reads. Facts: https://tainacan.github.io/tainacan-wiki/#/dev/api.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.spreadsheets import plain_name
from gaucho_pipeline.rights.creative_commons import plain_words
from gaucho_pipeline.rights.licenses import License, parse_license, unknown
from gaucho_pipeline.sources.base import (
    ApiAnswer,
    ApiPage,
    ApiRequest,
    ImageSource,
    ImageSourceSpec,
    Limit,
    PageQuestion,
    Proposal,
    Recheck,
    StatusError,
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
from gaucho_pipeline.spec import JsonObject, Spec, Text

_PATH = "wp-json/tainacan/v2"
_PAGE_SIZE = 96
"""The most that Tainacan gives at once; a museum may have set less."""
_SMALL_HOST = Limit(1, 1.0)
"""A museum's own server is asked by one connection, with a second between."""
_MAX_FOLDERS = 3
"""Of a page's address, in which WordPress may stand."""
UNKNOWN_FIELD = "NAME OF THE METADATUM"
"""What `gaucho init --from` writes where no metadatum's name says that it states rights."""
_RIGHTS = re.compile(r"condicoes de (reproducao|uso)|direitos?|licenca|rights?|licen[cs]e")
_AUTHOR = re.compile(r"autor(es|a|ia)?|artista|criador(a)?|fotografo|fotografa|creator|author|artist")
REFUSED = "refused"
"""What the table of rights says of a phrase that allows nothing."""
_PHRASES = {
    "domínio público": "pd",
    "em domínio público": "pd",
    "obra em domínio público": "pd",
    "imagem em domínio público": "pd",
    "a obra está em domínio público": "pd",
    "todos os direitos reservados": REFUSED,
    "direitos reservados": REFUSED,
    "reprodução proibida": REFUSED,
    "uso não comercial": REFUSED,
    "somente com autorização": REFUSED,
    "mediante autorização": REFUSED,
}
"""What museums write, beside the names of licences, and what it is read as. What is in no table allows nothing."""


class TainacanRights(Spec):
    """Where a collection states rights, and what its phrases mean."""

    field: Text = Field(description="Name or slug of the metadatum that says what an image may be used for: condicoes-de-reproducao")
    values: dict[Text, Text] = Field(
        default_factory=dict, description=f"What its phrases are read as: a licence such as cc-by-4.0 or pd, or {REFUSED}"
    )

    @field_validator("values")
    @classmethod
    def _are_licenses(cls, value: dict[str, str]) -> dict[str, str]:
        for phrase, name in value.items():
            if name != REFUSED and (verdict := parse_license(name)).family is None:
                raise ValueError(f"{phrase!r}: {verdict.reason}; write for example pd, cc-by-4.0, or {REFUSED}")
        return value


class TainacanSpec(ImageSourceSpec):
    """Items of a Tainacan site: of a collection, or of all that it shows."""

    site: str = Field(description="Address of the site, such as https://brasiliana.museus.gov.br")
    collection: int | None = Field(None, ge=1, description="Id of the collection; absent: all of the site")
    search: Text | None = Field(None, description="Words to search for among the items")
    metaquery: dict[int, Text] = Field(default_factory=dict, description="Values that items must have, by the ids of metadata")
    rights: TainacanRights = Field(description="Where rights are stated, and what the phrases mean")
    author: Text | None = Field(None, description="Name or slug of the metadatum that says who made it; whom to credit")
    holder: Text | None = Field(None, description="Whom to credit where an item names nobody: the museum")
    title: Text | None = Field(None, description="Name or slug of the metadatum that is the title; absent: the item's own")
    fields: tuple[Text, ...] = Field((), description="Further metadata, which say what an image shows; for captions: catalogue")
    media: Literal["document", "document_and_attachments"] = Field("document", description="An item's main image, or all of its images")

    @field_validator("site")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return api_address(value, "").rstrip("/")

    @classmethod
    def recognise(cls, address: str) -> Iterator[PageQuestion]:
        """Asks the site which collections it has: WordPress may stand at any part of the path."""
        parts = urlsplit(address)
        folders = [each for each in parts.path.split("/") if each][:_MAX_FOLDERS]
        for count in range(len(folders), -1, -1):
            site = "/".join((f"{parts.scheme}://{parts.netloc}", *folders[:count]))
            yield PageQuestion(f"{site}/{_PATH}/collections?perpage={_PAGE_SIZE}", partial(_read_collections, site, address))

    def problem(self) -> tuple[str, str] | None:
        if self.rights.field == UNKNOWN_FIELD:
            return (
                "rights",
                f"field: still says what gaucho init wrote ({UNKNOWN_FIELD!r}); name the metadatum that says who may use an image",
            )
        return None

    @property
    def hosts(self) -> tuple[str, ...]:
        return (host_of(self.site),)

    def build(self, number: int, exclude: tuple[str, ...]) -> Tainacan:
        return Tainacan(self)


class Tainacan(ImageSource):
    """A collection as a source."""

    def __init__(self, spec: TainacanSpec) -> None:
        self.spec = spec
        host = host_of(spec.site)
        about = [f"collection {spec.collection}" if spec.collection else "", spec.search or ""]
        self.origin = " ".join(["tainacan:", host, *filter(None, about)])
        self.api_hosts = (host,)
        self.media_hosts = (host,)
        self.limits = {host: _SMALL_HOST}
        self._key = f"tainacan:{host}"
        self._phrases = {plain_words(phrase): name for phrase, name in (_PHRASES | spec.rights.values).items()}

    def start(self, answer: JsonObject | None) -> ApiPage:
        return ApiPage(next=(self._request(1),))

    def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
        items: dict[str, set[str]] = {}
        for record in records:
            identity = record.key.removeprefix(f"{self._key}:").partition(":")[0]
            if identity.isascii() and identity.isdigit():
                items.setdefault(identity, set()).add(record.key)
        return tuple(
            Recheck(ApiRequest(f"{self.spec.site}/{_PATH}/items/{identity}", self._parse_item), frozenset(keys), _says_gone)
            for identity, keys in items.items()
        )

    def _parse_item(self, content: bytes) -> ApiPage:
        """An item that was asked for by its id. Raises GauchoError if it is not an answer of this API."""
        answer = read_json(content, self.origin)
        if answer.integer("id") is None:
            raise GauchoError(_("{origin}: the answer is not one of the API's", origin=self.origin))
        found, base = self._record(answer), self._base(answer)
        more = (self._attachments(base),) if base and self.spec.media != "document" else ()
        return ApiPage((found,), next=more) if isinstance(found, Record) else ApiPage(unusable=(found,), next=more)

    def _request(self, page: int) -> ApiRequest:
        """The address of a page of items, counted from 1."""
        where = f"collection/{self.spec.collection}/items" if self.spec.collection else "items"
        parameters: dict[str, str | int] = {"perpage": _PAGE_SIZE, "paged": page, "order": "ASC", "orderby": "id"}
        parameters |= {"search": self.spec.search} if self.spec.search else {}
        for number, (key, value) in enumerate(self.spec.metaquery.items()):
            parameters |= {f"metaquery[{number}][key]": key, f"metaquery[{number}][value][0]": value}
        return ApiRequest(query(f"{self.spec.site}/{_PATH}/{where}", parameters), partial(self._parse, page))

    def _parse(self, page: int, content: bytes) -> ApiPage:
        """The records of a page. Raises GauchoError if it is not an answer of this API."""
        answer = read_json(content, f"{self.origin}: page {page}")
        if not isinstance(answer.get("items"), list):
            why = plain(answer.get("error_message")) or "it is not an answer of the API"
            raise GauchoError(_("{origin}: page {page}: {why}", origin=self.origin, page=page, why=why))
        records, bad, more = list[Record](), list[UnusableRecord](), list[ApiRequest]()
        items = answer.children("items")
        for item in items:
            found = self._record(item)
            if isinstance(found, Record):
                records.append(found)
            else:
                bad.append(found)
            if self.spec.media != "document" and (base := self._base(item)):
                more.append(self._attachments(base))
        headers = content.headers if isinstance(content, ApiAnswer) else {}
        pages, total = (_number(headers.get(name)) for name in ("x-wp-totalpages", "x-wp-total"))
        has_next = bool(items) and (pages is None or page < pages)
        following = (self._request(page + 1),) if has_next else ()
        is_end = bool(not items or pages is not None)
        return ApiPage(tuple(records), tuple(bad), next=(*more, *following), total=total, is_end=is_end)

    def _base(self, item: JsonObject) -> Record | None:
        """What is known of an item, whichever image of it is meant; None for one that nobody has published, or that has no id."""
        identity = item.integer("id")
        if identity is None or item.text("status") not in ("publish", ""):
            return None
        page, metadata = item.text("url"), item.child("metadata")
        title = (_value(metadata, self.spec.title) if self.spec.title else "") or plain(item.get("title"), markup=True)
        author = _value(metadata, self.spec.author) if self.spec.author else ""
        return Record(
            key=f"{self._key}:{identity}",
            origin=self.origin,
            url="",
            title=title,
            author=author or plain(self.spec.holder) or "unknown",
            source=without_secrets(page) if is_web_address(page) else f"{self.spec.site}/{_PATH}/items/{identity}",
            license=self._license(stated := _value(metadata, self.spec.rights.field)),
            stated=stated,
            fields=tuple((name, value) for name in self.spec.fields if (value := _value(metadata, name))),
        )

    def _record(self, item: JsonObject) -> Record | UnusableRecord:
        name = f"{self._key}:{plain(str(item.get('id')))}"
        if (base := self._base(item)) is None:
            status = plain(item.get("status"))
            is_hidden = status not in ("publish", "")
            return unusable(name, self.origin, f"it is not published ({status})") if is_hidden else unusable(name, self.origin)
        if (kind := item.text("document_type")) not in ("attachment", "url"):
            return unusable(name, self.origin, f"its document is no image ({plain(kind) or 'empty'})")
        mime = item.text("document_mimetype")
        if mime and not mime.startswith("image/"):
            return unusable(name, self.origin, f"its document is no image ({plain(mime)})")
        address = item.get("document") if kind == "url" else _full_image(item)
        if (url := media_address(address, self.spec.site)) is None:
            return unusable(name, self.origin)
        return replace(base, url=url)

    def _attachments(self, base: Record) -> ApiRequest:
        identity = base.key.rpartition(":")[2]
        return ApiRequest(f"{self.spec.site}/{_PATH}/items/{identity}/attachments", partial(self._parse_attachments, base))

    def _parse_attachments(self, base: Record, content: bytes) -> ApiPage:
        """The further images of an item. Raises GauchoError if it is not an answer of this API."""
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, list):
            raise GauchoError(_("{origin}: the attachments of {key} are no list", origin=self.origin, key=base.key))
        records, bad = [], []
        for each in (JsonObject(item) for item in value if isinstance(item, dict)):
            identity, url = each.integer("id"), media_address(each.get("url"), self.spec.site)
            is_image = each.text("media_type") == "image" or each.text("mime_type").startswith("image/")
            if identity is None or url is None or not is_image:
                bad.append(unusable(f"{base.key}:{identity}", self.origin, "an attachment that is no image"))
            else:
                title = plain(each.get("title"), markup=True)
                records.append(
                    replace(base, key=f"{base.key}:{identity}", url=url, title=f"{base.title}: {title}" if title else base.title)
                )
        return ApiPage(tuple(records), tuple(bad))

    def _license(self, stated: str) -> License:
        """What a phrase allows, by the table, or as the name of a licence; a phrase of no table allows nothing."""
        if not stated:
            return unknown(f"no licence is stated in {self.spec.rights.field}")
        named = self._phrases.get(plain_words(stated))
        if named == REFUSED:
            return unknown(f"{stated[:60]!r} allows nothing")
        return parse_license(named or stated)


def _read_collections(site: str, page: str, content: bytes) -> PageQuestion | None:
    """The collection whose page it is, or the whole site where it is that of none; None where the answer is not Tainacan's."""
    value = json.loads(content)
    listed = value.get("items") if isinstance(value, dict) else value
    collections = [JsonObject(each) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    known = [each for each in collections if each.integer("id") and is_web_address(each.get("url"))]
    if not known:
        return None
    path = urlsplit(page).path.rstrip("/") + "/"
    own = [each for each in known if path.startswith(urlsplit(each.text("url")).path.rstrip("/") + "/")]
    found = max(own, key=lambda each: len(each.text("url")), default=None)
    keys = JsonObject(site=site, **({"collection": found["id"]} if found else {}), rights={"field": UNKNOWN_FIELD})
    where = f"collection/{found['id']}/metadata" if found else "metadata"
    question = f"{site}/{_PATH}/{where}?perpage={_PAGE_SIZE}"
    return PageQuestion(question, partial(_read_metadata, keys), Proposal("tainacan", keys))


def _read_metadata(keys: JsonObject, content: bytes) -> Proposal:
    """The collection with the metadata that state rights and makers, by what museums call them."""
    value = json.loads(content)
    listed = value.get("items") if isinstance(value, dict) else value
    metadata = [JsonObject(each) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    names = [plain(each.get("name")) for each in metadata]
    rights = next((name for name in names if _RIGHTS.search(plain_name(name))), UNKNOWN_FIELD)
    author = next((name for name in names if _AUTHOR.fullmatch(plain_name(name))), None)
    return Proposal("tainacan", JsonObject(keys | {"rights": {"field": rights}} | ({"author": author} if author else {})))


def _says_gone(error: StatusError) -> bool:
    """Whether a site says that there is no such item, and not that it has no Tainacan: 400 with a message of its own."""
    try:
        answer = read_json(error.content, "tainacan")
    except GauchoError:
        return False
    return error.status in (400, 404) and bool(answer.text("error_message"))


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else None


def _value(metadata: Mapping[str, object], name: str | None) -> str:
    """A metadatum's value as plain text, by its slug or its name; '' where it has none."""
    if not name:
        return ""
    wanted = plain_words(name)
    for slug, each in metadata.items():
        about = JsonObject(each) if isinstance(each, dict) else JsonObject()
        if wanted in (plain_words(slug), plain_words(about.text("name"))):
            text = plain(about.get("value_as_string"), markup=True)
            return text or ", ".join(filter(None, (plain(part, markup=True) for part in _values(about.get("value")))))
    return ""


def _values(value: object) -> list[object]:
    """The values of a metadatum: one or a list of them, each a text or an object with a name."""
    every = value if isinstance(value, list) else [value]
    return [each.get("name") if isinstance(each, dict) else each for each in every]


class _Address(HTMLParser):
    """The address of an image in a piece of HTML: what a link around it leads to, else its own."""

    def __init__(self) -> None:
        super().__init__()
        self.link = self.image = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if (
            tag == "a"
            and not self.link
            and re.search(r"(?i)\.(jpe?g|png|tiff?|webp|gif|bmp|avif|heic|jp2)(\?|$)", values.get("href") or "")
        ):
            self.link = values.get("href") or ""
        if tag == "img" and not self.image:
            self.image = values.get("src") or ""


def _full_image(item: JsonObject) -> str:
    """The address of an item's document in its full size, else of its largest thumbnail."""
    parser = _Address()
    parser.feed(item.text("document_as_html")[:20_000])
    if parser.link or parser.image:
        return parser.link or parser.image
    sizes = item.child("thumbnail")
    found = [value for value in sizes.values() if isinstance(value, list) and value and isinstance(value[0], str)]
    widths = [value[1] if len(value) > 1 and isinstance(value[1], int) else 0 for value in found]
    return str(found[widths.index(max(widths))][0]) if found else ""
