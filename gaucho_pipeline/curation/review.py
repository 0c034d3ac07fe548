"""The page on which a curator reads what was kept and excluded and why, and decides otherwise: one file, with everything in it.

It sends nothing anywhere: it writes overrides.csv, which the specification names.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gaucho_pipeline.curation.captions import PROMPT
from gaucho_pipeline.curation.filters import SENTENCES
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.images import BadImage, decode

MOST_EXCLUDED = 500
"""More excluded pictures than this are counted, and not shown: the page must open on a telephone."""
_SIDE = 220
_DIGITS = 16


def review_page(
    concept: str,
    kept: Sequence[Mapping[str, Any]],
    excluded: Sequence[Mapping[str, Any]],
    overrides: Sequence[tuple[str, Override]],
    paths: Mapping[str, Path],
) -> str:
    """The page of a concept. `paths` are the files of the images, by SHA-256; `overrides` what the curator has said so far."""
    said = dict(overrides)
    shown = list(excluded[:MOST_EXCLUDED])
    cards = [_card(row, said.get(row["sha256"]), paths) for row in (*kept, *shown)]
    environment = Environment(loader=PackageLoader("gaucho_pipeline.curation"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("review.html").render(
        concept=concept,
        cards=cards,
        kept=len(kept),
        excluded=len(excluded),
        left_off=len(excluded) - len(shown),
        reasons=Counter(row["reason"] for row in excluded).most_common(),
        licenses=sorted({row["license"] for row in (*kept, *shown)}),
        authors=sorted({row["author"] for row in (*kept, *shown)}),
        sentences=SENTENCES,
    )


def _card(row: Mapping[str, Any], override: Override | None, paths: Mapping[str, Path]) -> dict[str, Any]:
    source = str(row["source"])
    return {
        "image": row["sha256"][:_DIGITS],
        "kept": row["kept"],
        "reason": row["reason"],
        "score": _number(row["score"]),
        "threshold": _number(row["threshold"]),
        "same_as": (row["same_as"] or "")[:_DIGITS],
        "title": row["title"],
        "author": row["author"],
        "license": row["license"],
        "flags": list(row.get("flags", ())),
        "source": source if source.startswith(("https://", "http://")) else "",
        "size": f"{row['measures']['width']} × {row['measures']['height']}" if row["measures"] else "",
        "caption": row.get("caption", ""),
        "plain": row.get("caption", PROMPT) == PROMPT,
        "decision": override.decision if override else "",
        "written": override.caption if override else "",
        "by": override.by if override else "",
        "why": override.why if override else "",
        "picture": _thumbnail(paths.get(row["sha256"])),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _thumbnail(path: Path | None) -> str:
    """A small JPEG as a data address; '' for what cannot be read."""
    if path is None:
        return ""
    try:
        image = decode(path.read_bytes(), enough=_SIDE)
    except (BadImage, OSError):
        return ""
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=72)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
