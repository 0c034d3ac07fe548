"""How the images are credited that a model learned from: the section of a model card, and its table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gaucho_pipeline.rights.addresses import without_private
from gaucho_pipeline.rights.licenses import RESERVED

_HEADING = "## The images that it learned from"


def credits_section(rows: Sequence[Mapping[str, object]]) -> str:
    """The section, of rows with title, author, license and source."""
    names = ("title", "author", "license", "source")
    told = [{name: without_private(str(row.get(name) or "")) for name in names} for row in rows]
    lines = "".join(f"| {' | '.join(plain_markdown(row[name]) for name in names)} |\n" for row in told)
    reserved = sum(row.get("license") == RESERVED for row in rows)
    owner = "are reserved by their owner, who lets this model learn from them, and no more"
    note = f"All rights in {reserved} of them {owner}.\n\n" if reserved else ""
    return f"{_HEADING}\n\n{note}| title | author | licence | source |\n| --- | --- | --- | --- |\n{lines}".rstrip()


def with_credits(card: str, rows: Sequence[Mapping[str, object]]) -> str:
    """A model card with other credits; as it is, where it has no such section."""
    before, heading, after = card.partition(_HEADING)
    following = after.find("\n## ")
    return before + credits_section(rows) + (f"\n{after[following:]}" if following >= 0 else "\n") if heading else card


def plain_markdown(text: object) -> str:
    """A text from the web, so that Markdown takes nothing in it for markup."""
    clean = " ".join(str(text or "").split())
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|!~" else sign for sign in clean)
