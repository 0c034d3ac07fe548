"""What files say of their own rights: read in every form and format that tools write, obeyed, and held against the source."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from gaucho_pipeline.crawl.file_rights import contradiction, read_file_rights, refusal_by_file
from gaucho_pipeline.images import decoding
from gaucho_pipeline.rights.licenses import own_license, parse_license
from gaucho_pipeline_tests.crawling import concept_of, crawl_once

VOCABULARY = "http://ns.useplus.org/ldf/vocab/"


def xmp(attributes: str = "", elements: str = "") -> bytes:
    """A packet with these properties, under prefixes of its own choosing."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/" xmlns:cc="http://creativecommons.org/ns#" xmlns:tdm="http://www.w3.org/ns/tdmrep/" '
        'xmlns:r="http://ns.adobe.com/xap/1.0/rights/" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def saved(packet: bytes, kind: str = "JPEG", zipped: bool = False) -> bytes:
    """A picture of a kind with a packet in it."""
    decoding._formats()
    keys: dict[str, Any] = {"xmp": packet}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=zipped)
        keys = {"pnginfo": info}
    elif kind == "TIFF":
        directory = ImageFileDirectory_v2()
        directory[700] = packet
        keys = {"tiffinfo": directory}
    buffer = BytesIO()
    Image.new("RGB", (64, 64), "green").save(buffer, kind, **keys)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "MPO"])
def test_an_opt_out_is_found_in_every_format(kind: str) -> None:
    content = saved(xmp(f'p:DataMining="{VOCABULARY}DMI-PROHIBITED"'), kind)
    assert read_file_rights(content).opt_out == "opted out: plus:DataMining DMI-PROHIBITED"


def test_an_opt_out_is_found_where_it_is_compressed() -> None:
    assert read_file_rights(saved(xmp('p:DataMining="DMI-PROHIBITED"'), "PNG", zipped=True)).opt_out


@pytest.mark.parametrize(
    "value",
    [
        "PROHIBITED", "PROHIBITED-AIMLTRAINING", "PROHIBITED-GENAIMLTRAINING", "PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
        "PROHIBITED-SEECONSTRAINT", "PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", "PROHIBITED-SEELINKEDRIGHTSEXPR",
    ],
)  # fmt: skip
def test_every_prohibition_of_plus_is_obeyed(value: str) -> None:
    assert read_file_rights(saved(xmp(f'p:DataMining="{VOCABULARY}DMI-{value}"'))).opt_out.endswith(f"DMI-{value}")


@pytest.mark.parametrize("value", ["ALLOWED", "UNSPECIFIED"])
def test_what_plus_allows_or_leaves_open_is_no_opt_out(value: str) -> None:
    assert read_file_rights(saved(xmp(f'p:DataMining="{VOCABULARY}DMI-{value}"'))).opt_out == ""


@pytest.mark.parametrize(
    "packet",
    [
        xmp(elements=f"<p:DataMining>{VOCABULARY}DMI-PROHIBITED</p:DataMining>"),
        xmp(elements=f'<p:DataMining rdf:resource="{VOCABULARY}DMI-PROHIBITED"/>'),
        xmp(elements="<p:DataMining><rdf:Bag><rdf:li>DMI-PROHIBITED</rdf:li></rdf:Bag></p:DataMining>"),
        xmp(elements="<p:DataMining>DMI-PRO<!-- x -->HIBITED</p:DataMining>"),
        xmp(elements="<p:DataMining><![CDATA[DMI-PROHIBITED]]></p:DataMining>"),
        xmp("p:DataMining='DMI&#x2d;PROHIBITED'"),
        xmp('p:DataMining="DMI-PROHIBITED" broken & more'),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + xmp('p:DataMining="DMI-PROHIBITED"'),
        xmp('tdm:reservation="1"'),
    ],
)
def test_an_opt_out_is_found_however_it_is_written(packet: bytes) -> None:
    assert read_file_rights(saved(packet)).opt_out


