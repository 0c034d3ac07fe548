"""Whether a base model's tokenizers can tell the concept's words: what a person should know before the training is believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gaucho_pipeline.families import Family


def notes_on_words(family: Family, token: str, captions: Sequence[str]) -> list[str]:
    """What is odd about the token and the captions for this model's tokenizers, a sentence each; nothing for ordinary ones."""
    found = list[str]()
    tokenizers = [each for name, each in family.pipeline.components.items() if name.startswith("tokenizer") and each is not None]
    for tokenizer in tokenizers:
        pieces = _pieces(tokenizer, f" {token}")
        if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in pieces:
            found.append(f"the base model's tokenizer does not know the token {token!r}: it cannot be told from other unknown words")
        elif len(pieces) == 1 and _is_a_word(tokenizer, token) and not family.offers(token):
            found.append(
                f"the token {token!r} is a word that the base model knows already: its meaning will be mixed in; take a made-up one"
            )
        elif len(pieces) > _MAX_PIECES:
            found.append(f"the token {token!r} falls into {len(pieces)} pieces for the base model; take a shorter one")
        longest = min(tokenizer.model_max_length, family.max_sequence_length or tokenizer.model_max_length)
        cut = sum(len(tokenizer(caption).input_ids) > longest for caption in captions)
        if cut:
            found.append(
                f"{cut} of {len(captions)} captions are longer than the {longest} pieces that are read: their ends are not learned"
            )
    return list(dict.fromkeys(found))


_MAX_PIECES = 4


def _pieces(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


def _is_a_word(tokenizer: Any, token: str) -> bool:
    """Whether a single piece is a whole word to the tokenizer, rather than a piece that words begin with."""
    (piece,) = tokenizer.convert_ids_to_tokens(_pieces(tokenizer, f" {token}"))
    return str(piece).endswith("</w>") or str(piece).startswith(("▁", "Ġ"))
