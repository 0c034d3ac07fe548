"""What the measures decide of one picture: each exclusion has a name, a score, a threshold, and a sentence for the curator.

A new filter is a key and an entry here, and what it measures in `measures.py`. Light to import: `concepts/curation.py` has its keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from gaucho_pipeline.filters.boxes import WHOLE, Box, widened
from gaucho_pipeline.language.bilingual import Bilingual
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
    sentence: Bilingual
    """What a curator reads."""

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
        Bilingual(pt="O lado menor tem poucos pixels.", en="Its shorter side has too few pixels."),
    ),
    Filter(
        "too long", lambda m, s: round(max(_size(m, s)) / max(1, min(_size(m, s))), 3), lambda s: s.max_aspect, True,
        Bilingual(pt="É comprida demais para um recorte quadrado.", en="It is too long for a square crop."),
    ),
    Filter(
        "framed", framed, lambda s: s.max_border, True,
        Bilingual(pt="A moldura ocupa grande parte da imagem.", en="Its border takes up much of it."),
    ),
    Filter(
        "too dark", lambda m, s: m.dark, lambda s: s.max_dark, True,
        Bilingual(pt="Quase tudo está preto.", en="Nearly all of it is black."),
    ),
    Filter(
        "too bright", lambda m, s: m.bright, lambda s: s.max_bright, True,
        Bilingual(pt="Quase tudo está branco.", en="Nearly all of it is white."),
    ),
    Filter(
        "low contrast", lambda m, s: m.contrast, lambda s: s.min_contrast, False,
        Bilingual(pt="Tem pouco contraste.", en="It has little contrast."),
    ),
    Filter(
        "little to see", lambda m, s: m.entropy, lambda s: s.min_entropy, False,
        Bilingual(pt="Quase não há o que ver.", en="There is little to see."),
    ),
    Filter(
        "blurred", lambda m, s: m.sharpness, lambda s: s.min_sharpness, False,
        Bilingual(pt="Está desfocada.", en="It is out of focus."),
    ),
    Filter(
        "enlarged or shaken", lambda m, s: round(m.finest * min(m.width, m.height)), lambda s: round(s.min_detail * s.min_side), False,
        Bilingual(pt="Foi ampliada, ou a câmera tremeu: mostra menos do que tem de pixels.",
        en="It was enlarged, or the camera moved: it shows less than it has pixels."),
    ),
    Filter(
        "heavily compressed", lambda m, s: m.quality, lambda s: s.min_quality, False,
        Bilingual(pt="Foi comprimida demais.", en="It was compressed too much."),
    ),
    Filter(
        "text or graphics", lambda m, s: m.graphic, lambda s: s.max_graphic, True,
        Bilingual(pt="Parece documento, slide, mapa ou ornamento.", en="It looks like a document, slide, map or ornament."),
    ),
    Filter(
        "monochrome", lambda m, s: m.chroma, lambda s: 0.0 if s.allow_monochrome else 0.01, False,
        Bilingual(pt="Está em preto e branco.", en="It is black and white."),
    ),
)  # fmt: skip

IRRELEVANT, NEAR_DUPLICATE, DUPLICATE = "irrelevant", "near-duplicate", "duplicate"
LIKE_FORGOTTEN = "like a forgotten image"

SENTENCES: dict[str, Bilingual] = {f.name: f.sentence for f in FILTERS} | {
    "not-an-image": Bilingual(pt="O arquivo não é uma imagem.", en="The file is not an image."),
    "too-many-pixels": Bilingual(pt="A imagem é grande demais para ser aberta com segurança.", en="It is too large to open safely."),
    "truncated": Bilingual(pt="O arquivo está incompleto.", en="The file is cut off."),
    "camera raw": Bilingual(
        pt="É o arquivo bruto da câmera, e a imagem dentro dele é pequena: exporte-a como JPEG ou TIFF, em tamanho inteiro.",
        en="It is a camera's raw file, and the picture inside it is small: export it as JPEG or TIFF, in full size.",
    ),
    "unreadable": Bilingual(pt="O arquivo está corrompido.", en="The file is broken."),
    "took too long": Bilingual(pt="A imagem demorou demais para abrir.", en="It took too long to open."),
    "ended its process": Bilingual(pt="A imagem derrubou o programa que a abria.", en="It brought down the program that opened it."),
    IRRELEVANT: Bilingual(pt="Não parece mostrar o conceito.", en="It does not seem to show the concept."),
    DUPLICATE: Bilingual(pt="É o mesmo arquivo que outro.", en="It is the same file as another."),
    NEAR_DUPLICATE: Bilingual(pt="É quase a mesma imagem que outra.", en="It is nearly the same picture as another."),
    LIKE_FORGOTTEN: Bilingual(
        pt="É quase igual a uma imagem que foi esquecida a pedido; se for outra, mantenha-a.",
        en="It is nearly the same as an image that was forgotten on request; if it is another, keep it.",
    ),
    "more than max_images": Bilingual(pt="Já há imagens bastantes, e mais variadas.", en="There are enough images, and more varied ones."),
    "dropped": Bilingual(pt="O curador a retirou.", en="The curator dropped it."),
}
"""Every reason in Portuguese and in English."""


@dataclass(frozen=True, slots=True)
class ImageDecision:
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


def borderline(measures: Measures, spec: FilterSpec) -> float:
    """How far a picture that passes all filters is from failing one: 0 for one right on a threshold, as a share of the threshold."""
    distances = [abs(f.score(measures, spec) - f.threshold(spec)) / abs(f.threshold(spec)) for f in FILTERS if f.threshold(spec)]
    return round(min(distances, default=1.0), 4)


def first_failure(measures: Measures, spec: FilterSpec, without: str = "") -> ImageDecision | None:
    """The verdict of the first filter, but the one named `without`, that a picture does not pass; None if it passes all."""
    for each in FILTERS:
        if each.name != without and each.fails(measures, spec):
            return ImageDecision(False, each.name, each.score(measures, spec), each.threshold(spec))
    return None
