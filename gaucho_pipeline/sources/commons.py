"""Wikimedia Commons by category, search, or Wikidata item depicted (https://commons.wikimedia.org/w/api.php).

One request lists files with their descriptions; `continue` goes on within a batch of files before it goes on to the next batch, so what
answers say of a file is put together until the batch is complete. `CommonsFiles` is for every source whose images are Commons' files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, NoReturn, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.rights.licenses import License, agreed, read_statement, statements, unknown
from gaucho_pipeline.sources.base import (
    ApiBusy,
    ApiPage,
    ApiRequest,
    ImageSource,
    ImageSourceSpec,
    Limit,
    Lookup,
    Proposal,
    Recheck,
    UnclearAnswer,
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
from gaucho_pipeline.sources.records import Record, has_words, plain
from gaucho_pipeline.spec import JsonObject, Text

MEDIA_HOSTS = ("upload.wikimedia.org",)
_WIDTH = 1280  # one of the widths that Commons keeps renderings of
BATCH = 50
MAXLAG = 5  # seconds: https://www.mediawiki.org/wiki/Manual:Maxlag_parameter
FILES, _CATEGORIES = 6, 14  # namespaces
_BUSY = re.compile(r"maxlag|ratelimited|readonly|internal_api_error_\w+|(cirrus)?search-([a-z]+-)*(too-busy|backend|timeout)(-[a-z]+)*")
"""Codes of errors, with HTTP 200, that may be gone the next time: https://www.mediawiki.org/wiki/API:Errors_and_warnings, CirrusSearch."""
_PARTIAL = re.compile(r"(?i)partial|timed out|too busy|truncated")


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


@dataclass(frozen=True)
class FileQuery:
    """What a request asks for: its parameters without the continuation, the level of the category, the batch so far."""

    parameters: dict[str, str | int]
    level: int = 0
    batch: dict[str, JsonObject] = field(default_factory=dict)


