"""What Dagster's assets are given: where the concepts and the data are."""

from __future__ import annotations

from pathlib import Path

from dagster import ConfigurableResource
from pydantic import Field

from gaucho_pipeline.pipeline import Project


class ProjectResource(ConfigurableResource["ProjectResource"]):
    """The concepts file and the data folder; read anew by every step, so that an edit counts at once."""

    concepts_file: str = Field(description="Path of concepts.yaml")
    data: str = Field(description="The data folder")

    def open(self) -> Project:
        """The project as it is now. Raises ConfigError if the concepts file has a mistake."""
        return Project(Path(self.concepts_file), Path(self.data))
