"""Storyboard: frames of an image model that look at one another. For every Stable Diffusion whose denoiser is a UNet.

All frames begin with one noise. A frame that turns into the next beat hears both prompts, each by its share, and their predictions are
mixed (composed diffusion, arXiv 2206.01714): mixed embeddings change little for long and then all at once. And what a frame attends to in
itself, it attends to in the first frame and in the one before it too (Text2Video-Zero, arXiv 2303.13439), so that a thing stays itself.

At every denoising step frames go through the denoiser in their order, as many at once as fit into memory; what of the first and of the
last one later frames look at is handed on. So the result does not depend on how many went at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from PIL import Image

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families.base import Conditioning, Sampling
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.models.base_models import is_out_of_memory
from gaucho_pipeline.prompts.stories import Frame, Story
from gaucho_pipeline.sequence.base import Drawing, SequenceMethod, Strengths
from gaucho_pipeline.sequence.steps import kept


class Storyboard(SequenceMethod):
    """As the module says."""

    name = "storyboard"
    changes_strengths: ClassVar[bool] = True

    @torch.inference_mode()
    def draw(self, drawing: Drawing) -> list[Image.Image]:
        family, spec, frames = cast("StableDiffusion", drawing.family), drawing.spec, drawing.story.frames()
        encoded = _encode(drawing)
        own, following = ([encoded[getattr(frame, which)] for frame in frames] for which in ("beat", "following"))
        memory = _Memory()
        turn = _FramesInTurn(drawing, frames, family.collate(following), memory, spec.batch_size)
        sampling = Sampling(spec.num_inference_steps, spec.guidance_scale, drawing.side, spec.negative_prompt)
        family.read([], sampling)
        latents = noises(drawing.story, (family.config["in_channels"], *_latent_sides(family, drawing.side)))
        latents = latents.to(family.device, family.network.dtype)
        with _attending(family.network, memory), kept(family.network, drawing.steps, turn):
            found = family.denoise_from(latents, own, drawing.story.seed, sampling)
        return [family.decode(found[number : number + 1])[0] for number in range(len(frames))]


def _latent_sides(family: StableDiffusion, side: int) -> tuple[int, int]:
    return side // family.pipeline.vae_scale_factor, side // family.pipeline.vae_scale_factor


def _encode(drawing: Drawing) -> list[Conditioning]:
    """The prompt of each beat, read by text encoders that have learned what the beat shows."""
    found = []
    for prompt, strengths in zip(drawing.prompts, drawing.strengths, strict=True):
        drawing.use(strengths)
        found.append(drawing.family.encode_prompt(prompt))
    return found


def noises(story: Story, shape: tuple[int, int, int]) -> torch.Tensor:
    """The noise that each frame begins with, (frames, channels, height, width): one for all, wandering from beat to beat by `drift`."""
    shared = _noise(shape, story.seed)
    own = [interpolated(shared, _noise(shape, (story.seed + 1 + number) % 2**31), story.drift) for number in range(len(story.beats))]
    return torch.stack([interpolated(own[frame.beat], own[frame.following], frame.share) for frame in story.frames()])


def _noise(shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def interpolated(one: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    """Noise between two noises, on the arc between them: on the straight line it would be too weak to be noise."""
    if share == 0 or one is other:
        return one
    cosine = torch.dot(one.flatten(), other.flatten()) / (one.norm() * other.norm())
    angle = torch.acos(cosine.clamp(-1, 1))
    if angle < 1e-4:
        return one
    return (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)


@dataclass
class _Memory:
    """What later frames look at, by the name of the attention: of the first frame and of the one before, (streams, 1, tokens, width).

    A stream is a prompt that frames hear: none or the negative one, their own, that of the following beat.
    """

    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    new: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    frames: int = 1
    """How many go through the denoiser now."""

    def context(self, name: str, tokens: torch.Tensor) -> torch.Tensor:
        """What frames attend to, (streams * frames, 3 * tokens, width): themselves, the first one, the one before."""
        own = tokens.reshape(-1, self.frames, *tokens.shape[1:])
        first, before = self.seen.get(name) or (own[:, :1].clone(),) * 2  # a view would keep all frames' tokens in memory
        first, before = (_with_streams(each, len(own)) for each in (first, before))
        self.new[name] = (first, own[:, -1:].clone())
        previous = torch.cat([before, own[:, :-1]], 1)
        return torch.cat([own, first.expand_as(own), previous], 2).flatten(0, 1)

    def keep(self) -> None:
        """The frames are through."""
        self.seen, self.new = self.seen | self.new, {}

    def clear(self) -> None:
        """A new denoising step begins."""
        self.seen, self.new = {}, {}


def _with_streams(tokens: torch.Tensor, streams: int) -> torch.Tensor:
    """The same for another number of streams: one that is new begins as the last, which is what its frames have been so far."""
    return tokens[:streams] if len(tokens) >= streams else torch.cat([tokens, tokens[-1:].expand(streams - len(tokens), -1, -1, -1)])


class _FrameAttention:
    """An attention's own processor, with a context of several frames where it attends to itself."""

    def __init__(self, processor: Callable[..., torch.Tensor], memory: _Memory, name: str) -> None:
        self._processor, self._memory, self._name = processor, memory, name

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None, *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        if encoder_hidden_states is None:
            tokens = hidden_states.flatten(2).transpose(1, 2) if hidden_states.ndim == 4 else hidden_states
            if attn.group_norm is not None:
                tokens = attn.group_norm(tokens.transpose(1, 2)).transpose(1, 2)
            encoder_hidden_states = self._memory.context(self._name, tokens)
        return self._processor(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


@contextlib.contextmanager
def _attending(network: Any, memory: _Memory) -> Iterator[None]:
    """Has the UNet's frames look at one another, and gives it its own processors back."""
    before = dict(network.attn_processors)
    network.set_attn_processor({name: _FrameAttention(processor, memory, name) for name, processor in before.items()})
    try:
        yield
    finally:
        network.set_attn_processor(before)


class _FramesInTurn:
    """A UNet's answer to all frames of a story: in their order, some at once."""

    def __init__(self, drawing: Drawing, frames: Sequence[Frame], following: Conditioning, memory: _Memory, at_once: int) -> None:
        self._drawing, self._frames, self._following, self._memory, self._at_once = drawing, frames, following, memory, at_once

    def __call__(self, forward: Callable[..., Any], sample: torch.Tensor, timestep: Any, **kwargs: Any) -> torch.Tensor:
        """`sample`: (halves * frames, …), where guidance makes two halves: without the prompts and with them."""
        self._memory.clear()
        answer, start = torch.empty_like(sample), 0
        while start < len(self._frames):
            chunk = self._chunk(start)
            try:
                self._compute(forward, sample, timestep, kwargs, chunk, answer)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._at_once == 1:
                    raise GauchoError(_("memory ran out for one frame; lower sequence.size, or take a smaller base_model")) from None
                self._at_once //= 2
                self._memory.new = {}
                continue
            self._memory.keep()
            start = chunk.stop
        return answer

    def _chunk(self, start: int) -> range:
        """The frames that go at once: as many as fit, and alike in what they turn into and in how strongly concepts are drawn."""
        end, kind = start + 1, self._kind(start)
        while end < min(start + self._at_once, len(self._frames)) and self._kind(end) == kind:
            end += 1
        return range(start, end)

    def _kind(self, number: int) -> tuple[bool, dict[str, float]]:
        return self._frames[number].following > self._frames[number].beat, self._strengths(number)

    def _strengths(self, number: int) -> dict[str, float]:
        frame = self._frames[number]
        return mixed_strengths(self._drawing.strengths[frame.beat], self._drawing.strengths[frame.following], frame.share)

    def _compute(
        self, forward: Callable[..., Any], sample: torch.Tensor, timestep: Any, kwargs: dict[str, Any], chunk: range, answer: torch.Tensor
    ) -> None:
        """Writes the answer to some frames."""
        count, halves = len(self._frames), len(sample) // len(self._frames)
        rows = torch.tensor([half * count + number for half in range(halves) for number in chunk], device=sample.device)
        own, following = rows[-len(chunk) :], torch.tensor(list(chunk), device=sample.device)
        self._drawing.use(self._strengths(chunk.start))
        self._memory.frames = len(chunk)
        blends = self._frames[chunk.start].following > self._frames[chunk.start].beat
        kept_keys = {
            name: value for name, value in kwargs.items() if name not in ("encoder_hidden_states", "added_cond_kwargs", "return_dict")
        }
        embeds, added = kwargs["encoder_hidden_states"][rows], kwargs.get("added_cond_kwargs")
        if added:
            added = {name: value[rows] for name, value in added.items()}
        taken = rows
        if blends:
            taken = torch.cat([rows, own])
            embeds = torch.cat([embeds, self._following["embeds"][following].to(embeds)])
            if added:
                further = {name: value[-len(chunk) :] for name, value in added.items()}
                further["text_embeds"] = self._following["pooled"][following].to(embeds)
                added = {name: torch.cat([value, further[name]]) for name, value in added.items()}
        answers = forward(sample[taken], timestep, encoder_hidden_states=embeds, added_cond_kwargs=added, **kept_keys, return_dict=False)[0]
        answer[rows] = answers[: len(rows)]
        if blends:
            shares = torch.tensor([self._frames[number].share for number in chunk]).view(-1, 1, 1, 1).to(sample)
            answer[own] = (1 - shares) * answer[own] + shares * answers[len(rows) :]


def mixed_strengths(one: Strengths, other: Strengths, share: float) -> dict[str, float]:
    """How strongly concepts are drawn between two beats; a concept that a beat does not name has none in it."""
    return {slug: (1 - share) * one.get(slug, 0.0) + share * other.get(slug, 0.0) for slug in {**one, **other}}
