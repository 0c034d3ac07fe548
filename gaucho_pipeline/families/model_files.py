"""What a base model's folder holds, read before any of it is loaded: its parts, their configuration, and whether their weights are whole.

Light: JSON and the headers of safetensors files only. What a configuration means is each family's to know.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.inside import files_inside
from gaucho_pipeline.spec import JsonObject

Configs = Mapping[str, JsonObject]
"""What each part of a model says of itself, by the part's name."""

_POINTER = b"version https://git-lfs"
_MAX_HEADER_BYTES = 100_000_000
_MAX_CONFIG_BYTES = 10_000_000
_MAX_TENSORS, _MAX_DIMENSIONS = 50_000, 8
"""Of one file, and of one tensor: safetensors bounds neither, and libraries take minutes over more."""
_MAX_NUMBER, _MAX_COUNT, _MAX_ENTRIES, _MAX_DEPTH = 10**8, 100_000, 100_000, 20
"""Of a configuration: its whole numbers, those that count what is built or stepped through, its lists, and how deep they lie."""
_COUNTING = re.compile(r"layers|blocks|depth|heads|experts|steps|groups|frames|buckets")
_UNBOUNDED = re.compile(r"theta|_id$|_ids$|^sample_size$")
"""Keys of whole numbers that nothing is made of, or that each family judges."""
_NAME = re.compile(r"[A-Za-z_][\w.]{0,99}")
_QUANTIZED = ("quantization_config", "compression_config")
_CONFIGS = ("config.json", "scheduler_config.json")
_MODELS = ("unet", "transformer", "vae", "text_encoder")
_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
_WEIGHT_FILE = re.compile(
    r"(diffusion_pytorch_model|model)(-\d+-of-\d+)?(\.(?P<variant>(?!non_ema)[a-z0-9_]+))?(-\d+-of-\d+)?\.safetensors"
)
"""A file of weights, as diffusers and transformers name them; `non_ema` ones are for training on by their makers."""


MODEL_INDEX = "model_index"
"""What `model_index.json` says, among the configurations of its parts."""


def read_model(folder: Path, index: JsonObject, without: Collection[str]) -> tuple[Configs, int]:
    """The configuration of every part that `model_index.json` names but for those `without`, and how many weights there are.

    Raises ConfigError for a part that is not there, is no such file, or whose weights are missing, cut off, or of a kind that is not read.
    """
    configs: dict[str, JsonObject] = {MODEL_INDEX: index}
    count = 0
    files_inside(folder)  # nothing that leads elsewhere is read
    for name in _parts(index, without):
        part = folder / name
        if not part.is_dir():
            raise ConfigError(_("{folder} lacks its part {name}; fetch the whole model again", folder=folder, name=name))
        for file in (part / each for each in _CONFIGS):
            if file.is_file():
                configs[name] = _config_of(file)
        if name.startswith(_MODELS):
            count += check_part(part)
        elif name == "scheduler" and name not in configs:
            raise ConfigError(_("{part} has no scheduler_config.json; fetch the whole model again", part=part))
        elif name.startswith("tokenizer") and not any(any(part.glob(each)) for each in _VOCABULARIES):
            raise ConfigError(_("{part} holds no vocabulary, so that every word would be the same; fetch the whole model again", part=part))
    return configs, count


def check_part(part: Path) -> int:
    """Looks at the folder of a model that is loaded by itself, or of a part of one; how many weights it has.

    Raises ConfigError if it is not whole, is quantized already, names another model, or says what no model is.
    """
    files_inside(part)
    if not (part / "config.json").is_file():
        raise ConfigError(_("{part} has no config.json; fetch the whole model again", part=part))
    config = _config_of(part / "config.json")
    if named := [key for key in _QUANTIZED if config.get(key)]:
        raise ConfigError(
            _(
                "{part} is quantized already ({key}); take the model in full precision: training.quantization quantizes it here",
                part=part,
                key=named[0],
            )
        )
    if (part / "adapter_config.json").exists():
        raise ConfigError(_("{part} holds adapter_config.json, which has another model loaded in its place; remove it", part=part))
    return sum(count_weights(file) for file in weight_files(part))


def _config_of(file: Path) -> JsonObject:
    """What a file of configuration says. Raises ConfigError for numbers from which nothing, or no end of things, would be built."""
    config = _object_of(file)
    for key, value in _leaves("", config, 0):
        if not _makes_sense(key, value):
            shown = f"{len(value):,} values" if isinstance(value, (dict, list)) else str(value)[:40]
            raise ConfigError(
                _("{file}: says that its {key!r} is {value}, which no model has; fetch it again", file=file, key=key, value=shown)
            )
    return config


