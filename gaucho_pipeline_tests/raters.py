"""Simulated people who judge a panel, a small panel for them to judge, and a concept that can be judged."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.assets.table import ALL, CURATED_SET, GALLERY_SITE, SAMPLE_GALLERY
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.judging.answers import Answers, Relation, Single
from gaucho_pipeline.judging.composing import compose
from gaucho_pipeline.judging.panel import Kind, Panel, PanelPicture
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.samples import picture_row, train_image
from gaucho_pipeline_tests.standing import stand

ATTRIBUTES = (Bilingual(pt="tronco nu", en="a bare trunk"), Bilingual(pt="copa em taça", en="a crown like a cup"))
KNOWN: Mapping[Kind, float] = {"real": 0.97, "tuned": 0.9, "base": 0.1, "look_alike": 0.05, "control": 0.0}
"""How likely a picture of each kind is taken for the concept by people who know it, where the concept was learned."""


def pools(of_each: int = 8, kinds: tuple[Kind, ...] = ("real", "tuned", "base", "look_alike", "control")) -> dict[Kind, list[PanelPicture]]:
    """So many pictures of each kind."""
    numbers = iter(range(1, 1000))
    return {kind: [PanelPicture(id=f"{next(numbers):016x}", kind=kind, prompt=kind, seed=1) for _ in range(of_each)] for kind in kinds}


def small_panel(attributes: tuple[Bilingual, ...] = ATTRIBUTES, seed: int = 0, **changes: Any) -> Panel:
    drawn = compose(pools(), 36, 20, random.Random(seed))
    panel = Panel(
        id="00000000000000aa", seed=seed, made_at="2026-11-30T12:00:00+00:00", gallery="1", spec_version="1", spec={},
        attributes=attributes, pictures=drawn.pictures, pairs=drawn.pairs, singles=drawn.singles,
    )  # fmt: skip
    return panel.model_copy(update=changes)


def answer(
    panel: Panel,
    rater: int,
    taken: Mapping[Kind, float] = KNOWN,
    relation: Relation = "knows_it",
    attributes: Mapping[Kind, tuple[float, ...]] | None = None,
    share: float = 1.0,
) -> Answers:
    """What a person answers who takes pictures of each kind for the concept so often. `share`: of the questions, how many."""
    chance = random.Random(rater)
    kind_of = {picture.id: picture.kind for picture in panel.pictures}

    def seems(picture: str) -> float:
        return float(chance.random() < taken[kind_of[picture]]) + chance.random() / 10

    def ticked(picture: str) -> tuple[int, ...]:
        likely = (attributes or {}).get(kind_of[picture], (taken[kind_of[picture]],) * len(panel.attributes))
        return tuple(number for number in range(len(panel.attributes)) if chance.random() < likely[number])

    pairs = [pair for pair in panel.pairs if chance.random() < share]
    singles = [picture for picture in panel.singles if chance.random() < share]
    return Answers(
        format="gaucho-answers-1",
        panel=panel.id,
        concept="araucaria",
        rater=f"{rater:016x}",
        relation=relation,
        pairs={pair.id: max(pair.pictures, key=seems) for pair in pairs},
        singles={picture: Single(shows_it=seems(picture) > 1, attributes=ticked(picture)) for picture in singles},
    )


def write_answers(folder: Path, answers: Answers, **changes: Any) -> Path:
    """An answers file as the page writes it; `changes`: what somebody made of it."""
    file = folder / f"{answers.rater}.json"
    file.write_text(json.dumps(answers.model_dump(mode="json") | changes), encoding="utf-8")
    return file


def stand_for_judging(project: Project, slug: str = "araucaria", real: int = 5, drawn: int = 5) -> Project:
    """Has everything stand of a concept: so many real images of 96 pixels, and so many pictures of each model of 64."""

    def picture(seed: int, side: int) -> bytes:
        return png_bytes(Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)))

    def curated(folder: Path) -> None:
        (folder / "images").mkdir()
        rows = [train_image(number, title=f"Araucária {number}", author=f"Autora {number}") for number in range(real)]
        write_rows(folder / "images.jsonl", rows)
        for number, row in enumerate(rows):
            (folder / row.file).write_bytes(picture(number, 96))

    def gallery(folder: Path) -> None:
        rows = [picture_row(model, number, seed=number) for number in range(drawn) for model in ("base", "tuned")]
        rows += [picture_row(model, drawn + number, kind="class") for number in range(2) for model in ("base", "tuned")]
        write_rows(folder / "pictures.jsonl", rows)
        for number, row in enumerate(rows):
            (folder / row.file).write_bytes(picture(100 + number, 64))

    for asset in project.assets_of(slug):
        furnish = {CURATED_SET.name: curated, SAMPLE_GALLERY.name: gallery}.get(asset.name)
        stand(project, asset.name, slug, furnish=furnish)
    stand(project, GALLERY_SITE.name, ALL)
    return project
