"""What a source says of an image, before and after it is fetched."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gaucho_pipeline.rights import License


@dataclass(frozen=True)
class Record:
    """An image that a source lists. `key` names it for ever: the source's kind and its id there."""

    key: str
    origin: str
    """Which of the concept's sources listed it, such as `openverse: chimarrão`."""
    media: str
    """Address of the file, or its path for one in a folder."""
    title: str
    author: str
    source: str
    """The page where people see it."""
    license: License

    def described(self) -> dict[str, Any]:
        """The record as a row of a table."""
        row = asdict(self) | {"license": self.license.id, "license_family": self.license.family, "license_url": self.license.url}
        return row


@dataclass(frozen=True)
class Listing:
    """One page of what a source lists: its records, those that name no usable image, and the next page."""

    records: tuple[Record, ...]
    unusable: tuple[dict[str, Any], ...]
    """Rows with `key`, `origin` and `reason`."""
    next_page: str | None
