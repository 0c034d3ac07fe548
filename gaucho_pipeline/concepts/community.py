"""Whose knowledge or culture a concept is: a community, its consent, and the labels by which it says what is right to do with it.

Labels are Local Contexts' Traditional Knowledge and Biocultural labels (https://localcontexts.org/labels/). They are no licences: they
appear wherever the concept is shown. See the CARE principles, https://www.gida-global.org/care.
"""

from __future__ import annotations

import re
from datetime import date as Date

from pydantic import Field, field_validator

from gaucho_pipeline.concepts.consent import Consent
from gaucho_pipeline.errors import _
from gaucho_pipeline.spec import JsonObject, Spec, Text

_LABEL = re.compile(r"https://(?:www\.)?localcontexts\.org/label/(?:tk|bc)(?:-[a-z]+)+/?")
_KEPT_WITHIN = ("tk-community-use-only", "tk-secret-sacred")
"""Labels that say that what has them does not leave the community."""


class CommunitySpec(Spec):
    """The community whose knowledge or culture a concept is. Without its recorded consent nothing of it is published."""

    who: Text = Field(description="The community, as it calls itself")
    consent: Consent | None = Field(None, description="What it has agreed to; nothing is published without it, nor after its review")
    labels: tuple[str, ...] = Field((), description="Addresses of its labels: https://localcontexts.org/label/tk-attribution/")

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            if not _LABEL.fullmatch(address):
                raise ValueError(f"{address[:80]!r} is no address of a label, such as https://localcontexts.org/label/tk-attribution/")
        return value

    def named_labels(self) -> dict[str, str]:
        """The names of its labels, such as `TK Attribution`, with their addresses."""
        return {_name(address): address for address in self.labels}

    def sentence(self) -> str:
        """What cards and generated files say of it."""
        agreed = self.consent.sentence() if self.consent else "no consent is recorded"
        labels = f"; labels: {', '.join(f'{name} ({address})' for name, address in self.named_labels().items())}" if self.labels else ""
        return f"community: {self.who} ({agreed}){labels}"

    def why_not_published(self, today: Date) -> str:
        """Why nothing of it may be published; empty if it may."""
        if kept := [name for name, address in self.named_labels().items() if _slug(address) in _KEPT_WITHIN]:
            return _("the label {label} of {who} says that it stays within the community", label=kept[0], who=self.who)
        if self.consent is None:
            return _("no consent of {who} is recorded; write it under community: consent: {{who, date, scope}}", who=self.who)
        if self.consent.has_lapsed(today):
            return _("the consent of {who} was to be asked for again by {day}", who=self.who, day=self.consent.review)
        return ""

    def to_json(self) -> JsonObject:
        """What pages that show it are hashed by."""
        return JsonObject(self.model_dump(mode="json"))


def _slug(address: str) -> str:
    return address.rstrip("/").rpartition("/")[2]


def _name(address: str) -> str:
    """What a label is called, of its address."""
    kind, _dash, words = _slug(address).partition("-")
    return f"{kind.upper()} {words.replace('-', ' ').title()}"
