"""What a licence is and what it allows: the one place where an image may be let in or refused.

What a source says becomes an SPDX-like id and a family, or 'unknown' with the reason; unknown is never fetched. Several
statements about one image must agree. Which families a concept allows is in its specification.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from gaucho_pipeline.errors import _
from gaucho_pipeline.rights.creative_commons import PORTS, VERSIONS, Named, plain_words, read_address, read_code

DEFAULT_LICENSES = ("cc0", "pd", "cc-by", "cc-by-sa")
FAMILIES = {
    "cc0": "CC0: given to the public",
    "pd": "public domain",
    "cc-by": "CC BY: name the author",
    "cc-by-sa": "CC BY-SA: name the author, share alike",
    "gfdl": "GNU Free Documentation License; only where a concept names it",
    "fal": "Free Art License; only where a concept names it",
    "attribution": "Wikimedia's 'Attribution': any use, if the author is named; only where a concept names it",
}
"""Every family that may be allowed. What forbids commercial use or derivatives is in none, and no concept can allow it."""

OWN = "own"
"""Family of images that belong to whoever trains on them, and to nobody else: allowed where a folder declares it, and never open."""
RESERVED = "all rights reserved"
"""What stands for a licence, in tables, on pages and on cards, where there is none."""

_TABLE: tuple[tuple[str, str], ...] = (
    # what is written, as `plain_words` has it                                                     → family
    (
        r"((creative-commons-)?cc-?|creative-commons-)(0|zero)(-v?1\.0)?(-universal)?(,?-(public-domain|pd)(-dedication)?)?(-licen[cs]e|-deed)?",
        "cc0",
    ),
    (r"cc-?0(-1\.0)?(-universal)?-(dedicacao-ao|ofrecimiento-al|dedicacion-al)-dominio-publico", "cc0"),
    (r"(cc-|creative-commons-)?(pdm|pd-mark|public-domain-mark|marca-de-dominio-publico)(-1\.0)?(-universal)?", "pd"),
    (r"pd|public-?domain(-dedication)?|(em-|en-(el-)?)?dominio-publico", "pd"),
    (r"gfdl(-[0-9]\.[0-9])?(-or-later|\+)?|gnu-free-documentation-licen[cs]e(-[0-9]\.[0-9])?(-or-later)?", "gfdl"),
    (r"fal(-1\.3)?|free-art-licen[cs]e(-1\.3)?|licence-art-libre(-1\.3)?", "fal"),
    (r"attribution", "attribution"),
)
_PD_TEMPLATES = """
    1923 1996 anon-70 anon-70-eu anon-auto anon-auto-expired anon-expired ar-anonymous ar-photo art art-100 art-70 art-life-70
    art-yorck-project australia author bain brazil-media brazilgov canada canada-anon chem coa denmark50 eu-no-author-disclosure
    finland50 flag germangov heirs highsmith hubble ineligible italy japan japan-oldphoto layout mark-owner mexico nasa norway50 old
    old-100 old-100-1923 old-100-expired old-70 old-70-1923 old-70-expired old-75 old-80 old-80-expired old-90 old-95 old-auto
    old-auto-1923 old-auto-expired poland polandgov release russia russia-2008 scan self shape simple sweden-photo text textlogo
    uk-anon uk-unknown ukgov us us-1923-abroad us-expired us-expired-abroad us-no-notice us-not-renewed user usgov usgov-cia
    usgov-congress usgov-doe usgov-fws usgov-interior usgov-interior-nps usgov-interior-usgs usgov-loc usgov-military
    usgov-military-air-force usgov-military-army usgov-military-marines usgov-military-navy usgov-nasa usgov-noaa usgov-potus
    usgov-state usgov-usda
"""
"""The templates `PD-…` by which Commons says why a file is in the public domain: https://commons.wikimedia.org/wiki/Category:PD_license_tags."""
_IDS = {"gfdl": "GFDL", "fal": "FAL-1.3", "attribution": "Attribution"}
_ADDRESSES = {
    "cc0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "pd": "https://creativecommons.org/publicdomain/mark/1.0/",
    "gfdl": "https://www.gnu.org/licenses/fdl-1.3.html",
    "fal": "https://artlibre.org/licence/lal/en/",
    "attribution": "https://commons.wikimedia.org/wiki/Template:Attribution",
}
_WRITTEN_ADDRESS = re.compile(r"(?i)(?:(?:https?:)?//|(?:www\.)?creativecommons\.org/)\S+")
_SHOWN = 60
_LONGEST = 2000
"""Characters of a statement that are read; a longer one is none."""


class License(NamedTuple):
    """A verdict: an id such as CC-BY-SA-4.0, its family (None if it may never be used), its address, the reason."""

    id: str
    family: str | None
    url: str
    reason: str

    @property
    def is_known(self) -> bool:
        return self.id != "unknown"


def parse_license(code: object, version: object = None) -> License:
    """A licence from a code such as by-sa, cc-by-4.0, cc-by-sa-3.0-de, cc0 or pdm, a deed's title (also in Portuguese or Spanish), or
    the address of a deed; several in one text must agree.

    `version` is used where the code has none. What is not known, or states no version, has family None and says why.
    """
    if not isinstance(code, str) or not code.strip():
        return unknown("no licence is stated")
    number = str(version).strip() if version is not None else ""
    if number and number not in VERSIONS and number not in PORTS:
        return unknown("the licence's version is not known")
    return agreed([read_statement(part, number) for part in statements(code)], None)


