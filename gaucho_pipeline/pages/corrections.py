"""What was corrected or agreed after a checkpoint was trained: the current set and file say it, and what is handed on follows.

A correction trains nothing again (`project/standing.py`); tables and cards of older artifacts are written anew where they are used.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from gaucho_pipeline.assets.rows import TrainImage, read_rows
from gaucho_pipeline.errors import _
from gaucho_pipeline.files.tables import inert, read_attribution
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.language.terminal import reader
from gaucho_pipeline.rights.credits import plain_markdown, with_credits
from gaucho_pipeline.spec import JsonObject

CREDITED = ("title", "author", "source", "license", "license_url")
"""What of an image may be corrected without its being another one."""
Corrections = Mapping[str, TrainImage]
"""The images as the current set credits them, by SHA-256."""


def corrections_of(corrected: Sequence[Path]) -> dict[str, TrainImage]:
    """Of the current sets that credit otherwise than those that were trained on; the first goes before the others."""
    return {row.sha256: row for curated in reversed(corrected) for row in read_rows(curated / "images.jsonl", TrainImage)}


def corrected_rows(attribution: Path, corrections: Corrections) -> list[JsonObject]:
    """The lines of an ATTRIBUTION.csv as the images are credited now."""
    return [JsonObject({**row, **_credit(corrections.get(row.get("sha256") or ""))}) for row in read_attribution(attribution)]


def corrected_attribution(attribution: Path, corrections: Corrections) -> str:
    """The same as a table for people, in UTF-8 with a mark that spreadsheets understand."""
    rows = corrected_rows(attribution, corrections)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return f"\ufeff{text.getvalue()}"


def corrected_card(card: str, attribution: Path, corrections: Corrections, agreed: str = "") -> str:
    """A model card as the images are credited now. `agreed`: what people and communities whom it shows have agreed to, as the file says."""
    credited = with_credits(card, corrected_rows(attribution, corrections)) if corrections and attribution.is_file() else card
    if not agreed or plain_markdown(agreed) in credited:
        return credited
    sentence = _("What people and communities whom it shows have agreed to: {consent}.", consent=plain_markdown(agreed))
    return f"{credited.rstrip()}\n\n## What is agreed today\n\n{sentence}\n\n{reader('pt').read(sentence)}\n"


def write_corrected(folder: Path, card: str, attribution: Path, corrections: Corrections, agreed: str = "") -> None:
    """Writes README.md and ATTRIBUTION.csv into a folder as the images are credited now, and what is agreed."""
    write_atomically(folder / "README.md", corrected_card(card, attribution, corrections, agreed))
    write_atomically(
        folder / attribution.name, corrected_attribution(attribution, corrections) if corrections else attribution.read_bytes()
    )


def _credit(row: TrainImage | None) -> dict[str, str]:
    return {name: inert(getattr(row, name)) for name in CREDITED} if row else {}
