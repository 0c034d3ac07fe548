"""What A1111 and its kin and ComfyUI read in a PNG to draw the picture again: dropped onto them, it fills in their settings.

The same seed draws other noise in each program, so that the picture is alike and not the same.
"""

from __future__ import annotations

import json
from typing import TypedDict

from gaucho_pipeline.families.samplers import named_by
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.provenance.facts import Facts
from gaucho_pipeline.spec import JsonObject


class Node(TypedDict):
    """A node of ComfyUI's workflow."""

    class_type: str
    inputs: JsonObject


def png_info(facts: Facts, slug: str, is_unet: bool) -> dict[str, str]:
    """Texts of a PNG by key: `parameters` for A1111 and Forge, and for UNets `prompt`, the workflow of ComfyUI in its API's format.

    https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features#png-info, https://docs.comfy.org/development/core-concepts/workflow.
    The denoisers that are no UNets need loaders in ComfyUI that differ from model to model.
    """
    found = {"parameters": _parameters(facts, slug)}
    if not is_unet or (
        facts.method and not METHODS[facts.method].is_adapter
    ):  # all of whose weights are another model: no file of it is loaded there
        return found
    return found | {"prompt": json.dumps(_workflow(facts, slug))}


def _adapters(facts: Facts, slug: str) -> dict[str, float]:
    """The adapters that it was drawn with, and their strengths."""
    if not facts.method or not METHODS[facts.method].is_adapter:
        return {}
    return {slug: 1.0 if facts.strength is None else facts.strength} | {
        other: 1.0 if each.strength is None else each.strength for other, each in (facts.others or {}).items()
    }


def _parameters(facts: Facts, slug: str) -> str:
    own = "".join(f" <lora:{name}:{strength:g}>" for name, strength in _adapters(facts, slug).items())
    lines = [facts.prompt + own]
    if negative := facts.negative_prompt:
        lines.append(f"Negative prompt: {negative}")
    settings = {
        "Steps": facts.num_inference_steps,
        "Sampler": named_by(facts.sampler).a1111,
        **_guidance_settings(facts),
        "Seed": facts.seed,
        "Size": f"{facts.size}x{facts.size}",
        "Model": slug if facts.method and not METHODS[facts.method].is_adapter else _model_of(facts),
        "Version": "gaucho_pipeline",
    }
    return "\n".join([*lines, ", ".join(f"{name}: {value}" for name, value in settings.items())])


def _guidance_settings(facts: Facts) -> dict[str, str]:
    """Guidance as Forge names it: classifier-free, or an input of the denoiser."""
    if facts.distilled_guidance:
        return {"CFG scale": "1", "Distilled CFG Scale": f"{facts.guidance_scale:g}"}
    return {"CFG scale": f"{max(facts.guidance_scale, 1.0):g}"}


def _model_of(facts: Facts) -> str:
    return str((facts.base_model or {}).get("id")).rsplit("/", 1)[-1]


def _workflow(facts: Facts, slug: str) -> dict[str, Node]:
    sampler, schedule = named_by(facts.sampler).comfyui
    nodes: dict[str, Node] = {"1": _node("CheckpointLoaderSimple", ckpt_name=f"{_model_of(facts)}.safetensors")}
    model, clip = ["1", 0], ["1", 1]
    for number, (name, strength) in enumerate(_adapters(facts, slug).items()):
        inputs = {"lora_name": f"{name}.safetensors", "strength_model": strength, "strength_clip": strength, "model": model, "clip": clip}
        nodes[f"2{number or ''}"] = _node("LoraLoader", **inputs)
        model, clip = [f"2{number or ''}", 0], [f"2{number or ''}", 1]
    nodes["3"] = _node("CLIPTextEncode", text=facts.prompt, clip=clip)
    nodes["4"] = _node("CLIPTextEncode", text=facts.negative_prompt or "", clip=clip)
    nodes["5"] = _node("EmptyLatentImage", width=facts.size, height=facts.size, batch_size=1)
    sampling = {
        "seed": facts.seed,
        "steps": facts.num_inference_steps,
        "cfg": facts.guidance_scale,
        "sampler_name": sampler,
        "scheduler": schedule,
    }
    wires = {"model": model, "positive": ["3", 0], "negative": ["4", 0], "latent_image": ["5", 0]}
    nodes["6"] = _node("KSampler", denoise=1, **sampling, **wires)
    nodes["7"] = _node("VAEDecode", samples=["6", 0], vae=["1", 2])
    nodes["8"] = _node("SaveImage", images=["7", 0], filename_prefix=slug)
    return nodes


def _node(kind: str, **inputs: object) -> Node:
    return {"class_type": kind, "inputs": JsonObject(inputs)}
