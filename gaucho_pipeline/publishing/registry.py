"""The registry beside a published site: by which a picture of it is found again that has lost what it says of itself.

Each generated picture is there with perceptual hashes of the whole, of its mirror image and of parts of it, as the EU's code of
practice on marking (June 2026) asks of who publishes such pictures. It is signed with the certificate that signs pictures, where one is
configured, and else says that it is not. How often a picture is found, and how often another is taken for one, is in docs/results.md.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gaucho_pipeline.curation.hashes import hashes_through
from gaucho_pipeline.curation.measures import content_box
from gaucho_pipeline.errors import ConfigError, _, first_line
from gaucho_pipeline.files.digests import file_digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.filters.boxes import WHOLE, Box
from gaucho_pipeline.images.decoding import BadImage, decode
from gaucho_pipeline.provenance.signing import signature_of, signer_of

REGISTRY = "registry.json"
MAX_BITS = 8
"""So many of 64 bits may differ between a picture and what it is found as."""
_SURE_BITS = 4
_MAX_BYTES = 200_000_000
_SIDE, _PLACES = 512, 41
_MAX_ASPECTS = 8
"""A screenshot is looked through for pictures of so many shapes: what others publish may name any number."""
_LEAST_SHARE, _MOST_SHARE = 0.25, 0.95
"""Of a screenshot, how much of its longer side a picture takes."""
_THREE_QUARTERS = 0.75
_SHIFTS = (0.0, 0.0625, 0.125, 0.1875, 0.25)
_NINE_TENTHS, _SMALL_SHIFTS = 0.9, (0.0, 0.05, 0.1)


def _parts(share: float, shifts: Sequence[float]) -> tuple[Box, ...]:
    return tuple((left, top, left + share, top + share) for top in shifts for left in shifts)


WINDOWS: tuple[Box, ...] = (WHOLE, *_parts(_NINE_TENTHS, _SMALL_SHIFTS), *_parts(_THREE_QUARTERS, _SHIFTS))
"""The whole, and what is left when a tenth or a quarter of each side is cut off."""


class Entry(BaseModel):
    """A published picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="Its path below the site's folder")
    concept: str = Field(description="The concept's slug")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file as it was published")
    aspect: float = Field(gt=0, le=100, description="Its width over its height")
    hashes: str = Field(max_length=8000, description="Perceptual hashes of its parts, then of its mirror image's, 8 bytes each, in base64")

    @field_validator("hashes")
    @classmethod
    def _are_hashes(cls, value: str) -> str:
        content = base64.b64decode(value, validate=True)
        if not content or len(content) % 8:
            raise ValueError("must be hashes of 8 bytes each")
        return value


class Registry(BaseModel):
    """All pictures of a site."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(1, ge=1, le=1, description="Version of this layout")
    pictures: tuple[Entry, ...] = Field(description="Every generated picture that the site shows")
    certificate: str = Field("", description="Who signed it, as certificates in PEM; empty for unsigned")
    algorithm: str = Field("", description="How it is signed")
    signature: str = Field("", description="The signature of the pictures, in base64; empty for unsigned")

    def content(self) -> bytes:
        """What is signed."""
        return json.dumps([entry.model_dump() for entry in self.pictures], sort_keys=True, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Found:
    """A published picture that a file looks like."""

    entry: Entry
    registry: Path
    bits: int
    """Of 64, by which they differ."""
    signed_by: str
    """Who signed the registry; empty where nobody did, or the signature does not hold."""

    @property
    def is_sure(self) -> bool:
        return self.bits <= _SURE_BITS


def make_registry(folder: Path, slugs: Iterable[str]) -> None:
    """Writes the registry of a site's folder; none where it shows no picture. Raises GauchoError if it cannot be signed as asked."""
    entries = []
    for slug in slugs:
        for path in sorted((folder / slug / "pictures").glob("*.png")):
            with Image.open(path) as picture:
                hashes = np.concatenate([hashes_through(picture, WINDOWS), hashes_through(_mirrored(picture), WINDOWS)])
                aspect = round(picture.width / picture.height, 4)
            text = base64.b64encode(hashes.astype("<u8").tobytes()).decode()
            name = path.relative_to(folder).as_posix()
            entries.append(Entry(file=name, concept=slug, sha256=file_digest(path), aspect=aspect, hashes=text))
    if not entries:
        return
    made = Registry(pictures=tuple(entries))
    if signed := signature_of(made.content()):
        made = made.model_copy(update=signed._asdict())
    write_atomically(folder / REGISTRY, made.model_dump_json(indent=1) + "\n")


