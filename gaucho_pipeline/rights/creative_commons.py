"""Which licences Creative Commons has published, and how people write them: codes, titles in three languages, addresses of deeds.

Facts and their reading only; what a licence allows is decided in `licenses.py`. Versions and jurisdictions are those of the list at
https://creativecommons.org/licenses/list.en.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")
"""Of the licences that are for no single jurisdiction."""
PORTS = {
    "1.0": "fi il nl",
    "2.0": "at au be br ca cl de es fr hr it jp kr nl pl tw uk za",
    "2.1": "au es jp",
    "2.5": "ar au bg br ca ch cn co dk es hr hu il in it mk mt mx my nl pe pl pt scotland se si za",
    "3.0": (
        "am at au az br ca ch cl cn cr cz de ec ee eg es fr ge gr gt hk hr ie igo it lu nl no nz ph pl pr pt ro rs sg th tw ug us ve vn za"
    ),
}
"""Jurisdictions to which a version was adapted; version 4.0 was adapted to none."""

_COUNTRIES = {
    "argentina": "ar", "armenia": "am", "australia": "au", "austria": "at", "azerbaijan": "az", "belgium": "be", "brasil": "br",
    "brazil": "br", "bulgaria": "bg", "canada": "ca", "chile": "cl", "china-mainland": "cn", "mainland-china": "cn", "colombia": "co",
    "costa-rica": "cr", "croatia": "hr", "czech-republic": "cz", "denmark": "dk", "ecuador": "ec", "egypt": "eg", "england-and-wales": "uk",
    "espana": "es", "estonia": "ee", "finland": "fi", "france": "fr", "georgia": "ge", "germany": "de", "greece": "gr", "guatemala": "gt",
    "hong-kong": "hk", "hungary": "hu", "igo": "igo", "india": "in", "ireland": "ie", "israel": "il", "italy": "it", "japan": "jp",
    "korea": "kr", "south-korea": "kr", "luxembourg": "lu", "macedonia": "mk", "malaysia": "my", "malta": "mt", "mexico": "mx",
    "netherlands": "nl", "new-zealand": "nz", "norway": "no", "peru": "pe", "philippines": "ph", "poland": "pl", "portugal": "pt",
    "puerto-rico": "pr", "romania": "ro", "scotland": "scotland", "serbia": "rs", "singapore": "sg", "slovenia": "si",
    "south-africa": "za", "spain": "es", "sweden": "se", "switzerland": "ch", "taiwan": "tw", "thailand": "th", "uganda": "ug",
    "uk": "uk", "united-states": "us", "venezuela": "ve", "vietnam": "vn",
}  # fmt: skip
"""What a jurisdiction is called in titles, in small letters without accents."""

_WORDS = (
    # what is written in titles: English, Portuguese (of Brazil and of Portugal), Spanish            → the code's word
    (r"creative-commons", "cc"),
    (r"share-?alike|(com)?partilha(r)?-?igual|compartir-?igual|licenciar-igual|(com)?partilha(mento)?-pela-mesma-licenca"
     r"|partilha-nos-(mesmos-termos|termos-da-mesma-licenca)", "sa"),
    (r"non-?commercial|(uso-)?nao-?comercial|no-?comercial|vedado-o-uso-comercial", "nc"),
    (r"no-?deriv(ative)?s?(-works)?|(proibicao-de-realizacao-de|vedada-a-criacao-de|sem|nao|sin)-?(obras?-)?deriva(coes|das?|dos|r)"
     r"|sin-?derivar", "nd"),
    (r"attribution|atribuicao|atribucion|reconocimiento", "by"),
    (r"international|internacional|unported|(nao|no)-(adaptada|portada)|generic[ao]?|licen[cs]e|licencia|licenca|deed", ""),
)  # fmt: skip
_NUMBER = r"[0-9](?:\.[0-9])?"
_CODE = re.compile(
    r"(?P<cc>cc-)?(?P<kind>(?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa))*)"
    rf"(?:-(?P<versions>{_NUMBER}(?:[,+-]+{_NUMBER})*)\+?(?:-migrated(?:-with-disclaimers)?)?"
    r"(?:-(?P<port>(?!nc$|nd$|sa$|by$)[a-z]+(?:-[a-z]+)*))?)?"
)
_ADDRESS = re.compile(
    r"(?:https?:)?(?://)?(?:www\.)?creativecommons\.org/"
    r"(?:licenses/(?P<kind>(?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa))*)/(?P<version>[0-9]\.[0-9])(?:/(?P<port>(?!deed|legalcode)[a-z]{2,8}))?"
    r"|(?P<zero>publicdomain/zero/1\.0|licenses/cc0(?:/1\.0)?)"
    r"|(?P<pd>publicdomain(?:/mark/1\.0|/certification/1\.0/us)?|licenses/(?:publicdomain|pdm?(?:/1\.0)?)))"
    r"(?:/(?:(?:deed|legalcode)(?:[.-][a-z]{2,3}(?:[_-][a-z0-9]{2,4})?)?(?:\.txt)?)?)?(?:[?#]\S*)?",
    re.IGNORECASE | re.ASCII,
)


_AROUND = re.compile(
    r"^(licen[cs]e|licenca|licencia|licensed-under|sob-(a-)?licenca|under)[:-]+(a-|the-|uma-)?|[,-]+via-wikimedia-commons$"
    r"|-(public-licen[cs]e|licenca-publica|legal-code|codigo-legal)$"
)
"""What people write around a licence, as `plain_words` has it."""


class Named(NamedTuple):
    """What a code, a title or an address names."""

    kind: str
    """Such as by-sa; cc0 and pd for what gives all rights away."""
    version: str = ""
    port: str = ""
    says_cc: bool = True
    """Whether it says itself that it is of Creative Commons."""


def plain_words(text: str) -> str:
    """A statement in small letters without accents, with '-' for what parts words: 'CC Atribuição 4.0' becomes 'cc-atribuicao-4.0'."""
    shown = "".join(c for c in text if unicodedata.category(c) != "Cf").strip().lower()
    bare = "".join(c for c in unicodedata.normalize("NFD", shown) if not unicodedata.combining(c))
    words = re.sub(r"[\s_\u2010-\u2015-]+", "-", re.sub(r"[\"'“”‘’«»<>]", "", bare)).strip("-,;:.")
    return _AROUND.sub("", words).strip("-,;:.")


def read_code(text: str) -> Named | None:
    """What a code or a title names, given as `plain_words`; None if it is none that Creative Commons has."""
    for written, word in _WORDS:
        text = re.sub(rf"(?<![a-z])(?:{written})(?![a-z])", word, text)
    match = _CODE.fullmatch(re.sub(r"-{2,}", "-", text).strip("-"))
    if match is None:
        return None
    versions = [version if "." in version else f"{version}.0" for version in re.findall(_NUMBER, match["versions"] or "")]
    port = _COUNTRIES.get(match["port"] or "", match["port"] or "")
    if not all(exists(version) for version in versions[1:]) or (versions and not exists(versions[0], port)):
        return None
    return Named(match["kind"], versions[0] if versions else "", port, bool(match["cc"]))


def read_address(address: str) -> Named | None:
    """What the address of a deed or of a licence's text names, in whatever language it is; None if it is no such address."""
    match = _ADDRESS.fullmatch(address.strip())
    if match is None:
        return None
    if not match["kind"]:
        return Named("cc0" if match["zero"] else "pd")
    version, port = match["version"], (match["port"] or "").lower()
    return Named(match["kind"].lower(), version, port) if exists(version, port) else None


def exists(version: str, port: str = "") -> bool:
    """Whether there is such a version, adapted to such a jurisdiction if one is named."""
    return port in PORTS.get(version, "").split() if port else version in VERSIONS
