"""What a stage program is asked to do: the one file that it reads first. What it then does is the stage's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.manifest import Provenance
from gaucho_pipeline.store.remote import fetch_if_asked
from gaucho_pipeline.store.store import Store


class StageRequest(BaseModel):
    """What a stage program is asked to do: `python -m gaucho_pipeline.<stage> REQUEST.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: str = Field(description="The asset to make")
    concept: str = Field(description="The concept's slug; 'all' for the site")
    title: str = Field("", description="The concept's name, for pages; another name makes nothing again")
    words: ConceptWords | None = Field(None, description="What the concept is called in prompts; None for the site")
    historical: bool = Field(False, description="Whether what is shown is of the past, so that every picture of it is imagined")
    consent: str = Field("", description="What a living person and a community have agreed to, for cards and generated files")
    spec: dict[str, Any] = Field(description="The specification: all keys of the concept's part")
    provenance: Provenance = Field(description="What it will be made from")
    fingerprint: str | None = Field(description="Hash of the provenance; None for raw_crawl, which is named by what it holds")
    inputs: dict[str, Path] = Field(description="The folders to read, by asset; with the concept behind a slash where it is another's")
    data: Path = Field(description="The data folder")
    lock_file: Path | None = Field(None, description="The file beside concepts.yaml that keeps the ids of names")
    forgotten: Path | None = Field(None, description="The file beside concepts.yaml that names images which must not come back")
    force: bool = Field(False, description="Make it again although it stands")
    accept_losses: bool = Field(False, description="Of a crawl: whether a source may lose more than half of its images at once")

    @property
    def token(self) -> str:
        """The made-up word that stands for the concept."""
        return self.concept_words.token

    @property
    def class_noun(self) -> str:
        """The plain noun of what the concept is."""
        return self.concept_words.class_noun

    @property
    def concept_words(self) -> ConceptWords:
        """Raises ValueError for a request that is about no concept."""
        if self.words is None:
            raise ValueError(f"{self.asset} is about no concept")
        return self.words

    def cached(self) -> Artifact | None:
        """The artifact that exists already of what is asked for, which becomes the current one; None if it has to be made.

        The one place where this is decided, whoever asks: Dagster, the command line or the stage's program.
        """
        if self.force:
            return None
        store = Store(self.data)
        found = store.find(self.asset, self.concept, self.fingerprint) if self.fingerprint else None
        if found:
            store.set_current(found)
        elif self.fingerprint or store.current(self.asset, self.concept) is None:  # a crawl of one's own goes before another's
            version, forgotten = self.provenance.spec_version, Forgotten(self.forgotten).sha256
            found = fetch_if_asked(store, self.asset, self.concept, self.fingerprint, version, forgotten, _tell)
        return found


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def read_request(path: Path) -> StageRequest:
    """A stage's request. Raises ConfigError if it is not there, or is none."""
    try:
        return StageRequest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(_("{path}: there is no such request", path=path)) from None
    except ValidationError as error:
        raise ConfigError(_("{path}: is not a request: {errors}", path=path, errors=error.errors()[0]["msg"])) from None
