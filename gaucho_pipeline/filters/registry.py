"""What the measures decide of one picture: each exclusion has a name, a score, a threshold, and a sentence for the curator.

A new filter is a key and an entry here, and what it measures in `measures.py`. Light to import: `parts/curation.py` has its keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gaucho_pipeline.filters.boxes import WHOLE, Box, widened
from gaucho_pipeline.spec import Absent, Spec

if TYPE_CHECKING:
    from gaucho_pipeline.filters.measures import Measures


class FilterSpec(Spec):
    """The keys of `concepts.yaml` that the filters read."""

    min_side: int = Field(512, ge=16, le=8192, description="Shortest side, in pixels, without borders that are cut off")
    max_aspect: float = Field(3.0, ge=1.0, le=20.0, description="Longest side over shortest")
    max_border: float = Field(0.35, ge=0, le=1, description="Largest share of uniform border; smaller ones are cut off")
    max_dark: float = Field(0.75, ge=0, le=1, description="Largest share of nearly black pixels")
    max_bright: float = Field(0.75, ge=0, le=1, description="Largest share of nearly white pixels")
    min_contrast: float = Field(0.2, ge=0, le=1, description="Least distance of bright parts from dark ones (0 to 1)")
    min_entropy: float = Field(2.0, ge=0, le=6, description="Least entropy of the luminance, in bits (0 to 6)")
    min_sharpness: float = Field(0.0006, ge=0, le=1, description="Least variance of the Laplacian of the luminance (0 to 1) at 256 px")
    min_detail: Annotated[float, Absent(0.0)] = Field(
        0.5,
        ge=0,
        le=1,
        description="Least share of min_side that its sharpest edges show; enlarged or shaken pictures show less",
    )
    min_quality: int = Field(30, ge=1, le=100, description="Least quality that a JPEG was saved with")
    max_graphic: float = Field(0.06, ge=0, le=1, description="Largest share of flat areas times that of hard edges: text, slides, maps")
    allow_monochrome: bool = Field(True, description="Whether black-and-white pictures are allowed, as historical concepts need")


@dataclass(frozen=True)
class Filter:
    """One reason to leave a picture out."""

    name: str
    score: Callable[[Measures, FilterSpec], float]
    threshold: Callable[[FilterSpec], float]
    passes_below: bool
    """Whether scores below the threshold pass, rather than those above it."""
    pt: str
    en: str

    def fails(self, measures: Measures, spec: FilterSpec) -> bool:
        score, threshold = self.score(measures, spec), self.threshold(spec)
        return score > threshold if self.passes_below else score < threshold


def border(measures: Measures) -> float:
    """Share of the picture that is uniform border; the backdrop of an object is none."""
    left, top, right, bottom = measures.content_box
    return 0.0 if measures.ground == "backdrop" else round(1 - (right - left) * (bottom - top), 4)


def crop_of(measures: Measures, spec: FilterSpec) -> Box:
    """What is kept of a picture: all of it; what is inside its borders, where cutting them off is safe; an object with some backdrop.

    It is safe if the borders are less than max_border of the picture; a bright or dark edge of a photograph is no wider than a hair. Of a
    backdrop as much is left as makes both sides min_side long.
    """
    if measures.ground == "backdrop":
        left, top, right, bottom = measures.content_box
        left, right = widened(left, right, spec.min_side / measures.width, 1.0)
        top, bottom = widened(top, bottom, spec.min_side / measures.height, 1.0)
        left, top, right, bottom = (round(min(max(0.0, share), 1.0), 4) for share in (left, top, right, bottom))
        return left, top, right, bottom
    return measures.content_box if border(measures) > 0.01 and framed(measures, spec) <= spec.max_border else WHOLE


def framed(measures: Measures, spec: FilterSpec) -> float:
    """Share of the picture that is a border which cannot be cut off: none of a frame around what is large enough by itself."""
    left, top, right, bottom = measures.content_box
    inner = min((right - left) * measures.width, (bottom - top) * measures.height)
    return 0.0 if measures.ground == "frame" and inner >= spec.min_side else border(measures)


def _size(measures: Measures, spec: FilterSpec) -> tuple[int, int]:
    left, top, right, bottom = crop_of(measures, spec)
    return round((right - left) * measures.width), round((bottom - top) * measures.height)


FILTERS: tuple[Filter, ...] = (
    Filter(
        "too small", lambda m, s: min(_size(m, s)), lambda s: s.min_side, False,
        "O lado menor tem poucos pixels.", "Its shorter side has too few pixels.",
    ),
    Filter(
        "too long", lambda m, s: round(max(_size(m, s)) / max(1, min(_size(m, s))), 3), lambda s: s.max_aspect, True,
        "É comprida demais para um recorte quadrado.", "It is too long for a square crop.",
    ),
    Filter(
        "framed", framed, lambda s: s.max_border, True,
        "A moldura ocupa grande parte da imagem.", "Its border takes up much of it.",
    ),
    Filter(
        "too dark", lambda m, s: m.dark, lambda s: s.max_dark, True,
        "Quase tudo está preto.", "Nearly all of it is black.",
    ),
    Filter(
        "too bright", lambda m, s: m.bright, lambda s: s.max_bright, True,
        "Quase tudo está branco.", "Nearly all of it is white.",
    ),
    Filter(
        "low contrast", lambda m, s: m.contrast, lambda s: s.min_contrast, False,
        "Tem pouco contraste.", "It has little contrast.",
    ),
    Filter(
        "little to see", lambda m, s: m.entropy, lambda s: s.min_entropy, False,
        "Quase não há o que ver.", "There is little to see.",
    ),
    Filter(
        "blurred", lambda m, s: m.sharpness, lambda s: s.min_sharpness, False,
        "Está desfocada.", "It is out of focus.",
    ),
    Filter(
        "enlarged or shaken", lambda m, s: round(m.finest * min(m.width, m.height)), lambda s: round(s.min_detail * s.min_side), False,
        "Foi ampliada, ou a câmera tremeu: mostra menos do que tem de pixels.",
        "It was enlarged, or the camera moved: it shows less than it has pixels.",
    ),
    Filter(
        "heavily compressed", lambda m, s: m.quality, lambda s: s.min_quality, False,
        "Foi comprimida demais.", "It was compressed too much.",
    ),
    Filter(
        "text or graphics", lambda m, s: m.graphic, lambda s: s.max_graphic, True,
        "Parece documento, slide, mapa ou ornamento.", "It looks like a document, slide, map or ornament.",
    ),
    Filter(
        "monochrome", lambda m, s: m.chroma, lambda s: 0.0 if s.allow_monochrome else 0.01, False,
        "Está em preto e branco.", "It is black and white.",
    ),
)  # fmt: skip

IRRELEVANT, NEAR_DUPLICATE, DUPLICATE = "irrelevant", "near-duplicate", "duplicate"

SENTENCES: dict[str, tuple[str, str]] = {f.name: (f.pt, f.en) for f in FILTERS} | {
    "not-an-image": ("O arquivo não é uma imagem.", "The file is not an image."),
    "too-many-pixels": ("A imagem é grande demais para ser aberta com segurança.", "It is too large to open safely."),
    "truncated": ("O arquivo está incompleto.", "The file is cut off."),
    "unreadable": ("O arquivo está corrompido.", "The file is broken."),
    "took too long": ("A imagem demorou demais para abrir.", "It took too long to open."),
    "ended its process": ("A imagem derrubou o programa que a abria.", "It brought down the program that opened it."),
    IRRELEVANT: ("Não parece mostrar o conceito.", "It does not seem to show the concept."),
    DUPLICATE: ("É o mesmo arquivo que outro.", "It is the same file as another."),
    NEAR_DUPLICATE: ("É quase a mesma imagem que outra.", "It is nearly the same picture as another."),
    "more than max_images": ("Já há imagens bastantes, e mais variadas.", "There are enough images, and more varied ones."),
    "dropped": ("O curador a retirou.", "The curator dropped it."),
}
"""Every reason in Portuguese and in English."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a picture stays; if not why, with the score, the threshold, and the picture it repeats."""

    kept: bool
    reason: str = ""
    score: float | None = None
    threshold: float | None = None
    same_as: str | None = None
    """SHA-256 of the file that it repeats."""
    by: str = ""
    """Who decided it, where a person did."""
    why: str = ""

    def to_row(self) -> dict[str, Any]:
        return {
            "kept": self.kept, "reason": self.reason, "score": self.score, "threshold": self.threshold, "same_as": self.same_as,
            "by": self.by, "why": self.why,
        }  # fmt: skip


def borderline(measures: Measures, spec: FilterSpec) -> float:
    """How far a picture that passes all filters is from failing one: 0 for one right on a threshold, as a share of the threshold."""
    distances = [abs(f.score(measures, spec) - f.threshold(spec)) / abs(f.threshold(spec)) for f in FILTERS if f.threshold(spec)]
    return round(min(distances, default=1.0), 4)


def first_failure(measures: Measures, spec: FilterSpec, without: str = "") -> Verdict | None:
    """The verdict of the first filter, but the one named `without`, that a picture does not pass; None if it passes all."""
    for each in FILTERS:
        if each.name != without and each.fails(measures, spec):
            return Verdict(False, each.name, each.score(measures, spec), each.threshold(spec))
    return None
