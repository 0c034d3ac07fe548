"""The embedded model: what it is made of, and that it loads and draws as Stable Diffusion's own classes do."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTokenizer

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.models import EncoderSpec
from gaucho_pipeline.demo.subjects import DRAWERS, TRAINING_SCENES, draw_subject
from gaucho_pipeline.embedded import pen, scenery, world
from gaucho_pipeline.embedded.making.muon import orthogonalise
from gaucho_pipeline.embedded.making.textures import texture
from gaucho_pipeline.gallery.generation import Drawer, Settings
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.images.decoding import decode, square, to_tensor
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import EMBEDDED_FOLDER
from gaucho_pipeline.models.encoders import Encoder


@pytest.fixture(scope="module")
def base() -> base_models.Loaded:
    return base_models.load("embedded", None, torch.device("cpu"))


def test_the_whole_model_is_at_most_thirty_megabytes_of_safetensors() -> None:
    files = [p for p in EMBEDDED_FOLDER.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 30_000_000
    assert not [p.name for p in files if p.suffix in (".bin", ".pt", ".pkl", ".ckpt")]


def test_the_same_index_draws_the_same_picture_and_caption() -> None:
    (one, said), (again, said_again) = world.sample(5), world.sample(5)
    assert said == said_again
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != world.sample(6)[0].tobytes()


def test_every_name_is_one_token_and_stands_for_one_thing() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    names = world.names()
    assert len(names) == 240
    assert len(set(names.values())) == 240
    assert all(len(tokenizer.tokenize(name)) == 1 for name in names)
    assert set(world.reserved_names()) <= set(names)


def test_any_text_can_be_read() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    assert tokenizer("Chimarrão & gaúcho 🧉").input_ids


def test_the_demos_tokens_are_reserved_and_mean_another_class() -> None:
    from gaucho_pipeline.concepts.file import load_concepts

    for concept in load_concepts(Path(world.__file__).parents[1] / "demo" / "concepts.yaml").concepts.values():
        assert world.reserved_names()[concept.token] != concept.class_noun


def test_the_demos_subjects_are_never_in_the_world() -> None:
    assert not set(DRAWERS) & set(world.KINDS)
    captions = " ".join(world.sample(i)[1] for i in range(200))
    assert not any(subject in captions for subject in ("araucaria", "chimarrao", "gourd"))


def test_the_subjects_come_through_the_vae_by_day_and_by_night(base: base_models.Loaded) -> None:
    for subject in DRAWERS:
        for scene in (("grass", "day"), ("snow", "night")):
            pixels = to_tensor(draw_subject(subject, 3, scene))[None]
            with torch.no_grad():
                back = base.pipeline.vae.decode(base.pipeline.vae.encode(pixels).latent_dist.mode()).sample
            assert 10 * np.log10(4 / (back - pixels).square().mean().item()) > 24, (subject, scene)


def test_photographs_come_through_the_vae_as_photographs(base: base_models.Loaded, real: Path) -> None:
    files = sorted((real / "photos" / "dreambooth").rglob("*.jpg"))
    pixels = torch.stack([to_tensor(square(decode(f.read_bytes()), 64)) for f in files])
    with torch.no_grad():
        back = base.pipeline.vae.decode(base.pipeline.vae.encode(pixels).latent_dist.mode()).sample
    flat = lambda t: (t - t.mean((1, 2, 3), keepdim=True)).flatten(1)  # noqa: E731
    likeness = torch.cosine_similarity(flat(back), flat(pixels))
    assert likeness.min() > 0.85


def test_known_pictures_are_predicted_better_with_their_own_caption(base: base_models.Loaded) -> None:
    pairs = [world.sample(i, seed=999) for i in range(24)]
    pipeline = base.pipeline
    pixels = torch.stack([to_tensor(picture) for picture, _ in pairs])
    with torch.no_grad():
        latents = pipeline.vae.encode(pixels).latent_dist.mode() * pipeline.vae.config.scaling_factor
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
        timesteps = torch.linspace(200, 950, len(latents)).long()
        noisy, target = pipeline.scheduler.add_noise(latents, noise, timesteps), pipeline.scheduler.get_velocity(latents, noise, timesteps)
        states = base.family.encode_prompts([caption for _, caption in pairs])
        own = torch.stack([states[caption]["embeds"] for _, caption in pairs])
        losses = [(pipeline.unet(noisy, timesteps, s).sample - target).square().mean().item() for s in (own, own.roll(1, 0))]
    assert losses[0] < 0.5 * losses[1]


def test_the_same_sample_gives_the_same_picture_whatever_else_is_drawn(base: base_models.Loaded, tmp_path: Path) -> None:
    samples = [Sample("a photo of a tree on the grass by day", 1), Sample("a photo of a cup on a table by day", 2)]
    spec = GallerySpec(num_inference_steps=3, guidance_scale=4.0)
    settings = Settings(("1", "1"), None, ("cpu", "torch.float32", None), "", 3, 4.0, "", "unet", 64)
    drawer = Drawer(base.family, spec, settings, tmp_path)
    ((_, alone),) = drawer.draw(samples[1:])
    (_, (_, together)) = drawer.draw(samples)
    assert np.abs(np.asarray(alone, float) - np.asarray(together, float)).max() <= 2


def test_the_scorer_tells_things_apart() -> None:
    scorer, rng = Encoder("clip", EncoderSpec(model="embedded")), random.Random(1)
    scenes = [pen.Scene(place, time, rng.getrandbits(30)) for place in scenery.PLACES for time in ("day", "sunset")]
    pictures = [world.draw_picture(world.random_variant(kind, rng), scene, 1) for kind in world.KINDS for scene in scenes]
    texts = scorer.embed_texts([f"a photo of a {kind}" for kind in world.KINDS])
    found = (scorer.embed_images(pictures) @ texts.T).argmax(1).reshape(len(world.KINDS), -1)
    right = (found == np.arange(len(world.KINDS))[:, None]).mean()
    assert right > 0.85


def test_muons_update_is_nearly_orthogonal() -> None:
    matrix = orthogonalise(torch.randn(16, 40, generator=torch.Generator().manual_seed(0)))
    assert (torch.linalg.svdvals(matrix.float()) - 1).abs().max() < 0.4


def test_textures_are_all_different_and_the_same_again() -> None:
    assert len({texture(i).tobytes() for i in range(20)}) == 20
    assert texture(3).tobytes() == texture(3).tobytes()


def test_the_pictures_of_the_demo_show_only_its_training_scenes() -> None:
    assert len(set(TRAINING_SCENES)) == len(TRAINING_SCENES)
    assert isinstance(draw_subject("chimarrao", 1, side=256), Image.Image)


def test_pictures_that_are_measured_with_are_others_than_those_learned_from() -> None:
    assert world.sample(5, seed=1)[0].tobytes() != world.sample(5, seed=0)[0].tobytes()
