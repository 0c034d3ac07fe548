"""A panel: which pictures people are shown, and what each is. Its file is the key, which stays in the data folder with the answers.

`DATA/panels/CONCEPT/PANEL/panel.json` and `answers/SHA256.json`. How a panel is composed is in `composing.py`, what an answers file must
be in `answers.py`. Light to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.language.bilingual import Bilingual

PANELS = "panels"
"""In the data folder: a folder for each concept, with one for each panel."""
Kind = Literal["real", "tuned", "base", "look_alike", "control"]
KINDS: tuple[Kind, ...] = ("real", "tuned", "base", "look_alike")
"""What is compared. A control is a picture that shows no subject: its answer is known."""
ID = "^[0-9a-f]{16}$"
"""Ids are random: they tell nothing of what they stand for."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PanelPicture(_Frozen):
    """A picture that people are shown."""

    id: str = Field(pattern=ID)
    kind: Kind = Field(description="What it is")
    prompt: str = Field("", description="What a generated one was drawn of")
    seed: int | None = Field(None, description="… and with which seed")


class PanelPair(_Frozen):
    """Two pictures of which one is chosen."""

    id: str = Field(pattern=ID)
    pictures: tuple[str, str] = Field(description="Their ids, in no order")
    is_control: bool = Field(False, description="Whether the answer is known: the picture that is no control")


class Panel(_Frozen):
    """panel.json: what people are asked, and what nobody may know who is asked."""

    id: str = Field(pattern=ID)
    seed: int = Field(ge=0, description="What it was drawn with: with the same pictures it comes out the same")
    made_at: str = Field(description="When, in UTC, ISO 8601")
    gallery: str = Field(description="Data version of the pictures that are judged")
    spec_version: str = Field(description="Data version of the specification")
    spec: dict[str, Any] = Field(description="The specification")
    attributes: tuple[Bilingual, ...] = Field(description="What a picture must show")
    pictures: tuple[PanelPicture, ...]
    pairs: tuple[PanelPair, ...]
    singles: tuple[str, ...] = Field(description="Ids of the pictures that are judged one by one")


class StandingPanel(NamedTuple):
    """A panel and the folder that it is in."""

    panel: Panel
    folder: Path

    def answers(self) -> list[Path]:
        """The answers files that were taken in, by name."""
        return sorted(self.folder.glob("answers/*.json"))

    def answers_version(self) -> str:
        """Stands for the answers that there are: their names are their hashes."""
        return digest([self.panel.id, [path.stem for path in self.answers()]])


def write_panel(root: Path, slug: str, panel: Panel) -> StandingPanel:
    """Keeps a panel's key. `root`: the data folder."""
    folder = root / PANELS / slug / panel.id
    (folder / "answers").mkdir(parents=True, exist_ok=True)
    if not (folder / "panel.json").exists():
        write_atomically(folder / "panel.json", panel.model_dump_json(indent=1))
    return StandingPanel(panel, folder)


def panels_of(root: Path, slug: str) -> list[StandingPanel]:
    """The panels of a concept, the oldest first. Raises GauchoError for one that is damaged."""
    found = [_read(path) for path in (root / PANELS / slug).glob("*/panel.json")]
    return sorted(found, key=lambda each: (each.panel.made_at, each.panel.id))


def judged_panel(root: Path, slug: str) -> StandingPanel | None:
    """The newest panel of a concept that somebody has answered; None where nobody has."""
    return next((each for each in reversed(panels_of(root, slug)) if each.answers()), None)


def find_panel(root: Path, panel_id: str) -> tuple[str, StandingPanel] | None:
    """A panel and its concept, by the panel's id; None where there is none."""
    return next(((path.parents[1].name, _read(path)) for path in _all(root) if path.parent.name == panel_id), None)


def _all(root: Path) -> Iterator[Path]:
    return (root / PANELS).glob("*/*/panel.json")


def _read(path: Path) -> StandingPanel:
    try:
        return StandingPanel(Panel.model_validate_json(path.read_bytes()), path.parent)
    except (OSError, ValidationError) as error:
        raise GauchoError(
            _(
                "{path}: is damaged ({error}); move its folder away, and ask again: gaucho judge",
                path=path,
                error=str(error).splitlines()[0],
            )
        ) from None