class CommonsFiles(ImageSource):
    """Files of Commons, however they are listed: what a source asks for, and what it makes of the answers.

    `exclude` names what is left out: subcategories with such a name are not followed.
    """

    media_hosts = MEDIA_HOSTS

    def __init__(self, origin: str, endpoint: str, depth: int = 0, exclude: tuple[str, ...] = ()) -> None:
        self.origin = origin
        self.api_hosts = (host_of(endpoint),)
        self._endpoint, self._depth, self._exclude = endpoint, depth, exclude
        self._categories: set[str] = set()

    def recheck_by_id(self, records: Sequence[Record]) -> tuple[Recheck, ...]:
        keys = [record.key for record in records]
        parts = [keys[first : first + BATCH] for first in range(0, len(keys), BATCH)]
        ids = ["|".join(key.partition(":")[2] for key in part) for part in parts]
        return tuple(Recheck(self._request(FileQuery({"pageids": text})), frozenset(part)) for text, part in zip(ids, parts, strict=True))

    def _category_request(self, title: str, level: int) -> ApiRequest:
        self._categories.add(title)
        kinds = "file|subcat" if level < self._depth else "file"
        return self._request(FileQuery({"generator": "categorymembers", "gcmtitle": title, "gcmtype": kinds, "gcmlimit": BATCH}, level))

    def _search_request(self, words: str) -> ApiRequest:
        """What is asked of the search for files, by its own words (https://www.mediawiki.org/wiki/Help:CirrusSearch)."""
        listing: dict[str, str | int] = {"generator": "search", "gsrsearch": words, "gsrnamespace": FILES, "gsrlimit": BATCH}
        return self._request(FileQuery(listing | {"gsrinfo": "totalhits"}))

    def _request(self, about: FileQuery, following: Mapping[str, str] | None = None) -> ApiRequest:
        wanted: dict[str, str | int] = {
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|user|extmetadata",
            "iiurlwidth": _WIDTH,
            "iiextmetadatalanguage": "pt",
        }
        url = self._address({"action": "query"} | about.parameters | wanted | dict(following or {}))
        return ApiRequest(url, partial(self._parse, about))

    def _address(self, parameters: Mapping[str, str | int]) -> str:
        return query(self._endpoint, {**parameters, "format": "json", "formatversion": 2, "maxlag": MAXLAG})

    def _parse(self, about: FileQuery, content: bytes) -> ApiPage:
        answer = self._answer(content)
        batch = {key: JsonObject(page) for key, page in about.batch.items()}
        for page in pages_of(answer):
            known = batch.setdefault(str(page.get("pageid", page.get("title"))), JsonObject())
            known.update({name: value for name, value in page.items() if value or name not in known})
        following = {str(key): str(value) for key, value in answer.child("continue").items()} or None
        if following and "batchcomplete" not in answer:
            return ApiPage(next=(self._request(replace(about, batch=batch), following),))
        missing = frozenset(f"commons:{page.get('pageid')}" for page in batch.values() if page.get("missing"))
        records, bad, deeper = self._parse_batch({key: page for key, page in batch.items() if not page.get("missing")}, about.level)
        more = (self._request(replace(about, batch={}), following),) if following else ()
        total = answer.child("query").child("searchinfo").integer("totalhits")
        doubt = _doubt(answer)
        found = ApiPage(tuple(records), tuple(bad), missing, (*more, *deeper), total, "batchcomplete" in answer, doubt)
        if "generator" in about.parameters and _PARTIAL.search(doubt) and not deeper:
            raise ApiBusy(f"{self.origin}: {doubt}", found)
        return found

    def _answer(self, content: bytes) -> JsonObject:
        answer = read_json(content, self.origin)
        if "error" in answer:
            self._refuse(answer)
        if not {"query", "batchcomplete", "continue", "search"} & answer.keys():
            raise GauchoError(_("{origin}: the answer is not one of the API's", origin=self.origin))
        return answer

    def _refuse(self, answer: JsonObject) -> NoReturn:
        """Raises what an answer says of an error: ApiBusy for one that may be gone the next time, GauchoError for another."""
        error = answer.child("error")
        if _BUSY.fullmatch(error.text("code")):
            raise ApiBusy(f"{self.origin}: {plain(error.get('code'))}")
        raise GauchoError(f"{self.origin}: {plain(error.get('info'), markup=True) or plain(error.get('code')) or 'an error'}")

    def _parse_batch(self, batch: dict[str, JsonObject], level: int) -> tuple[list[Record], list[UnusableRecord], list[ApiRequest]]:
        records, bad, deeper = [], [], []
        for key, page in batch.items():
            title = plain(page.get("title"))
            if page.get("ns") == _CATEGORIES:
                if level < self._depth and title not in self._categories and not self._is_excluded(title):
                    deeper.append(self._category_request(title, level + 1))
                continue
            record = self._record(page, title)
            if mime := _no_picture(page):
                bad.append(unusable(f"commons:{key}", self.origin, f"the file is no photograph or scan ({mime})"))
            elif record:
                records.append(record)
            else:
                bad.append(unusable(f"commons:{key}", self.origin))
        return records, bad, deeper

    def _is_excluded(self, title: str) -> bool:
        return any(has_words(title, words) for words in self._exclude)

    def _record(self, page: JsonObject, title: str) -> Record | None:
        info, identity = _info(page), page.integer("pageid")
        url = media_address(info.get("thumburl") or info.get("url"), self._endpoint)
        if identity is None or url is None:
            return None
        raw = info.child("extmetadata")
        values = {name: raw.child(name).get("value") for name in raw}
        metadata = {name: str(value) for name, value in values.items() if value is not None}
        page_address, sha1 = info.text("descriptionurl"), info.text("sha1")
        author, flags = _credit(metadata, info)
        origin = plain(metadata.get("Credit"), markup=True)
        return Record(
            key=f"commons:{identity}",
            origin=self.origin,
            url=url,
            title=plain(metadata.get("ObjectName"), markup=True) or _bare(title),
            author=author,
            source=without_secrets(page_address) if is_web_address(page_address) else self._page_of(title),
            license=commons_license(metadata),
            flags=(*restrictions(metadata.get("Restrictions", "")), *flags),
            fields=(("credit", origin),) if origin and not _is_own(origin) else (),
            sha1=sha1 if re.fullmatch(r"[0-9a-f]{40}", sha1) else None,
            labels=(title, *(plain(name) for name in metadata.get("Categories", "").split("|") if name)),
        )

    def _page_of(self, title: str) -> str:
        parts = urlsplit(self._endpoint)
        return f"{parts.scheme}://{parts.netloc}/wiki/{quote(title.replace(' ', '_'))}"


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
        name, count = self.spec.depicts, len(exact)
        several = _("commons: {count} items are called {name!r}", count=count, name=name)
        text = several if exact else _("commons: no item is called {name!r}", name=name)
        raise GauchoError(text + (_("; write the id of the one meant ({shown})", shown=shown) if shown else ""))

    def start(self, answer: JsonObject | None) -> ApiPage:
        if self.spec.category is not None:
            return ApiPage(next=(self._category_request(category_title(self.spec.category), 0),))
        words = self.spec.search or ""
        if self.spec.depicts is not None:
            words = f"haswbstatement:P180={answer['id'] if answer else self.spec.depicts}"
        return ApiPage(next=(self._search_request(words),))


