"""C2PA: a picture is signed last, holds as it is, and no longer when a pixel is another; certificates are the tests' own."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import c2pa
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.provenance.labels import facts_in, marked_png
from gaucho_pipeline.provenance.signing import (
    ALGORITHM,
    ANCHORS,
    CALLBACK,
    CERTIFICATE,
    KEY,
    Unsigned,
    read_signature,
    signature_of,
    signer_from_environment,
    signer_of,
)
from gaucho_pipeline_tests.certificates import write_certificates
from gaucho_pipeline_tests.samples import facts

FACTS = facts(prompt="a photo of chimarrão", concept="chimarrao", checkpoint="f00d")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def configured(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CERTIFICATE, str(certificates / "chain.pem"))
    monkeypatch.setenv(KEY, str(certificates / "key.pem"))
    return certificates


def picture() -> bytes:
    return marked_png(Image.effect_noise((64, 64), 60).convert("RGB"), FACTS)


def test_without_a_certificate_a_file_stays_as_it_is() -> None:
    assert isinstance(signer_from_environment(), Unsigned)
    assert signer_from_environment().sign(b"x", FACTS) == b"x"
    assert read_signature(picture(), "image/png") is None


def test_a_signed_picture_holds_names_its_signer_and_keeps_what_it_says(configured: Path) -> None:
    signed = signer_from_environment().sign(picture(), FACTS)
    found = read_signature(signed, "image/png")
    assert found
    assert (found.state, found.facts) == ("Valid", FACTS.to_json())
    assert "Museu X" in found.signed_by or "signer" in found.signed_by
    with Image.open(io.BytesIO(signed)) as opened:
        assert facts_in(opened) == FACTS.to_json()
        assert "DigitalSourceType" in opened.text["XML:com.adobe.xmp"]


def test_a_signed_picture_says_in_the_standards_words_that_a_model_made_it(configured: Path) -> None:
    signed = signer_from_environment().sign(picture(), FACTS)
    value = json.loads(c2pa.Reader("image/png", io.BytesIO(signed)).json())
    manifest = value["manifests"][value["active_manifest"]]
    (actions,) = (each["data"]["actions"] for each in manifest["assertions"] if each["label"].startswith("c2pa.actions"))
    created = actions[0]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert created["softwareAgent"] == {"name": "embedded + chimarrao", "version": "f00d"}


def test_an_anchor_that_is_configured_makes_it_trusted(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = signer_from_environment().sign(picture(), FACTS)
    monkeypatch.setenv(ANCHORS, str(configured / "root.pem"))
    assert read_signature(signed, "image/png").state == "Trusted"  # type: ignore[union-attr]


def test_a_changed_pixel_breaks_the_signature_and_a_copy_keeps_it(configured: Path, tmp_path: Path) -> None:
    signed = signer_from_environment().sign(picture(), FACTS)
    (tmp_path / "copy.png").write_bytes(signed)
    assert read_signature((tmp_path / "copy.png").read_bytes(), "image/png").state == "Valid"  # type: ignore[union-attr]
    changed = bytearray(signed)
    changed[signed.rfind(b"IDAT") + 500] ^= 1
    found = read_signature(bytes(changed), "image/png")
    assert found
    assert found.state == "Invalid"
    assert found.problems


def test_what_stands_beside_what_was_signed_names_its_signer_and_breaks_with_one_byte(configured: Path) -> None:
    signed = signature_of(b"pictures")
    assert signed
    assert signer_of(b"pictures", *signed)
    assert signer_of(b"picturez", *signed) == ""
    assert signer_of(b"pictures", signed.certificate, signed.algorithm, "") == ""
    assert signer_of(b"pictures", "no certificate", signed.algorithm, signed.signature) == ""
    assert signer_of(b"pictures", signed.certificate, "md5", signed.signature) == ""


def test_without_a_certificate_nothing_beside_is_signed() -> None:
    assert signature_of(b"pictures") is None


def test_what_is_saved_again_has_no_signature_left(configured: Path) -> None:
    signed, again = signer_from_environment().sign(picture(), FACTS), io.BytesIO()
    with Image.open(io.BytesIO(signed)) as opened:
        opened.save(again, "PNG")
    assert read_signature(again.getvalue(), "image/png") is None


_KEPT_ELSEWHERE: list[Path] = []


def sign_elsewhere(data: bytes) -> bytes:
    """As a service with the key would: the two numbers of the signature, 32 bytes each."""
    key = serialization.load_pem_private_key((_KEPT_ELSEWHERE[0] / "key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_a_key_may_be_kept_elsewhere(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _KEPT_ELSEWHERE[:] = [configured]
    monkeypatch.delenv(KEY)
    monkeypatch.setenv(CALLBACK, f"{__name__}:sign_elsewhere")
    signed = signer_from_environment().sign(picture(), FACTS)
    assert read_signature(signed, "image/png").state == "Valid"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({KEY: "key.pem"}, "names no certificate"),
        ({CERTIFICATE: "chain.pem"}, "goes with either"),
        ({CERTIFICATE: "nowhere.pem", KEY: "key.pem"}, "nowhere.pem: No such file"),
        ({CERTIFICATE: "chain.pem", KEY: "key.pem", ALGORITHM: "md5"}, "md5 is none of es256"),
        ({CERTIFICATE: "chain.pem", CALLBACK: "nobody:nothing"}, "there is no function nobody:nothing"),
    ],
)
def test_half_a_configuration_is_refused_before_anything_is_drawn(
    variables: dict[str, str], message: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(certificates)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        signer_from_environment()


def test_a_key_of_another_certificate_is_reported(configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key.pem").write_text("no key")
    monkeypatch.setenv(KEY, str(tmp_path / "key.pem"))
    with pytest.raises(GauchoError, match="signing failed"):
        signer_from_environment().sign(picture(), FACTS)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_no_address_in_a_file_is_asked(form: str, configured: Path, tmp_path: Path) -> None:
    asked = list[str]()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/manifest.c2pa"
        xmp = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}"/>'
            "</rdf:RDF></x:xmpmeta>"
        )
        buffer = io.BytesIO()
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp)
        options = {"pnginfo": info} if form == "PNG" else {"xmp": xmp.encode()}
        Image.new("RGB", (32, 32), "green").save(buffer, form, **options)  # type: ignore[arg-type]
        read_signature(buffer.getvalue(), f"image/{form.lower()}")
        server.shutdown()
    assert asked == []
