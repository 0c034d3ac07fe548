"""The rows of artifacts' tables: one frozen model for each table, through which it is written and read.

What a reader needs is required here, so that a row without it is one clear error wherever it is read. A field that only some rows have
has a default, and is not written where nobody has set it. Metrics, which are counted from rows, are in `metrics.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.tables import read_table, write_table
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.spec import JsonObject

Number = int | float
"""Kept as it was written: 24 stays 24."""


class Row(BaseModel):
    """A line of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Credit(Row):
    """What is credited of an image, wherever one is listed."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file as it came")
    title: str = Field(description="What its author calls it; may be empty")
    author: str = Field(description="Who made it")
    source: str = Field(description="The page where people see it")
    license: str = Field(description="Id of its licence, such as CC-BY-4.0")
    license_url: str | None = Field(description="Address of the licence's text")


# ------------------------------------------------------------------------------------------ raw_crawl


class Listed(Row):
    """What a source says of an image: what every table of a crawl has of it, but for records that cannot be used."""

    key: str = Field(description="The source's kind and its id there: names the image for ever")
    origin: str = Field(description="Which of the concept's sources listed it")
    url: str = Field(description="Address of the file, or its path for one on this disk")
    title: str = Field(description="What its author calls it; may be empty")
    author: str = Field(description="Who made it")
    source: str = Field(description="The page where people see it")
    license: str = Field(description="Id of its licence")
    license_family: str | None = Field(description="cc0, pd, cc-by, …; null for what may not be used")
    license_url: str | None = Field(description="Address of the licence's text")
    flags: tuple[str, ...] = Field(description="Restrictions that are no matter of copyright")
    sha1: str | None = Field(description="SHA-1 of the original file, where the source gives it")
    labels: tuple[str, ...] = Field(description="Categories or tags")
    is_file: bool = Field(description="Whether it is on this disk")
    fields: dict[str, str] = Field({}, description="What a catalogue says of it beside that, by the names of its columns")
    previous_license: str | None = Field(None, description="What its licence was when it was kept, where that is another")


class CrawledImage(Listed):
    """A row of `images.jsonl` of a raw crawl; of `gone.jsonl`, where its source lists it no longer."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file as it came")
    bytes: int = Field(ge=0, description="Size of the file")
    file: str = Field(description="Its path in the data folder")


class NotFetched(Listed):
    """A row of `failed.jsonl` or `refused.jsonl` of a raw crawl: an image that was listed and not fetched."""

    reason: str = Field(description="Why, in words")
    permanent: bool | None = Field(None, description="Whether asking again is useless")


class Unusable(Row):
    """A row of `refused.jsonl` for a record that names no image that could be used."""

    key: str = Field(description="As far as it names one")
    origin: str = Field(description="Which of the concept's sources listed it")
    reason: str = Field(description="Why, in words")


class RightsPhrase(Row):
    """What a collection says of the rights of some of its items, and how that is read."""

    stated: str = Field(description="In the collection's own words; empty where it says nothing")
    count: int = Field(description="Items that say so")
    read_as: str = Field(description="A licence's id, or why it allows nothing")
    is_allowed: bool = Field(description="Whether it is a licence that may be allowed")


class SourcePlan(Row):
    """What a crawl would do with what one source lists."""

    source: str = Field(description="Which of the concept's sources it is")
    listed: int = Field(description="Records that it lists")
    there_are: int | None = Field(description="How many it says there are")
    licenses: dict[str, int] = Field(description="Records by licence")
    refused: dict[str, int] = Field(description="Records that may not be used, by reason")
    would_be_fetched: int = Field(description="Images that are not there yet")
    cached: int = Field(description="Images that are")
    failure: str = Field(description="What went wrong; empty if nothing did")
    note: str = Field(description="What a person should know of it")
    rights: tuple[RightsPhrase, ...] = Field((), description="The phrases of a source that states rights in words of its own")


class CrawlPlan(Row):
    """plan.json: what a crawl would do, without fetching an image."""

    sources: tuple[SourcePlan, ...]
    max_images: int = Field(description="The most images to gather")
    max_bytes: int = Field(description="The most bytes to gather")


# ------------------------------------------------------------------------------------------ curated_set


