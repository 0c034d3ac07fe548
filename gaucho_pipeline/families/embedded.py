"""The embedded model: a Stable Diffusion in miniature, with the settings that the demo was found to do well with."""

from __future__ import annotations

from typing import Any, ClassVar

from gaucho_pipeline.families.stable_diffusion import StableDiffusion


class Embedded(StableDiffusion):
    """Its recommendation is the demo's, tried on the demo's two subjects (docs/developers.md says how to measure another one)."""

    bucket_multiple = 16
    recommended: ClassVar[dict[str, dict[str, Any]]] = {
        "training": {"target_modules": "all", "rank": 8, "learning_rate": 1e-3, "epochs": 60, "min_snr_gamma": None},
        "dreambooth": {"learning_rate": 3e-4},
        "gallery": {"num_inference_steps": 20, "guidance_scale": 3.0},
    }
