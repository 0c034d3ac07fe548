"""The contract of a family of base models: what differs between Stable Diffusion, FLUX and the others, and nothing that does not.

Latents are always clean, normalised and unpacked, (n, channels, height, width); `t` is the share of noise, (n,) from 0 to 1. What tells
whether a family is right is its conformance: with guidance off, `predict` equals what the family's own pipeline hands to `scheduler.step`.
Packing is called on the pipeline's class, where it is private, rather than copied: that equality would tell if it changed.
The training loop and the gallery know this contract and no family. Light to import: torch is imported where it is used.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gaucho_pipeline.families.model_files import Configs
from gaucho_pipeline.families.parts import Parts, WholePipeline
from gaucho_pipeline.families.samplers import SAMPLERS, SamplerName
from gaucho_pipeline.spec import JsonObject

if TYPE_CHECKING:
    import torch

Keys = Mapping[str, Any]
"""Keys of a part of concepts.yaml."""
Conditioning = dict[str, Any]
"""What a denoiser is told of one prompt, or of a batch of them: tensors by name."""
EncodedPrompts = dict[tuple[bool, str], Conditioning]
"""By whether it is a negative prompt, and its text."""

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


def learning_with(learning_rate: float, num_inference_steps: int, guidance_scale: float) -> Recommended:
    """For a transformer: rank 32 (as in diffusion-pipe's example and ai-toolkit's interface), a rate, and how it is drawn with."""
    return Recommended(
        training={"rank": 32, "learning_rate": learning_rate},
        gallery={"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale},
    )


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn, beside prompts and seeds."""

    num_inference_steps: int
    guidance_scale: float
    side: int
    """In pixels; pictures are square."""
    negative_prompt: str = ""


