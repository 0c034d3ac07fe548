"""`gaucho verify`: what a file claims of itself, whether that holds, and the way back to the images that its model learned from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from gaucho_pipeline.assets.rows import Credit, FrameRow, Picture, TrainImage, read_rows
from gaucho_pipeline.assets.table import CHECKPOINT, SAMPLE_GALLERY, SAMPLE_SEQUENCE
from gaucho_pipeline.concepts.concept import SLUG
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.images.decoding import FORMATS, MAX_PIXELS, MAX_SCANS, pixels_digest, scans_of
from gaucho_pipeline.provenance.labels import XMP_BOX, facts_in, facts_in_xmp, read_facts
from gaucho_pipeline.provenance.signing import Signature, has_anchors, read_signature
from gaucho_pipeline.spec import JsonObject
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.store import Store

_SHOWN = (
    "prompt",
    "story",
    "frame",
    "written_prompt",
    "negative_prompt",
    "seed",
    "num_inference_steps",
    "guidance_scale",
    "sampler",
    "size",
    "sequence_method",
    "concept",
)
_PICTURES_IN_BOXES = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
_LARGEST = 100_000_000
_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tEXt", b"zTXt", b"iTXt", b"caBX", b"pHYs", b"tIME", b"sRGB")
"""Chunks of a PNG that show nothing else, and hide nothing: ours, and those of programs that save it plainly again."""
_XMP_TEXT = "XML:com.adobe.xmp"


@dataclass
class Finding:
    """What is known of a file."""

    claims: JsonObject | None = None
    """What it says of itself."""
    signature: Signature | None = None
    artifact: str = ""
    """Where the very picture is here; empty if it is not."""
    checkpoint: str = ""
    """Where what it was drawn with is here."""
    training_images: list[Credit] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What does not hold."""

    @property
    def holds(self) -> bool:
        """Whether it makes a claim, nothing contradicts that, and a signature or an artifact here confirms it."""
        believed = ("Trusted",) if has_anchors() else ("Valid", "Trusted")
        confirmed = bool(self.artifact) or (self.signature is not None and self.signature.state in believed)
        return self.claims is not None and confirmed and not self.problems


def verify_file(path: Path, store: Store) -> Finding:
    """Reads a file and holds it against the data folder. Raises ConfigError if it is not there, too large, or no picture."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(_("{path}: is larger than {largest} MB", path=path, largest=_LARGEST // 1_000_000))
        content = path.read_bytes()
        if content[4:8] == b"ftyp" and content[8:12] not in _PICTURES_IN_BOXES:
            return _verify_film(content, store)
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ConfigError(_("{path}: has more pixels than a picture may have", path=path))
            if scans_of(content) > MAX_SCANS:
                raise ConfigError(_("{path}: is a JPEG of {scans} scans, which nobody makes", path=path, scans=scans_of(content)))
            mime = Image.MIME.get(image.format or "", "image/png")
            changes = _changes(image, content)
            facts = facts_in_xmp(content) if image.format == "GIF" else facts_in(image)  # Pillow reads no XMP of a GIF
            pixels, metadata = pixels_digest(image), _metadata_of(image)
    except FileNotFoundError:
        raise ConfigError(_("{path}: there is no such file", path=path)) from None
    except ConfigError:
        raise
    except Exception as error:  # as `images/decoding.py` says: Pillow raises eleven kinds on broken files
        if isinstance(error, UnidentifiedImageError):
            raise ConfigError(_("{path}: is no picture that can be read", path=path)) from None
        raise ConfigError(_("{path}: is no picture that can be read ({error})", path=path, error=error)) from None
    finding = _finding(content, mime, facts, pixels, store, changes)
    if finding.artifact and facts is not None and not _says_the_same(metadata, Path(finding.artifact)):
        finding.problems.append(_("what it tells other programs is not what the picture here says"))
    return finding


def _says_the_same(metadata: Mapping[str, object], kept: Path) -> bool:
    """Whether all that a file says of itself is what the picture that is kept here says, too; it may say less."""
    with Image.open(kept, formats=FORMATS) as image:
        image.load()
        own = _metadata_of(image)
    return all(own.get(name) == value for name, value in metadata.items())


def _changes(image: Image.Image, content: bytes) -> list[str]:
    """What makes a file show something else than its first frame's colours, as each of our pictures does not."""
    found = []
    if getattr(image, "n_frames", 1) > 1:
        found.append(_("it has further frames or pages"))
    if "transparency" in image.info or (image.mode in ("RGBA", "LA", "PA") and np.asarray(image.getchannel("A")).min() < 255):
        found.append(_("it is transparent in places"))
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        found.append(_("it is turned or mirrored when it is shown"))
    if any(name in image.info for name in ("icc_profile", "gamma", "chromaticity")):
        found.append(_("it has a colour profile or a gamma of its own"))
    kinds, end = _png_chunks(content) if image.format == "PNG" else ([], len(content))
    if end != len(content) or (image.format == "WEBP" and int.from_bytes(content[4:8], "little") + 8 != len(content)):
        found.append(_("something follows the picture"))
    if strange := next((kind for kind in kinds if kind not in _CHUNKS), b""):
        found.append(_("it has a chunk {name}, which none of ours has", name=strange.decode("latin-1")))
    if image.format == "TIFF":
        found.append(_("it is a TIFF, which may hold more than is seen"))
    return found


