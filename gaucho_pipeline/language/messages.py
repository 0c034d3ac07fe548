"""The sentences that a person meets, each written once, in English, with named placeholders: what a catalogue of translations goes by."""

from __future__ import annotations


def _(sentence: str, **values: object) -> str:
    """A sentence with values in the place of its placeholders: `_("{path}: is not there", path=path)`.

    Format specifications stand with the placeholder, as in `{share:.0%}`. What a value holds is never read as a placeholder.
    """
    return sentence.format(**values) if values else sentence
