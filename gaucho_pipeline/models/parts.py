"""Parts of a base model in memory in turn: text encoders, VAE and denoiser are loaded when they are needed.

Of those that take more than a gigabyte no two are in memory together, but for the text encoders of one model, which read together, and for
what learns. A part that was changed (an adapter, learned weights) is changed again when it is loaded again. Which model is loaded, and in
which type, is for `base_models.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.families.building import TooLarge, built, told_in_one_line, within_bounds
from gaucho_pipeline.families.model_files import count_weights, variant_of, weight_files
from gaucho_pipeline.families.parts import Change, Parts, is_text_encoder
from gaucho_pipeline.models.block_swap import BlockSwap, blocks_of, longest_list
from gaucho_pipeline.models.memory import free_bytes, give_back
from gaucho_pipeline.spec import JsonObject

CARD_SHARE = 0.9
"""What a part may take of a card's free memory; blocks of one that takes more wait in the machine's."""
LARGE_BYTES = 1_000_000_000
"""What a part takes at least so that others leave memory for it."""
VARIANTS = (None, "fp16", "bf16")
"""Endings of files that weights are published in, tried in turn where a hub does not say which there are."""
_LIBRARIES = ("diffusers", "transformers")
_SLACK = 10_000_000
"""Numbers that a configuration may make and that no file holds, such as tables of positions."""


@dataclass(frozen=True)
class Source:
    """Where a base model is, and how its parts are loaded."""

    name: str
    """As the specification has it."""
    where: str
    """Its folder, or its id on a hub."""
    revision: str | None
    index: JsonObject
    """Its `model_index.json`."""
    dtype: torch.dtype
    quantization: Mapping[str, Any] = field(default_factory=dict)
    """Of parts whose weights are quantized: how, as their library has it."""
    placed: frozenset[str] = frozenset()
    """Parts that their library puts on the card itself."""

    @property
    def is_folder(self) -> bool:
        return Path(self.where).is_absolute()


class PartsInTurn(Parts):
    """The parts of a pipeline that was opened without them."""

    def __init__(self, source: Source, family: type[Family], device: torch.device) -> None:
        self._source, self._device = source, device
        readers = [name for name in source.index if is_text_encoder(name)]
        names = [family.denoiser, "vae", *readers]
        self._classes = {name: _class_of(source, name) for name in names if _is_there(source.index.get(name))}
        stand_ins = {name: _stand_in(source, name, self._classes[name]) for name in (family.denoiser, "vae")}
        self._configs = {name: module.config for name, module in stand_ins.items()}
        absent = dict.fromkeys((*family.without, *readers, *_saved_without(source, family)))
        self.pipeline = _open(source, family, stand_ins | absent)
        for name in stand_ins:
            setattr(self.pipeline, name, None)  # which the pipeline took its scales from
        self._changes: dict[str, dict[str, Change]] = {name: {} for name in self._classes}
        self._taken: dict[str, Callable[[Any], Any]] = {}
        self._bytes: dict[str, int] = {}
        self._staying: set[str] = set()
        self._lists: dict[str, tuple[str, ...]] = {family.denoiser: family.swapped_blocks()}
        self._swaps: dict[str, BlockSwap] = {}

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def text_encoders(self) -> tuple[str, ...]:
        return tuple(name for name in self._classes if is_text_encoder(name))

    def need(self, *names: str) -> None:
        missing = [name for name in names if name in self._classes and getattr(self.pipeline, name, None) is None]
        for name in missing:
            if self._size_of(name) >= LARGE_BYTES:
                self.drop(*(other for other in self._classes if other not in {*names, *self._staying} and self._is_large(other)))
            self._load(name)

    def config(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._configs[name] if name in self._configs else getattr(self.pipeline, name).config
        return found

    def stored_dtype(self, name: str) -> torch.dtype:
        folder = _folder_of(self._source, name)
        return (_stored_dtype(folder) if folder else None) or self._source.dtype

    def change(self, name: str, label: str, change: Change) -> None:
        self._changes[name].pop(label, None)
        self._changes[name][label] = change
        if (module := getattr(self.pipeline, name)) is None:
            return
        waits = name in self._swaps
        if waits:
            self._swaps.pop(name).remove()  # a change is made to weights that are there
        change(module)
        if waits:
            self.swap(name)

    def forget_changes(self, name: str, label: str) -> None:
        self._changes[name].pop(label, None)

    def hold(self, *names: str) -> None:
        self._staying |= {*names}

    def take_from(self, name: str, load: Callable[[Any], Any]) -> None:
        self._taken[name] = load
        self.drop(name)

    def is_swapped(self, name: str) -> bool:
        return name in self._swaps

    def is_quantized(self, name: str) -> bool:
        return name in self._source.quantization

    def swap(self, name: str) -> bool:
        module = getattr(self.pipeline, name)
        if module is None or self.is_quantized(name):
            return False
        blocks = longest_list(module) if is_text_encoder(name) else blocks_of(module, self._lists.get(name, ()))
        if not blocks:
            return False
        if name not in self._swaps:
            module.to("cpu").requires_grad_(False)
            self._swaps[name] = BlockSwap(blocks, self.device)
            module.to(self.device)
            give_back(self.device)
        return True

    def drop(self, *names: str) -> None:
        super().drop(*names)
        for name in names:
            self._swaps.pop(name, None)
        self._staying -= {*names}
        give_back(self.device)

    def need_all(self) -> None:
        self.hold(*self._classes)
        self.need(*self._classes)

    # ------------------------------------------------------------------------------------------ loading

    def _size_of(self, name: str) -> int:
        """The bytes of a part in memory, by its files where it was not loaded yet; as much as can be where they are on a hub."""
        if name in self._bytes:
            return self._bytes[name]
        if not self._source.is_folder:
            return 0 if name == "vae" else LARGE_BYTES
        files = weight_files(Path(self._source.where) / name)
        return sum(count_weights(file) for file in files) * self._source.dtype.itemsize

    def _is_large(self, name: str) -> bool:
        return getattr(self.pipeline, name, None) is not None and self._bytes.get(name, 0) >= LARGE_BYTES

    @torch.inference_mode(False)  # who draws may be in it, and what is loaded then can never learn
    def _load(self, name: str) -> None:
        kind = self._classes[name]
        module = self._taken[name](kind).to(self._source.dtype) if name in self._taken else self._from_source(name, kind)
        self._bytes[name] = sum(bytes_of(tensor) for tensor in (*module.parameters(), *module.buffers()))
        is_placed = name in self._source.placed
        fits = self.device.type != "cuda" or is_placed or self._bytes[name] < CARD_SHARE * free_bytes(self.device)
        if not self.is_quantized(name):
            _check_finite(self._source.name, name, module)
            if self.device.type == "cpu" or not fits:
                _own_memory(module)
        module.eval()
        if fits and not is_placed:
            module.to(self.device)
        for change in self._changes[name].values():
            change(module)
        setattr(self.pipeline, name, module)
        if not fits and not self.swap(name):
            setattr(self.pipeline, name, None)
            raise GauchoError(
                _(
                    "{part} of {model} takes {size:.1f} GB, and {free:.1f} are free on the card; set training.quantization: int8, "
                    "or take a smaller base_model",
                    part=name,
                    model=self._source.name,
                    size=self._bytes[name] / 1e9,
                    free=free_bytes(self.device) / 1e9,
                )
            )

    def _from_source(self, name: str, kind: Any) -> Any:
        """A part as it is published; where a hub does not say in which variant, whichever there is."""
        source = self._source
        if source.is_folder and name not in self._configs:  # the others were looked at when the pipeline was opened
            _check_size(source, name, partial(_without_weights, kind, Path(source.where) / name))
        keys: dict[str, Any] = {"subfolder": name, "dtype": source.dtype, "use_safetensors": True}
        keys |= {} if source.is_folder else {"revision": source.revision}
        if name in source.quantization:
            keys["quantization_config"] = source.quantization[name]
        first: Exception | None = None
        variants = (variant_of(Path(source.where) / name),) if source.is_folder else VARIANTS
        # from the hub's cache first: what is in it is asked of nobody
        for is_local, variant in product((True,) if source.is_folder else (True, False), variants):
            try:
                with built(partial(_cannot_load, source, name)):
                    return kind.from_pretrained(source.where, variant=variant, local_files_only=is_local, **keys)
            except GauchoError as error:
                if source.is_folder or not is_local:  # that a cache lacks it is no reason
                    first = first or error
        assert first
        raise first


def bytes_of(tensor: torch.Tensor) -> int:
    """What a tensor takes in memory; one in eight bits consists of several."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _unused = tensor.__tensor_flatten__()
        return sum(bytes_of(getattr(tensor, name)) for name in names)
    return tensor.numel() * tensor.element_size()


