"""The contract of a family of base models: what differs between Stable Diffusion, FLUX and the others, and nothing that does not.

Latents are always clean, normalised and unpacked, (n, channels, height, width); `t` is the share of noise, (n,) from 0 to 1. What tells
whether a family is right is its conformance: with guidance off, `predict` equals what the family's own pipeline hands to `scheduler.step`.
Packing is called on the pipeline's class, where it is private, rather than copied: that equality would tell if it changed.
The training loop and the gallery know this contract and no family. Light to import: torch is imported where it is used.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gaucho_pipeline.families.model_files import Configs
from gaucho_pipeline.families.samplers import SAMPLERS, SamplerName
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

Keys = Mapping[str, Any]
"""Keys of a part of concepts.yaml."""
Conditioning = dict[str, Any]
"""What a denoiser is told of one prompt, or of a batch of them: tensors by name."""

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_MAX_LATENTS = 4096
"""On a side: pictures of 32,768 pixels."""

ADDED_ATTENTION = ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""Those of the prompt, where picture and prompt attend to each other."""


@dataclass(frozen=True)
class Recommended:
    """Keys of concepts.yaml that are taken where nobody sets them. Each family states where its own come from."""

    training: Keys = field(default_factory=dict)
    methods: Mapping[str, Keys] = field(default_factory=lambda: {"dreambooth": {"learning_rate": 5e-6}})
    """Further keys of training, by method. For all weights: the rate of https://huggingface.co/docs/diffusers/training/dreambooth."""
    gallery: Keys = field(default_factory=dict)
    sequence: Keys = field(default_factory=dict)
    """Beside those of the gallery."""