def read_registry(path: Path) -> Registry:
    """Raises ConfigError for a file that is none."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(_("{path}: is larger than {largest} MB", path=path, largest=_MAX_BYTES // 1_000_000))
        return Registry.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        if isinstance(error, FileNotFoundError):
            raise ConfigError(_("{path}: there is no such file", path=path)) from None
        raise ConfigError(_("{path}: is no registry of published pictures ({error})", path=path, error=first_line(error))) from None


def look_up(picture: Image.Image, registries: Iterable[Path]) -> Found | None:
    """The published picture that another looks most like; None where it is like none. Raises ConfigError for what is no registry."""
    best: Found | None = None
    for path in registries:
        registry = read_registry(path)
        aspects = Counter(entry.aspect for entry in registry.pictures).most_common(_MAX_ASPECTS)
        queries = _queries(picture, [aspect for aspect, _count in aspects])
        known = [np.frombuffer(base64.b64decode(entry.hashes), "<u8") for entry in registry.pictures]
        if not known:
            continue
        counts = np.array([len(hashes) for hashes in known])
        apart = np.bitwise_count(np.concatenate(known)[:, None] ^ queries[None, :]).min(axis=1)
        nearest = np.minimum.reduceat(apart, np.concatenate([[0], np.cumsum(counts)[:-1]]))
        place = int(np.argmin(nearest))
        if nearest[place] <= MAX_BITS and (best is None or nearest[place] < best.bits):
            signed_by = signer_of(registry.content(), registry.certificate, registry.algorithm, registry.signature)
            best = Found(registry.pictures[place], path, int(nearest[place]), signed_by)
    return best


def find_published(path: Path, places: Sequence[Path]) -> Found | None:
    """What a file looks like among what was published in some folders, or is in some registries.

    Raises ConfigError for what is no picture, or no registry.
    """
    if not places:
        return None
    try:
        picture = decode(path.read_bytes())
    except BadImage:
        return None  # a film, whose frames are not looked at
    return look_up(picture, [place / REGISTRY if place.is_dir() else place for place in places])


def found_lines(found: Found) -> Iterator[str]:
    """What is known of it, for a person."""
    how = _("surely") if found.is_sure else _("perhaps")
    yield _(
        "It is {how} a generated picture that was published, and has lost what it said: {file}, of {concept} ({bits} of 64 bits differ).",
        how=how,
        file=found.entry.file,
        concept=found.entry.concept,
        bits=found.bits,
    )
    by = found.signed_by
    if by:
        yield _("The registry is signed; its certificate names {by}, and nothing here vouches for that name.", by=by)
    else:
        yield _("The registry is not signed: {path}", path=found.registry)


def _queries(picture: Image.Image, aspects: Iterable[float]) -> np.ndarray:
    """The hashes that a picture is looked for by: of the whole, of what is left without borders, and of what a screenshot may show.

    `aspects`: those of the published pictures. A screenshot has one of them between other things, above and below or at both sides.
    """
    grey = picture.convert("L")
    grey.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    windows = [WHOLE, content_box(np.asarray(grey))]
    for aspect in sorted(aspects):
        share = grey.width / grey.height / aspect  # of the height, where it is as wide as the screen
        shares, upright = (share, True) if share < 1 else (1 / share, False)
        if _LEAST_SHARE <= shares <= _MOST_SHARE:
            for start in np.linspace(0, 1 - shares, _PLACES).tolist():
                windows.append((0.0, start, 1.0, start + shares) if upright else (start, 0.0, start + shares, 1.0))
    return hashes_through(grey, list(dict.fromkeys(windows)))


def _mirrored(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
