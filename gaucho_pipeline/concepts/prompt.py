"""A prompt as people write it in `concepts.yaml`: with {token} and {class_noun}, and no other placeholder."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from gaucho_pipeline.prompts.templates import ConceptWords, fill_in
from gaucho_pipeline.spec import one_line


def _prompt(text: str) -> str:
    one_line(text)
    rest = fill_in(text, ConceptWords("", ""))
    if found := re.search(r"\{[^{}]*\}?|\}", rest):
        raise ValueError(f"unknown placeholder {found[0][:40]}; there are {{token}} and {{class_noun}}")
    if "{token}" not in text:
        raise ValueError("must hold {token}, or it does not ask for the concept")
    return text


Prompt = Annotated[str, AfterValidator(_prompt)]
