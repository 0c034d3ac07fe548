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
from PIL import Image

from gaucho_pipeline.curation.filters import DUPLICATE, SENTENCES
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.curation.reading import small_pictures

Row = Mapping[str, Any]
Paths = Mapping[str, Path]

MOST_SHOWN = 500
"""More kept or excluded pictures than this are counted, and not shown: the page must open on a telephone."""
_SIDE = 220
_DIGITS = 16


def review_page(
    concept: str,
    kept: Sequence[Row],
    excluded: Sequence[Row],
    overrides: Sequence[tuple[str, Override]],
    lost: Sequence[Override],
    paths: Paths,
) -> str:
    """The page of a concept.

    `paths` are the files of the images, by SHA-256; `overrides` what the curator has said of them so far, and `lost` of images that are
    not there: what the page does not show, it writes back as it was.
    """
    said = dict(overrides)
    rows = [row for part in (kept, excluded) for row in sorted(part, key=lambda row: row["sha256"] not in said)[:MOST_SHOWN]]
    readable = {row["sha256"]: paths[row["sha256"]] for row in rows if row["measures"]}
    pictures = {sha: _data_address(picture) for sha, picture in small_pictures(readable, _SIDE) if picture}
    cards = [_card(row, said.get(row["sha256"]), pictures.get(row["sha256"], "")) for row in rows]
    shown = {card["image"] for card in cards if not card["is_repeated"]}
    silent = [override for sha, override in overrides if sha[:_DIGITS] not in shown]
    environment = Environment(loader=PackageLoader("gaucho_pipeline.curation"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("review.html").render(
        concept=concept,
        cards=cards,
        kept=len(kept),
        excluded=len(excluded),
        left_off=len(kept) + len(excluded) - len(rows),
        reasons=Counter(row["reason"] for row in excluded).most_common(),
        licenses=sorted({row["license"] for row in rows}),
        authors=sorted({row["author"] for row in rows}),
        sentences=SENTENCES,
        others=[[o.image, o.decision, o.caption, o.by, o.why] for o in (*silent, *lost)],
    )


def _card(row: Row, override: Override | None, picture: str) -> dict[str, Any]:
    source = str(row["source"])
    return {
        "image": row["sha256"][:_DIGITS],
        "is_repeated": row["reason"] == DUPLICATE,
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
        "decision": override.decision if override else "",
        "written": override.caption if override else "",
        "by": override.by if override else "",
        "why": override.why if override else "",
        "picture": picture,
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _data_address(picture: Image.Image) -> str:
    """A picture as a small JPEG inside an address."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=72)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
