"""What A1111 and ComfyUI read in a picture: their own layouts, with the settings that drew it."""

from __future__ import annotations

import json

from gaucho_pipeline.gallery.png_info import png_info
from gaucho_pipeline.provenance.facts import OtherConcept
from gaucho_pipeline_tests.samples import facts

FACTS = facts(negative_prompt="blur", seed=3, size=512, base_model={"id": "owner/stable-diffusion"}, method="lora")


def test_a1111_reads_prompt_adapter_and_settings() -> None:
    assert png_info(FACTS, "araucaria", True)["parameters"] == (
        "a photo of mtl tree <lora:araucaria:1>\nNegative prompt: blur\n"
        "Steps: 20, Sampler: DPM++ 2M, CFG scale: 6.5, Seed: 3, Size: 512x512, Model: stable-diffusion, Version: gaucho_pipeline"
    )


def test_forge_reads_a_guidance_that_is_an_input_as_such() -> None:
    flux = facts(guidance_scale=3.5, distilled_guidance=True, base_model={"id": "black-forest-labs/FLUX.1-dev"}, method="lora")
    assert "CFG scale: 1, Distilled CFG Scale: 3.5," in png_info(flux, "araucaria", False)["parameters"]
    schnell = facts(guidance_scale=0.0, base_model={"id": "black-forest-labs/FLUX.1-schnell"}, method="lora")
    assert "CFG scale: 1, Seed" in png_info(schnell, "araucaria", False)["parameters"]


def test_comfyui_reads_a_workflow_whose_wires_lead_from_the_adapter_to_the_picture() -> None:
    nodes = json.loads(png_info(FACTS.with_facts(strength=0.5), "araucaria", True)["prompt"])
    kinds = {name: node["class_type"] for name, node in nodes.items()}
    sampler = nodes[next(name for name, kind in kinds.items() if kind == "KSampler")]["inputs"]
    assert (sampler["seed"], sampler["steps"], sampler["cfg"], sampler["sampler_name"]) == (3, 20, 6.5, "dpmpp_2m")
    assert kinds[sampler["model"][0]] == "LoraLoader"
    adapter = nodes[sampler["model"][0]]["inputs"]
    loader = next(name for name, kind in kinds.items() if kind == "CheckpointLoaderSimple")
    assert nodes[loader]["inputs"] == {"ckpt_name": "stable-diffusion.safetensors"}
    assert adapter == {
        "lora_name": "araucaria.safetensors", "strength_model": 0.5, "strength_clip": 0.5, "model": [loader, 0], "clip": [loader, 1],
    }  # fmt: skip
    assert nodes[sampler["positive"][0]]["inputs"]["text"] == "a photo of mtl tree"
    assert nodes[sampler["negative"][0]]["inputs"]["text"] == "blur"
    for words in ("positive", "negative"):
        assert nodes[sampler[words][0]]["inputs"]["clip"] == [sampler["model"][0], 1]  # the adapter's, too
    assert nodes[sampler["latent_image"][0]]["inputs"] == {"width": 512, "height": 512, "batch_size": 1}
    for node in nodes.values():
        for value in node["inputs"].values():
            assert not isinstance(value, list) or value[0] in nodes


def test_several_concepts_are_several_adapters_one_behind_the_other() -> None:
    found = png_info(FACTS.with_facts(others={"cuia": OtherConcept(checkpoint="x", strength=0.25)}), "araucaria", True)
    assert "<lora:araucaria:1> <lora:cuia:0.25>" in found["parameters"]
    nodes = json.loads(found["prompt"])
    (last,) = (node["inputs"] for node in nodes.values() if node["inputs"].get("lora_name") == "cuia.safetensors")
    assert nodes[last["model"][0]]["inputs"]["lora_name"] == "araucaria.safetensors"
    assert nodes["6"]["inputs"]["model"][0] == next(name for name, node in nodes.items() if node["inputs"] is last)


def test_all_weights_are_another_model_that_no_workflow_loads() -> None:
    found = png_info(FACTS.with_facts(method="dreambooth"), "araucaria", True)
    assert list(found) == ["parameters"]
    assert "Model: araucaria," in found["parameters"]


def test_the_base_models_picture_has_no_adapter_and_other_denoisers_no_workflow() -> None:
    found = png_info(FACTS.with_facts(method=None), "araucaria", True)
    assert "lora" not in found["parameters"]
    assert "LoraLoader" not in found["prompt"]
    assert list(png_info(FACTS, "araucaria", False)) == ["parameters"]