def _names_of(item: JsonObject) -> list[str]:
    return [str(name).casefold() for name in (item.get("label"), *item.array("aliases"))]


_OWN = "own self selfmade uploader próprio própria propio propia proprio propria personnel personnelle eigenes eigene"
_WORK = (
    "work made photo photograph photography picture image scan by the original archive obra trabalho trabajo foto fotografia fotografía"
    " imagem imagen arquivo archivo autoria autoría do da de del opera travail photographie werk"
)
"""What people write on Commons for themselves, whose name is elsewhere: *Own work*, *Fotografia própria*, *Trabajo propio*."""


def _is_own(text: str) -> bool:
    """Whether a credit says no more than that it is the uploader's own."""
    words = set(re.findall(r"[^\W_]+", text.casefold()))
    return bool(words & {*_OWN.split()}) and words <= {*_OWN.split(), *_WORK.split()}


BY_UPLOADER = "credited to its uploader"
"""The flag of a file whose author nobody has named."""


def _credit(metadata: Mapping[str, str], info: JsonObject) -> tuple[str, tuple[str, ...]]:
    """Who is to be credited: as the licence asks for it, else who made it, else whose upload it is; and a flag where nobody says so.

    `Credit` says where a file is from, and never who made it: https://www.mediawiki.org/wiki/Extension:CommonsMetadata.
    """
    attribution, artist, source = (plain(metadata.get(name), markup=True) for name in ("Attribution", "Artist", "Credit"))
    for text in (attribution, artist):
        if re.search(r"[^\W_]", text) and not _is_own(text):
            return text, ()
    uploader = plain(info.get("user"))
    return uploader or "unknown", () if not uploader or any(map(_is_own, (attribution, artist, source))) else (BY_UPLOADER,)


def category_title(name: str) -> str:
    """The title of a category, as MediaWiki writes it."""
    bare = re.sub(r"^(category|categoria):", "", " ".join(name.replace("_", " ").split()), flags=re.IGNORECASE).strip()
    return f"Category:{bare[:1].upper()}{bare[1:]}"


def _doubt(answer: JsonObject) -> str:
    """What an answer says of its being not all: a search that timed out, a result that was cut off."""
    warnings = answer.child("warnings")
    found = [warnings.child(name) for name in warnings if name in ("search", "result")]
    return "; ".join(filter(None, (plain(each.get("warnings") or each.get("*")) for each in found)))


def pages_of(answer: JsonObject) -> list[JsonObject]:
    """The pages of an answer, of either format version."""
    found = answer.child("query")
    pages = [*found.child("pages").values(), *found.array("pages")]
    return [JsonObject(page) for page in pages if isinstance(page, dict)]


def _info(page: JsonObject) -> JsonObject:
    """What a page says of its file; nothing where it is no file's."""
    infos = page.array("imageinfo")
    return JsonObject(infos[0]) if infos and isinstance(infos[0], dict) else JsonObject()


def _no_picture(page: JsonObject) -> str:
    """The type of a file of which Commons renders an image, such as a book or a drawing in vectors; '' for a picture."""
    mime = _info(page).get("mime")
    is_picture = not isinstance(mime, str) or (mime.startswith("image/") and mime not in ("image/svg+xml", "image/vnd.djvu"))
    return "" if is_picture else plain(mime)


def _bare(title: str) -> str:
    return re.sub(r"\.[A-Za-z]{3,4}$", "", title.partition(":")[2] or title)


def commons_license(metadata: Mapping[str, str]) -> License:
    """The licence of a Wikimedia Commons file, from its `extmetadata` values.

    Of License, LicenseShortName and UsageTerms, all that are there must be understood and agree, and LicenseUrl with them;
    NonFree and DeletionReason refuse (https://www.mediawiki.org/wiki/Extension:CommonsMetadata).
    """
    if metadata.get("NonFree", "").strip().lower() not in ("", "false", "0"):
        return unknown("the file is marked as not free")
    if metadata.get("DeletionReason", "").strip():
        return unknown("the file is up for deletion")
    stated = [metadata[name] for name in ("License", "LicenseShortName", "UsageTerms") if metadata.get(name, "").strip()]
    if not stated:
        return unknown("no licence is stated")
    return agreed([read_statement(part, "", in_words=True) for text in stated for part in statements(text)], metadata.get("LicenseUrl"))


def restrictions(value: str) -> tuple[str, ...]:
    """Commons' `Restrictions` as flags: personality, trademarked, insignia … They are shown, and refuse nothing."""
    return tuple(sorted({" ".join(part.split()).lower() for part in re.split(r"[|,;]", value) if part.strip()}))
