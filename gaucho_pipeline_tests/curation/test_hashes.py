"""Hashes: the search for near ones is exact."""

from __future__ import annotations

import numpy as np
import pytest

from gaucho_pipeline.curation.hashes import HashIndex


@pytest.mark.parametrize("radius", [0, 1, 3, 4, 7, 9])
def test_the_search_finds_exactly_the_pairs_that_comparing_all_finds(radius: int) -> None:
    draw = np.random.default_rng(radius)
    base = draw.integers(0, 2**63, 300, np.uint64)
    flips = np.array([sum(1 << int(b) for b in draw.choice(64, k, replace=False)) for k in draw.integers(0, 12, 300)], np.uint64)
    hashes = np.concatenate([base, base ^ flips])
    found = {(int(a), int(b)) for left, right, _ in HashIndex(hashes, radius).near(hashes) for a, b in zip(left, right, strict=True)}
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= radius
    assert found == {(int(a), int(b)) for a, b in np.argwhere(near)}
