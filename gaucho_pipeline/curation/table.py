"""The rows of a curated set's tables: what was crawled, measured, decided and written of an image, put together when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from gaucho_pipeline.curation.captions import Caption
from gaucho_pipeline.curation.crawled import Crawled, Row
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.curation.writing import picture_name
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import DUPLICATE, SENTENCES, Verdict

_UNKNOWN = {"measures": None, "relevance": None, "people": None, "override": None}
_NOT_SHOWN = "content_box"
"""A measure that only this program reads."""


@dataclass(frozen=True)
class Table:
    """All that is known of the images, by SHA-256 of their files."""

    crawled: Crawled
    verdicts: Mapping[str, Verdict]
    measures: Mapping[str, Measures]
    relevance: Mapping[str, float]
    overrides: Mapping[str, Override]
    pixels: Mapping[str, str]
    """The hash of the PNG that was written."""
    captions: Mapping[str, Caption]
    people: Mapping[str, float]
    """How likely it shows a face or a child, 0 to 1, where a text-image model was asked."""

    def kept(self, images: Iterable[str]) -> Iterator[Row]:
        """Rows of images that stay."""
        for sha in images:
            caption = self.captions[sha]
            yield self._row(sha) | {"pixels": self.pixels[sha], "caption": caption.text, "caption_by": caption.by}

    def excluded(self, images: Iterable[str]) -> Iterator[Row]:
        """Rows of images that do not stay, then of records that brought a file again."""
        yield from (self._row(sha) for sha in images)
        for row in self.crawled.repeated():
            yield _row_of(row, Verdict(False, DUPLICATE, same_as=row["sha256"])) | _UNKNOWN

    def _row(self, sha: str) -> Row:
        row = _row_of(self.crawled[sha], self.verdicts[sha])
        measures = self.measures.get(sha)
        numbers = measures.numbers() if measures else {}
        row["measures"] = {name: number for name, number in numbers.items() if name != _NOT_SHOWN} or None
        row["relevance"], row["people"] = self.relevance.get(sha), self.people.get(sha)
        row["override"] = asdict(override) if (override := self.overrides.get(sha)) else None
        return row


def _row_of(row: Row, verdict: Verdict) -> Row:
    public = {name: value for name, value in row.items() if name not in ("url", "is_file")}  # a person's own folders stay in the crawl
    public |= verdict.to_row() | {"file": f"images/{picture_name(row['sha256'])}" if verdict.kept else None}
    return public if verdict.kept else public | dict(zip(("pt", "en"), SENTENCES[verdict.reason], strict=True))
