"""The model card as a page carries it: that of the checkpoint, with the gallery's pictures and the settings that they were drawn with.

The card itself is written by training, before anything was drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from gaucho_pipeline.assets.rows import Picture
from gaucho_pipeline.store.manifest import DrawingRecord

MAX_PICTURES = 4
_HEAD = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_CALL = re.compile(r"num_inference_steps=\d+, ((?:negative_prompt=\" \", )?(?:guidance_scale|true_cfg_scale))=[\d.]+")
_SETTINGS = re.compile(r"Sampler settings: \d+ steps, guidance [\d.]+\.")
_USE = "\n## How to use it\n"


def with_pictures(card: str, pictures: Sequence[Picture], drawn: DrawingRecord) -> str:
    """A card with a few pictures of the tuned model, as its head names them for model hubs, and as people see them.

    https://huggingface.co/docs/hub/model-cards-widgets#example-outputs. A card that is of another layout is returned as it is.
    """
    shown = presentable(pictures)[:MAX_PICTURES]
    head = _HEAD.match(card)
    if not head or _USE not in card or not shown:
        return card
    named = yaml.safe_load(head[1])
    widget = [{"text": row.prompt, "output": {"url": row.file}} for row in shown]
    text = yaml.safe_dump(named | {"widget": widget}, allow_unicode=True, sort_keys=False)
    seen = "".join(f"![{_plain(row.prompt)}]({row.file})\n\n" for row in shown)
    body = card[head.end() :].replace(_USE, f"\n## What it draws\n\n{seen}## How to use it\n", 1)
    body = _CALL.sub(rf"num_inference_steps={drawn.num_inference_steps}, \1={drawn.guidance_scale:g}", body)
    body = _SETTINGS.sub(f"Sampler settings: {drawn.num_inference_steps} steps, guidance {drawn.guidance_scale:g}.", body)
    return f"---\n{text}---{body}"


def presentable(pictures: Sequence[Picture]) -> list[Picture]:
    """Those of the tuned model that a card can show."""
    return [row for row in pictures if row.model == "tuned" and row.kind == "concept" and not row.blank]


def _plain(text: str) -> str:
    """A prompt, so that Markdown takes nothing in it for markup."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|!()" else sign for sign in " ".join(text.split()))
