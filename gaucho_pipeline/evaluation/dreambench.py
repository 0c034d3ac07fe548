"""`gaucho benchmark dreambench`: the protocol of the DreamBooth paper over any concepts (arXiv 2208.12242, section 4).

Each subject with the benchmark's 25 prompts, four pictures of each, held against all of its images by DINO and CLIP-I, all pairs, and
against its prompt by CLIP-T. Pictures are drawn as a gallery's are (`gallery/`), by the caller; here they are scored and put in a table.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from gaucho_pipeline.models.encoders import Encoder
from gaucho_pipeline.scorers import SCORERS, Features

SCORES = ("dino", "clip_i", "clip_t")
PUBLISHED: dict[str, tuple[float | None, float | None, float | None]] = {
    "Real images": (0.774, 0.885, None),
    "DreamBooth (Imagen)": (0.696, 0.812, 0.306),
    "DreamBooth (Stable Diffusion)": (0.668, 0.803, 0.305),
    "Textual inversion (Stable Diffusion)": (0.569, 0.780, 0.255),
}
"""Table 1 of the paper: DINO by ViT-S/16, CLIP by ViT-B/32."""


class Row(NamedTuple):
    """The scores of one subject, in the order of `SCORES`; None where there is no encoder."""

    name: str
    scores: tuple[float | None, ...]
    pictures: int


def score_subject(
    name: str, encoders: Mapping[str, Encoder], pictures: Sequence[Image.Image], prompts: Sequence[str], images: Sequence[Image.Image]
) -> Row:
    """Scores a subject's pictures; `prompts` are those of the pictures, their token left out."""
    found: dict[str, float] = {}
    for kind, encoder in encoders.items():
        vectors, real = encoder.embed_images(pictures), encoder.embed_images(images)
        texts = encoder.embed_texts(prompts) if encoder.reads_words else None
        features = Features(vectors, np.zeros(len(vectors), np.intp), texts, vectors[:0], real, real[:0])
        for score in SCORES:
            if SCORERS[score].encoder == kind and SCORERS[score].can_score(features):
                found[score] = SCORERS[score].score(features, np.arange(len(vectors)), np.arange(len(real)))
    return Row(name, tuple(found.get(score) for score in SCORES), len(pictures))


def table(rows: Sequence[Row], encoders: Mapping[str, Encoder]) -> str:
    """The paper's table as Markdown, ours beneath the published rows: each subject, and their mean."""
    lines = ["| method | DINO | CLIP-I | CLIP-T |", "| --- | --- | --- | --- |"]
    lines += [_line(f"{name}, published", scores) for name, scores in PUBLISHED.items()]
    lines += [_line(f"{row.name}, {row.pictures} pictures", row.scores) for row in rows]
    means = []
    for place, _ in enumerate(SCORES):
        values = [score for row in rows if (score := row.scores[place]) is not None]
        means.append(statistics.fmean(values) if values else None)
    lines.append(_line(f"ours, mean of {len(rows)} subjects", means))
    names = "; ".join(f"{kind}: {encoder.backbone}" for kind, encoder in encoders.items()) or "none"
    return "\n".join([*lines, "", f"Encoders: {names}. Rows compare only where the encoder is the paper's (DINO ViT-S/16, CLIP ViT-B/32)."])


def _line(name: str, scores: Sequence[float | None]) -> str:
    return f"| {name} | {' | '.join('-' if score is None else f'{score:.3f}' for score in scores)} |"
