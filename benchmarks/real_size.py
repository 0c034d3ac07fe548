"""Training at real size on random weights: memory and time of a whole stage that is killed, goes on, and is exported and loaded back.

`python benchmarks/real_size.py make GEOMETRY FOLDER` makes a base model of a geometry (sd15, sdxl, klein) with random weights, in half
precision. `python benchmarks/real_size.py run GEOMETRY [--method METHOD] [--steps N] [--side N]` makes one, crawls and curates a folder,
teaches it for a few steps at 256 px and two noises, kills the stage once on the way, draws a picture of one prompt and seed in four steps
with it and without, exports what was learned, and prints seconds and memory of each; the last line is JSON. klein needs 40 GB of disk.
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
from gaucho_pipeline_tests.geometries import KLEIN_4B
from gaucho_pipeline_tests.tiny_models import tokenizer

GEOMETRIES = ("sd15", "sdxl", "klein")


def make(geometry: str, folder: Path) -> None:
    """Writes a base model with the real configuration and random weights (https://huggingface.co/docs/diffusers/api/pipelines)."""
    (_make_klein if geometry == "klein" else _make_stable_diffusion)(geometry, folder)


def _make_klein(geometry: str, folder: Path) -> None:
    """FLUX.2-klein-base-4B (https://huggingface.co/black-forest-labs/FLUX.2-klein-base-4B), with a stand-in for its tokenizer.

    The text encoder has the configuration of Qwen3-4B; numbers are drawn in place, since what a class draws itself takes hours.
    """
    with torch.device("meta"):
        transformer = diffusers.Flux2Transformer2DModel(**KLEIN_4B)
        text_encoder = transformers.Qwen3ForCausalLM(
            transformers.Qwen3Config(
                hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8, head_dim=128,
                tie_word_embeddings=True, max_position_embeddings=40960,
            )
        )  # fmt: skip
    pipeline = diffusers.Flux2KleinPipeline(
        transformer=_drawn(transformer), text_encoder=_drawn(text_encoder), tokenizer=tokenizer(512),
        vae=diffusers.AutoencoderKLFlux2().to(torch.bfloat16),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, base_image_seq_len=256, max_image_seq_len=4096, shift=3.0
        ),
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)


def _drawn(module: Any) -> Any:
    """A module of the meta device with numbers, in bfloat16: normal ones for matrices, ones for scales, zeros for what is added."""
    module = module.to(torch.bfloat16).to_empty(device="cpu")
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            if parameter.ndim > 1:
                parameter.normal_(std=0.02)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    if hasattr(module, "tie_weights"):
        module.tie_weights()
    return module


def _make_stable_diffusion(geometry: str, folder: Path) -> None:
    torch.set_default_dtype(torch.float16)  # half the memory while it is made
    tokenizer = transformers.CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    vae = diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2, latent_channels=4, sample_size=512 if geometry == "sd15" else 1024,
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


def run(geometry: str, method: str, steps: int, side: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gaucho-real-size-") as name:
        place = Path(name)
        model = place / "model"
        subprocess.run([sys.executable, __file__, "make", geometry, str(model)], check=True)  # in a process that gives its memory back
        (place / "photos").mkdir()
        for number, picture in enumerate([each for each in originals(1200) if min(each.size) >= 512][:4]):
            picture.save(place / "photos" / f"{number}.jpg")
        precision = {"precision": "bf16"} if geometry == "klein" else {}  # in which alone it fits in 24 GB
        training = {
            "base_model": str(model), "method": method, "max_steps": steps, "batch_size": 1, "validation_noises": 2, "resolution": side,
            "validation_steps": 1000, "prior_loss_weight": 0.0, "early_stopping": False, "save_minutes": 0.01,
            "gradient_checkpointing": True, **precision,
        }  # fmt: skip
        gallery = {
            "prompts": ["a photo of {token} {class_noun}"], "seeds": [1], "num_inference_steps": 4, "class_pictures": False, "size": side,
        }  # fmt: skip
        project = curated_project(place, training, gallery)
        largest = max(sum(file.stat().st_size for file in part.glob("*.safetensors")) for part in model.iterdir() if part.is_dir())
        state = place / "data" / ".staging" / "checkpoint" / "thing"
        command, rows = stage_command(project, "checkpoint", place), dict[str, dict[str, float]]()
        rows["until it was killed"] = _watched(command, lambda: any(state.rglob("training.pt")))
        rows["to its end"] = _watched(command, lambda: False)
        rows["gallery"] = _watched(stage_command(project, "sample_gallery", place), lambda: False)
        cli = [sys.executable, "-m", "gaucho_pipeline.cli", "--concepts", str(place / "concepts.yaml"), "--data", str(place / "data")]
        rows["export"] = _watched([*cli, "export", "thing", str(place / "exported")], lambda: False)
        made = project.store.current("checkpoint", "thing")
        assert made
        metrics = made.manifest.metrics.model_dump()
        for label, row in rows.items():
            held = f"{row['peak_mb']:8.0f} MB ({row['anonymous_mb']:.0f} anonymous, {row['mapped_mb']:.0f} mapped)"
            print(f"{geometry} by {method}, {label:<20} {row['seconds']:7.1f} s {held}")
        figures = {key: metrics[key] for key in ("steps", "reload_difference", "trainable_parameters", "resources")}
        highest = max(row["peak_mb"] for row in rows.values()) * 1e6
        print(json.dumps({
            "geometry": geometry, "method": method, "side": side, "runs": rows, "largest_part_mb": round(largest / 1e6),
            "ratio": round(highest / largest, 2), **figures,
        }))  # fmt: skip


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
    return {"seconds": round(time.monotonic() - started, 1), **{key: round(value) for key, value in found.items()}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("make", "run"))
    parser.add_argument("geometry", choices=GEOMETRIES)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--method", choices=("lora", "dreambooth"), default="lora")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--side", type=int, default=256, help="Of images and pictures, in pixels.")
    asked = parser.parse_args()
    if asked.action == "make":
        make(asked.geometry, asked.folder)
    else:
        run(asked.geometry, asked.method, asked.steps, asked.side)
