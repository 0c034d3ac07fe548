"""What a licence is and what it allows: the one place where an image may be let in or refused.

Known licences become an SPDX-like id and a family; everything else is unknown, with the reason, and unknown
is never fetched.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Literal, NamedTuple

LicenseFamily = Literal["cc0", "pd", "cc-by", "cc-by-sa"]
DEFAULT_LICENSES: tuple[LicenseFamily, ...] = ("cc0", "pd", "cc-by", "cc-by-sa")

_VERSION = re.compile(r"\d(\.\d)?")
_FAMILIES: dict[str, LicenseFamily] = {"cc0": "cc0", "pdm": "pd", "pd": "pd", "by": "cc-by", "by-sa": "cc-by-sa"}
_ADDRESSES = {"zero": "cc0", "cc0": "cc0", "mark": "pd", "publicdomain": "pd", "pdm": "pd"}
_FORBIDDEN = {
    "by-nc": "non-commercial",
    "by-nc-sa": "non-commercial",
    "by-nd": "no-derivatives",
    "by-nc-nd": "non-commercial and no-derivatives",
}


class License(NamedTuple):
    """A verdict: an id such as CC-BY-SA-4.0, its family (None if it may never be used), its address, the reason."""

    id: str
    family: LicenseFamily | None
    url: str
    reason: str


def parse_license(code: object, version: object = None) -> License:
    """A licence from a short code such as by-sa, cc-by-4.0, cc0, pdm (case and the cc- prefix do not matter).

    `version` is used where the code has none. What is not known has family None and says why.
    """
    if not isinstance(code, str) or not code.strip():
        return License("unknown", None, "", "no licence is stated")
    text = code.strip().lower().replace("_", "-").replace(" ", "-")
    name, _, number = text.rpartition("-") if _VERSION.fullmatch(text.rpartition("-")[2]) else (text, "", "")
    name = name.removeprefix("cc-")
    number = number or (str(version).strip() if version is not None else "")
    if number and not _VERSION.fullmatch(number):
        return License("unknown", None, "", "the licence's version is not known")
    if name in _FORBIDDEN:
        return License(_id(name, number), None, _url(name, number), f"the licence is {_FORBIDDEN[name]}")
    if name not in _FAMILIES:
        return License("unknown", None, "", f"the licence {code.strip()[:40]!r} is not known")
    return License(_id(name, number), _FAMILIES[name], _url(name, number), "")


def refusal(verdict: License, allowed: Collection[str]) -> str | None:
    """Why an image under this licence may not be fetched; None if it may."""
    if verdict.family is None:
        return verdict.reason
    if verdict.family not in allowed:
        return f"the concept does not allow {verdict.family}"
    return None


def openverse_license(record: dict[str, Any]) -> License:
    """The licence of an Openverse image record (`license`, `license_version`, `license_url`).

    A code that its own address contradicts is unknown.
    """
    verdict = parse_license(record.get("license"), record.get("license_version"))
    stated = record.get("license_url")
    if verdict.family and isinstance(stated, str):
        match = re.search(r"creativecommons\.org/licenses/([a-z0-9-]+)", stated, re.IGNORECASE)
        if match and _ADDRESSES.get(match[1].lower(), f"cc-{match[1].lower()}") != verdict.family:
            return License("unknown", None, "", "the licence and its address contradict each other")
    return verdict


def _id(name: str, number: str) -> str:
    if name in ("pd", "pdm"):
        return "PDM-1.0" if name == "pdm" else "PD"
    if name == "cc0":
        return "CC0-1.0"
    return f"CC-{name.upper()}-{number}" if number else f"CC-{name.upper()}"


def _url(name: str, number: str) -> str:
    if name in ("pd", "pdm"):
        return "https://creativecommons.org/publicdomain/mark/1.0/"
    if name == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    return f"https://creativecommons.org/licenses/{name}/{number}/" if number else "https://creativecommons.org/licenses/"
