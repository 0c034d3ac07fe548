"""Makes the embedded model's denoiser and text encoder, once its VAE exists.

    python -m gaucho_pipeline.embedded.making.denoiser WORK latents [--shards N]   # pictures → latents, in shards
    python -m gaucho_pipeline.embedded.making.denoiser WORK train [--steps N] [--cooldown N]

Training takes whatever shards there are, goes on from its newest checkpoint, and can be prolonged.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from gaucho_pipeline.embedded import pen, world
from gaucho_pipeline.embedded.making.loop import Making, pixels_of, to_unit
from gaucho_pipeline.embedded.making.muon import optimisers_for
from gaucho_pipeline.embedded.making.tokenizer import MAX_TOKENS, learn_tokenizer

BATCH = 128
SHARD = 8000
VALIDATION_PICTURES = 256
CAPTION_DROPOUT = 0.1


def new_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
    )


def new_unet() -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=pen.SIZE // 4,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(64, 128, 192),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    unet.set_attn_processor(AttnProcessor())  # faster than the fused one on a CPU at this size
    return unet


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            projection_dim=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


class Learner(torch.nn.Module):
    """The denoiser and its text encoder, trained together."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet, self.text = new_unet(), new_text_encoder(tokenizer)

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        distinct, back = torch.unique(tokens, dim=0, return_inverse=True)
        states = self.text(distinct).last_hidden_state[back]
        return self.unet(noisy, timesteps, states).sample


def make_shards(work: Path, first: int, count: int) -> None:
    """Writes shards of latents (float16, SHARD x 4 x 16 x 16) and captions; shard `validation` first."""
    vae = AutoencoderKL.from_pretrained(work / "vae").eval()
    jobs = [("validation", 999, VALIDATION_PICTURES)] + [(f"{i:03d}", 100 + i, SHARD) for i in range(first, first + count)]
    for name, seed, size in jobs:
        path = work / f"latents-{name}.npz"
        if path.exists():
            continue
        latents, captions = [], []
        for start in range(0, size, 64):
            pairs = [world.sample(i, seed) for i in range(start, start + 64)]
            captions += [caption for _, caption in pairs]
            pixels = to_unit(torch.from_numpy(np.stack([pixels_of(image) for image, _ in pairs])))
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                latents.append(vae.encode(pixels).latent_dist.mode().float() * vae.config.scaling_factor)
        part = path.with_suffix(".part.npz")
        np.savez(part, latents=torch.cat(latents).half().numpy(), captions=np.array(captions))
        os.replace(part, path)
        print(path.name, size, flush=True)


def load_shards(work: Path) -> tuple[torch.Tensor, list[str]]:
    latents, captions = [], []
    for path in sorted(work.glob("latents-[0-9][0-9][0-9].npz")):
        with np.load(path) as shard:
            latents.append(torch.from_numpy(shard["latents"]))
            captions += shard["captions"].tolist()
    return torch.cat(latents), captions


def train(work: Path, steps: int, cooldown: int) -> None:
    latents, captions = load_shards(work)
    if not (work / "tokenizer").exists():
        learn_tokenizer(work / "tokenizer", captions[:SHARD])
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")

    def encode(texts: list[str]) -> torch.Tensor:
        return tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt").input_ids

    tokens, empty = encode(captions), encode([""])[0]
    torch.manual_seed(0)
    learner, scheduler = Learner(tokenizer), new_scheduler()
    unet = learner.unet
    ends = [unet.conv_in, unet.conv_out]
    by_adam = {p for module in ends for p in module.parameters()}
    by_adam |= {p for name, p in learner.text.named_parameters() if "embeddings" in name}
    making = Making("denoiser", work, learner, optimisers_for([learner], by_adam), ema=0.9985)

    def error(clean: torch.Tensor, ids: torch.Tensor, seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(clean.shape, generator=generator)
        # one timestep in each of the batch's equal slices of the schedule: every step sees all noise levels
        slices = (torch.arange(len(clean)) + torch.rand(len(clean), generator=generator)) / len(clean)
        timesteps = (slices * scheduler.config.num_train_timesteps).long()
        target = scheduler.get_velocity(clean, noise, timesteps)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = learner(scheduler.add_noise(clean, noise, timesteps), timesteps, ids)
        return (predicted.float() - target).square().mean()

    def loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng([2, step])
        chosen = torch.from_numpy(rng.integers(0, len(latents), BATCH))
        ids = tokens[chosen].clone()
        ids[torch.from_numpy(rng.random(BATCH) < CAPTION_DROPOUT)] = empty
        return error(latents[chosen].float(), ids, step)

    with np.load(work / "latents-validation.npz") as shard:
        validation, validation_tokens = torch.from_numpy(shard["latents"]).float(), encode(shard["captions"].tolist())

    @torch.no_grad()
    def measure() -> dict[str, float]:
        kept = {k: v.clone() for k, v in learner.state_dict().items()}
        learner.load_state_dict(making.average)
        shuffled = torch.randperm(VALIDATION_PICTURES, generator=torch.Generator().manual_seed(1))
        metrics = {
            "validation_loss": round(error(validation[shuffled], validation_tokens[shuffled], 5).item(), 4),
            "validation_loss_other_caption": round(error(validation[shuffled], validation_tokens[shuffled.roll(1)], 5).item(), 4),
        }
        learner.load_state_dict(kept)
        return metrics

    print(json.dumps({"pictures": len(captions), "words": len(tokenizer), "from_step": making.step}), flush=True)
    making.run(loss, steps, cooldown, BATCH, measure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("what", choices=("latents", "train"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4800)
    parser.add_argument("--cooldown", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.what == "latents":
        make_shards(args.work, args.first, args.shards)
    else:
        train(args.work, args.steps, args.cooldown)


if __name__ == "__main__":
    main()
