"""Wikimedia Commons by category, search, or Wikidata item depicted (https://commons.wikimedia.org/w/api.php).

One question lists files with their descriptions; `continue` goes on within a batch of files before it goes on to the next batch, so what
answers say of a file is put together until the batch is complete.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from gaucho_pipeline.concepts import CommonsSource
from gaucho_pipeline.crawl.records import Record, plain
from gaucho_pipeline.crawl.sources import Again, Busy, Name, Page, Question, host_of, is_web_address, query, read_json, unusable
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.rights import commons_license, restrictions

MEDIA_HOSTS = ("upload.wikimedia.org",)
_WIDTH = 1280  # one of the widths that Commons keeps renderings of
_BATCH = 50
_MAXLAG = 5  # seconds: https://www.mediawiki.org/wiki/Manual:Maxlag_parameter
_FILES, _CATEGORIES = 6, 14  # namespaces


@dataclass(frozen=True)
class _About:
    """What a question asks for: its parameters without the continuation, the level of the category, the batch so far."""

    parameters: dict[str, Any]
    level: int = 0
    batch: dict[str, dict[str, Any]] = field(default_factory=dict)


class Commons:
    """Files of Commons as a source. `exclude` names what is left out: subcategories with such a name are not followed."""

    media_hosts: tuple[str, ...] = MEDIA_HOSTS

    def __init__(self, spec: CommonsSource, exclude: tuple[str, ...] = ()) -> None:
        self.spec, self._exclude = spec, tuple(text.casefold() for text in exclude)
        self._categories: set[str] = set()
        self.api_hosts: tuple[str, ...] = (host_of(spec.endpoint),)
        self.name: Name | None = None
        if spec.category is not None:
            title = _category(spec.category)
            self.origin = f"commons: {title}"
            look_up = self._address({"action": "query", "titles": title, "prop": "categoryinfo"})
            self.name = Name("category", title, look_up, self._read_category, is_needed=False)
        elif spec.depicts is not None:
            self.origin = f"commons: depicts {spec.depicts}"
            if not re.fullmatch(r"Q\d+", spec.depicts):
                parameters = {"action": "wbsearchentities", "search": spec.depicts, "language": "pt", "uselang": "pt", "type": "item"}
                look_up = query(spec.items_endpoint, parameters | {"limit": 20, "format": "json", "maxlag": _MAXLAG})
                self.api_hosts += (host_of(spec.items_endpoint),)
                self.name = Name("item", spec.depicts, look_up, self._read_item, is_needed=True)
        else:
            self.origin = f"commons: {spec.search}"

    def _read_category(self, content: bytes) -> dict[str, Any]:
        """A category's page id and number of files. Raises GauchoError if there is none."""
        title = _category(self.spec.category or "")
        for page in _pages(self._answer(content)):
            if page.get("title") == title:
                if "missing" in page and page.get("missing") is not False and "categoryinfo" not in page:
                    raise GauchoError(f"commons: there is no {title}")
                files = page.get("categoryinfo", {}).get("files", 0) if isinstance(page.get("categoryinfo", {}), dict) else 0
                return {"id": page.get("pageid"), "title": title, "files": files}
        raise Unclear(f"commons: the look-up of {title} was not understood")

    def _read_item(self, content: bytes) -> dict[str, Any]:
        """An item's id. Raises GauchoError if no item is called so, or more than one."""
        answer = self._answer(content)
        wanted = (self.spec.depicts or "").casefold()
        items = answer.get("search")
        found = [
            item
            for item in (items if isinstance(items, list) else ())
            if isinstance(item, dict) and re.fullmatch(r"Q\d+", str(item.get("id")))
        ]
        exact = [item for item in found if wanted in _names_of(item)]
        if len(exact) == 1:
            return {"id": exact[0]["id"], "label": plain(exact[0].get("label")), "description": plain(exact[0].get("description"))}
        shown = "; ".join(f"{item['id']} {plain(item.get('label'))}: {plain(item.get('description'))}" for item in (exact or found)[:5])
        what = f"{len(exact)} items are called" if exact else "no item is called"
        raise GauchoError(f"commons: {what} {self.spec.depicts!r}{f'; write the id of the one meant ({shown})' if shown else ''}")

    def start(self, answer: Mapping[str, Any] | None) -> Page:
        if self.spec.category is not None:
            return Page(next=(self._category_question(_category(self.spec.category), 0),))
        words = self.spec.search or ""
        if self.spec.depicts is not None:
            words = f"haswbstatement:P180={answer['id'] if answer else self.spec.depicts}"
        listing = {"generator": "search", "gsrsearch": words, "gsrnamespace": _FILES, "gsrlimit": _BATCH, "gsrinfo": "totalhits"}
        return Page(next=(self._question(_About(listing)),))

    def again(self, records: Sequence[Record]) -> tuple[Again, ...]:
        keys = [record.key for record in records]
        parts = [keys[first : first + _BATCH] for first in range(0, len(keys), _BATCH)]
        ids = ["|".join(key.partition(":")[2] for key in part) for part in parts]
        return tuple(Again(self._question(_About({"pageids": text})), frozenset(part)) for text, part in zip(ids, parts, strict=True))

    def _category_question(self, title: str, level: int) -> Question:
        self._categories.add(title)
        kinds = "file|subcat" if level < self.spec.depth else "file"
        return self._question(_About({"generator": "categorymembers", "gcmtitle": title, "gcmtype": kinds, "gcmlimit": _BATCH}, level))

    def _question(self, about: _About, following: Mapping[str, Any] | None = None) -> Question:
        wanted = {"prop": "imageinfo", "iiprop": "url|size|mime|sha1|user|extmetadata", "iiurlwidth": _WIDTH, "iiextmetadatalanguage": "pt"}
        return Question(self._address({"action": "query"} | about.parameters | wanted | dict(following or {})), partial(self._read, about))

    def _address(self, parameters: dict[str, Any]) -> str:
        return query(self.spec.endpoint, parameters | {"format": "json", "formatversion": 2, "maxlag": _MAXLAG})

    def _read(self, about: _About, content: bytes) -> Page:
        answer = self._answer(content)
        batch = {key: dict(page) for key, page in about.batch.items()}
        for page in _pages(answer):
            known = batch.setdefault(str(page.get("pageid", page.get("title"))), {})
            known |= {name: value for name, value in page.items() if value or name not in known}
        following = answer.get("continue")
        following = {str(k): str(v) for k, v in following.items()} if isinstance(following, dict) and following else None
        if following and "batchcomplete" not in answer:
            return Page(next=(self._question(replace(about, batch=batch), following),))
        missing = frozenset(f"commons:{page.get('pageid')}" for page in batch.values() if page.get("missing"))
        records, bad, deeper = self._read_batch({key: page for key, page in batch.items() if not page.get("missing")}, about.level)
        more = (self._question(replace(about, batch={}), following),) if following else ()
        info = answer.get("query", {}).get("searchinfo", {}) if isinstance(answer.get("query"), dict) else {}
        total = info.get("totalhits") if isinstance(info, dict) else None
        return Page(tuple(records), tuple(bad), missing, (*more, *deeper), total if isinstance(total, int) else None)

    def _answer(self, content: bytes) -> dict[str, Any]:
        answer = read_json(content, self.origin)
        error = answer.get("error")
        if isinstance(error, dict):
            if error.get("code") in ("maxlag", "ratelimited", "readonly"):
                raise Busy(f"{self.origin}: {plain(error.get('code'))}")
            raise GauchoError(f"{self.origin}: {plain(error.get('info'), markup=True) or plain(error.get('code')) or 'an error'}")
        if not {"query", "batchcomplete", "continue", "search"} & answer.keys():
            raise GauchoError(f"{self.origin}: the answer is not one of the API's")
        return answer

    def _read_batch(self, batch: dict[str, dict[str, Any]], level: int) -> tuple[list[Record], list[dict[str, Any]], list[Question]]:
        records, bad, deeper = [], [], []
        for key, page in batch.items():
            title = plain(page.get("title"))
            if page.get("ns") == _CATEGORIES:
                if level < self.spec.depth and title not in self._categories and not self._is_excluded(title):
                    deeper.append(self._category_question(title, level + 1))
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
        return any(text in title.casefold() for text in self._exclude)

    def _record(self, page: dict[str, Any], title: str) -> Record | None:
        info, identity = _info(page), page.get("pageid")
        media = info.get("thumburl") or info.get("url")
        if not isinstance(identity, int) or not is_web_address(media):
            return None
        raw = info.get("extmetadata")
        said = {
            name: str(entry.get("value"))
            for name, entry in (raw if isinstance(raw, dict) else {}).items()
            if isinstance(entry, dict) and entry.get("value") is not None
        }
        page_address = info.get("descriptionurl")
        sha1 = info.get("sha1")
        return Record(
            key=f"commons:{identity}",
            origin=self.origin,
            media=media,
            title=plain(said.get("ObjectName"), markup=True) or _bare(title),
            author=plain(said.get("Artist"), markup=True) or plain(said.get("Credit"), markup=True) or plain(info.get("user")) or "unknown",
            source=page_address if is_web_address(page_address) else self._page_of(title),
            license=commons_license(said),
            flags=restrictions(said.get("Restrictions", "")),
            sha1=sha1 if isinstance(sha1, str) and re.fullmatch(r"[0-9a-f]{40}", sha1) else None,
            labels=(title, *(plain(name) for name in said.get("Categories", "").split("|") if name)),
        )

    def _page_of(self, title: str) -> str:
        parts = urlsplit(self.spec.endpoint)
        return f"{parts.scheme}://{parts.netloc}/wiki/{quote(title.replace(' ', '_'))}"