def _folder_of(source: Source, name: str) -> Path | None:
    """The folder of a part on this disk: its own, or that of the hub's cache; None where it is not there."""
    if source.is_folder:
        return Path(source.where) / name
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(source.where, f"{name}/config.json", revision=source.revision)
    return Path(cached).parent if isinstance(cached, str) else None


def _stored_dtype(folder: Path) -> torch.dtype | None:
    """The type of most of a part's weights on disk; None where its files cannot be read."""
    counts = Counter[str]()
    try:
        for file in weight_files(folder):
            with safe_open(file, "pt") as opened:
                for key in opened.keys():  # noqa: SIM118
                    numbers = opened.get_slice(key)
                    counts[numbers.get_dtype()] += math.prod(numbers.get_shape())
    except (ConfigError, OSError, SafetensorError):
        return None
    return _DTYPES.get(max(counts, key=lambda kind: counts[kind], default=""))


_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""By safetensors' names; a few weights of a model may be kept in another."""


def _saved_without(source: Source, family: type[Family]) -> list[str]:
    """The parts and tokenizers that a pipeline takes and a model was saved without, such as the third encoder of Stable Diffusion 3."""
    import diffusers

    taken = signature(getattr(diffusers, family.pipeline_class).__init__).parameters
    named = [name for name in taken if is_text_encoder(name) or name.startswith("tokenizer")]
    return [name for name in named if not _is_there(source.index.get(name))]


