"""Whether a panel's intervals hold: simulated people of known error judge simulated pictures, 2,000 panels, and the truth is known.

    python benchmarks/panels.py [PANELS]

People and pictures differ from one another (in logits, by normal draws), and people answer at random now and then. For panels of several
sizes: how often the 95 % interval of a share, and of a preference by Bradley and Terry's model, holds the share of the population; its
mean width; and how often people who know the concept, and people who guess, come to which word. Last line: JSON with `coverage` (lowest
and highest of those with five people and more) and `false_yes`. Aim: .93 to .97.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gaucho_pipeline.judging.analysis import judge
from gaucho_pipeline.judging.statistics import Choices, Estimate, Ticks, preference, share
from gaucho_pipeline_tests.raters import KNOWN, answer, small_panel

SIZES = ((3, 10), (5, 10), (7, 10), (12, 10))
"""People, and single pictures of a kind."""
SPREADS = ((0.5, 1.0), (1.0, 0.3), (0.2, 1.0))
"""Of people and of pictures, in logits."""
MEANS = (-2.5, 0.0, 1.0, 2.0)
STRENGTHS = (2.0, 1.2, -0.6, -1.0)
"""Of real, tuned and base pictures and look-alikes."""
LAPSE, PAIRS_OF_EACH = 0.04, 6


def chance_of(logits: np.ndarray) -> np.ndarray:
    return np.asarray(LAPSE / 2 + (1 - LAPSE) / (1 + np.exp(-logits)))


def population(mean: float, spread: float) -> float:
    """The share that a population of people and pictures has. `spread`: of both together."""
    return float(chance_of(mean + np.random.default_rng(0).normal(0, spread, 400_000)).mean())


def ticks(rng: np.random.Generator, people: int, pictures: int, mean: float, spreads: tuple[float, float]) -> Ticks:
    logits = mean + rng.normal(0, spreads[0], (people, 1)) + rng.normal(0, spreads[1], (1, pictures))
    who, which = np.indices(logits.shape)
    return Ticks(who.ravel(), which.ravel(), (rng.random(logits.shape) < chance_of(logits)).ravel())


def choices(rng: np.random.Generator, people: int, spreads: tuple[float, float]) -> Choices:
    kinds, of_each = len(STRENGTHS), 3 * PAIRS_OF_EACH
    by_person, by_picture = rng.normal(0, spreads[0], (people, kinds)), rng.normal(0, spreads[1], (kinds, of_each))
    used, rows = [0] * kinds, []
    for one in range(kinds):
        for other in range(one + 1, kinds):
            for _ in range(PAIRS_OF_EACH):
                numbers = [used[one] % of_each, used[other] % of_each]
                used[one], used[other] = used[one] + 1, used[other] + 1
                gap = STRENGTHS[one] + by_picture[one, numbers[0]] - STRENGTHS[other] - by_picture[other, numbers[1]]
                wins = rng.random(people) < chance_of(gap + by_person[:, one] - by_person[:, other])
                pictures = (one * 100 + numbers[0], other * 100 + numbers[1])
                rows += [(who, one, other, *pictures) if won else (who, other, one, *pictures[::-1]) for who, won in enumerate(wins)]
    return Choices(*np.array(rows).T)


def coverage(found: list[Estimate | None], truth: float) -> tuple[float, float]:
    """How often the interval holds the truth, and how wide it is."""
    own = [each for each in found if each]
    held = [each.interval[0] <= truth <= each.interval[1] for each in own]
    return float(np.mean(held)), float(np.mean([each.interval[1] - each.interval[0] for each in own]))


def main(panels: int) -> None:
    rng, held, worst = np.random.default_rng(11), list[float](), list[float]()
    print(f"{'share':<12} {'people':>6} {'mean':>6} {'spreads':>10} {'truth':>6} {'coverage':>8} {'width':>6}")
    for people, pictures in SIZES:
        for spreads in SPREADS:
            for mean in MEANS:
                truth = population(mean, float(np.hypot(*spreads)))
                covered, width = coverage([share(ticks(rng, people, pictures, mean, spreads)) for _ in range(panels)], truth)
                print(f"{'single':<12} {people:>6} {mean:>6} {spreads!s:>10} {truth:>6.3f} {covered:>8.3f} {width:>6.2f}", flush=True)
                held += [covered] if people >= 5 else []
                worst += [covered] if people < 5 else []
    for people, _ in SIZES:
        for spreads in SPREADS:
            truth = population(STRENGTHS[1] - STRENGTHS[0], float(np.sqrt(2) * np.hypot(*spreads)))
            covered, width = coverage([preference(choices(rng, people, spreads), 1, 0, 4) for _ in range(max(panels // 10, 1))], truth)
            print(f"{'over real':<12} {people:>6} {'':>6} {spreads!s:>10} {truth:>6.3f} {covered:>8.3f} {width:>6.2f}", flush=True)
            held += [covered] if people >= 5 else []
            worst += [covered] if people < 5 else []
    panel, words = small_panel(), dict[str, Counter[str]]()
    for name, taken in (
        ("learned", KNOWN),
        ("half learned", KNOWN | {"tuned": 0.5}),
        ("not learned", KNOWN | {"tuned": 0.1}),
        ("guessing", dict.fromkeys(KNOWN, 0.5)),
    ):
        words[name] = Counter(
            judge(panel, [answer(panel, 1000 * each + who, taken) for who in range(7)]).word for each in range(max(panels // 40, 1))
        )
        print(f"{name:<14} {dict(words[name])}", flush=True)
    false_yes = sum(words[name]["yes"] for name in ("half learned", "not learned", "guessing"))
    print(json.dumps({"coverage": [min(held), max(held)], "coverage_of_three": [min(worst), max(worst)], "false_yes": false_yes}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
