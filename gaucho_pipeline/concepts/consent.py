"""The consent of a living person, or of who may give it, to being taught and drawn: what was agreed, and when it is asked for again."""

from __future__ import annotations

from datetime import date as Date

from pydantic import Field, model_validator

from gaucho_pipeline.spec import Spec, Text


class Consent(Spec):
    """Without it nothing of a living person is fetched or trained. The paper itself stays with who keeps it."""

    who: Text = Field(description="Who consented, and for whom where that is another")
    date: Date = Field(description="When, as 2026-11-30")
    scope: Text = Field(description="What it allows: what is taught, what may be drawn, where it may be shown")
    conditions: str = Field("", max_length=2000, description="What it asks for in return, or forbids")
    review: Date | None = Field(None, description="When it is to be asked for again; after that day nothing is fetched, trained or drawn")

    @model_validator(mode="after")
    def _is_in_order(self) -> Consent:
        if self.review and self.review <= self.date:
            raise ValueError("review: must be later than date")
        return self

    def sentence(self) -> str:
        """What cards and generated files say of it."""
        return f"{self.who}, {self.date.isoformat()}: {self.scope}" + (f" ({self.conditions})" if self.conditions else "")

    def has_lapsed(self, today: Date) -> bool:
        """Whether the day has passed on which it was to be asked for again."""
        return self.review is not None and today > self.review
