"""Stories: what a sequence shows, beat by beat, as people write it in `concepts.yaml`, and the ready-made ones. A new one is an entry here.

What a name stands for is part of a version (`concepts/concept.py`): another text makes stale what was drawn of it, and nothing else. How
a story is drawn is in `sequence/`. Light to import.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.prompts.templates import ConceptWords, fill_in
from gaucho_pipeline.spec import Spec, Text, one_line

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}?|\}")
_NAME = "[a-z][a-z0-9]*(_[a-z0-9]+)*"
_MAX_FRAMES = 600


def _prompt(text: str) -> str:
    one_line(text)
    for found in _PLACEHOLDER.finditer(fill_in(text, ConceptWords("", ""))):
        if not re.fullmatch(rf"\{{{_NAME}\}}", found[0]):
            raise ValueError(
                f"unknown placeholder {found[0][:40]}; there are {{token}}, {{class_noun}} and the slug of a concept in braces"
            )
    return text


class Beat(Spec):
    """One part of a story: what is seen for a while."""

    prompt: Annotated[Text, AfterValidator(_prompt)] = Field(
        description="What is seen, in English, with {token} and {class_noun}; another concept's slug in braces stands for both its words"
    )
    frames: int = Field(8, ge=1, le=240, description="How many frames it lasts")
    transition: Literal["blend", "cut"] = Field(
        "blend", description="How the next beat is reached: blend, by turning into it all the while; cut, at once"
    )
    concepts: dict[str, Annotated[float, Field(ge=0, le=2)]] = Field(
        default_factory=dict,
        description="How strongly each concept is drawn, by slug, 0 to 2; its own, and those in the prompt, at 1 if absent",
    )
    caption: Bilingual | None = Field(None, description="What pages say of it; the prompt if absent")

    def strengths(self, own: str) -> dict[str, float]:
        """The concepts that meet in it, and how strongly each is drawn. `own`: the slug of the concept whose story it is."""
        named = (match[1] for match in _PLACEHOLDER.finditer(fill_in(self.prompt, ConceptWords("", ""))))
        return {own: 1.0} | dict.fromkeys(named, 1.0) | self.concepts


class Frame(NamedTuple):
    """Where a frame is in its story."""

    beat: int
    following: int
    """The beat that it turns into; the same where it does not."""
    share: float
    """How much of that is in it, 0 to below 1."""

    @property
    def nearest(self) -> int:
        """The beat that is seen most of."""
        return self.beat if self.share < 0.5 else self.following


class Story(Spec):
    """What unfolds, beat by beat."""

    name: str = Field(pattern=f"^{_NAME}$", max_length=64, description="Its name: a slug, for folders and files")
    title: Bilingual | None = Field(None, description="What pages call it; the name if absent")
    beats: tuple[Beat, ...] = Field(min_length=1, max_length=60, description="What is seen, in turn")
    seed: int = Field(1, ge=0, le=2**31 - 1, description="Seed of the noise that all frames share")
    drift: float = Field(
        0.0, ge=0, le=1, description="How far the noise wanders from beat to beat: 0 not at all, 1 to another one altogether"
    )
    frames_per_second: float = Field(8, ge=0.1, le=60, description="How fast it plays")

    @model_validator(mode="after")
    def _is_no_film(self) -> Self:
        if (count := sum(beat.frames for beat in self.beats)) > _MAX_FRAMES:
            raise ValueError(f"has {count} frames; at most {_MAX_FRAMES} are drawn as one story")
        return self

    def frames(self) -> list[Frame]:
        """Every frame in turn. What blends begins as its own beat, and is the next one where that begins."""
        found = []
        for number, beat in enumerate(self.beats):
            following = number + 1 if beat.transition == "blend" and number + 1 < len(self.beats) else number
            found += [Frame(number, following, place / beat.frames if following > number else 0.0) for place in range(beat.frames)]
        return found

    def others(self, own: str) -> list[str]:
        """The other concepts that any beat names."""
        return sorted({slug for beat in self.beats for slug in beat.strengths(own)} - {own})


def _beat(prompt: str, pt: str, en: str, frames: int = 8, transition: Literal["blend", "cut"] = "blend") -> Beat:
    return Beat(prompt=prompt, frames=frames, transition=transition, caption=Bilingual(pt=pt, en=en))


STORIES: dict[str, Story] = {
    story.name: story
    for story in (
        Story(
            name="day_to_night",
            title=Bilingual(pt="Do dia à noite", en="From day to night"),
            beats=(
                _beat("a photo of {token} {class_noun} on the grass by day", "De dia", "By day", 6),
                _beat("a photo of {token} {class_noun} on the grass at sunset", "Ao pôr do sol", "At sunset", 6),
                _beat("a photo of {token} {class_noun} on the grass at night", "À noite", "At night", 4),
            ),
        ),
        Story(
            name="day_over_the_pampa",
            title=Bilingual(pt="Um dia sobre o Pampa", en="A day over the Pampa"),
            beats=(
                _beat(
                    "a wide view of {token} {class_noun} at dawn, mist in the hollows",
                    "Amanhece: a cerração nas baixadas", "Dawn: mist in the hollows",
                ),
                _beat("a wide view of {token} {class_noun} at noon, cattle grazing", "Meio-dia: o gado pasta", "Noon: cattle graze"),
                _beat(
                    "a wide view of {token} {class_noun} at sunset, long shadows",
                    "O sol se põe, as sombras se alongam", "The sun sets, shadows grow long",
                ),
                _beat("a wide view of {token} {class_noun} at night under the stars", "Noite estrelada", "A night of stars", 6),
            ),
        ),
        Story(
            name="seasons",
            title=Bilingual(pt="As quatro estações", en="The four seasons"),
            beats=(
                _beat("a photo of {token} {class_noun} in spring, fresh green grass", "Primavera", "Spring"),
                _beat("a photo of {token} {class_noun} in summer, bright sun", "Verão", "Summer"),
                _beat(
                    "a photo of {token} {class_noun} in autumn, brown seeds on the ground",
                    "Outono: tempo de pinhão", "Autumn: the seeds ripen",
                ),
                _beat(
                    "a photo of {token} {class_noun} in winter, frost on the grass",
                    "Inverno: geada na serra", "Winter: frost in the highlands", 6,
                ),
            ),
        ),
        Story(
            name="roda_de_chimarrao",
            title=Bilingual(pt="A roda de chimarrão", en="Mate goes round"),
            beats=(
                _beat("a photo of {token} {class_noun} beside a kettle on a wood stove", "A água chia na chaleira", "The kettle sings"),
                _beat("a photo of hot water poured into {token} {class_noun}", "Ceva-se o mate", "The mate is poured"),
                _beat(
                    "a photo of two hands holding {token} {class_noun}",
                    "O primeiro mate é de quem ceva", "The first one is for who pours", transition="cut",
                ),
                _beat(
                    "a photo of people in a circle passing {token} {class_noun}",
                    "A cuia passa de mão em mão", "The gourd goes from hand to hand",
                ),
            ),
        ),
        Story(
            name="dance",
            title=Bilingual(pt="A dança da prenda e do peão", en="Prenda and peão dance"),
            beats=(
                _beat("a woman and a man in {token} {class_noun} facing each other in a ballroom", "Frente a frente", "Face to face"),
                _beat("a woman and a man in {token} {class_noun} bowing to each other", "O cumprimento", "The greeting"),
                _beat(
                    "a woman and a man in {token} {class_noun} dancing, the long dress swirling",
                    "A saia rodada gira", "The wide skirt turns",
                ),
                _beat("a woman and a man in {token} {class_noun} dancing arm in arm", "De braços dados", "Arm in arm"),
            ),
        ),
        Story(  # paintings: of a war of 1835 to 1845 there are no photographs, and none is to be mistaken for one
            name="battle",
            title=Bilingual(pt="A batalha: alvorada, meio-dia, crepúsculo", en="The battle: dawn, noon, dusk"),
            beats=(
                _beat(
                    "an oil painting of {token} {class_noun} at dawn, riders waiting with lances, mist",
                    "Alvorada: os cavaleiros esperam", "Dawn: riders wait",
                ),
                _beat(
                    "an oil painting of {token} {class_noun} at noon, riders charging, smoke and dust",
                    "Meio-dia: carga e fumaça", "Noon: the charge, smoke",
                ),
                _beat(
                    "an oil painting of {token} {class_noun} at dusk, an empty field, smoke drifting",
                    "Crepúsculo: o campo vazio", "Dusk: the empty field", 6,
                ),
            ),
        ),
    )
}  # fmt: skip
"""By name. Those of the past are said to be imagined wherever they are shown (`historical: true` of the concept)."""


def _named(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in STORIES:
        raise ValueError(f"there is no story of that name; there are {', '.join(STORIES)}; or write one: name and beats")
    return STORIES[value]


_StoryOrName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(STORIES)})] | Story


class Stories(Spec):
    """The stories of a concept."""

    stories: tuple[Annotated[Story, BeforeValidator(_named, json_schema_input_type=_StoryOrName)], ...] = Field(
        min_length=1, max_length=20, description=f"Ready-made ones by name ({', '.join(STORIES)}), or one's own: name and beats"
    )

    @field_validator("stories")
    @classmethod
    def _have_names_of_their_own(cls, value: tuple[Story, ...]) -> tuple[Story, ...]:
        if len({story.name for story in value}) != len(value):
            raise ValueError("two stories have the same name")
        return value
