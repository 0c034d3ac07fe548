"""A reporter that keeps what it is told."""

from __future__ import annotations

from gaucho_pipeline.stage.reporter import Reporter


class RecordingReporter(Reporter):
    """Keeps the lines that a person would read."""

    def __init__(self) -> None:
        super().__init__(None)
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)

    @property
    def said(self) -> str:
        return "\n".join(self.lines)
