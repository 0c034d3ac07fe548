"""What a base model takes of a card's memory, by its geometry and the sizes of its parts alone: no weight is read.

The denoiser is built without numbers, and what its layers take in and give out is counted; what that is worth in bytes was measured on
small models of every family. Before a first step a trial says it better (`training/memory.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, _, first_line
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.families.building import within_bounds
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.lora import expanded_targets
from gaucho_pipeline.models.base_models import family_of, folder_of, has_parts
from gaucho_pipeline.models.block_swap import LEAST_RESIDENT, blocks_of
from gaucho_pipeline.spec import JsonObject

Rung = Literal["all on the card", "parts computed twice", "blocks wait in the machine's memory"]
RUNGS: tuple[Rung, Rung, Rung] = ("all on the card", "parts computed twice", "blocks wait in the machine's memory")
"""What makes a model fit without changing a result, in the order in which it is tried."""
CARDS = (8, 12, 16, 24)
"""Gigabytes of the cards that people have."""
BYTES_EACH: Mapping[str | None, float] = {None: 2.0, "int8": 1.06, "nf4": 0.56}
"""Of a weight in half precision, in eight bits and in four, with their scales."""
KEPT_SHARE = 1.3
"""What is kept for the gradient, over what linear layers and convolutions of blocks take in and give out."""
UNET_SHARE = 0.2
"""What is kept where a UNet's parts are computed twice, over what is kept where they are not."""
OVERHEAD_BYTES = 900_000_000
"""Of a card's own program and its libraries, before anything is loaded."""
USABLE_SHARE = 0.95
_OPTIMIZER_BYTES = 16
"""For each number that learns: itself, its gradient and AdamW's averages, in single precision."""
_TEXT_LAYERS = re.compile(r"add_[qkv]_proj|to_add_out|_context|txt_|context_refiner|text_fusion")
"""Layers that see the prompt alone."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of a base model on a card in training: of its denoiser, and of one image. Other parts leave before the denoiser comes."""

    denoiser: int
    blocks: int
    """Of the denoiser, what can wait in the machine's memory; 0 where none can."""
    resident_blocks: int
    """Of those, what is on the card while others wait."""
    learning: int
    """What the adapter takes with its gradient and the optimiser's averages."""
    image: int
    """What one image takes for its gradient."""
    image_computed_twice: int
    """The same with gradient checkpointing."""

    def training(self, rung: Rung) -> int:
        """A step of one image, at its peak."""
        waiting = self.blocks - self.resident_blocks if rung == RUNGS[2] else 0
        image = self.image if rung == RUNGS[0] else self.image_computed_twice
        return OVERHEAD_BYTES + self.denoiser - waiting + self.learning + image

    def rung_for(self, card_bytes: float) -> Rung | None:
        """The first rung that fits a card; None where none does."""
        rungs = RUNGS if self.blocks else RUNGS[:2]
        return next((rung for rung in rungs if self.training(rung) <= USABLE_SHARE * card_bytes), None)


def footprint(family: type[Family], denoiser: Any, side: int, rank: int | None = 16, quantization: str | None = None) -> Footprint:
    """What a model takes. `denoiser`: on the meta device; `side`: of an image, in pixels; `rank`: of an adapter, None where all learns."""
    each = BYTES_EACH[quantization]
    # quantized weights do not wait, nor do those that learn
    blocks = [] if quantization or rank is None else blocks_of(denoiser, family.swapped_blocks())
    sizes = sorted((each * sum(p.numel() for p in block.parameters()) for block in blocks), reverse=True)
    io = _passed_through(family, denoiser, side)
    weights = sum(parameter.numel() for parameter in denoiser.parameters())
    adapted = _adapted(family, denoiser) if rank else []
    learning = sum(rank * (layer.weight.shape[0] + layer.weight[0].numel()) for layer in adapted) if rank else weights
    return Footprint(
        denoiser=int(each * weights),
        blocks=int(sum(sizes)),
        resident_blocks=int(sum(sizes[:LEAST_RESIDENT])),
        learning=_OPTIMIZER_BYTES * learning,
        image=int(2 * KEPT_SHARE * sum(io)),
        image_computed_twice=int(2 * KEPT_SHARE * (UNET_SHARE * sum(io) if family.denoiser == "unet" else max(io) + sum(io) / len(io))),
    )


def _adapted(family: type[Family], denoiser: Any) -> list[Any]:
    wanted = expanded_targets(family.target_modules["attention_ff"], denoiser)
    return [module for path, module in denoiser.named_modules() if any(path == each or path.endswith(f".{each}") for each in wanted)]


