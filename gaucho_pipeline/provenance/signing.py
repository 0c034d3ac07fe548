"""C2PA: signing what a generated picture says of itself, and reading such a signature (https://spec.c2pa.org, claim v2).

Needs the extra `c2pa`, and is asked for by the environment: a certificate and a key as files, or a function of the user's own that signs
with a key that is kept elsewhere. Without them pictures carry their facts unsigned.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.provenance.facts import Facts
from gaucho_pipeline.provenance.labels import GENERATED, SOFTWARE
from gaucho_pipeline.spec import JsonObject

CERTIFICATE, KEY, CALLBACK = "GAUCHO_C2PA_CERTIFICATE", "GAUCHO_C2PA_KEY", "GAUCHO_C2PA_CALLBACK"
ALGORITHM, TIMESTAMPS, ANCHORS = "GAUCHO_C2PA_ALGORITHM", "GAUCHO_C2PA_TIMESTAMPS", "GAUCHO_C2PA_ANCHORS"
_LABEL = "org.gaucho-pipeline.generation"
_ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")


class Signer(Protocol):
    """What finishes a file."""

    @property
    def identity(self) -> str:
        """What tells one signer from another; empty for none."""

    def sign(self, content: bytes, facts: Facts, mime: str = "image/png") -> bytes: ...


class Unsigned:
    """Leaves a file as it is."""

    identity = ""

    def sign(self, content: bytes, facts: Facts, mime: str = "image/png") -> bytes:
        return content


@dataclass(frozen=True)
class C2paSigner:
    """Signs PNGs, WebPs, GIFs and MP4s; what is saved again after it has lost the signature, so it comes last."""

    chain: bytes
    """Certificates in PEM, the signer's first: of digital signatures, not an authority's."""
    algorithm: str
    key: bytes | None
    """The private key in PEM; None where `callback` signs."""
    callback: Callable[[bytes], bytes] | None = None
    timestamps: str | None = None
    """Address of an authority that states when it was signed (RFC 3161)."""

    @property
    def identity(self) -> str:
        return hashlib.sha256(self.chain).hexdigest()

    def sign(self, content: bytes, facts: Facts, mime: str = "image/png") -> bytes:
        """The file with a manifest. Raises GauchoError if that cannot be made of this certificate and key."""
        import c2pa

        try:
            signer = self._signer(c2pa)
            signed = io.BytesIO()
            settings = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})  # it would add 400 KB
            with c2pa.Builder(_manifest(facts), settings) as builder:
                builder.sign(signer, mime, io.BytesIO(content), signed)
        except c2pa.C2paError as error:
            raise GauchoError(_("{certificate}: signing failed: {error}", certificate=CERTIFICATE, error=error)) from None
        return signed.getvalue()

    def _signer(self, c2pa: Any) -> Any:
        if self.callback:
            kind = getattr(c2pa.C2paSigningAlg, self.algorithm.upper())
            return c2pa.Signer.from_callback(self.callback, kind, self.chain.decode(), self.timestamps)
        url = self.timestamps.encode() if self.timestamps else None
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(self.algorithm.encode(), self.chain, self.key, url))


def signer_from_environment() -> Signer:
    """What signs pictures here. Raises ConfigError if what the environment names is not there, or only half of it."""
    certificate, key, callback = (os.environ.get(name, "").strip() for name in (CERTIFICATE, KEY, CALLBACK))
    if not certificate:
        if key or callback:
            raise ConfigError(
                _("{certificate}: names no certificate, and {signer} is set", certificate=CERTIFICATE, signer=KEY if key else CALLBACK)
            )
        return Unsigned()
    if bool(key) == bool(callback):
        raise ConfigError(_("{certificate}: goes with either {key} or {callback}", certificate=CERTIFICATE, key=KEY, callback=CALLBACK))
    if find_spec("c2pa") is None:
        raise ConfigError(_("{certificate}: signing needs the extra: pip install 'gaucho-pipeline[c2pa]'", certificate=CERTIFICATE))
    algorithm = os.environ.get(ALGORITHM, "es256").strip().lower()
    if algorithm not in _ALGORITHMS:
        raise ConfigError(
            _(
                "{algorithm}: {value} is none of {algorithms}",
                algorithm=ALGORITHM,
                value=algorithm,
                algorithms=", ".join(_ALGORITHMS),
            )
        )
    return C2paSigner(
        chain=_read(CERTIFICATE, certificate),
        algorithm=algorithm,
        key=_read(KEY, key) if key else None,
        callback=_function(callback) if callback else None,
        timestamps=os.environ.get(TIMESTAMPS, "").strip() or None,
    )


class Signed(NamedTuple):
    """A signature beside what was signed."""

    certificate: str
    """In PEM, the signer's first."""
    algorithm: str
    signature: str
    """In base64."""


