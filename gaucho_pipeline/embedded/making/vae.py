"""Makes the embedded model's VAE: `python -m gaucho_pipeline.embedded.making.vae WORK [--steps N]`.

It learns the world's pictures, and textures so that photographs come through it as photographs.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from gaucho_pipeline.embedded import pen
from gaucho_pipeline.embedded.making.loop import Making, pixels_of, render_world, to_unit
from gaucho_pipeline.embedded.making.muon import optimisers_for
from gaucho_pipeline.embedded.making.textures import texture

BATCH = 32
PICTURES, TEXTURES = 5000, 3500


def new_vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(24, 48, 96),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=pen.SIZE,
    )


def textures(path: Path, count: int) -> np.ndarray:
    if not path.exists():
        np.save(path, np.stack([pixels_of(texture(i)) for i in range(count)]))
    return np.load(path, mmap_mode="r")


def decibels(mean_square: float) -> float:
    """PSNR of pixels that run from -1 to 1."""
    return 10 * math.log10(4 / mean_square)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    pictures, _ = render_world(args.work / "vae-world.npy", PICTURES, seed=1)
    others = textures(args.work / "textures.npy", TEXTURES)
    vae = new_vae()
    ends = {*vae.encoder.conv_in.parameters(), *vae.decoder.conv_out.parameters(), *vae.encoder.conv_out.parameters()}
    making = Making("vae", args.work, vae, optimisers_for([vae], ends), ema=0.995)

    def batch(step: int) -> torch.Tensor:
        rng = np.random.default_rng([1, step])
        chosen = [pictures[rng.integers(200, PICTURES)] for _ in range(22)]
        chosen += [others[rng.integers(200, TEXTURES)] for _ in range(BATCH - 22)]
        pixels = to_unit(torch.from_numpy(np.stack(chosen)))
        return pixels.flip(-1) if step % 2 else pixels

    def loss(step: int) -> torch.Tensor:
        pixels = batch(step)
        torch.manual_seed(step)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(pixels).latent_dist
            decoded = vae.decode(posterior.sample()).sample.float()
        error = decoded - pixels
        distance = error.abs().mean() + 2 * error.square().mean()
        return distance + 1e-6 * posterior.kl().mean()

    @torch.no_grad()
    def measure() -> dict[str, float]:
        kept = {k: v.clone() for k, v in vae.state_dict().items()}
        vae.load_state_dict(making.average)
        metrics = {}
        for name, source in (("world", pictures), ("texture", others)):
            pixels = to_unit(torch.from_numpy(source[:64].copy()))
            latents = vae.encode(pixels).latent_dist.mode()
            metrics[f"{name}_db"] = round(decibels((vae.decode(latents).sample - pixels).square().mean().item()), 2)
            metrics[f"{name}_latent_std"] = round(latents.std().item(), 3)
        vae.load_state_dict(kept)
        return metrics

    making.run(loss, args.steps, cooldown=args.steps // 3, batch=BATCH, measure=measure, save_seconds=90)
    vae.load_state_dict(making.average)
    with torch.no_grad():
        sample = to_unit(torch.from_numpy(pictures[:200].copy()))
        vae.register_to_config(scaling_factor=round(1 / vae.encode(sample).latent_dist.mode().std().item(), 4))
    vae.save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