@pytest.mark.parametrize(
    ("packet", "license_", "refused"),
    [
        (xmp(elements='<cc:license rdf:resource="http://creativecommons.org/licenses/by-nc-nd/4.0/"/>'), "cc-by-4.0", True),
        (xmp('r:WebStatement="https://creativecommons.org/licenses/by-nc/4.0/"'), "cc0", True),
        (xmp('r:WebStatement="http://rightsstatements.org/vocab/InC/1.0/"'), "cc-by-4.0", True),
        (xmp(elements="<r:UsageTerms><rdf:Alt><rdf:li xml:lang='pt'>Todos os direitos reservados.</rdf:li></rdf:Alt></r:UsageTerms>"),
         "cc-by-4.0", True),
        (xmp('r:UsageTerms="CC BY-NC-SA 4.0"'), "cc-by-4.0", True),
        (xmp(elements="<dc:rights>(c) Ana, https://creativecommons.org/licenses/by-nd/4.0/</dc:rights>"), "pd", True),
        (xmp('cc:license="https://creativecommons.org/licenses/by/2.0/"'), "cc-by-4.0", True),
        (xmp('cc:license="https://creativecommons.org/licenses/by-sa/4.0/deed.pt"'), "cc-by-sa-4.0", False),
        (xmp('cc:license="https://creativecommons.org/publicdomain/zero/1.0/"'), "cc-by-4.0", False),
        (xmp('r:WebStatement="https://museu.example/direitos"'), "cc-by-4.0", False),
        (xmp(elements="<dc:rights><rdf:Alt><rdf:li>(c) Ana. All rights reserved</rdf:li></rdf:Alt></dc:rights>"), "cc-by-4.0", False),
        (xmp('r:UsageTerms="All rights reserved"'), "own", False),
    ],
)  # fmt: skip
def test_a_statement_that_contradicts_the_source_makes_a_licence_unknown(packet: bytes, license_: str, refused: bool) -> None:
    reason = contradiction(own_license(license_), read_file_rights(saved(packet)).statements)
    assert reason.startswith("the licence is contradictory") is refused


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("term", "is_generated"),
    [
        ("trainedAlgorithmicMedia", True), ("compositeWithTrainedAlgorithmicMedia", True), ("algorithmicMedia", True),
        ("compositeSynthetic", True), ("digitalCapture", False), ("algorithmicallyEnhanced", False), ("negativeFilm", False),
    ],
)  # fmt: skip
def test_what_says_that_an_algorithm_made_it_is_not_learned_from_unless_that_is_wanted(scheme: str, term: str, is_generated: bool) -> None:
    rights = read_file_rights(saved(xmp(f'i:DigitalSourceType="{scheme}://cv.iptc.org/newscodes/digitalsourcetype/{term}"')))
    licence = parse_license("cc0")
    assert bool(refusal_by_file(rights, licence, allow_generated=False)) is is_generated
    assert refusal_by_file(rights, licence, allow_generated=True) == ""


def test_a_hostile_packet_is_read_in_a_bounded_time() -> None:
    deep = xmp(elements="<p:a>" * 190_000 + "</p:a>" * 190_000)
    for packet in (b"<x:xmpmeta http://www.w3.org/1999/02/22-rdf-syntax-ns#" * 200_000, deep):
        assert read_file_rights(b"\xff\xd8\xff" + packet).opt_out == ""


def test_a_crawl_obeys_files_counts_them_and_reads_none_twice(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    made = xmp('i:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"')
    not_commercial = xmp('cc:license="https://creativecommons.org/licenses/by-nc/4.0/"')
    packets = {"no": xmp('p:DataMining="DMI-PROHIBITED"'), "nc": not_commercial, "ai": made}
    for name, packet in {**packets, "yes": xmp()}.items():
        (folder / f"{name}.jpg").write_bytes(saved(packet))
    source = {"folder": {"path": str(folder), "license": "cc-by-4.0", "author": "A", "source": "S"}}
    crawled = crawl_once(tmp_path / "project", concept_of(source))
    assert [row["key"] for row in crawled.table("images")] == ["folder:yes.jpg"]
    assert crawled.metrics.refused == {
        "it says that an algorithm made it (trainedAlgorithmicMedia)": 1,
        "opted out: plus:DataMining DMI-PROHIBITED": 1,
        "the licence is contradictory: CC-BY-4.0, and in the file CC-BY-NC-4.0": 1,
    }
    again = crawl_once(tmp_path / "project", concept_of(source, allow_generated=True))
    assert {row["key"]: row["flags"] for row in again.table("images")} == {"folder:ai.jpg": ["generated"], "folder:yes.jpg": []}
