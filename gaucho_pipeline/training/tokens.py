"""Whether a base model's tokenizers can tell the concept's words: what a person should know before the training is believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gaucho_pipeline.errors import _
from gaucho_pipeline.families import Family


def notes_on_words(family: Family, token: str, captions: Sequence[str]) -> list[str]:
    """What is odd about the token and the captions for this model's tokenizers, a sentence each; nothing for ordinary ones."""
    found = list[str]()
    parts = family.pipeline.components
    tokenizers = {
        name: each for name, each in parts.items() if name.startswith("tokenizer") and each is not None and _is_read(family, name)
    }
    for name, tokenizer in tokenizers.items():
        pieces = _pieces(tokenizer, f" {token}")
        if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in pieces:
            found.append(
                _("the base model's tokenizer does not know the token {token!r}: it cannot be told from other unknown words", token=token)
            )
        elif len(pieces) == 1 and _is_a_word(tokenizer, token) and not family.offers(token):
            found.append(
                _(
                    "the token {token!r} is a word that the base model knows already: its meaning will be mixed in; take a made-up one",
                    token=token,
                )
            )
        elif len(pieces) > _MAX_PIECES:
            found.append(
                _("the token {token!r} falls into {count} pieces for the base model; take a shorter one", token=token, count=len(pieces))
            )
        found += _cut_captions(family, name, tokenizer, captions, others=len(tokenizers) > 1)
    return list(dict.fromkeys(found))


def _is_read(family: Family, tokenizer: str) -> bool:
    """Whether the text encoder of a tokenizer is there: Stable Diffusion 3 may be saved without its third."""
    return tokenizer.replace("tokenizer", "text_encoder") in family.text_encoders


def _cut_captions(family: Family, name: str, tokenizer: Any, captions: Sequence[str], others: bool) -> list[str]:
    """A sentence where captions are longer than an encoder reads. CLIP's end at its own length, the others at what the pipeline takes."""
    is_clip = tokenizer.model_max_length <= _CLIP_LENGTH
    longest = tokenizer.model_max_length if is_clip else family.max_sequence_length or tokenizer.model_max_length
    cut = sum(len(tokenizer(caption).input_ids) > longest for caption in captions)
    if not cut:
        return []
    if others:
        kind = type(family.pipeline.components.get(name.replace("tokenizer", "text_encoder"))).__name__
        place = name.removeprefix("tokenizer_") if name != "tokenizer" else "1"
        which = f"text encoder {place}" + (f" ({kind})" if kind != "NoneType" else "")
        text = _(
            "{count} of {total} captions are longer than the {number} pieces that {which} reads: of their ends it tells nothing; "
            "the others read on where they are longer",
            count=cut, total=len(captions), number=longest, which=which,
        )  # fmt: skip
        return [text]
    text = _(
        "{count} of {total} captions are longer than the {number} pieces that are read: their ends are not learned",
        count=cut, total=len(captions), number=longest,
    )  # fmt: skip
    return [text]


_CLIP_LENGTH = 77
_MAX_PIECES = 4


def _pieces(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


def _is_a_word(tokenizer: Any, token: str) -> bool:
    """Whether a single piece is a whole word to the tokenizer, rather than a piece that words begin with."""
    (piece,) = tokenizer.convert_ids_to_tokens(_pieces(tokenizer, f" {token}"))
    return str(piece).endswith("</w>") or str(piece).startswith(("▁", "Ġ"))