def _makes_sense(key: str, value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= (_MAX_COUNT if _COUNTING.search(key) else _MAX_NUMBER) or bool(_UNBOUNDED.search(key))
    return not math.isnan(value) if isinstance(value, float) else not isinstance(value, (dict, list))


def _leaves(key: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    """Every value that a configuration holds, with the last key that leads to it; what is too deep or too long is one."""
    if not isinstance(value, (dict, list)) or depth > _MAX_DEPTH or len(value) > _MAX_ENTRIES:
        yield key, value
    else:
        for name, each in value.items() if isinstance(value, dict) else ((key, each) for each in value):
            yield from _leaves(name[:60], each, depth + 1)


def _parts(index: JsonObject, without: Collection[str]) -> Iterator[str]:
    """Names of parts; each is a folder of its own, and nothing that leads out of the model's."""
    for name, value in index.items():
        classes = [each for each in value if isinstance(each, str)] if isinstance(value, list) and len(value) == 2 else []
        if len(classes) == 2 and not name.startswith("_") and name not in without:
            if not name.isidentifier():
                raise ConfigError(_("model_index.json: {name!r} is no name of a part", name=name[:40]))
            if strange := [each for each in classes if not _NAME.fullmatch(each)]:
                raise ConfigError(_("model_index.json: {name}: {kind!r} is no name of a class", name=name, kind=strange[0][:40]))
            yield name


def read_object(file: Path) -> JsonObject | None:
    """What a file of configuration says; None for what is none, or is larger than any."""
    try:
        value = json.loads(file.read_text(encoding="utf-8")) if file.stat().st_size <= _MAX_CONFIG_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return JsonObject(value) if isinstance(value, dict) else None


def _object_of(file: Path) -> JsonObject:
    if (value := read_object(file)) is None:
        raise ConfigError(_("{file} is no JSON object; fetch it again", file=file))
    return value


def variant_of(part: Path) -> str | None:
    """The variant in which a part's weights are taken: none where there are plain ones, else bf16 before fp16 before any other."""
    variants = {found["variant"] for file in part.glob("*.safetensors") if (found := _WEIGHT_FILE.fullmatch(file.name))}
    return None if None in variants or not variants else min(variants, key=lambda variant: (variant != "bf16", variant != "fp16", variant))


def weight_files(part: Path) -> list[Path]:
    """The files of a part's weights, of one variant. Raises ConfigError where there are none, or one that is named is not there."""
    variant = variant_of(part)
    found = [
        file for file in sorted(part.glob("*.safetensors")) if (named := _WEIGHT_FILE.fullmatch(file.name)) and named["variant"] == variant
    ]
    if not found:
        if any(part.glob("*.bin")):
            raise ConfigError(
                _(
                    "{part} holds its weights as .bin, which may run code when it is read; take the model's "
                    "safetensors, or convert them: https://huggingface.co/docs/safetensors/convert-weights",
                    part=part,
                )
            )
        raise ConfigError(_("{part} holds no weights (no .safetensors); fetch them", part=part))
    for index in part.glob("*.safetensors.index*.json"):
        if index.name.partition(".index")[2].removesuffix(".json") != (f".{variant}" if variant else ""):
            continue  # of another variant
        shards = _object_of(index).get("weight_map")
        for shard in sorted({str(shard) for shard in shards.values()}) if isinstance(shards, dict) else ():
            if Path(shard).name != shard or not (part / shard).is_file():
                raise ConfigError(
                    _("{part} lacks {shard}, which {name} names; fetch it", part=part, shard=str(shard)[:60], name=index.name)
                )
    return found


def count_weights(file: Path) -> int:
    """How many numbers a file holds. Raises ConfigError if it is not whole (https://huggingface.co/docs/safetensors/#format)."""
    try:
        size = file.stat().st_size
        if not file.is_file():
            raise OSError
    except OSError:
        raise ConfigError(_("{file} leads nowhere; fetch it again", file=file)) from None
    with file.open("rb") as opened:
        first = opened.read(8)
        if (first + opened.read(len(_POINTER) - 8)) == _POINTER:
            raise ConfigError(_("{file} is a pointer of Git LFS, and holds no weights; run: git lfs pull", file=file))
        length = int.from_bytes(first, "little")
        opened.seek(8)
        header = opened.read(length) if 0 < length <= min(size, _MAX_HEADER_BYTES) else b""
    try:
        tensors = [value for name, value in json.loads(header).items() if name != "__metadata__"]
        if len(tensors) > _MAX_TENSORS or any(len(tensor["shape"]) > _MAX_DIMENSIONS for tensor in tensors):
            raise ValueError
        end = max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
        sides = [side for tensor in tensors for side in tensor["shape"]]
        if not all(isinstance(side, int) and 0 <= side <= 8 * size for side in sides):
            raise ValueError
        count = sum(math.prod(tensor["shape"]) for tensor in tensors)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
        raise ConfigError(_("{file} is damaged: it has no header of safetensors; fetch it again", file=file)) from None
    if 8 + length + end != size:
        raise ConfigError(
            _("{file} is damaged: it has {size:,} bytes of {expected:,}; fetch it again", file=file, size=size, expected=8 + length + end)
        )
    return count
