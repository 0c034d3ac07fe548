"""The page on which a curator reads what was kept and excluded and why, and decides otherwise: one file, with everything in it.

It sends nothing anywhere: it writes overrides.csv, which the specification names.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from gaucho_pipeline.curation.filters import DUPLICATE, SENTENCES
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.curation.reading import small_pictures
from gaucho_pipeline.curation.table import Table
from gaucho_pipeline.design import style_sheet
from gaucho_pipeline.images import jpeg_bytes

Row = Mapping[str, Any]

MOST_SHOWN = 500
"""More kept or excluded pictures than this are counted, and not shown: the page must open on a telephone."""
_SIDE = 220
_DIGITS = 16


def review_page(
    title: str,
    table: Table,
    kept: Sequence[str],
    excluded: Sequence[str],
    reasons: Mapping[str, int],
    lost: Sequence[Override],
    path_of: Callable[[str], Path],
) -> str:
    """The page of a concept, with its name for a title.

    `kept` and `excluded` are SHA-256 of images, and `reasons` says how many went for each. `lost` are decisions on images that are
    not there: what the page does not show, it writes back as it was.
    """
    rows = [
        *islice(table.kept(_decided_first(kept, table)), MOST_SHOWN),
        *islice(table.excluded(_decided_first(excluded, table)), MOST_SHOWN),
    ]
    readable = {row["sha256"] for row in rows if row["measures"]}
    pictures = {sha: _data_address(picture) for sha, picture in small_pictures(sorted(readable), path_of, _SIDE) if picture}
    cards = [_card(row, table.overrides.get(row["sha256"]), pictures.get(row["sha256"], "")) for row in rows]
    shown = {card["image"] for card in cards if not card["is_repeated"]}
    silent = [override for sha, override in table.overrides.items() if sha[:_DIGITS] not in shown]
    out = sum(reasons.values())
    environment = Environment(loader=PackageLoader("gaucho_pipeline.curation"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("review.html").render(
        title=title,
        style=style_sheet(),
        stays=[card for card in cards if card["kept"]],
        goes=[card for card in cards if not card["kept"]],
        kept=len(kept),
        excluded=out,
        left_off=len(kept) + out - len(rows),
        reasons=list(reasons.items()),
        licenses=sorted({row["license"] for row in rows}),
        authors=sorted({row["author"] for row in rows}),
        sentences=SENTENCES,
        others=[[o.image, o.decision, o.caption, o.by, o.why] for o in (*silent, *lost)],
    )


def _decided_first(images: Sequence[str], table: Table) -> list[str]:
    """Those first of which the curator has said something."""
    return sorted(images, key=lambda sha: sha not in table.overrides)


def _card(row: Row, override: Override | None, picture: str) -> dict[str, Any]:
    source = str(row["source"])
    return {
        "image": row["sha256"][:_DIGITS],
        "is_repeated": row["reason"] == DUPLICATE,
        "kept": row["kept"],
        "reason": row["reason"],
        "score": _number(row["score"]),
        "threshold": _number(row["threshold"]),
        "relevance": _number(row["relevance"]),
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
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg_bytes(picture, 72)).decode()}"
