"""What is wrong with a value of a concepts file, in a person's words: pydantic's are a programmer's.

Its types of error, and what each says of the limit: https://docs.pydantic.dev/latest/errors/validation_errors/.
"""

from __future__ import annotations

import difflib
from typing import Any

from gaucho_pipeline.errors import _


def in_plain_words(error: Any) -> str:
    """What is wrong, and how the value is to be written. `error`: one of pydantic's `ValidationError.errors()`."""
    kind, limits = error["type"], error.get("ctx") or {}
    if error.get("input", "") is None:
        return _("is empty; write a value, or remove the key")
    if kind in ("literal_error", "enum"):
        names = str(limits["expected"]).replace("'", "").replace(" or ", ", ")
        if meant := _meant(error.get("input"), names.split(", ")):
            return _("must be one of: {names}; did you mean {name}?", names=names, name=meant)
        return _("must be one of: {names}", names=names)
    if kind.startswith("date"):
        return _("must be a day, written as 2026-12-31")
    return _limit(kind, limits) or _PLAIN_WORDS.get(kind) or error["msg"].removeprefix("Value error, ")


PORTUGUESE_VALUES = {
    "coisa": "thing", "objeto": "thing", "pessoa": "person", "lugar": "place", "animal": "animal", "bicho": "animal", "cena": "scene",
    "estilo": "style", "título": "title", "titulo": "title", "catálogo": "catalogue", "catalogo": "catalogue", "modelo": "model",
    "contexto": "context",
}  # fmt: skip
"""What people write who know that the program speaks Portuguese: values are English."""


def _meant(value: object, known: list[str]) -> str:
    """The one of some values that a person meant; empty where none is near."""
    english = PORTUGUESE_VALUES.get(str(value).lower(), "")
    return english if english in known else next(iter(difflib.get_close_matches(str(value), known, n=1, cutoff=0.6)), "")


def _limit(kind: str, limits: dict[str, Any]) -> str:
    """What a value is held to; empty for an error that is of no limit."""
    match kind:
        case "too_short":
            return _("must name at least {limit}", limit=limits["min_length"])
        case "too_long":
            return _("may name at most {limit}", limit=limits["max_length"])
        case "string_too_short":
            return _("must have at least {limit} signs", limit=limits["min_length"])
        case "string_too_long":
            return _("may have at most {limit} signs", limit=limits["max_length"])
        case "greater_than":
            return _("must be more than {limit}", limit=limits["gt"])
        case "greater_than_equal":
            return _("must be at least {limit}", limit=limits["ge"])
        case "less_than":
            return _("must be less than {limit}", limit=limits["lt"])
        case "less_than_equal":
            return _("must be at most {limit}", limit=limits["le"])
        case "multiple_of":
            return _("must be a multiple of {limit}", limit=limits["multiple_of"])
    return ""


_PLAIN_WORDS = {
    "tuple_type": _("must be a list: each on a line of its own behind '- ', or all of them in [ ]"),
    "string_type": _("must be text; put it in quotation marks"),
    "int_parsing": _("must be a whole number"),
    "int_type": _("must be a whole number"),
    "int_from_float": _("must be a whole number"),
    "float_parsing": _("must be a number, with a point for the decimals"),
    "float_type": _("must be a number, with a point for the decimals"),
    "bool_parsing": _("must be true or false"),
    "model_type": _("must be a mapping: keys of its own below it"),
    "model_attributes_type": _("must be a mapping: keys of its own below it"),
    "dict_type": _("must be a mapping: keys of its own below it"),
}
"""Of errors that have no limit."""
