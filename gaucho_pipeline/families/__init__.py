"""Families of base models, by the diffusers class that a model names. A new family is a module of its own and a line here.

What every family knows is in `base.py`. How a model is found, pinned and loaded is in `models/base_models.py`.
"""

from gaucho_pipeline.families.base import Family
from gaucho_pipeline.families.flux import Flux
from gaucho_pipeline.families.flux2_klein import Flux2Klein
from gaucho_pipeline.families.lumina2 import Lumina2
from gaucho_pipeline.families.qwen_image import QwenImage
from gaucho_pipeline.families.sana import Sana
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.families.stable_diffusion_3 import StableDiffusion3
from gaucho_pipeline.families.stable_diffusion_xl import StableDiffusionXL
from gaucho_pipeline.families.wan import Wan
from gaucho_pipeline.families.z_image import ZImage

__all__ = ["FAMILIES", "Family"]

FAMILIES: dict[str, type[Family]] = {
    family.pipeline_class: family
    for family in (StableDiffusion, StableDiffusionXL, StableDiffusion3, Flux, Flux2Klein, ZImage, QwenImage, Sana, Lumina2, Wan)
}
