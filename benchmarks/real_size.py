"""Training at real size on random weights: memory and time of a whole stage that is killed, goes on, and is exported and loaded back.

`python benchmarks/real_size.py make GEOMETRY FOLDER` makes a base model of a geometry (sd15, sdxl) with random weights, in half precision.
`python benchmarks/real_size.py run GEOMETRY [--method METHOD] [--steps N]` makes one, teaches it for a few steps at 512 px (1024 px for
sdxl), kills the stage once on the way, exports what came of it, loads that, and prints memory and time; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from memory import peak_memory
from originals import originals
from stages import curated_project, stage_command

from gaucho_pipeline.models.base_models import EMBEDDED_FOLDER

SIDES = {"sd15": 512, "sdxl": 1024}


def make(geometry: str, folder: Path) -> None:
    """Writes a base model with the real configuration and random weights (https://huggingface.co/docs/diffusers/api/pipelines)."""
    torch.set_default_dtype(torch.float16)  # half the memory while it is made
    tokenizer = transformers.CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    vae = diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2, latent_channels=4, sample_size=SIDES[geometry],
        scaling_factor=0.18215 if geometry == "sd15" else 0.13025, force_upcast=geometry == "sdxl",
    )  # fmt: skip
    text_encoder = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=77
        )
    )
    scheduler = diffusers.DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1
    )
    pipeline: Any
    if geometry == "sd15":
        unet = diffusers.UNet2DConditionModel(
            sample_size=64, block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=768, attention_head_dim=8, layers_per_block=2
        )
        pipeline = diffusers.StableDiffusionPipeline(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler, safety_checker=None,
            feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    else:
        unet = diffusers.UNet2DConditionModel(
            sample_size=128, block_out_channels=(320, 640, 1280), cross_attention_dim=2048, attention_head_dim=(5, 10, 20),
            layers_per_block=2, transformer_layers_per_block=(1, 2, 10), use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        )  # fmt: skip
        second = transformers.CLIPTextModelWithProjection(
            transformers.CLIPTextConfig(
                hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280,
                hidden_act="gelu",
            )
        )  # fmt: skip
        pipeline = diffusers.StableDiffusionXLPipeline(
            vae=vae, text_encoder=text_encoder, text_encoder_2=second, tokenizer=tokenizer, tokenizer_2=tokenizer, unet=unet,
            scheduler=scheduler, force_zeros_for_empty_prompt=True,
        )  # fmt: skip
    torch.set_default_dtype(torch.float32)
    pipeline.save_pretrained(folder, safe_serialization=True)


def run(geometry: str, method: str, steps: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gaucho-real-size-") as name:
        place = Path(name)
        model = place / "model"
        subprocess.run([sys.executable, __file__, "make", geometry, str(model)], check=True)  # in a process that gives its memory back
        (place / "photos").mkdir()
        for number, picture in enumerate([each for each in originals(1200) if min(each.size) >= 512][:4]):
            picture.save(place / "photos" / f"{number}.jpg")
        training = {
            "base_model": str(model), "method": method, "max_steps": steps, "batch_size": 1, "validation_noises": 1,
            "validation_steps": 1000, "prior_loss_weight": 0.0, "early_stopping": False, "save_minutes": 0.01,
            "gradient_checkpointing": True,
        }  # fmt: skip
        project = curated_project(place, training)
        command = stage_command(project, "checkpoint", place)
        state = place / "data" / ".staging" / "checkpoint" / "thing"
        rows = {}
        if steps > 1:
            rows["until it was killed"] = _watched(command, lambda: any(state.rglob("training.pt")))
        rows["to its end"] = _watched(command, lambda: False)
        cli = [sys.executable, "-m", "gaucho_pipeline.cli", "--concepts", str(place / "concepts.yaml"), "--data", str(place / "data")]
        rows["export"] = _watched([*cli, "export", "thing", str(place / "exported")], lambda: False)
        loaded = diffusers.DiffusionPipeline.from_pretrained(place / "exported", dtype=torch.float16, safety_checker=None)
        made = project.store.current("checkpoint", "thing")
        assert made
        metrics = made.manifest.metrics.model_dump()
        for label, row in rows.items():
            print(f"{geometry} by {method}, {label:<20} {row['seconds']:7.1f} s {row['peak_mb']:8.0f} MB")
        figures = {key: metrics[key] for key in ("steps", "reload_difference", "trainable_parameters", "resources")}
        print(json.dumps({"geometry": geometry, "method": method, "runs": rows, "loads_as": type(loaded).__name__, **figures}))


def _watched(command: list[str], is_over: Any) -> dict[str, float]:
    """Runs a program to its end, or kills it once something is so; its seconds and its peak memory."""
    started = time.monotonic()
    process = subprocess.Popen(command)
    with process, peak_memory(process.pid) as found:
        killed = False
        while process.poll() is None:
            if not killed and is_over():
                process.send_signal(signal.SIGKILL)
                killed = True
            time.sleep(0.2)
    if process.returncode and not killed:
        raise SystemExit(f"{' '.join(command)} failed")
    return {"seconds": round(time.monotonic() - started, 1), "peak_mb": round(found["peak_mb"])}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("make", "run"))
    parser.add_argument("geometry", choices=tuple(SIDES))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--method", choices=("lora", "dreambooth"), default="lora")
    parser.add_argument("--steps", type=int, default=3)
    asked = parser.parse_args()
    if asked.action == "make":
        make(asked.geometry, asked.folder)
    else:
        run(asked.geometry, asked.method, asked.steps)
