"""The samplers that `gallery.sampler` may name, and what other programs call them: light, no scheduler is loaded here."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

SamplerName = Literal["ddim", "euler", "euler_ancestral", "dpmpp_2m", "uni_pc"]


class Sampler(NamedTuple):
    """A sampler in the words of three programs."""

    scheduler: str
    """Its class in diffusers."""
    a1111: str
    comfyui: tuple[str, str]
    """Sampler and schedule."""


SAMPLERS: dict[SamplerName, Sampler] = dict(
    zip(
        get_args(SamplerName),
        (
            Sampler("DDIMScheduler", "DDIM", ("ddim", "ddim_uniform")),
            Sampler("EulerDiscreteScheduler", "Euler", ("euler", "normal")),
            Sampler("EulerAncestralDiscreteScheduler", "Euler a", ("euler_ancestral", "normal")),
            Sampler("DPMSolverMultistepScheduler", "DPM++ 2M", ("dpmpp_2m", "normal")),
            Sampler("UniPCMultistepScheduler", "UniPC", ("uni_pc", "normal")),
        ),
        strict=True,
    )
)
_OTHERS = {
    "PNDMScheduler": Sampler("PNDMScheduler", "PLMS", ("ipndm", "normal")),
    "FlowMatchEulerDiscreteScheduler": Sampler("FlowMatchEulerDiscreteScheduler", "Euler", ("euler", "simple")),
}


def named_by(scheduler: str) -> Sampler:
    """What other programs call a class of diffusers; where they have nothing like it, Euler, which all of them have."""
    known = {sampler.scheduler: sampler for sampler in SAMPLERS.values()} | _OTHERS
    return known.get(scheduler, SAMPLERS["euler"])
