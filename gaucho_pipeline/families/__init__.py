"""Families of base models, by the diffusers class that a model names. A new family is a module of its own and a line here.

What every family knows is in `base.py`. How a model is found, pinned and loaded is in `models/base_models.py`.
"""

from gaucho_pipeline.families.base import Family
from gaucho_pipeline.families.chroma import Chroma, ChromaFlash
from gaucho_pipeline.families.ernie_image import ErnieImage, ErnieImageTurbo
from gaucho_pipeline.families.flux import Flux, FluxSchnell
from gaucho_pipeline.families.flux2_klein import Flux2Klein, Flux2KleinDistilled
from gaucho_pipeline.families.krea2 import Krea2, Krea2Turbo
from gaucho_pipeline.families.lumina2 import Lumina2
from gaucho_pipeline.families.qwen_image import QwenImage
from gaucho_pipeline.families.sana import Sana
from gaucho_pipeline.families.stable_diffusion import StableDiffusion, StableDiffusionDistilled, StableDiffusionLCM
from gaucho_pipeline.families.stable_diffusion_3 import StableDiffusion3, StableDiffusion3Turbo
from gaucho_pipeline.families.stable_diffusion_xl import StableDiffusionXL, StableDiffusionXLDistilled, StableDiffusionXLLCM
from gaucho_pipeline.families.wan import Wan
from gaucho_pipeline.families.z_image import ZImage, ZImageTurbo
from gaucho_pipeline.spec import JsonObject

__all__ = ["DISTILLED", "FAMILIES", "Family", "member_of"]

FAMILIES: dict[str, type[Family]] = {
    family.pipeline_class: family
    for family in (
        StableDiffusion, StableDiffusionXL, StableDiffusion3, Flux, Flux2Klein, ZImage, QwenImage, Sana, Lumina2, Wan, Krea2, ErnieImage,
        Chroma,
    )
}  # fmt: skip
DISTILLED: tuple[type[Family], ...] = (
    StableDiffusionLCM, StableDiffusionXLLCM, StableDiffusionDistilled, StableDiffusionXLDistilled, StableDiffusion3Turbo, FluxSchnell,
    Flux2KleinDistilled, ZImageTurbo, Krea2Turbo, ErnieImageTurbo, ChromaFlash,
)  # fmt: skip
"""Of models of these families that were distilled to few steps: they are drawn with, and taught only where that is asked for."""


def member_of(family: type[Family], name: str, index: JsonObject, config: JsonObject) -> type[Family]:
    """The class that stands for a model of a family: its own for one that was distilled."""
    own = (kind for kind in DISTILLED if kind.pipeline_class == family.pipeline_class and kind.describes(name, index, config))
    return next(own, family)