def _png_chunks(content: bytes) -> tuple[list[bytes], int]:
    """The kinds of a PNG's chunks in their order, and where the first end of the picture is (https://www.w3.org/TR/png-3/#5Chunk-layout)."""
    kinds, at = list[bytes](), 8
    while at + 8 <= len(content):
        kinds.append(content[at + 4 : at + 8])
        at += 12 + int.from_bytes(content[at : at + 4], "big")
        if kinds[-1] == b"IEND":
            break
    return kinds, at


def _metadata_of(image: Image.Image) -> dict[str, object]:
    """What a picture tells other programs of itself: its texts by their names, and its XMP."""
    xmp = image.info.get("xmp")
    texts = {name: str(text) for name, text in getattr(image, "text", {}).items() if name != _XMP_TEXT}
    return texts | ({"xmp": xmp.strip(b"\0 \n")} if isinstance(xmp, bytes) else {})


def _verify_film(content: bytes, store: Store) -> Finding:
    """Of an MP4, whose own frames are not looked at: its facts are in a box of its own, as XMP."""
    at = content.rfind(XMP_BOX)
    return _finding(content, "video/mp4", facts_in_xmp(content[at:]) if at >= 0 else None, "", store)


def _finding(content: bytes, mime: str, facts: JsonObject | None, pixels: str, store: Store, changes: Sequence[str] = ()) -> Finding:
    finding = Finding(facts, read_signature(content, mime))
    if (signature := finding.signature) and signature.state == "Invalid":
        why = ", ".join(signature.problems) or _("the file is another than was signed")
        finding.problems.append(_("the signature does not hold: {why}", why=why))
    if signature and signature.facts is not None and facts is not None and signature.facts != facts:
        finding.problems.append(_("what the file says is not what was signed"))
    finding.claims = facts if facts is not None else signature.facts if signature else None
    if finding.claims:
        _hold_against(store, finding, finding.claims, pixels, hashlib.sha256(content).hexdigest())
    if changes and finding.artifact and Path(finding.artifact).read_bytes() != content:
        finding.problems.append(_("it is not as it was made: {changes}", changes=", ".join(changes)))
    return finding


