"""Puts the made parts together as a Stable Diffusion folder: `python -m gaucho_pipeline.embedded.making.export WORK FOLDER`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from gaucho_pipeline.embedded.making.denoiser import Learner, new_scheduler


def export(work: Path, folder: Path) -> None:
    """Writes the averaged weights in float16, and the scorer beside them where it is made."""
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    learner = Learner(tokenizer)
    learner.load_state_dict(torch.load(work / "denoiser.pt", map_location="cpu", weights_only=True)["average"])
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(work / "vae"),
        text_encoder=learner.text,
        tokenizer=tokenizer,
        unet=learner.unet,
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    if (work / "scorer.pt").exists():
        scorer: CLIPModel = CLIPModel.from_pretrained(work / "scorer").to(torch.float16)
        scorer.save_pretrained(folder / "scorer")
        tokenizer.save_pretrained(folder / "scorer")
        CLIPImageProcessorPil.from_pretrained(work / "scorer").save_pretrained(folder / "scorer")
    for extra in ("vae.jsonl", "denoiser.jsonl", "scorer.jsonl"):
        if (work / extra).exists():
            (folder / "curves").mkdir(exist_ok=True)
            shutil.copyfile(work / extra, folder / "curves" / extra)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    export(args.work, args.folder)


if __name__ == "__main__":
    main()
