"""Base models: how one is named, recognised, pinned and loaded.

Naming and identity need no heavy import; torch and diffusers are imported where a model is loaded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.models import EMBEDDED
from gaucho_pipeline.errors import ConfigError, GauchoError, TransientError, _
from gaucho_pipeline.families import FAMILIES, Family, member_of
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.families.model_files import MODEL_INDEX, read_model, read_object
from gaucho_pipeline.families.parts import is_text_encoder
from gaucho_pipeline.files.digests import weights_digest
from gaucho_pipeline.files.inside import file_inside
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

    from gaucho_pipeline.models.memory import PeakMeter

EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded" / "model"
_LOCK_KIND = "base model"


def folder_of(model: str) -> Path | None:
    """The folder of a model that is on this disk; None for one from a hub."""
    if model == EMBEDDED:
        return EMBEDDED_FOLDER
    return Path(model) if Path(model).is_absolute() else None


def has_parts(model: str, revision: str | None) -> Path | None:
    """The folder in which a model's parts can be looked at: its own, or the hub's cache; None for one that was not fetched, or ships."""
    if model == EMBEDDED:
        return None
    if folder := folder_of(model):
        return folder
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "model_index.json", revision=revision)
    whole = Path(found).parent if isinstance(found, str) else None
    return whole if whole and any(whole.glob("*/*.safetensors")) else None


def encoder_folder(model: str) -> Path | None:
    """The folder of an encoder of pictures that is on this disk; None for one from a hub."""
    return EMBEDDED_FOLDER / "scorer" if model == EMBEDDED else folder_of(model)


def identity(model: str, revision: str | None) -> dict[str, str | None]:
    """What tells a base model from every other: id and revision, and for one on this disk the digest of its files.

    Raises ConfigError if its folder is not there or holds no model.
    """
    folder = folder_of(model)
    if folder and not (folder / "model_index.json").is_file():
        model_index(model, revision)
    return part_identity(model, revision)


def part_identity(model: str, revision: str | None) -> dict[str, str | None]:
    """The same of any model, whatever is in its folder."""
    folder = folder_of(model)
    if folder is None:
        return {"id": model, "revision": revision, "digest": None}
    return {"id": model if model == EMBEDDED else folder.name, "revision": revision, "digest": weights_digest(folder)}


def model_index(model: str, revision: str | None) -> JsonObject:
    """What `model_index.json` of a model says: from its folder, or from the hub (or its offline cache) at the pinned commit.

    Raises ConfigError if it is not there or is no such file, GauchoError if a hub cannot be asked.
    """
    if model.endswith(_SINGLE_FILES):
        raise ConfigError(
            _(
                "{model} is a single file; diffusers makes a folder of it: {command}, then name that folder",
                model=model,
                command=_CONVERTS.format(file=Path(model).name),
            )
        )
    value = _json_file(model, revision, "model_index.json")
    if value is None:
        raise ConfigError(_("{place} holds no model (no model_index.json)", place=folder_of(model) or model))
    if not (isinstance(name := value.get("_class_name"), str) and name.isidentifier() and len(name) <= 100):
        raise ConfigError(_("{place}: its model_index.json names no pipeline", place=folder_of(model) or model))
    return value


_SINGLE_FILES = (".safetensors", ".ckpt")
_CONVERTS = (
    "python -c \"from diffusers import StableDiffusionPipeline as P; P.from_single_file('{file}').save_pretrained('model')\" "
    "(StableDiffusionXLPipeline for an SDXL file)"
)


def _json_file(model: str, revision: str | None, file: str) -> JsonObject | None:
    """A file of a model, from its folder or from the hub; None if it is not there, or is no JSON object.

    Raises ConfigError for a name that no hub has or a file that leads out of its folder, GauchoError if a hub cannot be asked.
    """
    folder = folder_of(model)
    path: Path | None
    if folder is None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            path = Path(hf_hub_download(model, file, revision=revision, local_files_only=not hub_answers(int(time.monotonic() // 60))))
        except HFValidationError as error:
            raise ConfigError(_("{model} is no name that a hub has: {error}", model=model, error=error)) from None
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            first = str(error).strip().splitlines()[0]
            raise TransientError(
                _("{model} cannot be asked for: {first}; is the network there, or the model in the hub's cache?", model=model, first=first)
            ) from None
    else:
        path = file_inside(folder, folder / file)
    return read_object(path) if path else None


@lru_cache(maxsize=1)
def hub_answers(minute: int) -> bool:
    """Whether the hub can be reached, asked once a minute: else a look-up would try again and again for half a minute each time.

    Where a proxy is between, it is not for this machine to tell.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return False
    parts = urlsplit(constants.ENDPOINT)
    if getproxies().get(parts.scheme):
        return True
    try:
        with socket.create_connection((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), timeout=5):
            return True
    except OSError:
        return False