def _is_there(value: object) -> bool:
    """Whether an entry of `model_index.json` names a class: of what a model was saved without, it names none."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _class_of(source: Source, name: str) -> Any:
    library, kind = map(str, source.index.array(name))
    found = getattr(import_module(library), kind, None) if library in _LIBRARIES else None
    if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
        raise ConfigError(
            _("training.base_model: {model}: its {part} is a {kind}, which is not known here", model=source.name, part=name, kind=kind[:60])
        )
    return found


def _stand_in(source: Source, name: str, kind: Any) -> Any:
    """A part without weights: pipelines take scales and sizes from its configuration when they are opened."""
    with told_in_one_line(partial(_cannot_load, source, name)):
        config = kind.load_config(source.where, subfolder=name, revision=None if source.is_folder else source.revision)
    with built(partial(_makes_nothing, source, name)), torch.device("meta"):
        found = kind.from_config(config)
    if source.is_folder:
        _check_size(source, name, lambda: found)
    return found


def _without_weights(kind: Any, folder: Path) -> Any:
    """A text encoder by its configuration alone."""
    with torch.device("meta"):
        return kind(kind.config_class.from_pretrained(folder))


def _check_size(source: Source, name: str, make: Callable[[], Any]) -> None:
    """Raises ConfigError if a part's configuration makes far more numbers than its files hold: the rest would be made up."""
    try:
        with within_bounds():
            made = sum(parameter.numel() for parameter in make().parameters())
    except TooLarge as error:
        raise _makes_nothing(source, name, str(error)) from None
    except Exception:  # which is told when the part is loaded
        return
    stored = sum(count_weights(file) for file in weight_files(Path(source.where) / name))
    if made > 2 * stored + _SLACK:
        raise _makes_nothing(source, name, f"it would have {made:,} weights, and its files hold {stored:,}")


def _cannot_load(source: Source, name: str, text: str) -> GauchoError:
    return GauchoError(_("training.base_model: {model} cannot be loaded: {first}", model=source.name, first=f"{name}: {text}"))


def _makes_nothing(source: Source, name: str, text: str) -> ConfigError:
    return ConfigError(
        _("training.base_model: {model}: the configuration of its {part} makes no {part}: {text}", model=source.name, part=name, text=text)
    )


def _open(source: Source, family: type[Family], parts: dict[str, Any]) -> Any:
    """The pipeline with everything but its parts: tokenizers, scheduler, processors."""
    import diffusers

    keys: dict[str, Any] = {"use_safetensors": True, "revision": None if source.is_folder else source.revision, **parts}
    if "safety_checker" in family.without:
        keys["requires_safety_checker"] = False
    with built(partial(_cannot_load, source, "pipeline")):
        pipeline = getattr(diffusers, family.pipeline_class).from_pretrained(source.where, **keys)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check_finite(model: str, part: str, module: torch.nn.Module) -> None:
    """Raises GauchoError if a weight is no number: it would make every picture black, and every loss too."""
    for name, weight in module.named_parameters():
        if weight.is_meta:
            raise GauchoError(
                _(
                    "training.base_model: {model} is damaged: {part}.{name} is missing; fetch the model again",
                    model=model,
                    part=part,
                    name=name,
                )
            )
        if not torch.isfinite(weight).all():
            raise GauchoError(
                _(
                    "training.base_model: {model} is damaged: {part}.{name} is not finite; fetch the model again",
                    model=model,
                    part=part,
                    name=name,
                )
            )


def _own_memory(module: torch.nn.Module) -> None:
    """Copies weights out of the file that they are mapped from, one after the other: mapped ones are slower, and may be read again."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()
