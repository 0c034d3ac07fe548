"""LoRA (arXiv 2106.09685): a low-rank adapter beside the base model's weights, and the two files that it travels in.

`adapter/pytorch_lora_weights.safetensors` is diffusers' format in float32, with PEFT's own settings: what is gone on from. The single file
`<concept>.safetensors` is what other programs read, in half precision: kohya's layout for UNets and their text encoders (ComfyUI, A1111,
Forge), `transformer.<path>.lora_A/B` with alpha / rank folded in for transformers, where kohya's would be ignored without a word.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.families.building import told_in_one_line
from gaucho_pipeline.files.clock import now
from gaucho_pipeline.methods.adapter_file import ADAPTER, DIFFUSERS_FILE, does_not_load, parts_of, read_part
from gaucho_pipeline.methods.base import CheckpointInfo, Method, Weights, loading_code, tensors_digest

if TYPE_CHECKING:
    import torch

TEXT_ENCODER_MODULES = ("q_proj", "k_proj", "v_proj", "out_proj")


class Lora(Method):
    """The base model stays as it is; what is learned is a few megabytes."""

    name = "lora"
    title = "LoRA"
    description = "a low-rank adapter, the base model stays as it is"
    is_adapter = True
    learning_rates = (1e-5, 3e-2)

    def attach(self) -> None:
        import torch
        from peft import LoraConfig

        modules = self.modules  # which may be loaded now: that draws numbers, too
        torch.manual_seed(self.spec.seed)  # before the adapter is drawn, not after
        for name, module in modules.items():
            targets = expanded_targets(self.spec.target_modules, module) if name == self.family.denoiser else list(TEXT_ENCODER_MODULES)
            config = LoraConfig(
                r=self.spec.rank, lora_alpha=self.spec.effective_alpha, init_lora_weights="gaussian", target_modules=targets
            )
            module.requires_grad_(False)
            try:
                module.add_adapter(config)
            except ValueError:
                raise ConfigError(_("training.target_modules: the base model has none of {targets}", targets=", ".join(targets))) from None
            for parameter in module.parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.to(torch.float32)

    def learn_at(self, noise_levels: torch.Tensor | None) -> None:
        """Nothing: all ranks learn at every noise level."""

    def weights(self) -> Weights:
        from peft.utils import get_peft_model_state_dict

        return {
            f"{name}.{key}": tensor.detach().cpu()
            for name, module in self.modules.items()
            for key, tensor in get_peft_model_state_dict(module).items()
        }

    def set_weights(self, weights: Weights) -> None:
        from peft.utils import set_peft_model_state_dict

        for name, module in self.modules.items():
            set_peft_model_state_dict(module, _of(weights, name))

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        for module in self.modules.values():
            module.disable_adapters()
        try:
            yield
        finally:
            for module in self.modules.values():
                module.enable_adapters()

    def detach(self) -> None:
        for module in self.modules.values():
            module.delete_adapter("default") if hasattr(module, "delete_adapter") else module.delete_adapters("default")

    def release(self) -> None:
        """Nothing: the adapter goes with the module that it sits on."""

    def save(self, folder: Path, info: CheckpointInfo) -> None:
        self._save_diffusers(folder / ADAPTER)
        self._save_kohya(folder / f"{info.slug}.safetensors", info)

    @staticmethod
    def how_to_load(slug: str, family: type[Family], base: str, revision: str | None = None) -> tuple[str, str]:
        is_unet = family.denoiser == "unet"
        if family.reader:
            text = f"`{slug}.safetensors` is for {family.reader}, with strength 1 beside the same base model: in ComfyUI with *Load LoRA*"
            text += f", in A1111 and Forge with `<lora:{slug}:1>` in the prompt." if is_unet else "."
        else:
            text = f"`{slug}.safetensors` is the same in half precision, for diffusers: no other program is known that reads it."
        load = loading_code(family, family.pipeline_class, base, revision)
        return f'{load}\npipe.load_lora_weights("adapter")', text

    def _save_diffusers(self, folder: Path) -> None:
        """Writes the adapter with its rank and alpha, without which diffusers would take alpha for the rank."""
        from peft.utils import get_peft_model_state_dict

        folder.mkdir(parents=True, exist_ok=True)
        named: dict[str, Any] = {}
        for name, module in self.modules.items():
            # PEFT's own names: diffusers' older ones are read back in halves
            named[f"{name}_lora_layers"] = {key: tensor.contiguous() for key, tensor in get_peft_model_state_dict(module).items()}
            settings = module.peft_config["default"].to_dict() | {"base_model_name_or_path": None}  # a path of this machine
            ordered = {key: sorted(value) if isinstance(value, (set, list)) else value for key, value in sorted(settings.items())}
            named[f"{name}_lora_adapter_metadata"] = ordered
        type(self.family.pipeline).save_lora_weights(folder, weight_name=DIFFUSERS_FILE, **named)

    def _save_kohya(self, path: Path, info: CheckpointInfo) -> None:
        """Writes the file that other programs read, with the metadata that they show (modelspec 1.0.1; kohya's `ss_` for UNets)."""
        from safetensors.torch import save_file

        spec = self.spec
        tensors = single_file(type(self.family), self.weights(), spec.rank, spec.effective_alpha)
        metadata = {
            "modelspec.sai_model_spec": "1.0.1",
            "modelspec.implementation": "https://github.com/huggingface/diffusers",
            "modelspec.title": info.slug,
            "modelspec.resolution": f"{spec.resolution}x{spec.resolution}",
            "modelspec.trigger_phrase": info.words,
            "modelspec.license": info.licenses,
            "modelspec.author": f"images by {info.authors}" if info.authors else "",
        } | self.family.file_metadata()
        if self.family.denoiser == "unet":
            metadata |= {
                "ss_output_name": path.stem,
                "ss_network_module": "networks.lora",
                "ss_network_dim": str(spec.rank),
                "ss_network_alpha": str(spec.effective_alpha),
                "ss_learning_rate": str(spec.learning_rate),
                "ss_tag_frequency": json.dumps({path.stem: {info.words: info.images}}, ensure_ascii=False),
                "ss_dataset_dirs": json.dumps({path.stem: {"n_repeats": 1, "img_count": info.images}}),
            }
        save_file(tensors, path, metadata | {"sshs_model_hash": tensors_digest(tensors), "modelspec.date": now()[:10]})

    @staticmethod
    def parts_in(family: Family, folder: Path) -> tuple[str, ...]:
        return parts_of(folder, (family.denoiser, *family.trainable_text_encoders))

    @staticmethod
    def load_part(family: Family, folder: Path, part: str) -> None:
        load_adapter(family, folder, part)

    @staticmethod
    def fuse_part(family: Family, part: str) -> None:
        family.parts.change(part, "fuse", _fuse)


def load_adapter(family: Family, folder: Path, part: str, name: str = "default_0") -> None:
    """Puts a part's adapter on it; `name` tells adapters of several concepts from one another.

    Raises GauchoError if the file does not load, or fits the part not.
    """
    own, settings = read_part(folder, part)
    named = {f"{part}.{key}": value for key, value in settings.items()} or None

    def load(module: Any) -> None:
        paths = {path for path, _unused in module.named_modules()}
        if strange := [name for name in own if name.removeprefix(f"{part}.").rpartition(".lora_")[0] not in paths]:
            raise does_not_load(folder, f"{part} has no module for {strange[0][:100]}")
        with told_in_one_line(lambda text: does_not_load(folder, text)):
            if hasattr(module, "load_lora_adapter"):
                module.load_lora_adapter(dict(own), prefix=part, adapter_name=name, metadata=named and dict(named))
            else:  # a text encoder, of transformers
                type(family.pipeline).load_lora_into_text_encoder(
                    dict(own), network_alphas=None, text_encoder=module, prefix=part, adapter_name=name, metadata=named and dict(named)
                )

    family.parts.change(part, f"adapter {name}", load)


def set_strengths(family: Family, parts: Mapping[str, Collection[str]], strengths: Mapping[str, float]) -> None:
    """Draws with these adapters from now on, each as strong as is said; `parts`: the adapters of each part, by name."""
    from diffusers.utils.peft_utils import set_weights_and_activate_adapters

    def use(names: list[str], module: Any) -> None:
        set_weights_and_activate_adapters(module, names, [strengths[name] for name in names])

    for part, own in parts.items():
        family.parts.change(part, "strengths", partial(use, [name for name in strengths if name in own]))


def unload_adapters(family: Family, parts: Mapping[str, Collection[str]]) -> None:
    """Has the model be what it was before `load_adapter`."""
    for part, names in parts.items():
        family.parts.change(part, "strengths", _unload)
        for label in ("strengths", *(f"adapter {name}" for name in names)):
            family.parts.forget_changes(part, label)


def _unload(module: Any) -> None:
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    recurse_remove_peft_layers(module)
    for name in ("peft_config", "_hf_peft_config_loaded"):
        if hasattr(module, name):
            delattr(module, name)


def _fuse(module: Any) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    for layer in module.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
    _unload(module)


def expanded_targets(targets: Sequence[str], network: Any) -> list[str]:
    """Target modules with each path in which `*` stands for a block's number as the paths that there are."""
    found = list[str]()
    for target in targets:
        if "*" not in target:
            found.append(target)
            continue
        pattern = re.compile(re.escape(target).replace(re.escape("*"), r"\d+"))
        found += [path for path, _unused in network.named_modules() if pattern.fullmatch(path)]
    return found


def _of(weights: Weights, component: str) -> Weights:
    start = f"{component}."
    return {name.removeprefix(start): tensor for name, tensor in weights.items() if name.startswith(start)}


def single_file(family: type[Family], weights: Weights, rank: int, alpha: float) -> Weights:
    """The tensors of the file that other programs read, by the names that they know: in half precision, but for what that would spoil."""
    import torch

    is_unet = family.denoiser == "unet"
    is_folded = not is_unet and alpha != rank
    named = to_kohya(weights, alpha) if is_unet else family.to_single_file(to_folded(weights, alpha / rank))
    in_float32 = (".alpha", ".lora_B.weight") if is_folded else (".alpha",)
    return {name: tensor if name.endswith(in_float32) else tensor.to(torch.float16) for name, tensor in named.items()}


def to_kohya(weights: Weights, alpha: float) -> Weights:
    """An adapter in kohya's names, with alpha beside each module.

    `lora_unet_<path with _>.lora_down.weight` and its like; `lora_te_text_model_…` for one text encoder, `lora_te1_…` and `lora_te2_…` for
    two.
    """
    import torch

    two = any(name.startswith("text_encoder_2.") for name in weights)
    starts = {"unet": "lora_unet", "text_encoder": "lora_te1" if two else "lora_te", "text_encoder_2": "lora_te2"}
    named = {}
    for name, tensor in weights.items():
        component, key = name.split(".", 1)
        path, side = key.removesuffix(".weight").rsplit(".", 1)
        if component != "unet":
            path = f"text_model.{path.removeprefix('text_model.')}"  # which transformers has done away with, and readers have not
        module = f"{starts[component]}_{path.replace('.', '_')}"
        named[f"{module}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = tensor.contiguous()
        named[f"{module}.alpha"] = torch.tensor(float(alpha))
    return named


def to_folded(weights: Weights, strength: float) -> Weights:
    """A transformer's adapter in diffusers' names with its strength, alpha / rank, folded into lora_B: readers take it for 1."""
    return {name: (tensor * strength if ".lora_B." in name else tensor).contiguous() for name, tensor in weights.items()}
