"""The rows of a curated set's tables: what was crawled, measured, decided and written of an image, put together when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gaucho_pipeline.assets.rows import CrawledImage, CuratedImage, OverrideRow, TrainImage
from gaucho_pipeline.curation.captions import Caption
from gaucho_pipeline.curation.crawled import Crawled
from gaucho_pipeline.curation.masks import ImageMask
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.curation.writing import picture_name
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import DUPLICATE, SENTENCES, ImageDecision
from gaucho_pipeline.language.bilingual import LANGUAGES

_UNKNOWN = {"measures": None, "relevance": None, "people": None, "override": None}
_NOT_SHOWN = ("content_box", "camera")
"""Measures that only this program reads."""


@dataclass(frozen=True)
class Table:
    """All that is known of the images, by SHA-256 of their files."""

    crawled: Crawled
    decisions: Mapping[str, ImageDecision]
    measures: Mapping[str, Measures]
    relevance: Mapping[str, float]
    overrides: Mapping[str, Override]
    pixels: Mapping[str, str]
    """The hash of the PNG that was written."""
    captions: Mapping[str, Caption]
    masks: Mapping[str, ImageMask]
    """The masks that were written."""
    people: Mapping[str, float]
    """How likely it shows a face or a child, 0 to 1, where a text-image model was asked."""
    credits: Mapping[str, Mapping[str, Any]]
    """What is credited of those of which several records say different things."""
    scenes: Mapping[str, str]
    """What some images that stay are nearly the same as."""

    @property
    def stays(self) -> list[str]:
        """SHA-256 of the images that stay, in the crawl's order."""
        return [sha for sha in self.crawled if self.decisions[sha].kept]

    @property
    def goes(self) -> list[str]:
        """SHA-256 of those that do not."""
        return [sha for sha in self.crawled if not self.decisions[sha].kept]

    def kept(self, images: Iterable[str]) -> Iterator[TrainImage]:
        """Rows of images that stay."""
        for sha in images:
            caption = self.captions[sha]
            own: dict[str, Any] = {
                "pixels": self.pixels[sha],
                "caption": caption.text,
                "caption_by": caption.by,
                "file": f"images/{picture_name(sha)}",
            }
            if mask := self.masks.get(sha):
                own |= {"mask": f"masks/{picture_name(sha)}", "mask_by": mask.by, "mask_share": mask.share, "mask_pixels": mask.sha256}
            if scene := self.scenes.get(sha):
                own["scene"] = scene
            yield TrainImage(**self._fields(sha), **own)

    def excluded(self, images: Iterable[str]) -> Iterator[CuratedImage]:
        """Rows of images that do not stay, then of records that brought a file again."""
        yield from (CuratedImage(**self._fields(sha), file=None, **_sentences(self.decisions[sha])) for sha in images)
        for row in self.crawled.repeated():
            decision = ImageDecision(False, DUPLICATE, same_as=row.sha256)
            yield CuratedImage(**_fields_of(row, decision), **_UNKNOWN, file=None, **_sentences(decision))

    def _fields(self, sha: str) -> dict[str, Any]:
        measures, override = self.measures.get(sha), self.overrides.get(sha)
        numbers = measures.numbers() if measures else {}
        return (
            _fields_of(self.crawled[sha], self.decisions[sha])
            | dict(self.credits.get(sha, {}))
            | {
                "measures": {name: number for name, number in numbers.items() if name not in _NOT_SHOWN} or None,
                "relevance": self.relevance.get(sha),
                "people": self.people.get(sha),
                "override": OverrideRow(**asdict(override)) if override else None,
            }
        )


def _fields_of(row: CrawledImage, decision: ImageDecision) -> dict[str, Any]:
    """What the crawl says of an image and what was decided of it; a person's own folders stay in the crawl."""
    return row.model_dump(exclude={"url", "is_file", "file", "fields"}, exclude_unset=True) | asdict(decision)


def _sentences(decision: ImageDecision) -> dict[str, str]:
    sentence = SENTENCES[decision.reason]
    return {language: sentence.read(language) for language in LANGUAGES}
