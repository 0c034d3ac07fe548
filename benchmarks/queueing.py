"""A simulation of the queue: how long new images wait for their concept to be trained, with so many concepts and GPUs.

`python benchmarks/queueing.py --concepts 500 --gpus 4 --changes 0.02 --minutes 20 [--spread 0.5] [--days 365] [--nightly]`

Each concept gets new images on a day with probability `--changes`; a change asks for one training, and a concept that waits already is
asked for once. A training takes `--minutes` on average, log-normal with the given spread. First come, first served. Prints how busy the
GPUs are, and how long changes wait: the median, the 95th hundredth and the longest; as its last line the same as JSON. Arithmetic, not a
measurement: put in the minutes that `gaucho run --plan` or a manifest of your own says.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from statistics import median, quantiles

_DAY = 24 * 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concepts", type=int, default=500)
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--changes", type=float, default=0.02, help="of a concept, a day")
    parser.add_argument("--minutes", type=float, default=20.0, help="of a training, its gallery and its evaluation")
    parser.add_argument("--spread", type=float, default=0.5, help="of the logarithm of the minutes")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--nightly", action="store_true", help="changes are seen at 3:00 and at no other time")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = simulate(given.concepts, given.gpus, given.changes, given.minutes, given.spread, given.days, given.nightly, given.seed)
    print(f"{found['trainings']:.0f} trainings of {found['changes']:.0f} changes, GPUs busy {found['busy']:.0%} of the time")
    print(
        f"waits: median {found['median_minutes']:.0f} min, 95 % {found['p95_minutes']:.0f} min, longest {found['longest_minutes']:.0f} min"
    )
    if found["busy"] > 0.9:
        print("the GPUs do not keep up, or hardly: more of them, or fewer changes")
    print(json.dumps(found))


def simulate(
    concepts: int, gpus: int, changes: float, minutes: float, spread: float, days: int, nightly: bool, seed: int
) -> dict[str, float]:
    """How busy the GPUs are and how long changes wait, in minutes, from the change to the end of its training."""
    draw = random.Random(seed)
    arrivals = []
    for day in range(days):
        for concept in range(concepts):
            if draw.random() < changes:
                moment = day * _DAY + draw.uniform(0, _DAY)
                seen = (math.floor((moment - 180) / _DAY) + 1) * _DAY + 180 if nightly else moment
                arrivals.append((seen, moment, concept))
    arrivals.sort()
    free, ends, waits, busy, count = [0.0] * gpus, dict[int, tuple[float, float]](), list[float](), 0.0, 0
    heapq.heapify(free)
    for seen, moment, concept in arrivals:
        begin, end = ends.get(concept, (-1.0, -1.0))
        if seen < begin:  # it waits already, and that training sees these images too
            waits.append(end - moment)
            continue
        takes = minutes * math.exp(draw.gauss(0, spread) - spread**2 / 2)
        begin = max(seen, heapq.heappop(free), end)
        heapq.heappush(free, begin + takes)
        ends[concept] = (begin, begin + takes)
        busy, count = busy + takes, count + 1
        waits.append(begin + takes - moment)
    return {
        "changes": len(waits), "trainings": count, "busy": busy / (gpus * days * _DAY), "median_minutes": median(waits),
        "p95_minutes": quantiles(waits, n=20)[-1], "longest_minutes": max(waits),
    }  # fmt: skip


if __name__ == "__main__":
    main()