_TELLING = ("is_distilled", "guidance_embeds", "time_cond_proj_dim", "_name_or_path")
"""Keys of `model_index.json` and of the denoiser's configuration that tell a distilled model; kept in the lock file."""


def family_of(model: str, revision: str | None, lock_file: LockFile | None = None) -> type[Family]:
    """The family of a base model. That of a hub's model is asked once and kept in the lock file.

    Raises ConfigError for a model that is none, or of a family that cannot be taught; GauchoError if a hub cannot be asked.
    """
    if model == EMBEDDED:
        return Embedded
    name, is_folder = f"{model}@{revision}", folder_of(model) is not None
    kept = lock_file.get(_LOCK_KIND, name) if lock_file and not is_folder else None
    if kept and "_name_or_path" not in kept:  # of a version that kept less
        with contextlib.suppress(TransientError):
            kept = JsonObject({**_telling(*_index_and_config(model, revision)), **kept})
    index = JsonObject({"_class_name": kept["id"], **kept}) if kept else model_index(model, revision)
    class_name = str(index["_class_name"])
    if class_name not in FAMILIES:
        raise ConfigError(
            _("{model} is a {class_name}; what can be taught: {families}", model=model, class_name=class_name, families=", ".join(FAMILIES))
        )
    family = FAMILIES[class_name]
    config = JsonObject(kept) if kept else _json_file(model, revision, f"{family.denoiser}/config.json") or JsonObject()
    if lock_file and not is_folder and not kept:
        _check_on_hub(model, revision, family, index)
        lock_file.add(_LOCK_KIND, name, f"https://huggingface.co/{model}", JsonObject(id=class_name, **_telling(index, config)))
    return member_of(family, f"{Path(model).name} {index.get('_name_or_path') or ''}", index, config)


def _index_and_config(model: str, revision: str | None) -> tuple[JsonObject, JsonObject]:
    """What a model and its denoiser say of themselves. Raises GauchoError if a hub cannot be asked."""
    index = model_index(model, revision)
    denoiser = FAMILIES[str(index["_class_name"])].denoiser
    return index, _json_file(model, revision, f"{denoiser}/config.json") or JsonObject()


def _telling(index: JsonObject, config: JsonObject) -> dict[str, Any]:
    """Of these, what tells whether it was distilled."""
    told = {key: value for key in _TELLING if (value := index.get(key, config.get(key))) is not None}
    return {"_name_or_path": "", **told}


def _check_on_hub(model: str, revision: str | None, family: type[Family], index: JsonObject) -> None:
    """Raises ConfigError if a hub's model cannot be taught, by the configurations of its parts: before anything else is done for it."""
    configs = {MODEL_INDEX: index}
    for name in (family.denoiser, "vae", *(part for part in index if is_text_encoder(part))):
        with contextlib.suppress(TransientError):  # a part that it does not have
            configs[name] = _json_file(model, revision, f"{name}/config.json") or JsonObject()
    if reason := family.refusal(configs):
        raise ConfigError(f"{model} {reason}")


_MAY_DIFFER = ("guidance_embeds", "sample_size", "dtype", "torch_dtype")
"""Keys of a denoiser's configuration in which a model and its distilled sibling may differ."""


