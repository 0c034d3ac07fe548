"""The embedded model's tokenizer: byte-pair encoding learned from the world's own captions.

Every made-up name is one token; any other text falls apart into known pieces, so no prompt is refused.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from gaucho_pipeline.embedded import world

MAX_TOKENS = 32
START, END = "<|startoftext|>", "<|endoftext|>"
_SUFFIX = "</w>"


def learn_tokenizer(folder: Path, captions: list[str]) -> CLIPTokenizer:
    """Learns the merges from captions and the list of names, and writes vocab.json and merges.txt to `folder`."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=_SUFFIX))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=4000, min_frequency=2, end_of_word_suffix=_SUFFIX, show_progress=False)
    tokenizer.train_from_iterator([*captions, *(name for name in world.names() for _ in range(50))], trainer)
    merges = [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(a + _SUFFIX for a in alphabet), *dict.fromkeys(a + b for a, b in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    made = CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=MAX_TOKENS)
    made.save_pretrained(folder)
    return made
