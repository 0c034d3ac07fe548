"""The tokenizer that Stable Diffusion's text encoders really have: CLIP's, from the vocabulary in the wheel of `open_clip_torch`.

The package itself is never imported (it wants torchvision, which nothing here may need); `make setup` installs it without what it needs.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

_MERGES = 49152 - 256 - 2
"""As many lines of the file count; the first is a heading (https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py)."""


@cache
def clip_tokenizer() -> CLIPTokenizer:
    """The 49,408 pieces in their order: bytes, bytes that end a word, merges, start and end."""
    package = find_spec("open_clip")
    if package is None or package.submodule_search_locations is None:
        raise FileNotFoundError("CLIP's vocabulary is in the wheel of open_clip_torch: run make setup")
    file = Path(package.submodule_search_locations[0]) / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 1 + _MERGES]]
    letters = bytes_to_unicode().values()
    ends = ("<|startoftext|>", "<|endoftext|>")
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), *ends]
    return CLIPTokenizer(vocab={piece: place for place, piece in enumerate(pieces)}, merges=merges, model_max_length=77)