def drawing_with(num_inference_steps: int, guidance_scale: float) -> Recommended:
    """A recommendation that is a pipeline's own defaults for drawing."""
    return Recommended(gallery={"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale})


class Family(ABC):
    """One family, around a loaded pipeline of it."""

    code_version: ClassVar[str] = "1"
    """Raised when this family alone trains or draws something else of the same input: it makes what it taught stale, no more."""
    pipeline_class: ClassVar[str]
    """The diffusers class that `model_index.json` names."""
    architecture: ClassVar[str]
    """Its name in modelspec 1.0.1 and in the files of adapters."""
    denoiser: ClassVar[Literal["unet", "transformer"]] = "transformer"
    pixel_multiple: ClassVar[int] = 16
    """Sides of pictures are multiples of this."""
    target_modules: ClassVar[dict[str, tuple[str, ...]]]
    """What `training.target_modules` may name, as PEFT's suffixes."""
    recommended: ClassVar[Recommended] = Recommended()
    encoders: ClassVar[dict[str, dict[str, str]]] = {
        "clip": {"model": "openai/clip-vit-large-patch14", "revision": "32bd64288804d66eefd0ccbe215aa642df71cc41"},
        "dinov2": {"model": "facebook/dinov2-base", "revision": "f9e44c814b77203eaa57a6bdbbd535f21ede1415"},
        "dino": {"model": "facebook/dino-vits16", "revision": "abe3b354cb6a9b6f146096b14a4a9d7eecbcb4bd"},
    }
    """What scores its pictures where the specification names nothing else; those of photographs, all with open licences."""
    sequence_methods: ClassVar[tuple[str, ...]] = ()
    """How it draws what unfolds in time (`sequence/`), the method that is taken where nobody names one first; none: it cannot."""
    reads_portuguese: ClassVar[bool] = False
    """Whether its text encoder is a language model that knows Portuguese; the others read English."""
    trainable_text_encoders: ClassVar[tuple[str, ...]] = ()
    """Those that `training.train_text_encoder` teaches; readers of single files know those of Stable Diffusion only."""
    prompt_arguments: ClassVar[dict[str, str]] = {}
    """What its pipeline calls the parts of an encoded prompt, by our names; none: it is handed prompts, and encodes them at every call."""
    without: ClassVar[tuple[str, ...]] = ()
    """Components that are not loaded."""
    max_sequence_length: ClassVar[int | None] = None
    """Tokens of a prompt, where the pipeline takes that as an argument."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self._encoded: dict[str, Conditioning] = {}

    @property
    def network(self) -> Any:
        """The denoiser."""
        return getattr(self.pipeline, self.denoiser)

    @property
    def resolution(self) -> int:
        """Side of the pictures that it was made for, in pixels."""
        size = self.network.config.sample_size
        return int(size if isinstance(size, int) else size[0]) * int(self.pipeline.vae_scale_factor)

    @property
    def bucket_multiple(self) -> int:
        """Sides of what is learned from are multiples of this, in pixels: what the denoiser halves comes out whole."""
        return max(self.pixel_multiple, 32)

    def forget(self, *components: str) -> None:
        """Takes components out of memory that are not needed any more."""
        for name in components:
            if getattr(self.pipeline, name, None) is not None:
                setattr(self.pipeline, name, None)

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """Components that read prompts."""
        return tuple(name for name in self.pipeline.components if name.startswith("text_encoder"))

    def offers(self, token: str) -> bool:
        """Whether a word that this model knows is one that it keeps for users' concepts."""
        return False

    @classmethod
    def refusal(cls, configs: Configs) -> str | None:
        """Why a model of this configuration cannot be taught, in the words that follow its name; None if it can."""
        size = configs.get(cls.denoiser, JsonObject()).get("sample_size")
        sides = [size] if not isinstance(size, (list, tuple)) else list(size)
        right = all(isinstance(side, int) and not isinstance(side, bool) and 0 < side <= _MAX_LATENTS for side in sides)
        if size is not None and not (right and len(sides) in (1, 2) and len(set(sides)) == 1):
            return f"says that its sample_size is {str(size)[:40]}, which is none; correct {cls.denoiser}/config.json"
        return None

    def file_metadata(self) -> dict[str, str]:
        """What a single file says of the base model that its adapter is for (modelspec 1.0.1, and what A1111 and its kin read)."""
        return {"modelspec.architecture": f"{self.architecture}/lora"}

    # ------------------------------------------------------------------------------------------ drawing

    def generate(
        self, prompts: Sequence[str], negative_prompt: str, steps: int, guidance: float, seeds: Sequence[int], side: int
    ) -> list[Any]:
        """A square picture of each prompt, from its own seed. What the pipeline does not take is left out."""
        import torch

        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        keys: dict[str, Any] = {"num_inference_steps": steps, "generator": generators, "height": side, "width": side}
        keys |= self.guidance_keys(negative_prompt, guidance, len(prompts))
        if not self.prompt_arguments:
            keys["prompt"] = list(prompts)
        else:
            keys |= self._encoded_keys("", prompts)
            if "negative_prompt" in keys:
                del keys["negative_prompt"]
                keys |= self._encoded_keys("negative_", [negative_prompt] * len(prompts))
        pictures: list[Any] = self.pipeline(**keys).images
        return pictures

    def _encoded_keys(self, prefix: str, prompts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Prompts as the pipeline takes them when they are encoded; each is encoded once."""
        import torch

        for prompt in dict.fromkeys(prompts):
            if prompt not in self._encoded:
                with torch.no_grad():
                    self._encoded[prompt] = self.encode_prompt(prompt)
        return self.argument_keys(prefix, self.collate([self._encoded[prompt] for prompt in prompts]))

    def argument_keys(self, prefix: str, batch: Conditioning) -> dict[str, torch.Tensor]:
        """A batch of encoded prompts under the names that the pipeline's arguments have."""
        return {f"{prefix}{argument}": batch[name] for name, argument in self.prompt_arguments.items()}

    def forget_prompts(self) -> None:
        """Has prompts encoded again: the text encoders are others now."""
        self._encoded = {}

    @property
    def sampler(self) -> str:
        """The class of its scheduler, in diffusers."""
        return type(self.pipeline.scheduler).__name__

    def use_sampler(self, name: SamplerName) -> None:
        """Draws with another sampler from now on, on the same schedule of noise."""
        import diffusers

        kind = getattr(diffusers, SAMPLERS[name].scheduler)
        self.pipeline.scheduler = kind.from_config(self.pipeline.scheduler.config)

    def guidance_keys(self, negative_prompt: str, guidance: float, count: int) -> dict[str, bool | float | list[str] | None]:
        """How the pipeline is told of guidance, and of what not to draw."""
        taken = signature(type(self.pipeline).__call__).parameters
        keys: dict[str, bool | float | list[str] | None] = {"guidance_scale": guidance, "negative_prompt": [negative_prompt] * count}
        return {name: value for name, value in keys.items() if name in taken}

    # ------------------------------------------------------------------------------------------ encoded once, and kept

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the latents of pictures, (n, 3, height, width) from -1 to 1."""
        posterior, config = self.pipeline.vae.encode(pixels).latent_dist, self.pipeline.vae.config
        shift = getattr(config, "shift_factor", None) or 0.0
        return (posterior.mean - shift) * config.scaling_factor, posterior.std * config.scaling_factor

    def decode(self, latents: torch.Tensor) -> list[Any]:
        """Pictures of latents."""
        import torch

        vae, config = self.pipeline.vae, self.pipeline.vae.config
        shift, kept_in = getattr(config, "shift_factor", None) or 0.0, vae.dtype
        if kept_in == torch.float16 and getattr(config, "force_upcast", False):
            vae.to(torch.float32)  # as its pipeline does: half is too narrow for it
        decoded = vae.decode((latents / config.scaling_factor + shift).to(vae.dtype)).sample
        vae.to(kept_in)
        pictures: list[Any] = self.pipeline.image_processor.postprocess(decoded.float())
        return pictures

    @abstractmethod
    def encode_prompt(self, prompt: str) -> Conditioning:
        """What the denoiser is told of one prompt, without the dimension of a batch."""

    def collate(self, conditionings: Sequence[Conditioning]) -> Conditioning:
        """One batch of several; what is shorter than the longest is filled up with zeros, masks too."""
        return {name: _stacked([each[name] for each in conditionings]) for name in conditionings[0]}

    # ------------------------------------------------------------------------------------------ the loss

    def draw_noise_levels(self, count: int, generator: torch.Generator, latents: torch.Tensor) -> torch.Tensor:
        """How noisy each picture of a step is, (count,): logit-normal (arXiv 2403.03206), shifted as the sampler shifts."""
        import torch

        return self.shift(torch.sigmoid(torch.randn(count, generator=generator)), latents)

    def validation_noise_levels(self, count: int) -> torch.Tensor:
        """Evenly spread, (count,)."""
        import torch

        return (torch.arange(count) + 0.5) / count

    def shift(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Noise levels moved as the sampler moves its own: by a constant, or with the number of tokens (`use_dynamic_shifting`)."""
        config = self.pipeline.scheduler.config
        if not getattr(config, "use_dynamic_shifting", False):
            shift = config.get("shift") or config.get("flow_shift") or 1.0  # named so by samplers that are not for flows alone
            return shift * t / (1 + (shift - 1) * t)
        return _exponential_shift(t, self.mu(latents))

    def mu(self, latents: torch.Tensor) -> float:
        """The logarithm of the shift for pictures of this size, as FLUX's pipelines compute it."""
        config = self.pipeline.scheduler.config
        tokens = (latents.shape[-2] // 2) * (latents.shape[-1] // 2)
        slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
        return float(tokens * slope + config.base_shift - slope * config.base_image_seq_len)

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Latents with their share of noise: a straight line from one to the other, for flow matching."""
        share = t.view(-1, 1, 1, 1)
        return (1 - share) * latents + share * noise

    def target(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """What the denoiser should say."""
        return noise - latents

    def loss_weights(self, t: torch.Tensor, gamma: float | None) -> torch.Tensor:
        """The weight of each picture's loss, (n,); min-SNR's gamma means something for diffusion only."""
        import torch

        return torch.ones(len(t), device=t.device)

    @abstractmethod
    def predict(self, noisy: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """What the denoiser says, in the shape of `noisy`; packing and signs are seen to here."""


def _exponential_shift(t: torch.Tensor, mu: float) -> torch.Tensor:
    return math.exp(mu) * t / (1 + (math.exp(mu) - 1) * t)


def _stacked(values: list[Any]) -> Any:
    """Tensors as a batch, those of another length filled up with zeros; what is no tensor stays a list."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    if not all(isinstance(value, torch.Tensor) for value in values):
        return values
    return torch.stack(values) if len({value.shape for value in values}) == 1 else pad_sequence(values, batch_first=True)
