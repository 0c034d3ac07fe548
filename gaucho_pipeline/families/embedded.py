"""The embedded model: a Stable Diffusion in miniature, with the settings that the demo was found to do well with."""

from __future__ import annotations

from typing import ClassVar

from gaucho_pipeline.families.base import Recommended
from gaucho_pipeline.families.stable_diffusion import StableDiffusion


class Embedded(StableDiffusion):
    """Its recommendation is the demo's, tried on the demo's two subjects (docs/developers.md says how to measure another one)."""

    bucket_multiple = 16
    sequence_methods: ClassVar[tuple[str, ...]] = ("storyboard",)
    code_version = "2"
    recommended: ClassVar[Recommended] = Recommended(
        training={
            "target_modules": "all",
            "rank": 16,
            "learning_rate": 2e-3,
            "betas": (0.9, 0.99),
            "lr_floor": 0.0,
            "epochs": 95,
            "crops": 4,  # the drawn images show their subject from one distance: cuts make seeds differ
            "prior_loss_weight": 0.5,
            "min_snr_gamma": None,
            "early_stopping": False,
        },
        methods={"dreambooth": {"learning_rate": 3e-4}},
        gallery={"num_inference_steps": 20, "guidance_scale": 2.0, "plan": "drawn_world"},
    )

    encoders: ClassVar[dict[str, dict[str, str]]] = {"clip": {"model": "embedded"}}  # it knows the embedded world, and no other

    architecture = "gaucho-pipeline-embedded"
    reader = ""

    def file_metadata(self) -> dict[str, str]:
        """No Stable Diffusion: whoever takes a file of it for one finds nothing that fits."""
        own = {"modelspec.architecture": f"{self.architecture}/lora", "ss_base_model_version": self.architecture}
        return own | {"modelspec.prediction_type": super().file_metadata()["modelspec.prediction_type"]}

    @classmethod
    def place_in_python(cls, base: str) -> tuple[str, str]:
        return "from importlib.resources import files\n\n", 'str(files("gaucho_pipeline.embedded") / "model")'

    def offers(self, token: str) -> bool:
        from gaucho_pipeline.embedded.world import reserved_names

        return token in reserved_names()