class Unclear(GauchoError):
    """An answer that does not say whether there is something of a name."""


def _names_of(item: dict[str, Any]) -> list[str]:
    aliases = item.get("aliases")
    return [str(name).casefold() for name in (item.get("label"), *(aliases if isinstance(aliases, list) else ()))]


def _category(name: str) -> str:
    """The title of a category, as MediaWiki writes it."""
    bare = re.sub(r"^(category|categoria):", "", " ".join(name.replace("_", " ").split()), flags=re.IGNORECASE).strip()
    return f"Category:{bare[:1].upper()}{bare[1:]}"


def _pages(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The pages of an answer, of either format version."""
    found = answer.get("query", {}).get("pages", []) if isinstance(answer.get("query", {}), dict) else []
    pages = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [page for page in pages if isinstance(page, dict)]


def _info(page: dict[str, Any]) -> dict[str, Any]:
    """What a page says of its file; nothing where it is no file's."""
    infos = page.get("imageinfo")
    return infos[0] if isinstance(infos, list) and infos and isinstance(infos[0], dict) else {}


def _no_picture(page: dict[str, Any]) -> str:
    """The type of a file of which Commons renders an image, such as a book or a drawing in vectors; '' for a picture."""
    mime = _info(page).get("mime")
    is_picture = not isinstance(mime, str) or (mime.startswith("image/") and mime not in ("image/svg+xml", "image/vnd.djvu"))
    return "" if is_picture else plain(mime)


def _bare(title: str) -> str:
    return re.sub(r"\.[A-Za-z]{3,4}$", "", title.partition(":")[2] or title)
