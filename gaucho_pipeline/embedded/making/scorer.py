"""Makes the image-text encoder that scores pictures of the embedded world: `python -m gaucho_pipeline.embedded.making.scorer WORK`.

CLIP's classes and loss (arXiv 2103.00020) on the world's pictures and captions, once the tokenizer exists.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from gaucho_pipeline.embedded import pen
from gaucho_pipeline.embedded.making.loop import Making, render_world, to_unit
from gaucho_pipeline.embedded.making.muon import optimisers_for
from gaucho_pipeline.embedded.making.tokenizer import MAX_TOKENS

BATCH, PICTURES, VALIDATION_PICTURES = 128, 12_000, 256
MEAN, STD = [0.5] * 3, [0.5] * 3


def new_scorer(tokenizer: CLIPTokenizer) -> CLIPModel:
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": MAX_TOKENS, "projection_dim": 64, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    vision = {
        "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4, "image_size": pen.SIZE,
        "patch_size": 8, "projection_dim": 64,
    }  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))


def new_processor() -> CLIPImageProcessorPil:
    side = {"height": pen.SIZE, "width": pen.SIZE}
    return CLIPImageProcessorPil(size={"shortest_edge": pen.SIZE}, crop_size=side, image_mean=MEAN, image_std=STD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    pictures, captions = render_world(args.work / "scorer-world.npy", PICTURES, seed=2)
    tokenizer = CLIPTokenizer.from_pretrained(args.work / "tokenizer")
    ids = tokenizer(captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt").input_ids
    model = new_scorer(tokenizer)
    by_adam = {p for name, p in model.named_parameters() if "embedding" in name or "projection" in name}
    making = Making("scorer", args.work, model, optimisers_for([model], by_adam, lr=1e-3), ema=0.995)

    def contrast(chosen: np.ndarray, flip: bool) -> torch.Tensor:
        pixels = to_unit(torch.from_numpy(pictures[chosen]))
        with torch.autocast("cpu", torch.bfloat16):
            out = model(input_ids=ids[torch.from_numpy(chosen)], pixel_values=pixels.flip(-1) if flip else pixels)
        logits = out.logits_per_text.float()
        # captions that say the same are not each other's wrong answers
        same = (ids[torch.from_numpy(chosen)][:, None] == ids[torch.from_numpy(chosen)][None]).all(-1).float()
        wanted = same / same.sum(1, keepdim=True)
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(logits, wanted) + cross_entropy(logits.T, wanted)) / 2

    def loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng([3, step])
        return contrast(np.sort(rng.choice(np.arange(VALIDATION_PICTURES, PICTURES), BATCH, replace=False)), step % 2 == 1)

    @torch.no_grad()
    def measure() -> dict[str, float]:
        kept = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(making.average)
        value = round(contrast(np.arange(VALIDATION_PICTURES), False).item(), 4)
        model.load_state_dict(kept)
        return {"validation_loss": value}

    making.run(loss, args.steps, args.steps // 3, BATCH, measure, save_seconds=60)
    model.load_state_dict(making.average)
    model.save_pretrained(args.work / "scorer")
    new_processor().save_pretrained(args.work / "scorer")


if __name__ == "__main__":
    main()
