"""What an image file says of its own rights: that nobody may learn from it, that a program made it, under what licence it is.

IPTC and PLUS: https://iptc.org/std/photometadata/specification (2025.1), https://ns.useplus.org/LDF/ldf-XMPSpecification; C2PA:
https://cawg.io/training-and-data-mining (1.1); TDMRep in XMP as in `optouts.py`. How files hold it is in `images/metadata.py`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gaucho_pipeline.errors import _
from gaucho_pipeline.images.metadata import has_unread_manifest, mining_assertions, properties
from gaucho_pipeline.rights.licenses import OWN, License, parse_license

_DEED = re.compile(r"(?i)(?:https?:)?//(?:www\.)?creativecommons\.org/[^\s\"'<>)\]]+")
_IN_COPYRIGHT = re.compile(r"(?i)rightsstatements\.org/(?:vocab|page)/([A-Z]+(?:-[A-Z]+)*)")
_RESERVED = re.compile(
    r"(?i)all rights (are )?reserved|todos os direitos( são)? reservados|todos los derechos( son)? reservados"
    r"|tous droits réservés|alle rechte vorbehalten|tutti i diritti riservati"
)
_GENERATED = re.compile(r"(?i)(trained|compositeWithTrained)?AlgorithmicMedia|compositeSynthetic|trainedAlgorithmicData")
"""IPTC's terms for what an algorithm made, all or in part: https://cv.iptc.org/newscodes/digitalsourcetype."""
_CREATED = re.compile(
    rb"digitalSourceType[^\w]{0,4}.{0,2}https?://[\w./-]{0,60}/((?:\w+With)?[tT]rainedAlgorithmicMedia|algorithmicMedia|compositeSynthetic)"
)
_FORBIDDEN_USE = re.compile(rb"notAllowed|constrained")
_LICENCES, _TERMS = ("license", "webstatement"), ("usageterms",)
_FREE = ("cc0", "pd")


GENERATED = "generated"
"""The flag of an image that says of itself that an algorithm made it."""
READING = 1
"""Raised when more is read of a file: what earlier crawls have fetched is read again then."""


class FileRights(NamedTuple):
    """What a file states; empty where it states nothing."""

    opt_out: str = ""
    """Why it may not be learned from."""
    generated: str = ""
    """The term by which it says that an algorithm made it."""
    statements: tuple[str, ...] = ()
    """Addresses of licences and sentences on them."""


def read_file_rights(content: bytes) -> FileRights:
    """What the bytes of an image say of its rights. No picture is decoded, and nothing is asked."""
    opt_out, generated, statements = "", "", list[str]()
    for name, value in properties(content):
        if name == "datamining" and (found := re.search(r"(?i)DMI-PROHIBITED[A-Z-]*", value)):
            opt_out = opt_out or _("opted out: plus:DataMining {name}", name=found[0].upper())
        elif name == "reservation" and value == "1":
            opt_out = opt_out or _("opted out: tdm:reservation in the file")
        elif name == "digitalsourcetype" and (found := _GENERATED.search(value)):
            generated = generated or found[0]
        elif name in _LICENCES or name in _TERMS:
            statements += _licences_in(value)
        elif name in ("rights", "copyright", "marked", "licensorurl"):
            statements += [text for text in _licences_in(value) if _DEED.match(text)]  # cameras write 'all rights reserved' into each
    if any(_FORBIDDEN_USE.search(assertion) for assertion in mining_assertions(content)):
        opt_out = opt_out or _("opted out: C2PA training-mining")
    if b"digitalSourceType" in content and (made := _CREATED.search(content)):  # among C2PA's actions
        generated = generated or made[1].decode()
    if has_unread_manifest(content):
        opt_out = opt_out or "its C2PA manifest is compressed, and may hold an opt-out"
    return FileRights(opt_out, generated, tuple(dict.fromkeys(statements)))


def _licences_in(text: str) -> list[str]:
    """The statements on licences in a text: addresses of deeds and of rights statements, and that all rights are reserved."""
    found = [address.rstrip(".,;") for address in _DEED.findall(text)]
    found += [f"rightsstatements.org {match[1]}" for match in _IN_COPYRIGHT.finditer(text)]
    found += ["all rights reserved"] if _RESERVED.search(text) else []
    if not found and parse_license(text).is_known:
        found.append(text)
    return found


def refusal_by_file(rights: FileRights, license_: License, allow_generated: bool) -> str:
    """Why a file may not be used for what it states itself, under the licence that its source states; empty if it may."""
    if rights.opt_out:
        return rights.opt_out
    if rights.generated and not allow_generated:
        return _("it says that an algorithm made it ({kind})", kind=rights.generated)
    return contradiction(license_, rights.statements)


def contradiction(license_: License, statements: tuple[str, ...]) -> str:
    """How what a file states contradicts the licence that its source states; empty where it does not.

    A file that gives more than its source does contradicts nothing: the source's licence counts, which asks for more.
    """
    for text in statements if license_.family != OWN else ():
        own = parse_license(text)
        if own.family in _FREE or (own.family == license_.family and _agree(own.id, license_.id)):
            continue
        stated = own.id if own.is_known else text
        return _("the licence is contradictory: {license}, and in the file {stated}", license=license_.id, stated=stated)
    return ""


def _agree(one: str, other: str) -> bool:
    """Whether two ids of a family name the same version, as far as both name one."""
    return all(a == b for a, b in zip(one.split("-"), other.split("-"), strict=False))