def own_license(code: object) -> License:
    """As `parse_license`, and also `own`: all rights reserved by whoever states it, who may and does allow that a model learns from it."""
    if isinstance(code, str) and code.strip().lower() == OWN:
        return License(RESERVED, OWN, "", "")
    return parse_license(code)


def refusal(verdict: License, allowed: Collection[str]) -> str | None:
    """Why an image under this licence may not be fetched; None if it may. `allowed` names families, or licences by their ids."""
    if verdict.family is None:
        return verdict.reason
    if verdict.family not in (*allowed, OWN) and verdict.id.lower() not in allowed:
        return _("the concept does not allow {license}", license=verdict.family)
    return None


_GENEROUS = ("pd", "cc0", "attribution", "cc-by", "cc-by-sa", "gfdl", "fal", OWN)
"""Families, the one that asks for least first."""


def restriction(license_: License) -> tuple[int, str]:
    """How much a licence asks for: of two statements on one image the larger counts. What may never be used asks for most."""
    place = _GENEROUS.index(license_.family) if license_.family in _GENEROUS else len(_GENEROUS)
    return place, license_.id


def license_name(text: str) -> str:
    """The name of a family or a licence as a concept may write it. Raises ValueError for what may not be allowed."""
    name = text.strip().lower()
    if name in FAMILIES:
        return name
    verdict = parse_license(name)
    if verdict.family is None:
        raise ValueError(f"{verdict.reason}; known are {', '.join(FAMILIES)}, or one licence such as cc-by-4.0")
    return verdict.id.lower()


# ------------------------------------------------------------------------------------------ reading


def statements(text: str) -> list[str]:
    """The statements of one text: a title, a code in brackets, an address. Two of them are two that must agree."""
    if len(text) > _LONGEST:
        return [text[:_LONGEST] + "…"]
    addresses = _WRITTEN_ADDRESS.findall(text)
    rest = _WRITTEN_ADDRESS.sub(" ", text)
    codes = [code for code in re.findall(r"\(([^()]*)\)", rest) if code.strip()]
    words = re.sub(r"\([^()]*\)", " ", rest.replace("<", " ").replace(">", " ")).strip(" ,;:.-–—")
    return [*([words] if words else []), *codes, *(address.rstrip(").,;>") for address in addresses)]


def read_statement(text: str, version: str, in_words: bool = False) -> License:
    """A verdict on one statement. In words, 'attribution' alone is no Creative Commons licence: it must say so."""
    if _WRITTEN_ADDRESS.match(text):
        found = read_address(text)
        return _creative_commons(found, version) if found else unknown("the licence's address is not known")
    words = plain_words(text)
    named = read_code(words) if words != "attribution" else None
    if named and (named.says_cc or not in_words):
        return _creative_commons(named, version)
    if words.startswith("pd-") and words.removeprefix("pd-") in _PD_TEMPLATES.split():
        return License("PD", "pd", _ADDRESSES["pd"], "")
    for pattern, family in _TABLE:
        if re.fullmatch(pattern, words):
            return License(_plain_id(family, words), family, _ADDRESSES[family], "")
    return unknown(f"the licence {' '.join(text.split())[:_SHOWN]!r} is not known")


def _creative_commons(named: Named, version: str) -> License:
    if named.kind in ("cc0", "pd"):
        return License(_plain_id(named.kind, ""), named.kind, _ADDRESSES[named.kind], "")
    number = named.version or version
    name = "-".join(["CC", named.kind.upper(), *filter(None, (number, named.port.upper()))])
    url = f"https://creativecommons.org/licenses/{named.kind}/{number}/{f'{named.port}/' if named.port else ''}" if number else ""
    words = set(named.kind.split("-"))
    forbids = [long for short, long in (("nc", "non-commercial"), ("nd", "no-derivatives")) if short in words]
    if forbids:
        return License(name, None, url, f"the licence is {' and '.join(forbids)}")
    if named.kind not in ("by", "by-sa"):
        return unknown(f"the licence {name} is not known")
    return License(name, f"cc-{named.kind}", url, "")


def _plain_id(family: str, text: str) -> str:
    if family == "cc0":
        return "CC0-1.0"
    if family == "pd":
        return "PDM-1.0" if text.startswith("pdm") or "mark" in text or "marca" in text else "PD"
    return _IDS[family]


def agreed(verdicts: Iterable[License], address: object) -> License:
    """The one verdict on which all statements agree; 'unknown' if they do not."""
    found = list(verdicts)
    if not found:
        return unknown("no licence is stated")
    for verdict in found:
        if verdict.family is None:
            return verdict
    if isinstance(address, str) and address.strip():
        named = read_address(address)
        if named is None and ("creativecommons.org" in address.lower() or (found[0].family or "").startswith("cc")):
            return unknown("the licence's address is not known")
        if named and (of_address := _creative_commons(named, "")).family is None:
            return of_address
        found += [of_address] if named else []
    first = max(found, key=lambda verdict: len(verdict.id))
    for verdict in found:
        if verdict.family != first.family or not _same_version(verdict.id, first.id):
            return unknown(f"the licence is contradictory: {verdict.id} and {first.id}")
    if first.family in ("cc-by", "cc-by-sa") and not first.url:
        return unknown(f"the licence {first.id} is stated without its version; write which, such as {first.id}-4.0")
    return first


def _same_version(one: str, other: str) -> bool:
    """Whether two ids of a family name the same version and port, as far as both name them."""
    if not one.startswith("CC-") or not other.startswith("CC-"):
        return True
    return all(a == b for a, b in zip(re.split("-", one), re.split("-", other), strict=False))


def unknown(reason: str) -> License:
    return License("unknown", None, "", reason)
