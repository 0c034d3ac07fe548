"""What a licence is and what it allows: the one place where an image may be let in or refused.

What a source says becomes an SPDX-like id and a family, or 'unknown' with the reason; unknown is never fetched. Several
statements about one image must agree. Which families a concept allows is in its specification.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

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

_UNSAFE = (
    r"(?:nc|nd|no|not|non|only|commercial|noncommercial|personal|private|educational|academic|editorial|revoked|reserved|rights|permission"
    r"|except|unless|restricted|limited|use)"
)
_TABLE: tuple[tuple[str, str], ...] = (
    # what is written, in small letters with '-' for spaces                                       → family
    (r"((creative-commons-)?cc-?|creative-commons-)(0|zero)(-1\.0)?(-universal)?(,?-(public-domain|pd)-dedication)?(-licen[cs]e)?", "cc0"),
    (r"(cc-|creative-commons-)?(pdm|pd-mark|public-domain-mark)(-1\.0)?(-universal)?|pd|public-?domain(-dedication)?", "pd"),
    (rf"pd(-(?!{_UNSAFE}(-|$))[a-z0-9]+)+", "pd"),
    (r"gfdl(-\d\.\d)?(-or-later|\+)?|gnu-free-documentation-licen[cs]e(-\d\.\d)?(-or-later)?", "gfdl"),
    (r"fal(-1\.3)?|free-art-licen[cs]e(-1\.3)?|licence-art-libre(-1\.3)?", "fal"),
    (r"attribution", "attribution"),
)
_CC = re.compile(
    r"(?P<cc>cc-)?(?P<kind>(?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa))*)"
    r"(?:-(?P<version>\d(?:\.\d)?)(?:[,+-]+\d(?:\.\d)?)*\+?(?:-(?P<port>igo|scotland|(?!nc|nd|sa|by)[a-z]{2}))?"
    r"(?:-migrated(?:-with-disclaimers)?)?)?"
)
_LONG_NAMES = (
    ("creative-commons", "cc"),
    ("attribution", "by"),
    ("share-?alike", "sa"),
    ("non-?commercial", "nc"),
    ("no-?deriv(ative)?s?(-works)?", "nd"),
    ("-(international|unported|generic|licen[cs]e)", ""),
)
_ADDRESS = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<kind>(?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa))*)/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2,3})(?:/|$))?"
    r"|(?P<zero>publicdomain/zero|licenses/cc0)|(?P<pd>publicdomain/mark|licenses/publicdomain|publicdomain/?$|licenses/pdm?/))",
    re.IGNORECASE,
)
_IDS = {"gfdl": "GFDL", "fal": "FAL-1.3", "attribution": "Attribution"}
_ADDRESSES = {
    "cc0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "pd": "https://creativecommons.org/publicdomain/mark/1.0/",
    "gfdl": "https://www.gnu.org/licenses/fdl-1.3.html",
    "fal": "https://artlibre.org/licence/lal/en/",
    "attribution": "https://commons.wikimedia.org/wiki/Template:Attribution",
}
_SHOWN = 60


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
    """A licence from a short code such as by-sa, cc-by-4.0, cc-by-sa-3.0-de, cc0, pdm (case and the cc- prefix do not matter).

    `version` is used where the code has none. What is not known has family None and says why.
    """
    if not isinstance(code, str) or not code.strip():
        return _unknown("no licence is stated")
    number = str(version).strip() if version is not None else ""
    if number and not re.fullmatch(r"\d(\.\d)?", number):
        return _unknown("the licence's version is not known")
    return _read(_normal(code), code, number)


def refusal(verdict: License, allowed: Collection[str]) -> str | None:
    """Why an image under this licence may not be fetched; None if it may. `allowed` names families, or licences by their ids."""
    if verdict.family is None:
        return verdict.reason
    if verdict.family not in allowed and verdict.id.lower() not in allowed:
        return f"the concept does not allow {verdict.family}"
    return None


def license_name(text: str) -> str:
    """The name of a family or a licence as a concept may write it. Raises ValueError for what may not be allowed."""
    name = text.strip().lower()
    if name in FAMILIES:
        return name
    verdict = parse_license(name)
    if verdict.family is None:
        raise ValueError(f"{verdict.reason}; known are {', '.join(FAMILIES)}, or one licence such as cc-by-4.0")
    return verdict.id.lower()


def openverse_license(record: Mapping[str, Any]) -> License:
    """The licence of an Openverse image record (`license`, `license_version`, `license_url`)."""
    return _agreed([parse_license(record.get("license"), record.get("license_version"))], record.get("license_url"))


def inaturalist_license(code: object) -> License:
    """The licence of an iNaturalist photo (`license_code`); null means that all rights are reserved, and CC licences are version 4.0."""
    if code is None or code == "":
        return License("all rights reserved", None, "", "all rights are reserved")
    return parse_license(code, None if isinstance(code, str) and _normal(code) in ("cc0", "pd") else "4.0")


def commons_license(metadata: Mapping[str, str]) -> License:
    """The licence of a Wikimedia Commons file, from its `extmetadata` values.

    Of License, LicenseShortName and UsageTerms, all that are there must be understood and agree, and LicenseUrl with them;
    NonFree and DeletionReason refuse (https://www.mediawiki.org/wiki/Extension:CommonsMetadata).
    """
    if metadata.get("NonFree", "").strip().lower() not in ("", "false", "0"):
        return _unknown("the file is marked as not free")
    if metadata.get("DeletionReason", "").strip():
        return _unknown("the file is up for deletion")
    stated = [metadata[name] for name in ("License", "LicenseShortName", "UsageTerms") if metadata.get(name, "").strip()]
    if not stated:
        return _unknown("no licence is stated")
    return _agreed([_read(_normal(text), text, "", in_words=True) for text in stated], metadata.get("LicenseUrl"))


def restrictions(value: str) -> tuple[str, ...]:
    """Commons' `Restrictions` as flags: personality, trademarked, insignia … They are shown, and refuse nothing."""
    return tuple(sorted({" ".join(part.split()).lower() for part in re.split(r"[|,;]", value) if part.strip()}))


# ------------------------------------------------------------------------------------------ reading


def _normal(text: str) -> str:
    return re.sub(r"[\s_]+", "-", text.strip().lower())


def _read(text: str, shown: str, version: str, in_words: bool = False) -> License:
    """A verdict on a statement. In words, 'attribution' alone is no Creative Commons licence: it must say so."""
    short = text
    for long, code in _LONG_NAMES:
        short = re.sub(long, code, short)
    match = _CC.fullmatch(short)
    if match and (match["cc"] or not in_words) and text != "attribution":
        return _creative_commons(match["kind"], match["version"] or version, match["port"] or "")
    for pattern, family in _TABLE:
        if re.fullmatch(pattern, text):
            return License(_plain_id(family, text), family, _ADDRESSES[family], "")
    return _unknown(f"the licence {' '.join(shown.split())[:_SHOWN]!r} is not known")


def _creative_commons(kind: str, version: str, port: str) -> License:
    name = "-".join(["CC", kind.upper(), *filter(None, (version, port.upper()))])
    url = f"https://creativecommons.org/licenses/{kind}/{version}/{f'{port}/' if port else ''}" if version else ""
    words = set(kind.split("-"))
    forbids = [long for short, long in (("nc", "non-commercial"), ("nd", "no-derivatives")) if short in words]
    if forbids:
        return License(name, None, url, f"the licence is {' and '.join(forbids)}")
    if kind not in ("by", "by-sa"):
        return _unknown(f"the licence {name} is not known")
    return License(name, f"cc-{kind}", url or "https://creativecommons.org/licenses/", "")


def _plain_id(family: str, text: str) -> str:
    if family == "cc0":
        return "CC0-1.0"
    if family == "pd":
        return "PDM-1.0" if text.startswith("pdm") or "mark" in text else "PD"
    return _IDS[family]


def _of_address(address: str) -> License | None:
    """What an address of Creative Commons' says; None if it is nothing of theirs that is understood."""
    match = _ADDRESS.search(address)
    if match is None:
        return None
    if match["kind"]:
        return _creative_commons(match["kind"].lower(), match["version"], (match["port"] or "").lower())
    family = "cc0" if match["zero"] else "pd"
    return License(_plain_id(family, ""), family, _ADDRESSES[family], "")


def _agreed(verdicts: Iterable[License], address: object) -> License:
    """The one verdict on which all statements agree; 'unknown' if they do not."""
    found = list(verdicts)
    for verdict in found:
        if verdict.family is None:
            return verdict
    if isinstance(address, str) and address.strip():
        of_address = _of_address(address)
        if of_address is None and ("creativecommons.org" in address.lower() or (found[0].family or "").startswith("cc")):
            return _unknown("the licence's address is not known")
        found += [of_address] if of_address else []
    first = max(found, key=lambda verdict: len(verdict.id))
    for verdict in found:
        if verdict.family != first.family or not _same_version(verdict.id, first.id):
            return _unknown(f"the licence is contradictory: {verdict.id} and {first.id}")
    return first


def _same_version(one: str, other: str) -> bool:
    """Whether two ids of a family name the same version and port, as far as both name them."""
    if not one.startswith("CC-") or not other.startswith("CC-"):
        return True
    return all(a == b for a, b in zip(re.split("-", one), re.split("-", other), strict=False))


def _unknown(reason: str) -> License:
    return License("unknown", None, "", reason)