class OverrideRow(Row):
    """What a curator decided of an image."""

    image: str
    decision: str
    caption: str
    by: str
    why: str


class CuratedImage(Credit):
    """A row of `images.jsonl` or `excluded.jsonl` of a curated set, of `train.jsonl` and of `validation.jsonl`."""

    key: str = Field(description="The source's kind and its id there")
    origin: str = Field(description="Which of the concept's sources listed it")
    license_family: str | None = Field(description="cc0, pd, cc-by, …")
    flags: tuple[str, ...] = Field(description="Restrictions that are no matter of copyright")
    sha1: str | None = Field(description="SHA-1 of the original file, where the source gives it")
    labels: tuple[str, ...] = Field(description="Categories or tags")
    previous_license: str | None = Field(None, description="What its licence was when it was kept, where that is another")
    statements: tuple[str, ...] = Field((), description="Author, licence and page of each record, where several say different things of it")
    bytes: int = Field(ge=0, description="Size of the file as it came")
    kept: bool = Field(description="Whether it is trained on, or measured with")
    reason: str = Field(description="Why it was left out; empty for what stays")
    score: Number | None = Field(description="What decided, where a number did")
    threshold: Number | None = Field(description="What it was held against")
    same_as: str | None = Field(description="SHA-256 of the image that it repeats")
    by: str = Field(description="Who decided, where a person did")
    why: str = Field(description="That person's reason")
    file: str | None = Field(description="Its path in the artifact's folder; null for what was left out")
    measures: dict[str, Number | str] | None = Field(description="What was measured of it, by name; null for what cannot be read")
    relevance: float | None = Field(description="How likely it shows the concept, 0 to 1, where a model was asked")
    people: float | None = Field(description="How likely it shows a face or a child, 0 to 1, where a model was asked")
    override: OverrideRow | None = Field(description="What a curator decided of it")
    pixels: str | None = Field(None, description="Hash of the pixels that were written, for what stays")
    caption: str | None = Field(None, description="What it shows, with {token} and {class_noun}, for what stays")
    caption_by: str | None = Field(None, description="Who said so: prompt, title, model, context, curator")
    mask: str | None = Field(None, description="Path of its mask in the artifact's folder, white where the subject is; null without one")
    mask_by: str | None = Field(None, description="Where the mask is from: folder, alpha, backdrop, segmenter")
    mask_share: float | None = Field(None, description="Share of the picture that the mask shows, 0 to 1")
    mask_pixels: str | None = Field(None, description="Hash of the mask")
    scene: str | None = Field(None, description="Names the images that are nearly the same: all are trained on, or all are measured with")
    pt: str | None = Field(None, description="The reason as a Portuguese sentence, for what was left out")
    en: str | None = Field(None, description="The reason as an English sentence, for what was left out")


class TrainImage(CuratedImage):
    """An image that stays: what training and whoever comes after it read of a curated set."""

    file: str = Field(description="Its path in the artifact's folder")
    pixels: str = Field(description="Hash of its pixels")
    caption: str = Field(description="What it shows, with {token} and {class_noun}")
    caption_by: str = Field(description="Who said so")
    token: str | None = Field(None, description="In a collection: the token of the concept that it is of")


# ------------------------------------------------------------------------------------------ checkpoint


class ClassImage(Credit):
    """One of the user's own images of the class, as it is credited."""

    file: str = Field(description="Its path in the staging folder")
    pixels: str = Field(description="Hash that its latents are kept under")


class Loss(Row):
    """A row of `losses.jsonl`: a measurement of the validation loss."""

    step: int = Field(ge=0)
    validation: float = Field(description="Mean squared error on the validation images")
    low: float = Field(0.0, description="Interval of the change from the base model, from")
    high: float = Field(0.0, description="… to")
    train: float | None = Field(None, description="Loss of the step before, on what was learned from")
    trial: str = Field("", description="Which trial of a study, where there were several")


# ------------------------------------------------------------------------------------------ sample_gallery


