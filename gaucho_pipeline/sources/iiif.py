"""IIIF manifests and collections, as libraries and museums publish them: Presentation 2 and 3, Image 2 and 3.

A manifest is one object: its canvases are its pages or sides, and each that shows an image is a record. What a manifest links to beside
its images (`seeAlso`, annotations of others) is not followed. https://iiif.io/api/presentation/3.0/, https://iiif.io/api/image/3.0/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.rights.creative_commons import plain_words
from gaucho_pipeline.rights.licenses import License, parse_license, unknown
from gaucho_pipeline.sources.base import (
    ApiPage,
    ApiRequest,
    ImageSource,
    ImageSourceSpec,
    PageQuestion,
    Proposal,
    UnusableRecord,
    api_address,
    host_of,
    is_web_address,
    media_address,
    read_json,
    unusable,
    without_secrets,
    words_of,
)
from gaucho_pipeline.sources.records import Record, plain
from gaucho_pipeline.spec import JsonObject, Text

MAX_SIDE = 2048
"""Pixels of the longer side that is asked for, where a server makes sizes."""
_MAX_DEPTH, _MAX_MANIFESTS = 4, 500
"""Of collections within collections; and manifests in all."""
_MAKERS = (
    "author",
    "creator",
    "artist",
    "maker",
    "photographer",
    "autor",
    "autora",
    "autoria",
    "criador",
    "artista",
    "fotografo",
    "fotografa",
)
"""Labels of metadata that say who made it, as `plain_words` has them."""
_LANGUAGES = ("pt-br", "pt", "en", "none", "@none")


class IIIFSpec(ImageSourceSpec):
    """A manifest, or a collection of manifests; exactly one of the two."""

    manifest: str | None = Field(None, description="Address of a manifest")
    collection: str | None = Field(None, description="Address of a collection; those in it are followed, on the same host")
    fields: tuple[Text, ...] = Field((), description="Labels of metadata that say what an image shows; for captions: catalogue")

    @field_validator("manifest", "collection")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        return value if value is None else api_address(value, "/")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.manifest is None) == (self.collection is None):
            raise ValueError("must have exactly one of manifest, collection")
        return self

    @classmethod
    def recognise(cls, address: str) -> Iterator[PageQuestion]:
        words = words_of(address)
        named = next((words[name] for name in ("manifest", "iiif-content", "collection") if is_web_address(words.get(name))), None)
        if named or re.search(r"(?i)manifest|/iiif|\.json$", urlsplit(address).path):
            yield PageQuestion(named or address, partial(_read_page, named or address), is_named=named is not None)

    @property
    def address(self) -> str:
        return self.manifest or self.collection or ""

    @property
    def hosts(self) -> tuple[str, ...]:
        return (host_of(self.address),)

    def build(self, number: int, exclude: tuple[str, ...]) -> IIIF:
        return IIIF(self)


def _read_page(address: str, content: bytes) -> Proposal | None:
    """What an answer is as a source, with the hosts of its images; None for what is neither manifest nor collection."""
    answer = read_json(content, address)
    kind = (answer.text("type") or answer.text("@type")).removeprefix("sc:")
    if "iiif.io/api/presentation" not in str(answer.get("@context")) or kind not in ("Manifest", "Collection"):
        return None
    keys = JsonObject({kind.lower(): address})
    (request,) = IIIF(IIIFSpec.model_validate(keys)).start(None).next
    hosts = {host_of(record.url) for record in request.parse(content).records} - {host_of(address)}
    return Proposal("iiif", keys, tuple(sorted(hosts)))


class IIIF(ImageSource):
    """A manifest or a collection as a source. Images on another host than the manifest's are named in `media_hosts`."""

    def __init__(self, spec: IIIFSpec) -> None:
        self.spec = spec
        self.origin = f"iiif: {spec.address}"
        self.api_hosts = spec.hosts
        self.media_hosts = spec.hosts
        self._asked = {spec.address}

    def start(self, answer: JsonObject | None) -> ApiPage:
        return ApiPage(next=(ApiRequest(self.spec.address, partial(self._parse, 0)),))

    def _parse(self, depth: int, content: bytes) -> ApiPage:
        """The images of a manifest, or what to ask of a collection. Raises GauchoError if it is neither."""
        answer = read_json(content, self.origin)
        kind = (answer.text("type") or answer.text("@type")).removeprefix("sc:")
        if kind == "Manifest":
            return self._manifest(answer)
        if kind != "Collection":
            raise GauchoError(
                _("{origin}: is no IIIF manifest and no collection ({kind})", origin=self.origin, kind=plain(kind) or "no type")
            )
        bad, more = list[UnusableRecord](), list[ApiRequest]()
        for member in _members(answer):
            address = _id(member)
            if reason := self._why_not(address, depth):
                bad.append(unusable(f"iiif:{plain(address)}", self.origin, reason))
            elif address not in self._asked:
                self._asked.add(address)
                more.append(ApiRequest(address, partial(self._parse, depth + 1)))
        return ApiPage(unusable=tuple(bad), next=tuple(more))

    def _why_not(self, address: str, depth: int) -> str:
        """Why what a collection names is not asked for; empty if it is."""
        if not is_web_address(address):
            return _("the collection names no address")
        if host_of(address) not in self.api_hosts:
            return _("it is on another host ({host}); name it as a source of its own", host=host_of(address))
        if depth >= _MAX_DEPTH or len(self._asked) > _MAX_MANIFESTS:
            return _(
                "a collection of more than {levels} levels or {count} manifests; name its parts",
                levels=_MAX_DEPTH, count=_MAX_MANIFESTS,
            )  # fmt: skip
        return ""

    def _manifest(self, answer: JsonObject) -> ApiPage:
        about, records, bad, more = self._about(answer), list[Record](), list[UnusableRecord](), list[ApiRequest]()
        for canvas in _canvases(answer):
            key = f"iiif:{digest(_id(canvas) or [_id(answer), len(records) + len(bad)])}"
            label = _text(canvas.get("label"))
            title = f"{about.title}: {label}" if label and len(_canvases(answer)) > 1 else about.title or label
            base = replace(about, key=key, title=title, license=_license(canvas) or about.license)
            image = _image(canvas)
            url = media_address(_id(image), self.spec.address) if image else None
            if image is None or url is None:
                bad.append(unusable(key, self.origin, "the canvas shows no image"))
            elif service := _service(image):
                request = _sized(replace(base, url=url), image, service)
                if isinstance(request, Record):
                    records.append(request)
                else:
                    more.append(request)
            else:
                records.append(replace(base, url=url))
        return ApiPage(tuple(records), tuple(bad), next=tuple(more))

    def _about(self, answer: JsonObject) -> Record:
        """What a manifest says of all of its images."""
        metadata = [(_text(each.get("label")), _text(each.get("value"))) for each in answer.children("metadata")]
        required = answer.get("requiredStatement")
        credit = _text(required.get("value")) if isinstance(required, dict) else _text(answer.get("attribution"))
        maker = next((value for label, value in metadata if plain_words(label) in _MAKERS and value), "")
        page = next((_id(each) for each in answer.children("homepage")), "") or _related(answer.get("related")) or _id(answer)
        wanted = {plain_words(name): name for name in self.spec.fields}
        return Record(
            key="",
            origin=self.origin,
            url="",
            title=_text(answer.get("label")),
            author="; ".join(dict.fromkeys(filter(None, (maker, credit)))) or "unknown",
            source=without_secrets(page) if is_web_address(page) else self.spec.address,
            license=_license(answer) or unknown("the manifest states no rights"),
            fields=tuple((wanted[plain_words(label)], value) for label, value in metadata if value and plain_words(label) in wanted),
        )


