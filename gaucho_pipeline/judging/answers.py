"""An answers file: what one person's page writes, and what it must be before it is believed. It comes from elsewhere, by mail or chat."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.judging.panel import ID, Panel, StandingPanel, find_panel

MAX_BYTES = 1_000_000
Relation = Literal["lives_with_it", "works_on_it", "knows_it", "does_not_know_it"]
RELATIONS: tuple[Relation, ...] = ("lives_with_it", "works_on_it", "knows_it", "does_not_know_it")
"""How a person knows the concept: it is part of their life or trade; they study or keep it; they would recognise it; they would not."""


def _shown_signs(text: str) -> str:
    """The text on one line, without signs that do not show."""
    return " ".join("".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text).split())


Words = Annotated[str, Field(max_length=500), AfterValidator(_shown_signs)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Single(_Frozen):
    """What a person said of a single picture."""

    shows_it: bool = Field(description="Whether it shows the concept")
    attributes: tuple[int, ...] = Field((), max_length=8, description="Numbers of the attributes that were seen", strict=False)
    wrong: Words = Field("", description="What is wrong with it")


class Answers(_Frozen):
    """What one person answered."""

    format: Literal["gaucho-answers-1"]
    panel: str = Field(pattern=ID)
    concept: str = Field(max_length=64, description="For people: the panel's id is what counts")
    rater: str = Field(pattern=ID, description="Drawn at random by the page")
    name: Words = Field("", description="Who it was; people may stay nameless")
    relation: Relation = Field(description="How the person knows the concept")
    pairs: dict[str, str] = Field(max_length=200, description="The chosen picture, by pair")
    singles: dict[str, Single] = Field(max_length=100, description="What was said, by picture")

    @property
    def count(self) -> int:
        return len(self.pairs) + len(self.singles)


def parse_answers(content: bytes, name: str) -> Answers:
    """The answers of a file. Raises GauchoError in one line for what is none. `name`: the file, for the message."""
    if len(content) > MAX_BYTES:
        raise GauchoError(_("{name}: is no answers file; it is larger than {most} bytes", name=name, most=MAX_BYTES))
    try:
        return Answers.model_validate_json(content)
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "it is nested too deeply"}
        where = ".".join(str(part)[:40] for part in first["loc"])
        raise GauchoError(
            _("{name}: is no answers file ({where}{text})", name=name, where=f"{where}: " if where else "", text=first["msg"])
        ) from None


def check_answers(answers: Answers, panel: Panel, name: str) -> None:
    """Raises GauchoError for answers to what was never asked."""
    pairs = {pair.id: pair.pictures for pair in panel.pairs}
    strange = [pair for pair, chosen in answers.pairs.items() if chosen not in pairs.get(pair, ())]
    strange += [picture for picture in answers.singles if picture not in panel.singles]
    beyond = [each for single in answers.singles.values() for each in single.attributes if not 0 <= each < len(panel.attributes)]
    if strange or beyond:
        raise GauchoError(_("{name}: answers what was not asked; it is of another panel, or was changed", name=name))


def take_in(root: Path, file: Path) -> str:
    """Takes an answers file in; returns the concept. Raises GauchoError for what is none, or answers no panel that exists here.

    `root`: the data folder.
    """
    try:
        if not file.is_file():
            raise GauchoError(_("{name}: there is no such file", name=file))
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise GauchoError(_("{name}: cannot be read ({why})", name=file, why=error.strerror)) from None
    answers = parse_answers(content, file.name)
    found = find_panel(root, answers.panel)
    if found is None:
        raise GauchoError(_("{name}: answers panel {panel}, which does not stand here", name=file.name, panel=answers.panel))
    slug, standing = found
    check_answers(answers, standing.panel, file.name)
    plain = answers.model_dump_json(indent=1).encode()
    (standing.folder / "answers").mkdir(exist_ok=True)
    write_atomically(standing.folder / "answers" / f"{hashlib.sha256(plain).hexdigest()}.json", plain)
    return slug


def read_answers(standing: StandingPanel) -> list[Answers]:
    """The answers to a panel, one of each person: the one that goes furthest. Raises GauchoError for a damaged file."""
    found: dict[str, Answers] = {}
    for path in standing.answers():
        answers = parse_answers(path.read_bytes(), path.name)
        check_answers(answers, standing.panel, path.name)
        earlier = found.get(answers.rater)
        if earlier is None or answers.count > earlier.count:
            found[answers.rater] = answers
    return list(found.values())


def counted(panel: Panel, every: Sequence[Answers]) -> tuple[list[Answers], Mapping[str, int]]:
    """Whose answers count, and how many do not, by why.

    Left out are who answered fewer than half of the questions, who does not know the concept, and who failed more than one control or
    answered fewer than four. Who guesses passes six controls with at most one wrong in 11 of 100 cases.
    """
    kinds = {picture.id: picture.kind for picture in panel.pictures}
    controls = {pair.id for pair in panel.pairs if pair.is_control}
    asked, stay, out = len(panel.pairs) + len(panel.singles), list[Answers](), dict[str, int]()
    for answers in every:
        right = [kinds[chosen] != "control" for pair, chosen in answers.pairs.items() if pair in controls]
        why = (
            "too_few_answers" if answers.count < asked / 2
            else "does_not_know" if answers.relation == "does_not_know_it"
            else "failed_controls" if len(right) < 4 or right.count(False) > 1
            else ""
        )  # fmt: skip
        if why:
            out[why] = out.get(why, 0) + 1
        else:
            stay.append(answers)
    return stay, out