def check_sibling(model: str, revision: str | None, sibling: str, sibling_revision: str | None) -> None:
    """Raises ConfigError if what a model's denoiser learned does not fit a sibling's, by their configurations."""
    trained, drawing = _denoiser_config(model, revision), _denoiser_config(sibling, sibling_revision)
    for key in sorted({*trained, *drawing}):
        differs = trained.get(key) != drawing.get(key) and not key.startswith("_") and key not in _MAY_DIFFER
        if differs:
            raise ConfigError(
                _(
                    "gallery.base_model: it has {key} {own}, and the model that was taught {trained}: what was learned does not fit it",
                    key=key,
                    own=drawing.get(key),
                    trained=trained.get(key),
                )
            )


def _denoiser_config(model: str, revision: str | None) -> dict[str, Any]:
    """The configuration of a model's denoiser, with its class's own values for keys that it does not name, and no key that the class does
    not know: what another version of diffusers wrote compares with what this one does.

    Raises ConfigError for a model that is none, GauchoError if a hub cannot be asked.
    """
    import diffusers

    config = _json_file(model, revision, f"{family_of(model, revision).denoiser}/config.json") or JsonObject()
    kind = getattr(diffusers, str(config.get("_class_name")), None)
    known = signature(kind.__init__).parameters if kind else {}
    own = {name: each.default for name, each in known.items() if each.default is not each.empty}
    values = {**own, **{key: value for key, value in config.items() if key in known}, "class": config.get("_class_name")}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def is_recognised(model: str, revision: str | None, lock_file: LockFile) -> bool:
    """Whether the family of a base model is known without asking anybody."""
    return folder_of(model) is not None or lock_file.get(_LOCK_KIND, f"{model}@{revision}") is not None


class Loading(NamedTuple):
    """How a base model is loaded, where that changes what it computes: `training.quantization` and `training.precision`."""

    quantization: str | None = None
    precision: str | None = None


PLAIN = Loading()


@dataclass(frozen=True)
class Loaded:
    """A base model whose parts are in memory when they are needed, float32 or half, on its device."""

    family: Family
    """What its family knows, around the pipeline."""
    device: torch.device
    dtype: torch.dtype
    """What its denoiser computes in."""

    @cached_property
    def peaks(self) -> PeakMeter:
        """Measures what memory is taken, phase by phase."""
        from gaucho_pipeline.models.memory import PeakMeter

        return PeakMeter(self.device)

    @property
    def pipeline(self) -> Any:
        """The pipeline with all its parts in memory."""
        self.family.parts.need_all()
        return self.family.pipeline

    @property
    def resolution(self) -> int:
        """Side of its pictures in pixels."""
        return self.family.resolution


def load(model: str, revision: str | None, device: torch.device, how: Loading = PLAIN) -> Loaded:
    """Opens a pipeline whose parts are loaded when they are needed: safetensors only, in the type that is computed in.

    Raises ConfigError where what is asked for cannot be had here, or the model cannot be taught; GauchoError if it cannot be had.
    """
    quiet_libraries()
    from gaucho_pipeline.models.parts import PartsInTurn, Source

    family, folder = family_of(model, revision), folder_of(model)
    check_folder(model, revision)
    index, dtype = model_index(model, revision), compute_dtype(device, how.precision)
    quantized = _quantized(family, index, device, dtype, how.quantization)
    placed = frozenset(quantized) if how.quantization == "nf4" else frozenset[str]()
    parts = PartsInTurn(Source(model, str(folder or model), revision, index, dtype, quantized, placed), family, device)
    configs = {family.denoiser: parts.config(family.denoiser), "vae": parts.config("vae"), "scheduler": parts.pipeline.scheduler.config}
    if reason := family.refusal({name: JsonObject(config) for name, config in configs.items()}):
        raise GauchoError(_("training.base_model: {model} {reason}", model=model, reason=reason))
    return Loaded(family(parts.pipeline, parts), device, dtype)


