"""A concept whose pictures are drawn by hand rather than by a model, so that what an evaluation must say of them is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.files.tables import read_table, write_table
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.samples import picture_row, train_image
from gaucho_pipeline_tests.standing import stand

PROMPTS = ("a photo of mtl tree on the grass", "a photo of mtl tree at night")


def drawn(subject: str, first: int, count: int) -> list[Image.Image]:
    return [draw_subject(subject, index) for index in range(first, first + count)]


ARAUCARIAS = partial(drawn, "araucaria")


@dataclass(frozen=True)
class Shown:
    """A concept whose validation images are the first five of `real`, and its training images eight from the tenth on."""

    real: Callable[[int, int], list[Image.Image]] = ARAUCARIAS
    keys: Mapping[str, object] = field(default_factory=dict)
    """Of the concept, beside those of all."""


def stand_until_evaluation(
    folder: Path,
    tuned: Sequence[Image.Image],
    base: Sequence[Image.Image],
    evaluation: dict[str, object] | None = None,
    slugs: Sequence[str] = ("araucaria",),
    shown: Shown = Shown(),
    **learned: object,
) -> Project:
    """A project in which everything stands before the evaluation of the first concept, with these pictures of its prompts.

    The base model's class pictures are two cups.
    """
    photos = draw_folder(folder / "photos", "araucaria", 2)
    concepts = {slug: folder_concept(photos, token, "tree") for slug, token in zip(slugs, ("mtl", "dnc"), strict=False)}
    concepts[slugs[0]] |= {"evaluation": evaluation or {}, **shown.keys}
    project = Project(write_concepts(folder / "concepts.yaml", concepts), folder / "data")
    for slug in slugs:
        for asset in ("raw_crawl", "curated_set", "checkpoint", "sample_gallery"):
            made = stand(project, asset, slug, **(learned if asset == "checkpoint" else {}))
            if asset == "curated_set":
                _write(made.folder, "images", shown.real(10, 8) if slug == slugs[0] else drawn("chimarrao", 10, 8))
            if asset == "checkpoint":
                _write(made.folder, "validation", shown.real(0, 5))
                curated = project.store.current("curated_set", slug)
                assert curated
                write_table(made.folder / "train.jsonl", read_table(curated.folder / "images.jsonl"))
            if asset == "sample_gallery":
                _write_pictures(made.folder, {"base": base, "tuned": tuned})
    return project


def _write(folder: Path, name: str, pictures: Sequence[Image.Image]) -> None:
    rows = []
    (folder / name).mkdir()
    for number, picture in enumerate(pictures):
        (folder / name / f"{number}.png").write_bytes(png_bytes(picture))
        rows.append(train_image(number, title=f"Araucária {number}", file=f"{name}/{number}.png"))
    write_rows(folder / f"{name}.jsonl", rows)


def _write_pictures(folder: Path, pictures: dict[str, Sequence[Image.Image]]) -> None:
    rows = []
    for model, own in pictures.items():
        for number, picture in enumerate([*own, *drawn("chimarrao", 30, 2)]):
            file, is_class = f"pictures/{number:03d}-{model}.png", number >= len(own)
            (folder / file).write_bytes(png_bytes(picture))
            prompt = "a photo of a tree" if is_class else PROMPTS[number % len(PROMPTS)]
            kind, plain = "class" if is_class else "concept", prompt.replace("mtl tree", "a tree")
            fields = {"prompt": prompt, "seed": number, "kind": kind, "without_token": plain, "height": picture.height}
            rows.append(picture_row(model, number, **fields))
    write_rows(folder / "pictures.jsonl", rows)
