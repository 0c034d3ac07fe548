"""The real geometry of each family's denoiser: the class and the configuration that its published model has, for the meta device.

Where a class's own defaults are that model's, nothing is said.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch

SD1 = {
    "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8, "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
}  # fmt: skip
SDXL = {
    "sample_size": 128, "cross_attention_dim": 2048, "attention_head_dim": (5, 10, 20), "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
SD35_MEDIUM = {
    "sample_size": 128, "num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "pos_embed_max_size": 384,
    "dual_attention_layers": tuple(range(13)), "qk_norm": "rms_norm", "joint_attention_dim": 4096, "pooled_projection_dim": 2048,
}  # fmt: skip
KLEIN_4B = {"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680, "guidance_embeds": False}
ERNIE = {"num_layers": 36, "num_attention_heads": 32, "hidden_size": 4096, "ffn_hidden_size": 12288, "text_in_dim": 3072}
WAN_1_3B = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}

GEOMETRIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "StableDiffusionPipeline": (diffusers.UNet2DConditionModel, SD1),
    "StableDiffusionXLPipeline": (diffusers.UNet2DConditionModel, SDXL),
    "StableDiffusion3Pipeline": (diffusers.SD3Transformer2DModel, SD35_MEDIUM),
    "FluxPipeline": (diffusers.FluxTransformer2DModel, {"guidance_embeds": True}),
    "Flux2KleinPipeline": (diffusers.Flux2Transformer2DModel, KLEIN_4B),
    "ZImagePipeline": (diffusers.ZImageTransformer2DModel, {}),
    "QwenImagePipeline": (diffusers.QwenImageTransformer2DModel, {}),
    "SanaPipeline": (diffusers.SanaTransformer2DModel, {}),
    "Lumina2Pipeline": (diffusers.Lumina2Transformer2DModel, {}),
    "WanPipeline": (diffusers.WanTransformer3DModel, WAN_1_3B),
    "Krea2Pipeline": (diffusers.Krea2Transformer2DModel, {}),
    "ErnieImagePipeline": (diffusers.ErnieImageTransformer2DModel, ERNIE),
    "ChromaPipeline": (diffusers.ChromaTransformer2DModel, {}),
}
"""By the class that `model_index.json` names."""

SIDES = {"StableDiffusionPipeline": 512, "WanPipeline": 480}
"""Of pictures, in pixels, where it is not 1024."""
LABELS = {
    "StableDiffusionPipeline": "Stable Diffusion 1.5", "StableDiffusionXLPipeline": "Stable Diffusion XL",
    "StableDiffusion3Pipeline": "Stable Diffusion 3.5 Medium", "FluxPipeline": "FLUX.1-dev", "Flux2KleinPipeline": "FLUX.2-klein-base-4B",
    "ZImagePipeline": "Z-Image", "QwenImagePipeline": "Qwen-Image", "SanaPipeline": "Sana 1.6B", "Lumina2Pipeline": "Lumina 2",
    "WanPipeline": "Wan 2.1 1.3B", "Krea2Pipeline": "Krea 2", "ErnieImagePipeline": "ERNIE-Image",
    "ChromaPipeline": "Chroma1",
}  # fmt: skip
"""The model whose geometry it is."""


def on_meta(name: str) -> Any:
    """The denoiser of a family without numbers."""
    kind, config = GEOMETRIES[name]
    with torch.device("meta"):
        return kind(**config)