def check_folder(model: str, revision: str | None) -> int | None:
    """Looks at a model that is on this disk, without loading it; how many weights it has, None for one from a hub.

    Raises ConfigError if it is not whole, or cannot be taught.
    """
    folder = folder_of(model)
    if folder is None:
        return None
    family = family_of(model, revision)
    configs, count = read_model(folder, model_index(model, revision), family.without)
    index = model_index(model, revision)
    absent = {name for name in family.required_parts if not isinstance(index.get(name), list) or None in index.array(name)}
    if lacking := ({family.denoiser, "vae", "scheduler"} - configs.keys()) | absent:
        raise ConfigError(_("{folder} lacks its part {lacking}; fetch the whole model again", folder=folder, lacking=min(lacking)))
    if reason := family.refusal(configs):
        raise ConfigError(f"{model} {reason}")
    return count


def _quantized(family: type[Family], index: JsonObject, device: torch.device, dtype: torch.dtype, name: str | None) -> dict[str, Any]:
    """How the parts of a model are quantized, as their libraries have it. Raises ConfigError where that cannot be had here."""
    if name is None:
        return {}
    if name == "nf4":
        return {family.denoiser: _four_bits(device, dtype)}
    if find_spec("torchao") is None:
        raise ConfigError(_("training.quantization: int8 needs the extra: pip install 'gaucho-pipeline[torchao]'"))
    logging.getLogger("torchao").setLevel(logging.ERROR)  # kernels of GPUs that are not here
    import diffusers
    import transformers
    from torchao.quantization import Int8WeightOnlyConfig

    readers = [part for part in index if is_text_encoder(part)]
    found = {part: transformers.TorchAoConfig(Int8WeightOnlyConfig(version=2)) for part in readers}
    return {**found, family.denoiser: diffusers.TorchAoConfig(Int8WeightOnlyConfig(version=2))}


def _four_bits(device: torch.device, dtype: torch.dtype) -> Any:
    """https://huggingface.co/docs/diffusers/quantization/bitsandbytes; the denoiser only, which is what is large while it is taught."""
    from diffusers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise ConfigError(_("training.quantization: nf4 needs the extra: pip install 'gaucho-pipeline[bitsandbytes]'"))
    if device.type != "cuda":
        raise ConfigError(_("training.quantization: nf4 needs a CUDA GPU"))
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


_BF16_FLAGS = ("amx_bf16", "avx512_bf16")


def compute_dtype(device: torch.device, precision: str | None = None) -> torch.dtype:
    """What a denoiser computes in on a device: bfloat16 where the GPU has it, else float16; float32 elsewhere.

    `precision` as in `training.precision`. Raises ConfigError where that cannot be had here.
    """
    import torch

    if device.type != "cuda":
        if precision == "bf16" and not has_bf16():
            raise ConfigError(_("training.precision: bf16 needs a CPU with AMX or AVX512-BF16, which this one has not; leave it out"))
        return torch.bfloat16 if precision == "bf16" else torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def has_bf16() -> bool:
    """Whether this machine's CPU multiplies bfloat16 itself (proc(5), /proc/cpuinfo)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return any(flag in flags for flag in _BF16_FLAGS)


def quiet_libraries() -> None:
    """Keeps the libraries' own progress bars and advice out of a log that has its own."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    from diffusers.utils import logging as diffusers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()


def gpu_names() -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that may be used; torch is not asked, because that takes seconds."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def card_memory_gb() -> float | None:
    """The memory of the card that is here."""
    if not gpu_names():
        return None
    import torch

    return torch.cuda.get_device_properties(0).total_memory / 1e9 if torch.cuda.is_available() else None


def has_gpu() -> bool:
    """Whether a model is taught on a GPU here; torch is asked only where it might be Apple's."""
    return bool(gpu_names()) or (sys.platform == "darwin" and best_device().type == "mps")


def best_device() -> torch.device:
    """A CUDA device, else Apple's, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a GPU or of the machine."""
    import torch

    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