def _license(answer: JsonObject) -> License | None:
    """What `rights` (3) or `license` (2) states; None where it states nothing. Addresses that are no licence allow nothing."""
    stated = answer.get("rights") or answer.get("license")
    every = stated if isinstance(stated, list) else [stated]
    texts = [each.get("@id") if isinstance(each, dict) else each for each in every]
    named = [text for text in texts if isinstance(text, str) and text.strip()]
    if not named:
        return None
    if len(named) > 1:
        return unknown("the manifest states several licences")
    return _rights_statement(named[0]) or parse_license(named[0])


def _rights_statement(address: str) -> License | None:
    """The verdict on a statement of RightsStatements.org, which says what is known of rights and allows nothing; None for anything else."""
    if match := re.search(r"(?i)rightsstatements\.org/(?:vocab|page)/([\w-]+)", address):
        return unknown(f"rightsstatements.org {match[1]} is no licence")
    return None


def _members(answer: JsonObject) -> Iterator[JsonObject]:
    """What a collection lists: `items` (3), or `members`, `collections` and `manifests` (2)."""
    for name in ("items", "members", "collections", "manifests"):
        yield from answer.children(name)


def _canvases(answer: JsonObject) -> list[JsonObject]:
    """The canvases of a manifest of either version; of version 2 those of the first sequence, which is the one to read."""
    if answer.children("sequences"):
        return answer.children("sequences")[0].children("canvases")
    return answer.children("items")