def _passed_through(family: type[Family], denoiser: Any, side: int) -> list[int]:
    """What the layers of each block take in and give out for one image, in numbers."""
    if family.denoiser == "unet":
        return _passed_through_unet(family, denoiser, side)
    tokens, text = (side // max(family.pixel_multiple, 16)) ** 2, family.max_sequence_length or 77
    found = list[int]()
    for block in blocks_of(denoiser, family.blocks):
        count = 0
        for path, layer in block.named_modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
                seen = text if _TEXT_LAYERS.search(path) else tokens + text
                count += seen * (layer.weight.shape[0] + layer.weight[0].numel())
        found.append(count)
    return found


@torch.no_grad()
def _passed_through_unet(family: type[Family], denoiser: Any, side: int) -> list[int]:
    """Counted while nothing is computed: the sides of its maps change from block to block."""
    config, found, sides = denoiser.config, list[int](), side // 8

    def count(layer: Any, taken: Any, given: Any) -> None:
        found.append(taken[0].numel() + given.numel())

    layers = [layer for layer in denoiser.modules() if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))]
    handles = [layer.register_forward_hook(count) for layer in layers]
    told = {"encoder_hidden_states": torch.empty(1, 77, config.cross_attention_dim, device="meta")}
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        told["added_cond_kwargs"] = {
            "text_embeds": torch.empty(1, pooled, device="meta"),
            "time_ids": torch.empty(1, 6, device="meta"),
        }  # type: ignore[assignment]
    denoiser(torch.empty(1, config.in_channels, sides, sides, device="meta"), torch.empty(1, device="meta"), **told)
    for handle in handles:
        handle.remove()
    return found


@dataclass(frozen=True)
class Geometry:
    """A base model's denoiser without numbers, and the side in pixels that it draws by itself."""

    family: type[Family]
    denoiser: Any
    side: int


def geometry_of(model: str, revision: str | None) -> Geometry | None:
    """The geometry of a base model on this disk; None for one that was not fetched from its hub yet, and for the one that ships.

    Raises ConfigError if it cannot be taught, or its configuration makes no denoiser.
    """
    folder = has_parts(model, revision)
    if folder is None:
        return None
    import diffusers

    family = family_of(model if folder_of(model) else str(folder), None if folder_of(model) else revision)
    path = folder / family.denoiser / "config.json"
    try:
        config = JsonObject(json.loads(path.read_text(encoding="utf-8")))
        with within_bounds(), torch.device("meta"):
            denoiser = getattr(diffusers, str(config["_class_name"])).from_config(dict(config))
        return Geometry(family, denoiser, family.side_by(config))
    except Exception as error:  # what a configuration that makes no sense leads to is anything
        raise ConfigError(_("{path} makes no denoiser: {error}; fetch it again", path=path, error=first_line(error)[:200])) from None


class ModelToTrain(NamedTuple):
    """What is taught, as far as memory depends on it."""

    model: str
    revision: str | None
    side: int | None
    rank: int | None
    """Of an adapter; None where all weights learn."""
    quantization: str | None


def model_to_train(spec: TrainingSpec) -> ModelToTrain:
    """The same of a training."""
    rank = spec.rank if METHODS[spec.method].is_adapter else None
    return ModelToTrain(spec.base_model, spec.revision, spec.resolution, rank, spec.quantization)


def how_it_fits(asked: ModelToTrain, card_gb: float) -> tuple[bool, str]:
    """Whether a base model fits a card when it is taught, and a line that says how, or what to add; empty where nothing is known of it.

    Raises ConfigError if it cannot be taught.
    """
    name, quantization = Path(asked.model).name, asked.quantization
    geometry = geometry_of(asked.model, asked.revision)
    if geometry is None:
        return True, ""

    def tried(bits: str | None) -> tuple[str, float] | None:
        taken = footprint(geometry.family, geometry.denoiser, asked.side or geometry.side, asked.rank, bits)
        rung = taken.rung_for(card_gb * 1e9)
        return (rung, taken.training(rung) / 1e9) if rung else None

    if fits := tried(quantization):
        rung, needed = fits
        return True, _(
            "{name} on a card of {card:.0f} GB: {rung}, about {needed:.0f} GB", name=name, card=card_gb, rung=rung, needed=needed
        )
    for bits in ("int8", "nf4") if asked.rank else ():
        if quantization is None and (fits := tried(bits)):
            rung, needed = fits
            return False, _(
                "{name} does not fit a card of {card:.0f} GB; with training.quantization: {bits} it does: {rung}, about {needed:.0f} GB",
                name=name,
                card=card_gb,
                bits=bits,
                rung=rung,
                needed=needed,
            )
    if asked.rank is None:
        return False, _(
            "{name} with all its weights does not fit a card of {card:.0f} GB; take training.method: lora", name=name, card=card_gb
        )
    return False, _(
        "{name} does not fit a card of {card:.0f} GB; lower training.resolution, or take a smaller base_model", name=name, card=card_gb
    )
