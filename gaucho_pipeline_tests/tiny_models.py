"""Tiny random pipelines of every family, made offline: the real classes, configurations and file layouts, with random weights.

Sizes are those of diffusers' own tests; the tokenizer knows a handful of words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.families.flux2_klein import Flux2Klein

WORDS = (
    "a", "photo", "of", "an", "the", "chmrr", "araucaria", "tree", "cup", "drink", "on", "table", "in", "snow", "by", "day", "user",
    "assistant", "system", "think",
)  # fmt: skip
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_END = "<|endoftext|>"
_DYNAMIC = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096}


def tokenizer(length: int = 77) -> Any:
    special = ["<unk>", _END, "<|startoftext|>", "<bos>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys((*special, *WORDS)))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single=f"<|startoftext|> $A {_END}", special_tokens=[("<|startoftext|>", 2), (_END, 1)]
    )
    found = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token=_END, bos_token="<|startoftext|>", eos_token=_END, model_max_length=length,
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )  # fmt: skip
    found.chat_template = _CHAT
    return found


def _clip(width: int = 32, projection: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=64, hidden_size=width, intermediate_size=37, num_hidden_layers=3, num_attention_heads=4, projection_dim=32,
        bos_token_id=2, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return (transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel)(config)


def _t5() -> Any:
    return transformers.T5EncoderModel(transformers.T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4))


def _qwen3(cls: Any) -> Any:
    return cls(
        transformers.Qwen3Config(
            hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, head_dim=8,
            vocab_size=64, max_position_embeddings=512,
        )
    )  # fmt: skip


def _gemma() -> Any:
    return transformers.Gemma2Model(
        transformers.Gemma2Config(
            vocab_size=64,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=4,
        )
    )  # fmt: skip


def _vae(channels: int = 4, blocks: int = 2, **keys: Any) -> Any:
    return diffusers.AutoencoderKL(
        sample_size=32, block_out_channels=(8,) * blocks, down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        layers_per_block=1, latent_channels=channels, norm_num_groups=2, **keys,
    )  # fmt: skip


def _qwen_vae() -> Any:
    return diffusers.AutoencoderKLQwenImage(
        base_dim=24, z_dim=4, dim_mult=[1, 2, 4], num_res_blocks=1, temperal_downsample=[False, True], latents_mean=[0.1] * 4,
        latents_std=[1.3] * 4,
    )  # fmt: skip


def _flux2_vae() -> Any:
    return diffusers.AutoencoderKLFlux2(
        sample_size=32, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(8, 8),
        layers_per_block=1, latent_channels=4, norm_num_groups=2,
    )  # fmt: skip


def _betas(cls: Any, **keys: Any) -> Any:
    return cls(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, **keys)


def _flow(**keys: Any) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(**keys)


def stable_diffusion(prediction_type: str = "epsilon") -> Any:
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=16, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=32, norm_num_groups=2, attention_head_dim=4,
    )  # fmt: skip
    scheduler = _betas(diffusers.DDIMScheduler, prediction_type=prediction_type, clip_sample=False, steps_offset=1)
    return diffusers.StableDiffusionPipeline(
        vae=_vae(), text_encoder=_clip(), tokenizer=tokenizer(), unet=unet, safety_checker=None, feature_extractor=None,
        scheduler=scheduler, requires_safety_checker=False,
    )  # fmt: skip


def stable_diffusion_xl() -> Any:
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=16, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=64, norm_num_groups=2, attention_head_dim=(2, 4),
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=80,
    )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=_vae(), text_encoder=_clip(), text_encoder_2=_clip(projection=True), tokenizer=tokenizer(), tokenizer_2=tokenizer(), unet=unet,
        scheduler=_betas(diffusers.EulerDiscreteScheduler, steps_offset=1), force_zeros_for_empty_prompt=True,
    )  # fmt: skip


def stable_diffusion_3() -> Any:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=16, patch_size=1, in_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=4, caption_projection_dim=32,
        joint_attention_dim=32, pooled_projection_dim=64, out_channels=4,
    )  # fmt: skip
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=_flow(shift=3.0),
        vae=_vae(shift_factor=0.0609, scaling_factor=1.5305, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(16, True), tokenizer=tokenizer(), text_encoder_2=_clip(16, True), tokenizer_2=tokenizer(),
        text_encoder_3=_t5(), tokenizer_3=tokenizer(),
    )  # fmt: skip


def flux() -> Any:
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32, axes_dims_rope=[4, 4, 8], guidance_embeds=True,
    )  # fmt: skip
    return diffusers.FluxPipeline(
        transformer=transformer, scheduler=_flow(**_DYNAMIC), vae=_vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=_clip(), tokenizer=tokenizer(), text_encoder_2=_t5(), tokenizer_2=tokenizer(),
    )  # fmt: skip


def flux2_klein() -> Any:
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16,
        timestep_guidance_channels=32, axes_dims_rope=[4, 4, 4, 4], guidance_embeds=False,
    )  # fmt: skip
    return diffusers.Flux2KleinPipeline(
        transformer=transformer, scheduler=_flow(**_DYNAMIC), vae=_flux2_vae(), text_encoder=_qwen3(transformers.Qwen3ForCausalLM),
        tokenizer=tokenizer(512),
    )  # fmt: skip


def qwen_image() -> Any:
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=3, joint_attention_dim=16,
        guidance_embeds=False, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    text = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "vocab_size": 64, "rope_theta": 10000.0,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16, "patch_size": 14, "window_size": 28,
        "fullatt_block_indexes": [0],
    }  # fmt: skip
    config = transformers.Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, vocab_size=64, image_token_id=60, video_token_id=61, vision_start_token_id=62,
        vision_end_token_id=63,
    )  # fmt: skip
    return diffusers.QwenImagePipeline(
        transformer=transformer, scheduler=_flow(**_DYNAMIC), vae=_qwen_vae(), tokenizer=tokenizer(1024),
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config),
    )  # fmt: skip


def z_image() -> Any:
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2,
        qk_norm=True, cap_feat_dim=16, rope_theta=256.0, t_scale=1000.0, axes_dims=[8, 4, 4], axes_lens=[256, 32, 32],
    )  # fmt: skip
    with torch.no_grad():
        transformer.x_pad_token.fill_(1)
        transformer.cap_pad_token.fill_(1)
    return diffusers.ZImagePipeline(
        transformer=transformer, scheduler=_flow(shift=3.0), vae=_vae(16, shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=_qwen3(transformers.Qwen3Model), tokenizer=tokenizer(512),
    )  # fmt: skip


def sana() -> Any:
    transformer = diffusers.SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4, num_cross_attention_heads=2,
        cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=8, sample_size=32,
    )  # fmt: skip
    blocks = {"encoder_block_types": ("ResBlock", "EfficientViTBlock"), "decoder_block_types": ("ResBlock", "EfficientViTBlock")}
    vae = diffusers.AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2, encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)), encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=[1, 1], downsample_block_type="conv", upsample_block_type="interpolate", decoder_norm_types="rms_norm",
        decoder_act_fns="silu", scaling_factor=0.41407, **blocks,
    )  # fmt: skip
    solver = diffusers.DPMSolverMultistepScheduler(flow_shift=3.0, use_flow_sigmas=True, prediction_type="flow_prediction")
    return diffusers.SanaPipeline(transformer=transformer, scheduler=solver, vae=vae, text_encoder=_gemma(), tokenizer=tokenizer(300))


def lumina2() -> Any:
    transformer = diffusers.Lumina2Transformer2DModel(
        sample_size=4, patch_size=2, in_channels=4, hidden_size=8, num_layers=2, num_attention_heads=1, num_kv_heads=1, multiple_of=16,
        norm_eps=1e-5, scaling_factor=1.0, axes_dim_rope=[4, 2, 2], cap_feat_dim=8,
    )  # fmt: skip
    return diffusers.Lumina2Pipeline(
        transformer=transformer, scheduler=_flow(shift=6.0), text_encoder=_gemma(),
        vae=_vae(blocks=4, shift_factor=0.0609, scaling_factor=1.5035),
        tokenizer=tokenizer(256),
    )  # fmt: skip


def wan() -> Any:
    transformer = diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16, text_dim=32, freq_dim=256,
        ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    vae = diffusers.AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )  # fmt: skip
    solver = diffusers.UniPCMultistepScheduler(flow_shift=3.0, use_flow_sigmas=True, prediction_type="flow_prediction")
    return diffusers.WanPipeline(
        transformer=transformer, vae=vae, scheduler=solver, text_encoder=_t5(), tokenizer=tokenizer(512), transformer_2=None,
        boundary_ratio=None,
    )  # fmt: skip


def krea2() -> Any:
    transformer = diffusers.Krea2Transformer2DModel(
        in_channels=16, num_layers=2, attention_head_dim=16, num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
        timestep_embed_dim=32, text_hidden_dim=16, num_text_layers=2, text_num_attention_heads=2, text_num_key_value_heads=2,
        text_intermediate_size=16, num_layerwise_text_blocks=1, num_refiner_text_blocks=1, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    text = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "vocab_size": 64, "head_dim": 8, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0},
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16, "patch_size": 14,
        "deepstack_visual_indexes": [0],
    }  # fmt: skip
    config = transformers.Qwen3VLConfig(
        text_config=text, vision_config=vision, image_token_id=60, video_token_id=61, vision_start_token_id=62, vision_end_token_id=63
    )
    pipeline = diffusers.Krea2Pipeline(
        transformer=transformer, scheduler=_flow(**_DYNAMIC), vae=_qwen_vae(), tokenizer=tokenizer(1024),
        text_encoder=transformers.Qwen3VLModel(config), text_encoder_select_layers=(1, 2),
    )  # fmt: skip
    return pipeline


def ernie_image() -> Any:
    transformer = diffusers.ErnieImageTransformer2DModel(
        hidden_size=32, num_attention_heads=2, num_layers=2, ffn_hidden_size=32, in_channels=16, out_channels=16, text_in_dim=16,
        rope_axes_dim=(8, 4, 4),
    )  # fmt: skip
    with torch.no_grad():  # which begin as nothing, and would say nothing
        for layer in (transformer.final_linear, transformer.final_norm.linear, transformer.adaLN_modulation[1]):
            layer.weight.normal_(std=0.2)
    text = {
        "vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 8, "model_type": "mistral",
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 8, "image_size": 28,
        "patch_size": 14, "model_type": "pixtral",
    }  # fmt: skip
    config = transformers.Mistral3Config(text_config=text, vision_config=vision)
    return diffusers.ErnieImagePipeline(
        transformer=transformer, scheduler=_flow(shift=3.0), vae=_flux2_vae(), tokenizer=tokenizer(512),
        text_encoder=transformers.Mistral3Model(config), pe=None, pe_tokenizer=None,
    )  # fmt: skip


def chroma() -> Any:
    transformer = diffusers.ChromaTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=(4, 4, 8), approximator_num_channels=8, approximator_hidden_dim=32, approximator_layers=1,
    )  # fmt: skip
    return diffusers.ChromaPipeline(
        transformer=transformer, scheduler=_flow(**_DYNAMIC), vae=_vae(shift_factor=0.1159, scaling_factor=0.3611), text_encoder=_t5(),
        tokenizer=tokenizer(512), image_encoder=None, feature_extractor=None,
    )  # fmt: skip


TINY: dict[str, Callable[[], Any]] = {
    "StableDiffusionPipeline": stable_diffusion,
    "StableDiffusionXLPipeline": stable_diffusion_xl,
    "StableDiffusion3Pipeline": stable_diffusion_3,
    "FluxPipeline": flux,
    "Flux2KleinPipeline": flux2_klein,
    "ZImagePipeline": z_image,
    "QwenImagePipeline": qwen_image,
    "SanaPipeline": sana,
    "Lumina2Pipeline": lumina2,
    "WanPipeline": wan,
    "Krea2Pipeline": krea2,
    "ErnieImagePipeline": ernie_image,
    "ChromaPipeline": chroma,
}
"""By the class that `model_index.json` names."""


def new_family(name: str, pipeline: Any = None) -> Family:
    torch.manual_seed(0)
    pipeline = pipeline or TINY[name]()
    pipeline.set_progress_bar_config(disable=True)
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            module.eval()
    family = FAMILIES[name](pipeline)
    if isinstance(family, Flux2Klein):
        family.hidden_layers = (1,)  # the tiny text encoder has two layers
    return family
