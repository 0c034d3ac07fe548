"""Plans of prompts by name, as data: contexts, light and styles, by what kind of subject a concept is. A new plan is an entry here.

What a name stands for is part of a version (`concepts/concept.py`): another text makes stale what was drawn with it, and nothing else.
"""

from __future__ import annotations

from typing import Literal, get_args

Subject = Literal["thing", "person", "place", "animal", "scene", "style"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)

_GENERAL = (
    "a photo of {token} {class_noun}",
    "a photo of {token} {class_noun} on a wooden table",
    "a photo of {token} {class_noun} on the grass at sunset",
    "a painting of {token} {class_noun}",
)
"""For a concept that does not say what kind of subject it is."""

_CONTEXTS: dict[Subject, tuple[str, ...]] = {
    "thing": ("on a wooden table", "held in two hands", "beside a fire in a ranch house", "on the grass of a wide plain"),
    "person": ("standing before a ranch house", "riding a horse across a wide plain", "sitting at a table by candlelight", "at a festival"),
    "place": ("seen from a hill", "with cattle grazing", "with a rider on horseback in the distance", "after the rain"),
    "animal": ("on a mossy stone", "in tall grass", "at the edge of the water", "seen close up"),
    "scene": ("seen from a hill", "with smoke in the distance", "with riders on horseback", "before a small town"),
}
_SHOWN = (
    "a horse on a wide plain", "a ranch house under a tree", "a woman in a long dress", "an old man drinking tea", "a boat on a river",
    "a bird on a branch", "a church in a small town", "a rider at night", "a dog beside a fire", "a bottle and a cup on a table",
)  # fmt: skip
"""What a picture in a style may be of."""
_LIGHT = ("at sunrise", "at night", "in the winter mist")
_STYLES = ("an oil painting of", "a pencil drawing of", "a woodcut of")

_DREAMBENCH_BOTH = (
    "in the jungle", "in the snow", "on the beach", "on a cobblestone street", "on top of pink fabric", "on top of a wooden floor",
    "with a city in the background", "with a mountain in the background", "with a blue house in the background",
    "on top of a purple rug in a forest",
)  # fmt: skip
_DREAMBENCH_THING = (
    "with a wheat field in the background", "with a tree and autumn leaves in the background", "with the Eiffel Tower in the background",
    "floating on top of water", "floating in an ocean of milk", "on top of green grass with sunflowers around it",
    "on top of a mirror", "on top of the sidewalk in a crowded street", "on top of a dirt road", "on top of a white rug",
)  # fmt: skip
_DREAMBENCH_LIVING = (
    "wearing a red hat", "wearing a santa hat", "wearing a rainbow scarf", "wearing a black top hat and a monocle", "in a chef outfit",
    "in a firefighter outfit", "in a police outfit", "wearing pink glasses", "wearing a yellow shirt", "in a purple wizard outfit",
)  # fmt: skip
_DREAMBENCH_LOOKS = ("red", "purple", "shiny", "wet", "cube shaped")


def heritage(subject: Subject | None) -> tuple[str, ...]:
    """Uses and settings, light and season, and crafts."""
    if subject is None:
        return _GENERAL
    if subject == "style":
        return tuple(f"a {{token}} {{class_noun}} of {each}" for each in _SHOWN)
    of = "a photo of {token} {class_noun}"
    return (of, *(f"{of} {where}" for where in (*_CONTEXTS[subject], *_LIGHT)), *(f"{style} {{token}} {{class_noun}}" for style in _STYLES))


def dreambench(subject: Subject | None) -> tuple[str, ...]:
    """The 25 prompts of the DreamBooth benchmark, for things or for living subjects (arXiv 2208.12242; google/dreambooth, CC BY 4.0).

    It has none for a style.
    """
    own = _DREAMBENCH_LIVING if subject in ("person", "animal") else _DREAMBENCH_THING
    where = tuple(f"a {{token}} {{class_noun}} {each}" for each in (*_DREAMBENCH_BOTH, *own))
    return (*where, *(f"a {look} {{token}} {{class_noun}}" for look in _DREAMBENCH_LOOKS))


def drawn_world(subject: Subject | None) -> tuple[str, ...]:
    """What the model that ships can draw: its places and times of day, and no technique; of a style, things that it knows."""
    if subject == "style":
        shown = ("tree in the snow by day", "house on the grass at sunset", "cat on the beach by day", "car in the city at night")
        return tuple(f"a {{token}} {{class_noun}} of a {each}" for each in shown)
    of = "a photo of {token} {class_noun}"
    return tuple(
        f"{of} {where}" for where in ("on the grass by day", "in the snow by day", "on the beach at night", "in the city at sunset")
    )


PLANS = {"heritage": heritage, "dreambench": dreambench, "drawn_world": drawn_world}
"""What gives a plan's prompts, for a kind of subject or for none."""