def _image(canvas: JsonObject) -> JsonObject | None:
    """The first image that is painted on a canvas; of several to choose from, the first."""
    bodies = [each.get("resource") for each in canvas.children("images")]
    bodies += [note.get("body") for page in canvas.children("items") for note in page.children("items")]
    for body in bodies:
        for each in body if isinstance(body, list) else [body]:
            found = JsonObject(each) if isinstance(each, dict) else JsonObject()
            choices = [*found.children("items"), JsonObject(found.child("default"))]  # of a choice
            found = next((choice for choice in choices if choice), found)
            kind = found.text("type") or found.text("@type")
            if kind in ("Image", "dctypes:Image", "dcterms:Image") and _id(found):
                return found
    return None


def _service(image: JsonObject) -> JsonObject | None:
    """The image service of an image, which makes sizes of it."""
    value = image.get("service")
    services = value if isinstance(value, list) else [value]
    found = [JsonObject(each) for each in services if isinstance(each, dict)]
    return next((each for each in found if "image" in f"{each.text('@context')} {each.text('type')} {_profile(each)}".lower()), None)


def _profile(service: JsonObject) -> str:
    value = service.get("profile")
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else ""


def _sized(record: Record, image: JsonObject, service: JsonObject) -> Record | ApiRequest:
    """The record with an address of at most MAX_SIDE pixels; the request that tells the sizes, where the server makes none of its own."""
    base, width, height = _id(service).rstrip("/"), image.integer("width") or 0, image.integer("height") or 0
    if not is_web_address(base) or 0 < max(width, height) <= MAX_SIDE:
        return record
    level = re.search(r"level([012])", _profile(service))
    if level and level[1] != "0" and width and height:
        size = f"{MAX_SIDE}," if width >= height else f"{max(1, round(MAX_SIDE * width / height))},"
        return replace(record, url=f"{base}/full/{size}/0/default.jpg")
    return ApiRequest(f"{base}/info.json", partial(_parse_info, record, base))


def _parse_info(record: Record, base: str, content: bytes) -> ApiPage:
    """The record with the largest size that the service offers and that is wanted; as the manifest has it where it offers none."""
    info = read_json(content, f"{record.origin}: info.json")
    sizes = [(each.integer("width") or 0, each.integer("height") or 0) for each in info.children("sizes")]
    fitting = [size for size in sizes if 0 < max(size) <= MAX_SIDE]
    if not fitting:
        return ApiPage((record,))
    width, height = max(fitting)
    named = f"{width},{height}" if "image/3" in str(info.get("@context")) else f"{width},"
    return ApiPage((replace(record, url=f"{base}/full/{named}/0/default.jpg"),))


def _id(value: object) -> str:
    found = JsonObject(value) if isinstance(value, dict) else JsonObject()
    return found.text("id") or found.text("@id")


def _related(value: object) -> str:
    """The page that a manifest of version 2 is about."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else _id(first)


def _text(value: object) -> str:
    """A label or a value as plain text, in the first language that there is: Portuguese, English, none."""
    if isinstance(value, list):
        own = [JsonObject(each) for each in value if isinstance(each, dict)]
        by_language = {each.text("@language").lower() or "none": each.text("@value") for each in own}
        if any(by_language.values()):
            chosen = next((by_language[name] for name in _LANGUAGES if name in by_language), next(iter(by_language.values())))
            return plain(chosen, markup=True)
        return ", ".join(filter(None, (plain(each, markup=True) for each in value)))
    if isinstance(value, dict):
        if isinstance(value.get("@value"), str):
            return plain(value["@value"], markup=True)
        texts = {str(name).lower(): each for name, each in value.items()}
        chosen = next((texts[name] for name in _LANGUAGES if name in texts), next(iter(texts.values()), ""))
        return _text(chosen) if isinstance(chosen, list) else plain(chosen, markup=True)
    return plain(value, markup=True)
