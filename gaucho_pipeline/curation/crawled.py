"""The crawl's table of images, read a line at a time: what was said of a hundred thousand images need not be in memory at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from gaucho_pipeline.assets.rows import CrawledImage, parse_row
from gaucho_pipeline.errors import GauchoError, _


class Crawled(Mapping[str, CrawledImage]):
    """What the crawl says of each image, by SHA-256 of its file and in its order; of several records of a file, the first."""

    def __init__(self, table: Path) -> None:
        """`table`: `images.jsonl` of a raw crawl."""
        self._table = table
        self._repeated: list[int] = []
        self._others: defaultdict[str, list[int]] = defaultdict(list)
        places: dict[str, int] = {}
        place = 0
        with table.open("rb") as lines:
            for line in lines:
                if line.strip() and places.setdefault(sha256 := _sha256(line, self._table), place) != place:
                    self._repeated.append(place)
                    self._others[sha256].append(place)
                place += len(line)
        self._places = {sha: places[sha] for sha in sorted(places)}

    def __getitem__(self, sha256: str) -> CrawledImage:
        return self._at(self._places[sha256])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._places

    def repeated(self) -> Iterator[CrawledImage]:
        """The records whose file an earlier one has brought."""
        return (self._at(place) for place in self._repeated)

    def all_of(self, sha256: str) -> list[CrawledImage]:
        """Every record of a file, the first first."""
        return [self[sha256], *(self._at(place) for place in self._others.get(sha256, ()))]

    @property
    def records(self) -> int:
        """How many there are, repeated ones included."""
        return len(self._places) + len(self._repeated)

    def _at(self, place: int) -> CrawledImage:
        with self._table.open("rb") as lines:
            lines.seek(place)
            return parse_row(json.loads(lines.readline()), CrawledImage, str(self._table))


def _sha256(line: bytes, table: Path) -> str:
    """What a line is found by. Raises GauchoError if it is none of a crawl's table."""
    try:
        value = json.loads(line)["sha256"]
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str):
        raise GauchoError(_("{table}: is damaged; to have it made again: gaucho run --select raw_crawl --force", table=table))
    return value
