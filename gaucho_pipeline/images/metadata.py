"""The pieces of an image file in which rights may be stated: XMP packets, texts of a PNG, C2PA's assertions. No picture is decoded.

XMP is in every format as plain text between its own marks, so that it is found without knowing the format
(XMP specification part 3, 2.2: packet scanning); what formats fold or compress is unfolded first. All of it is bounded.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree

_LONGEST = 1 << 20
"""Bytes of one packet, or of one text, that are read."""
_MOST = 64
"""Packets, texts and assertions of one file that are read: cameras and programs write one or two."""
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_EXTENSION = re.compile(rb"\xff\xe1..http://ns\.adobe\.com/xmp/extension/\0.{40}", re.DOTALL)
"""What is between the pieces of an XMP packet that is longer than a segment of a JPEG."""
_FURTHER = re.compile(rb"\xff\xeb..JP..\0\0\0[\x02-\xff].{8}", re.DOTALL)
"""What is between the pieces of a C2PA manifest in a JPEG (ISO 19566-5, D.2)."""
_BEGIN = re.compile(rb"<((?:[\w.-]+:)?(?:x[am]pmeta|RDF))[\s>]")
_LOOSE = re.compile(r"(?:[\w.-]+:)?([\w-]+)\s*(?:=\s*[\"']|>|\s[^<>]*?resource\s*=\s*[\"'])\s*([^\"'<>]+)")


def properties(content: bytes) -> Iterator[tuple[str, str]]:
    """What the XMP of a file states: the name of each property in small letters, without its namespace, and each of its values.

    A value is found however RDF writes it: as an attribute, an element, a resource, one of a list. Whatever begins as XMP and is no XML is
    read as loosely as a person would.
    """
    for packet in packets(content):
        try:
            if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
                raise ElementTree.ParseError  # entities may unfold without end
            yield from _stated(ElementTree.fromstring(packet))
        except (ElementTree.ParseError, ValueError, LookupError):
            yield from ((name.lower(), value.strip()) for name, value in _LOOSE.findall(packet.decode("utf-8", "replace")))


def _stated(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    todo = [(root, "")]
    while todo:
        element, owner = todo.pop()
        name = owner if element.tag.startswith(_RDF) else element.tag
        own = {name if key.startswith(_RDF) else key: value for key, value in element.attrib.items()}
        for key, value in (*own.items(), (name, element.text or "")):
            if value.strip():
                yield key.rpartition("}")[2].lower(), value.strip()
        todo += [(child, name) for child in element]


def packets(content: bytes) -> Iterator[bytes]:
    """The XMP packets of a file, wherever in it."""
    for part in (_EXTENSION.sub(b"", content) if b"/xmp/extension/\0" in content else content, *png_texts(content)):
        place, count = 0, 0
        has_any = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#" in part
        while has_any and count < _MOST and (found := _BEGIN.search(part, place)):
            end = part.find(b"</" + found[1], found.end(), found.end() + _LONGEST)
            place = part.find(b">", end) + 1 if end >= 0 else min(len(part), found.end() + _LONGEST)
            count += 1
            yield part[found.start() : place or len(part)]


def png_texts(content: bytes) -> Iterator[bytes]:
    """The texts of a PNG that packet scanning would not see: compressed ones, and profiles that ImageMagick writes as digits."""
    place, count = 8, 0
    while content.startswith(b"\x89PNG") and place + 8 <= len(content) and count < _MOST:
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        data, place = content[place + 8 : place + 8 + min(length, _LONGEST)], place + 12 + length
        if kind not in (b"iTXt", b"zTXt", b"tEXt"):
            continue
        count += 1
        name, _, text = data.partition(b"\0")
        if kind == b"zTXt":
            text = _inflated(text[1:])
        elif kind == b"iTXt":
            text = _inflated(text[2:].split(b"\0", 2)[-1]) if text[:1] == b"\1" else b""
        if name.startswith(b"Raw profile type "):
            digits = re.sub(rb"\s+", b"", text.strip().partition(b"\n")[2].strip().partition(b"\n")[2])
            text = bytes.fromhex(digits.decode("ascii", "replace")) if re.fullmatch(rb"(?:[0-9a-fA-F]{2})*", digits) else b""
        if text and (kind != b"tEXt" or name.startswith(b"Raw profile type ")):
            yield text


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LONGEST)
    except zlib.error:
        return b""


_BOX = re.compile(rb"(....)(?:cbor|json)", re.DOTALL)
_MINING = re.compile(rb"(?:cawg|c2pa)\.training-mining(?:__\d+)?\0")


def mining_assertions(content: bytes) -> Iterator[bytes]:
    """C2PA's assertions on training and mining, as CBOR or JSON, undecoded: their words are in it as they are."""
    if b".training-mining" not in content:
        return
    joined = _FURTHER.sub(b"", content) if b"JP" in content and content.startswith(b"\xff\xd8") else content
    for count, found in enumerate(_MINING.finditer(joined)):
        box = _BOX.search(joined, found.end(), found.end() + 256)
        if box and count < _MOST:
            yield joined[box.end() : box.end() + min(int.from_bytes(box[1], "big") - 8, _LONGEST)]


def has_unread_manifest(content: bytes) -> bool:
    """Whether a file holds a C2PA manifest, or metadata of a JPEG XL, that is compressed."""
    return b"jumdc2cm" in content or any(b"brob" + kind in content for kind in (b"xml ", b"jumb"))
