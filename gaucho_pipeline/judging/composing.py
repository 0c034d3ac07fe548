"""Composes a panel from the pictures that there are: pairs in which every kind meets every other, single pictures, and controls. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, cycle, islice

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.judging.panel import KINDS, Kind, PanelPair, PanelPicture

CONTROLS = 6
"""Pairs whose answer is known: a real image, and one whose tiles were shuffled."""
_SINGLES: Mapping[Kind, int] = {"tuned": 5, "real": 3, "base": 1, "look_alike": 1}
"""Single pictures of each kind, of ten."""


@dataclass(frozen=True)
class Composition:
    """What people are asked, in an order that tells nothing."""

    pictures: tuple[PanelPicture, ...]
    pairs: tuple[PanelPair, ...]
    singles: tuple[str, ...]


def compose(pools: Mapping[Kind, Sequence[PanelPicture]], pairs: int, singles: int, chance: random.Random) -> Composition:
    """Draws pairs and single pictures; each picture of a kind comes as often as any other, give or take one.

    `pools`: pictures by kind, of which one of `real`, `tuned` and `base` at least; without look-alikes the others meet one another more
    often. `pairs` counts no controls. Raises GauchoError where a kind has none.
    """
    if missing := [kind for kind in ("real", "tuned", "base", "control") if not pools.get(kind)]:
        raise GauchoError(_("there is nothing to judge: no pictures of the kind {kinds}", kinds=", ".join(missing)))
    turns = {kind: _in_turn(pools[kind], chance) for kind in pools if pools[kind]}
    met = list(combinations([kind for kind in KINDS if kind in turns], 2))
    asked = [(next(turns[one]), next(turns[other]), False) for one, other in islice(cycle(met), pairs)]
    asked += [(next(turns["real"]), next(turns["control"]), True) for _number in range(CONTROLS)]
    shown = [next(turns[kind]) for kind, share in _SINGLES.items() if kind in turns for _number in range(share * singles // 10)]
    shown = list({picture.id: picture for picture in shown}.values())
    used = {picture.id: picture for one, other, _is_control in asked for picture in (one, other)} | {each.id: each for each in shown}
    found = [PanelPair(id=new_id(chance), pictures=_shuffled((one.id, other.id), chance), is_control=known) for one, other, known in asked]
    chance.shuffle(found)
    chance.shuffle(shown)
    pictures = sorted(used.values(), key=lambda picture: picture.id)
    return Composition(tuple(pictures), tuple(found), tuple(picture.id for picture in shown))


def new_id(chance: random.Random) -> str:
    """An id that tells nothing."""
    return f"{chance.getrandbits(64):016x}"


def _shuffled(pair: tuple[str, str], chance: random.Random) -> tuple[str, str]:
    return pair if chance.random() < 0.5 else (pair[1], pair[0])


def _in_turn(pool: Sequence[PanelPicture], chance: random.Random) -> Iterator[PanelPicture]:
    """The pictures again and again, each time in another order: nobody is shown one twice while another waits."""
    while True:
        yield from chance.sample(list(pool), len(pool))
