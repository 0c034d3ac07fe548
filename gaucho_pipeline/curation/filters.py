"""What the measures decide: each exclusion has a name, a score, a threshold, and a sentence for the curator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gaucho_pipeline.concepts import CurationSpec
from gaucho_pipeline.curation.measures import Measures, distance


@dataclass(frozen=True)
class Filter:
    """One reason to leave a picture out."""

    name: str
    score: Callable[[Measures], float]
    threshold: Callable[[CurationSpec], float]
    passes_below: bool
    """Whether scores below the threshold pass, rather than those above it."""
    pt: str
    en: str

    def fails(self, measures: Measures, spec: CurationSpec) -> bool:
        score, threshold = self.score(measures), self.threshold(spec)
        return score > threshold if self.passes_below else score < threshold


FILTERS: tuple[Filter, ...] = (
    Filter(
        "too small", lambda m: min(m.width, m.height), lambda s: s.min_side, False,
        "O lado menor tem poucos pixels.", "Its shorter side has too few pixels.",
    ),
    Filter(
        "too long", lambda m: round(max(m.width, m.height) / min(m.width, m.height), 3), lambda s: s.max_aspect, True,
        "É comprida demais para um recorte quadrado.", "It is too long for a square crop.",
    ),
    Filter(
        "too dark", lambda m: m.dark, lambda s: s.max_dark, True,
        "Quase tudo está preto.", "Nearly all of it is black.",
    ),
    Filter(
        "too bright", lambda m: m.bright, lambda s: s.max_bright, True,
        "Quase tudo está branco.", "Nearly all of it is white.",
    ),
    Filter(
        "blurred", lambda m: m.sharpness, lambda s: s.min_sharpness, False,
        "Está desfocada.", "It is out of focus.",
    ),
)  # fmt: skip

SENTENCES: dict[str, tuple[str, str]] = {f.name: (f.pt, f.en) for f in FILTERS} | {
    "not-an-image": ("O arquivo não é uma imagem.", "The file is not an image."),
    "too-many-pixels": ("A imagem é grande demais para ser aberta com segurança.", "It is too large to open safely."),
    "truncated": ("O arquivo está incompleto.", "The file is cut off."),
    "unreadable": ("O arquivo está corrompido.", "The file is broken."),
    "duplicate": ("É a mesma imagem que outra.", "It is the same picture as another."),
    "near-duplicate": ("É quase a mesma imagem que outra.", "It is nearly the same picture as another."),
    "more than max_images": ("Já há imagens bastantes, e mais nítidas.", "There are enough images, and sharper ones."),
}
"""Every reason in Portuguese and in English."""


@dataclass(frozen=True)
class Verdict:
    """Whether a picture stays; if not why, with the score, the threshold, and the picture it repeats."""

    kept: bool
    reason: str = ""
    score: float | None = None
    threshold: float | None = None
    same_as: str | None = None

    def described(self) -> dict[str, Any]:
        return {"kept": self.kept, "reason": self.reason, "score": self.score, "threshold": self.threshold, "same_as": self.same_as}


def judge(measures: dict[str, Measures], pixels: dict[str, str], spec: CurationSpec) -> dict[str, Verdict]:
    """A verdict for each picture.

    `measures` and `pixels` (a hash of the decoded pixels) are by SHA-256 of the file. Filters come first, then copies
    (the larger and sharper picture stays), then the limit on their number. The order of the input does not matter.
    """
    verdicts: dict[str, Verdict] = {}
    for sha in sorted(measures):
        failed = next((f for f in FILTERS if f.fails(measures[sha], spec)), None)
        if failed:
            verdicts[sha] = Verdict(False, failed.name, failed.score(measures[sha]), failed.threshold(spec))
    best_first = sorted((s for s in measures if s not in verdicts), key=lambda s: (-_area(measures[s]), -measures[s].sharpness, s))
    kept: list[str] = []
    for sha in best_first:
        verdicts[sha] = _compared(sha, kept, measures, pixels, spec.near_duplicate_distance)
        if verdicts[sha].kept:
            kept.append(sha)
    sharpest = sorted(kept, key=lambda s: (-measures[s].sharpness, s))
    for sha in sharpest[spec.max_images :]:
        verdicts[sha] = Verdict(False, "more than max_images", measures[sha].sharpness, None)
    return verdicts


def _area(measures: Measures) -> int:
    return measures.width * measures.height


def _compared(sha: str, kept: list[str], measures: dict[str, Measures], pixels: dict[str, str], limit: int) -> Verdict:
    for other in kept:
        if pixels[sha] == pixels[other]:
            return Verdict(False, "duplicate", 0, 0, other)
    for other in kept:
        bits = min(distance(measures[sha].phash, measures[other].phash), distance(measures[sha].phash_mirrored, measures[other].phash))
        if bits <= limit:
            return Verdict(False, "near-duplicate", bits, limit, other)
    return Verdict(True)