class Picture(Row):
    """A row of `pictures.jsonl`: a generated picture."""

    file: str = Field(description="Its path in the artifact's folder")
    model: Literal["base", "tuned"]
    number: int = Field(ge=0, description="Which sample it is of")
    kind: Literal["concept", "class"]
    prompt: str = Field(description="What the model read")
    written: str = Field(description="What a person wrote, where that is another language")
    without_token: str = Field(description="The prompt for what knows no made-up word")
    seed: int
    blank: bool = Field(description="Whether it shows nothing")
    pixels: str = Field(description="Hash of its pixels")
    height: int = Field(ge=1, description="In pixels, without a label below it")


# ------------------------------------------------------------------------------------------ evaluation


class CreditedThumbnail(Credit):
    """A row of `training.jsonl` of an evaluation: a training image in small, and whose it is."""

    file: str = Field(description="Its path in the artifact's folder")
    flags: tuple[str, ...] = Field((), description="Restrictions that are no matter of copyright")


class Copy(Row):
    """A row of `copies.jsonl`: a picture that looks copied."""

    file: str = Field(description="The picture, in the gallery's folder")
    training: str = Field(description="The training image in small, in the evaluation's folder")
    cosine: float


# ------------------------------------------------------------------------------------------ judgement


class Remark(Row):
    """A row of `remarks.jsonl`: what a person wrote that is wrong with a picture."""

    prompt: str = Field(description="What the picture was drawn of")
    seed: int
    text: str = Field(max_length=500)


# ------------------------------------------------------------------------------------------ sample_sequence


class FrameRow(Row):
    """A row of `frames.jsonl`: a frame of a story, with what was measured of it."""

    file: str = Field(description="Its path in the artifact's folder")
    story: str
    number: int = Field(ge=0)
    beat: int = Field(ge=0, description="Which beat it is of")
    following: int = Field(ge=0, description="The beat that follows, of which a share is in it")
    share: float = Field(ge=0, le=1, description="How much of the following beat is in it")
    pixels: str = Field(description="Hash of its pixels")
    height: int = Field(ge=1, description="In pixels, without a label below it")
    step: float | None = Field(None, description="Mean change of a pixel's value from the frame before, 0 to 1")
    subject: float | None = Field(None, description="Mean cosine with the validation images")
    base_subject: float | None = Field(None, description="The same of the base model's frame")
    gain_low: float | None = Field(None, description="95 % interval of the gain over the base model's frame, from")
    gain_high: float | None = Field(None, description="… to")


class BeatRow(Row):
    """A beat of a story."""

    prompt: str
    caption: Bilingual | None
    first: int = Field(ge=0, description="The frame that it begins with")
    transition: str


class StoryRow(Row):
    """A row of `stories.jsonl`: what pages say of a story."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$")
    title: Bilingual | None
    beats: tuple[BeatRow, ...]
    frames: int = Field(ge=1)
    frames_per_second: float = Field(gt=0)
    files: tuple[str, ...]


class ImageMention(Row):
    """A row of any table that names an image, as far as that goes: for whoever looks for one in all tables."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: str = ""
    key: str = ""
    url: str = ""
    source: str = ""
    sha1: str | None = None
    file: str | None = None


# ------------------------------------------------------------------------------------------ reading and writing

R = TypeVar("R", bound=Row)


def to_json(row: Row) -> JsonObject:
    """A row as a table has it: without what nobody has set."""
    return JsonObject(row.model_dump(mode="json", exclude_unset=True))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Writes rows as JSON Lines."""
    write_table(path, map(to_json, rows))


def read_rows(path: Path, of: type[R]) -> list[R]:
    """Reads a table. Raises GauchoError with the line and the field for a row that is not one of its table's."""
    return list(parse_rows(read_table(path), of, path))


def parse_rows(values: Iterable[object], of: type[R], path: Path) -> Iterator[R]:
    """Rows from what JSON Lines hold. `path`: the table, for the message."""
    for number, value in enumerate(values, start=1):
        yield parse_row(value, of, f"{path}, row {number}")


def parse_row(value: object, of: type[R], where: str) -> R:
    """A row from what a line of JSON holds. Raises GauchoError that names the place and the field."""
    try:
        return of.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        text = f"{where}: {f'{field}: ' if field else ''}{first['msg']}"
        raise GauchoError(
            _("{text}; it is damaged, or of another version: remove its folder and run again, it is made again", text=text)
        ) from None