def signature_of(content: bytes) -> Signed | None:
    """The signature of some bytes by whoever signs pictures here; None where nobody does. Raises GauchoError if it cannot be made."""
    signer = signer_from_environment()
    if not isinstance(signer, C2paSigner):
        return None
    try:
        made = signer.callback(content) if signer.callback else _sign(content, signer.key or b"", signer.algorithm)
    except (ValueError, TypeError, KeyError) as error:
        raise GauchoError(_("{certificate}: signing failed: {error}", certificate=CERTIFICATE, error=error)) from None
    return Signed(signer.chain.decode(), signer.algorithm, base64.b64encode(made).decode())


def signer_of(content: bytes, certificate: str, algorithm: str, signature: str) -> str:
    """Who signed some bytes; empty where nobody did, or the signature does not hold."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    if not signature:
        return ""
    try:
        owner = x509.load_pem_x509_certificate(certificate.encode())
        _verify(owner.public_key(), base64.b64decode(signature), content, algorithm)
    except (InvalidSignature, ValueError, TypeError, KeyError, AttributeError):
        return ""
    return owner.subject.rfc4514_string()


def _hash_of(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    return {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[-3:]]


def _sign(content: bytes, key: bytes, algorithm: str) -> bytes:
    """A signature as C2PA's algorithms are (https://spec.c2pa.org); of elliptic curves in DER."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    private: Any = serialization.load_pem_private_key(key, None)
    if algorithm == "ed25519":
        return bytes(private.sign(content))
    found = _hash_of(algorithm)
    if algorithm.startswith("es"):
        return bytes(private.sign(content, ec.ECDSA(found)))
    return bytes(private.sign(content, padding.PSS(padding.MGF1(found), found.digest_size), found))


def _verify(public: Any, signature: bytes, content: bytes, algorithm: str) -> None:
    """Raises InvalidSignature if it is not that of the content. One of elliptic curves may be bare, as C2PA's callbacks give it."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

    if algorithm == "ed25519":
        public.verify(signature, content)
        return
    found = _hash_of(algorithm)
    if algorithm.startswith("es"):
        half = (public.key_size + 7) // 8
        if len(signature) == 2 * half:
            signature = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
        public.verify(signature, content, ec.ECDSA(found))
    else:
        public.verify(signature, content, padding.PSS(padding.MGF1(found), found.digest_size), found)


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: {path}: {error.strerror}") from None


def _function(name: str) -> Callable[[bytes], bytes]:
    module, _unused, function = name.partition(":")
    try:
        found: Callable[[bytes], bytes] = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise ConfigError(_("{callback}: there is no function {name}; write module:function", callback=CALLBACK, name=name)) from None
    return found


def _manifest(facts: Facts) -> JsonObject:
    base = facts.base_model or {}
    agent = {"name": " + ".join(filter(None, (str(base.get("id", SOFTWARE)), facts.concept)))}
    if facts.checkpoint:
        agent["version"] = facts.checkpoint
    created = {"action": "c2pa.created", "digitalSourceType": GENERATED, "softwareAgent": agent}
    created["when"] = datetime.now(UTC).isoformat(timespec="seconds")
    assertions = [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}, {"label": _LABEL, "data": facts.to_json()}]
    return JsonObject(claim_generator_info=[{"name": SOFTWARE}], assertions=assertions)


def has_anchors() -> bool:
    """Whether somebody is named here who vouches for signers."""
    return bool(os.environ.get(ANCHORS, "").strip())


class Signature(NamedTuple):
    """What a C2PA manifest in a file says, and whether it holds."""

    state: str
    """`Trusted`: by an anchor that is configured; `Valid`: the file is as it was signed; `Invalid`: it is not."""
    signed_by: str
    problems: tuple[str, ...]
    facts: JsonObject | None


def read_signature(content: bytes, mime: str) -> Signature | None:
    """The signature of a file; None where it has none, or the extra `c2pa` is not installed. No address in it is asked.

    Anchors are the certificates in PEM that GAUCHO_C2PA_ANCHORS names. Raises ConfigError if that file is not there.
    """
    if find_spec("c2pa") is None:
        return None
    import c2pa

    anchors = os.environ.get(ANCHORS, "").strip()
    try:
        trust = {"trust": {"user_anchors": _read(ANCHORS, anchors).decode(errors="replace")}} if anchors else {}
        context = c2pa.Context.from_dict({"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}, **trust})
        reader = c2pa.Reader(mime, io.BytesIO(content), context=context)
        value, state = json.loads(reader.json()), str(reader.get_validation_state())
    except c2pa.C2paError as error:
        if any(name in f"{type(error).__name__} {error}" for name in ("ManifestNotFound", "NotSupported")):
            return None
        return Signature("Invalid", "", (str(error),), None)
    try:
        manifest = value["manifests"][value["active_manifest"]]
        info = manifest.get("signature_info") or {}
        own = [each["data"] for each in manifest.get("assertions", []) if each.get("label") == _LABEL and isinstance(each["data"], dict)]
        problems = tuple(str(each.get("code")) for each in value.get("validation_status") or [])
        return Signature(state, str(info.get("common_name") or info.get("issuer") or "?"), problems, JsonObject(own[0]) if own else None)
    except (KeyError, TypeError, AttributeError):
        return Signature("Invalid", "", ("the manifest is none that can be read",), None)