class Family(ABC):
    """One family, around a pipeline of it whose parts are in memory when they are needed (`families/parts.py`)."""

    code_version: ClassVar[str] = "1"
    """Raised when this family alone trains or draws something else of the same input: it makes what it taught stale, no more."""
    pipeline_class: ClassVar[str]
    """The diffusers class that `model_index.json` names."""
    architecture: ClassVar[str]
    """Its name in modelspec 1.0.1 and in the files of adapters."""
    denoiser: ClassVar[Literal["unet", "transformer"]] = "transformer"
    pixel_multiple: ClassVar[int] = 16
    """Sides of pictures are multiples of this."""
    own_side: ClassVar[int | None] = None
    """Of the pictures that it was made for, in pixels, where its denoiser's configuration does not say."""
    required_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer")
    """Parts beside denoiser, VAE and scheduler without which it draws nothing."""
    target_modules: ClassVar[dict[str, tuple[str, ...]]]
    """What `training.target_modules` may name: PEFT's suffixes, or paths in which `*` stands for the number of a block."""
    not_adapted: ClassVar[Mapping[str, str]] = {}
    """Linear layers inside blocks that `attention_ff` leaves as they are, by suffix, each with the reason."""
    blocks: ClassVar[tuple[str, ...]] = ("transformer_blocks",)
    """The lists of blocks that the denoiser is made of."""
    unswapped_blocks: ClassVar[tuple[str, ...]] = ()
    """Those lists of blocks that stay on the card where others wait: they are never computed twice, so that their weights must stay."""
    sequence_first: ClassVar[tuple[str, ...]] = ()
    """Parts of the paths of modules that are given (tokens, images, channels); the others are given images first."""
    training_shift: ClassVar[float | None] = None
    """How noise levels are shifted in training, where that is not what the sampler does; each family names its source."""
    taught_instead: ClassVar[str] = ""
    """The model to teach instead of this one, which was distilled to few steps; empty for one that is taught."""
    reads_sizes: ClassVar[bool] = False
    """Whether the denoiser is told of each image's size and cut, as `sizes` beside its prompt."""
    reader: ClassVar[str] = "ComfyUI"
    """The programs that read its single file, beside diffusers; empty: none is known."""
    diffusers_reads_single_file: ClassVar[bool] = True
    """Whether diffusers does; the adapter in its own format it reads of every family."""
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
    prompt_arguments: ClassVar[dict[str, str]] = {"embeds": "prompt_embeds"}
    """What its pipeline calls the parts of an encoded prompt, by our names."""
    takes_negative_prompts: ClassVar[bool] = True
    """Whether it can be told what not to draw; one whose guidance was distilled into it cannot."""
    without: ClassVar[tuple[str, ...]] = ()
    """Components that are not loaded."""
    max_sequence_length: ClassVar[int | None] = None
    """Tokens of a prompt, where the pipeline takes that as an argument."""

    def __init__(self, pipeline: Any, parts: Parts | None = None) -> None:
        self.pipeline, self.parts = pipeline, parts or WholePipeline(pipeline)
        self.encoded: EncodedPrompts = {}
        """What was read of prompts that are drawn, and of what is not to be drawn."""

    @property
    def device(self) -> torch.device:
        return self.parts.device

    @property
    def network(self) -> Any:
        """The denoiser, in memory."""
        return self.part(self.denoiser)

    @property
    def vae(self) -> Any:
        """The VAE, in memory."""
        return self.part("vae")

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """The parts that read prompts."""
        return self.parts.text_encoders

    def part(self, name: str) -> Any:
        """A part of the pipeline, in memory."""
        self.parts.need(name)
        return getattr(self.pipeline, name)

    @classmethod
    def swapped_blocks(cls) -> tuple[str, ...]:
        """The lists of blocks that can wait in the machine's memory while others are computed; none for UNets, whose parts meet again."""
        return () if cls.denoiser == "unet" else tuple(name for name in cls.blocks if name not in cls.unswapped_blocks)

    @property
    def config(self) -> Any:
        """The denoiser's configuration, by attribute and by key."""
        return self.parts.config(self.denoiser)

    @property
    def resolution(self) -> int:
        """Side of the pictures that it was made for, in pixels."""
        return self.own_side or _side_of(self.config) * int(self.pipeline.vae_scale_factor)

    @classmethod
    def side_by(cls, config: Mapping[str, Any]) -> int:
        """The same by its denoiser's configuration alone, with the autoencoder that its makers published."""
        return cls.own_side or _side_of(config) * (cls.pixel_multiple // int(config.get("patch_size") or 1))

    @property
    def bucket_multiple(self) -> int:
        """Sides of what is learned from are multiples of this, in pixels: what the denoiser halves comes out whole."""
        return max(self.pixel_multiple, 32)

    def offers(self, token: str) -> bool:
        """Whether a word that this model knows is one that it keeps for users' concepts."""
        return False

    @classmethod
    def call_arguments(cls, guidance_scale: float) -> str:
        """How its pipeline is told of guidance, as Python, for whoever draws with it elsewhere."""
        return f"guidance_scale={guidance_scale:g}"

    @classmethod
    def place_in_python(cls, base: str) -> tuple[str, str]:
        """Where its base model is, as Python for whoever loads it elsewhere: what is to be imported for it, and the expression."""
        return "", json.dumps(base, ensure_ascii=False)

    @classmethod
    def describes(cls, name: str, index: JsonObject, config: JsonObject) -> bool:
        """Whether a class that stands for some models of a family stands for this one: by name, `model_index.json`, the denoiser's own."""
        return False

    @staticmethod
    def to_single_file(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """An adapter by `<part>.<path>.lora_A/B.weight`, in the names that readers of single files know."""
        return dict(weights)

    @classmethod
    def refusal(cls, configs: Configs) -> str | None:
        """Why a model of this configuration cannot be taught, in the words that follow its name; None if it can."""
        size = configs.get(cls.denoiser, JsonObject()).get("sample_size")
        sides = [size] if not isinstance(size, (list, tuple)) else list(size)
        right = all(isinstance(side, int) and not isinstance(side, bool) and 0 < side <= _MAX_LATENTS for side in sides)
        if size is not None and not (right and len(sides) in (1, 2)):
            return f"says that its sample_size is {str(size)[:40]}, which is none; correct {cls.denoiser}/config.json"
        if len(set(sides)) > 1:
            return f"draws pictures that are not square (sample_size {size}); take a model that draws squares"
        return None

    def file_metadata(self) -> dict[str, str]:
        """What a single file says of the base model that its adapter is for (modelspec 1.0.1, and what A1111 and its kin read)."""
        return {"modelspec.architecture": f"{self.architecture}/lora"}

    # ------------------------------------------------------------------------------------------ drawing

    def generate(
        self, prompts: Sequence[str], negative_prompt: str, steps: int, guidance: float, seeds: Sequence[int], side: int
    ) -> list[Any]:
        """A square picture of each prompt, from its own seed: read, denoised and decoded."""
        return self.decode(self.denoise(prompts, seeds, Sampling(steps, guidance, side, negative_prompt)))

    def is_guided(self, guidance: float) -> bool:
        """Whether prompts are weighed against a negative one (classifier-free guidance), which acts then and only then."""
        return self.takes_negative_prompts and guidance > 1

    @property
    def has_distilled_guidance(self) -> bool:
        """Whether guidance is an input of the denoiser, which was distilled with it."""
        return False

    def read(self, prompts: Sequence[str], sampling: Sampling) -> None:
        """Encodes prompts that are to be drawn, and the negative one where it acts, each once; the text encoders are not needed then."""
        import torch

        with torch.no_grad():
            for prompt in dict.fromkeys(prompts):
                if (False, prompt) not in self.encoded:
                    self.encoded[False, prompt] = self.encode_prompt(prompt)
            for prompt in self._negative_prompts(sampling):
                if (True, prompt) not in self.encoded:
                    self.encoded[True, prompt] = self.encode_negative(prompt)

    def _negative_prompts(self, sampling: Sampling) -> list[str]:
        return [self.negative_text(sampling.negative_prompt)] if self.is_guided(sampling.guidance_scale) else []

    def negative_text(self, negative_prompt: str) -> str:
        """What is encoded of a negative prompt."""
        return negative_prompt

    def denoise(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> torch.Tensor:
        """Latents of a picture of each prompt, from its own seed, as the contract has them."""
        import torch

        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        latents = self.call_pipeline(self.prompt_keys(prompts, sampling) | {"generator": generators}, sampling)
        return self.unpacked(latents, sampling.side)

    def call_pipeline(self, keys: dict[str, Any], sampling: Sampling) -> torch.Tensor:
        """What the pipeline gives for encoded prompts before it decodes; the VAE and the text encoders are not needed."""
        self.parts.need(self.denoiser)
        size = {"num_inference_steps": sampling.num_inference_steps, "height": sampling.side, "width": sampling.side}
        found: torch.Tensor = self.pipeline(
            **keys, **size, **self.guidance_keys(sampling.guidance_scale), output_type="latent", return_dict=False
        )[0]
        return found

    def prompt_keys(self, prompts: Sequence[str], sampling: Sampling) -> dict[str, Any]:
        """Encoded prompts as the pipeline's arguments, and the negative one where it acts."""
        self.read(prompts, sampling)
        return self.conditioning_keys([self.encoded[False, prompt] for prompt in prompts], sampling)

    def conditioning_keys(self, conditionings: Sequence[Conditioning], sampling: Sampling) -> dict[str, Any]:
        """The same of what was encoded before."""
        self.read([], sampling)
        keys = self.argument_keys("", self.collate(conditionings))
        if not self.is_guided(sampling.guidance_scale):
            return keys
        return keys | self.argument_keys("negative_", self.collate([self.negative(sampling, conditionings[0])] * len(conditionings)))

    def negative(self, sampling: Sampling, like: Conditioning) -> Conditioning:
        """What prompts are weighed against; `like`: one of them."""
        return self.encoded[True, self.negative_text(sampling.negative_prompt)]

    def argument_keys(self, prefix: str, batch: Conditioning) -> dict[str, torch.Tensor]:
        """A batch of encoded prompts under the names that the pipeline's arguments have."""
        return {f"{prefix}{argument}": batch[name] for name, argument in self.prompt_arguments.items()}

    def unpacked(self, latents: torch.Tensor, side: int) -> torch.Tensor:
        """What the pipeline's denoising ends with, as the contract has latents."""
        return latents

    def forget_prompts(self) -> None:
        """Has prompts encoded again: the text encoders are others now."""
        self.encoded = {}

    @property
    def sampler(self) -> str:
        """The class of its scheduler, in diffusers."""
        return type(self.pipeline.scheduler).__name__

    def use_sampler(self, name: SamplerName) -> None:
        """Draws with another sampler from now on, on the same schedule of noise."""
        import diffusers

        kind = getattr(diffusers, SAMPLERS[name].scheduler)
        self.pipeline.scheduler = kind.from_config(self.pipeline.scheduler.config)

    def guidance_keys(self, guidance: float) -> dict[str, Any]:
        """How the pipeline is told of guidance, and whatever else it is told at every call."""
        return {"guidance_scale": guidance}

    # ------------------------------------------------------------------------------------------ encoded once, and kept

    def encode_images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the latents of pictures, (n, 3, height, width) from -1 to 1."""
        posterior, config = self.vae.encode(pixels).latent_dist, self.vae.config
        shift = getattr(config, "shift_factor", None) or 0.0
        return (posterior.mean - shift) * config.scaling_factor, posterior.std * config.scaling_factor

    def decode(self, latents: torch.Tensor) -> list[Any]:
        """Pictures of latents."""
        import torch

        with torch.no_grad():
            return self._decode(latents)

    def _decode(self, latents: torch.Tensor) -> list[Any]:
        import torch

        vae, config = self.vae, self.vae.config
        shift, kept_in = getattr(config, "shift_factor", None) or 0.0, vae.dtype
        if kept_in == torch.float16 and getattr(config, "force_upcast", False):
            vae.to(torch.float32)  # as its pipeline does: half is too narrow for it
        decoded = vae.decode((latents / config.scaling_factor + shift).to(vae.dtype)).sample
        vae.to(kept_in)
        pictures: list[Any] = self.pipeline.image_processor.postprocess(decoded.float())
        return pictures

    def encode_prompt(self, prompt: str) -> Conditioning:
        """What the denoiser is told of one prompt, without the dimension of a batch."""
        self.parts.need(*self.text_encoders)
        return self._encode_prompt(prompt)

    @abstractmethod
    def _encode_prompt(self, prompt: str) -> Conditioning:
        """The same, with the text encoders in memory."""

    def encode_negative(self, negative_prompt: str) -> Conditioning:
        """The same of a negative prompt."""
        return self.encode_prompt(negative_prompt)

    def encode_prompts(self, prompts: Sequence[str]) -> dict[str, Conditioning]:
        """What the denoiser is told of each distinct prompt."""
        import torch

        with torch.no_grad():
            return {prompt: self.encode_prompt(prompt) for prompt in dict.fromkeys(prompts)}

    def collate(self, conditionings: Sequence[Conditioning]) -> Conditioning:
        """One batch of several; what is shorter than the longest is filled up with zeros, masks too."""
        return {name: _stacked([each[name] for each in conditionings]) for name in conditionings[0]}

    # ------------------------------------------------------------------------------------------ the loss

    def draw_noise_levels(self, count: int, generator: torch.Generator, latents: torch.Tensor) -> torch.Tensor:
        """How noisy each picture of a step is, (count,): logit-normal (arXiv 2403.03206), shifted as the sampler shifts."""
        import torch

        t = torch.sigmoid(torch.randn(count, generator=generator))
        return self.shift(t, latents) if self.training_shift is None else _shifted(t, self.training_shift)

    def validation_noise_levels(self, count: int) -> torch.Tensor:
        """Evenly spread, (count,)."""
        import torch

        return (torch.arange(count) + 0.5) / count

    def shift(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Noise levels moved as the sampler moves its own: by a constant, or with the number of tokens (`use_dynamic_shifting`)."""
        config = self.pipeline.scheduler.config
        if not getattr(config, "use_dynamic_shifting", False):
            shift = config.get("shift") or config.get("flow_shift") or 1.0  # named so by samplers that are not for flows alone
            return _shifted(t, float(shift))
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


def _side_of(config: Mapping[str, Any]) -> int:
    """Of the latents that a denoiser was made for; as pipelines themselves take it where it is not said."""
    size = config.get("sample_size") or 64
    return int(size if isinstance(size, int) else size[0])


def _shifted(t: torch.Tensor, shift: float) -> torch.Tensor:
    """Noise levels moved towards noise by a constant (arXiv 2403.03206, 5.3.2)."""
    return shift * t / (1 + (shift - 1) * t)


def _exponential_shift(t: torch.Tensor, mu: float) -> torch.Tensor:
    return math.exp(mu) * t / (1 + (math.exp(mu) - 1) * t)


def _stacked(values: list[Any]) -> Any:
    """Tensors as a batch, those of another length filled up with zeros; what is no tensor stays a list."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    if not all(isinstance(value, torch.Tensor) for value in values):
        return values
    return torch.stack(values) if len({value.shape for value in values}) == 1 else pad_sequence(values, batch_first=True)