def _hold_against(store: Store, finding: Finding, claims: JsonObject, pixels: str, sha256: str) -> None:
    """Looks for the picture or the film and for what it was drawn with in the data folder, and compares."""
    slug, version = str(claims.get("concept", "")), claims.get("checkpoint")
    if not _is_slug(slug):
        return  # what a file says is no path
    tables: dict[str, tuple[str, type[Picture | FrameRow]]] = {
        SAMPLE_GALLERY.name: ("pictures.jsonl", Picture), SAMPLE_SEQUENCE.name: ("frames.jsonl", FrameRow),
    }  # fmt: skip
    standing = [
        made.folder / row.file
        for asset, (table, kind) in tables.items()
        for made in store.all(asset, slug)
        for row in read_rows(made.folder / table, kind)
        if pixels and row.pixels == pixels
    ]
    files = ((made.folder / name, sha) for made in store.all(SAMPLE_SEQUENCE.name, slug) for name, sha in made.manifest.files.items())
    finding.artifact = next((str(path) for path, sha in files if sha == sha256), "")
    if standing and not finding.artifact:
        agreeing = [path for path in standing if read_facts(path) == claims]
        finding.artifact = str((agreeing or standing)[0])
        if not agreeing:
            finding.problems.append(_("the same picture stands here, and says something else of itself"))
    checkpoint = store.find_version(CHECKPOINT.name, slug, str(version)) if version else None
    others = claims.get("others")
    for other, each in others.items() if isinstance(others, dict) else ():
        if _is_slug(other) and isinstance(each, dict):
            further = store.find_version(CHECKPOINT.name, other, str(each.get("checkpoint")))
            finding.training_images += _learned_from(further) if further else []
    if checkpoint:
        finding.checkpoint = str(checkpoint.folder)
        finding.training_images = [*_learned_from(checkpoint), *finding.training_images]
        if claims.get("base_model") != checkpoint.manifest.provenance.base_model:
            finding.problems.append(_("its checkpoint was trained on another base model than it says"))


def _learned_from(checkpoint: Artifact) -> list[Credit]:
    """The images that a checkpoint is due to: its concept's own, and of a collection those of the others."""
    together = checkpoint.folder / "together.jsonl"
    others = read_rows(together, Credit) if together.exists() else []
    return [*read_rows(checkpoint.folder / "train.jsonl", TrainImage), *others]


def _is_slug(name: object) -> bool:
    return isinstance(name, str) and SLUG.fullmatch(name) is not None


def _printable(value: object) -> str:
    """A claim as text that a terminal can show and cannot be led astray by."""
    text = str(value)[:2000].encode("utf-8", "replace").decode("utf-8")
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def report_lines(finding: Finding) -> Iterator[str]:
    """What is known, line by line, for a person."""
    if finding.claims is None:
        yield _("It claims nothing: it carries no facts of ours and no signature of theirs. That does not mean that it is a photograph.")
        return
    yield _("It says that a model generated it.")
    for name in _SHOWN:
        if finding.claims.get(name) is not None:
            yield f"  {name:<20} {_printable(finding.claims[name])}"
    base = finding.claims.get("base_model")
    named = [base.get(name) for name in ("id", "revision")] if isinstance(base, dict) else [base]
    yield f"  {'base_model':<20} {_printable(' @ '.join(str(name) for name in named if name) or '?')}"
    if version := finding.claims.get("checkpoint"):
        yield f"  {'checkpoint':<20} {_printable(version)}"
    if finding.signature:
        anchor = {
            "Trusted": _("and the signer is vouched for by a configured anchor"),
            "Valid": _("but no configured anchor vouches for the signer"),
        }.get(finding.signature.state, _("so nothing that it says can be believed"))
        by = _printable(finding.signature.signed_by)
        yield _("Signature: {state} (by {by}), {anchor}.", state=finding.signature.state, by=by, anchor=anchor)
    else:
        yield _("Signature: none.")
    if finding.artifact:
        yield _("Here: {path}", path=finding.artifact)
    else:
        yield _("The very picture does not stand in this data folder.")
    if finding.checkpoint:
        yield _("Drawn with: {path}", path=finding.checkpoint)
        yield _("which learned from {count} images:", count=len(finding.training_images))
        for row in finding.training_images:
            yield "  " + _printable(", ".join(filter(None, (row.title, row.author, row.license, row.source))))
    elif finding.claims.get("checkpoint"):
        yield _("Its checkpoint does not stand in this data folder, so that its training images cannot be told.")
    yield from (_("Problem: {text}.", text=_printable(problem)) for problem in finding.problems)
