"""The photographs that benchmarks make their images of."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.images.decoding import probe

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "real"


def originals(side: int, folder: Path = FOLDER) -> list[Image.Image]:
    """Recorded photographs at about this longest side; drawn pictures where there are none."""
    files = sorted(p for part in ("openverse/images", "photos") for p in (folder / part).rglob("*") if p.suffix in (".jpg", ".jpeg"))
    if not files:
        print(f"no photographs in {folder}: drawn pictures serve")
    pictures = [probe(file.read_bytes(), side).image for file in files] or [draw_subject("araucaria", n, side=512) for n in range(40)]
    for picture in pictures:
        picture.thumbnail((side, side))
    return pictures
