"""Pictures of a prompt of one's own, for `gaucho generate`: with one concept, or with several at once."""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline.artifacts import Artifact, write_atomically
from gaucho_pipeline.concepts import GallerySpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families import Family
from gaucho_pipeline.gallery.facts import facts_of
from gaucho_pipeline.gallery.generation import open_base
from gaucho_pipeline.gallery.png_info import png_info
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.lora import Lora
from gaucho_pipeline.provenance import labelled, marked_png
from gaucho_pipeline.signing import signer_from_environment


def generate_pictures(
    checkpoints: dict[str, tuple[Artifact, float]], samples: list[Sample], spec: GallerySpec, paths: list[Path], imagined: bool
) -> None:
    """Draws the samples with what was learned of each concept, at its strength, and writes PNGs that say so. The first concept leads.

    Raises ConfigError if the checkpoints do not go together, GauchoError if one does not load.
    """
    first, (leading, strength) = next(iter(checkpoints.items()))
    signer, trained = signer_from_environment(), leading.manifest
    drawer = open_base(trained, spec)
    if drawer.side % drawer.family.pixel_multiple:
        raise ConfigError(f"--size: {type(drawer.family).pipeline_class} takes multiples of {drawer.family.pixel_multiple}")
    if len(checkpoints) == 1 and strength == 1:
        METHODS[trained.provenance.spec["method"]].load(drawer.family, leading.folder)
    else:
        _load_several(drawer.family, checkpoints)
    for (sample, picture), path in zip(drawer.draw(samples), paths, strict=True):
        facts = facts_of(sample, "tuned", drawer.settings, spec, first, trained, imagined, strength)
        others = {slug: {"checkpoint": made.manifest.data_version, "strength": own} for slug, (made, own) in list(checkpoints.items())[1:]}
        facts |= {"others": others} if others else {}
        texts = png_info(facts, first, drawer.family.denoiser == "unet")
        shown = labelled(picture, imagined) if spec.visible_label else picture
        write_atomically(path.resolve(), signer.sign(marked_png(shown, facts, texts), facts))


def _load_several(family: Family, checkpoints: dict[str, tuple[Artifact, float]]) -> None:
    specs = {slug: made.manifest.provenance for slug, (made, _) in checkpoints.items()}
    if whole := [slug for slug, provenance in specs.items() if provenance.spec["method"] != "lora"]:
        raise ConfigError(f"{', '.join(whole)}: only a LoRA has a strength, and goes with others")
    if len({str(provenance.base_model) for provenance in specs.values()}) > 1:
        raise ConfigError(f"{', '.join(specs)}: were not trained on the same base model")
    for slug, (made, _) in checkpoints.items():
        Lora.load(family, made.folder, slug)
    family.pipeline.set_adapters(list(checkpoints), [strength for _, strength in checkpoints.values()])


def numbered(prompt: str, written: str, first_seed: int, count: int) -> list[Sample]:
    """So many samples of a prompt, with one seed after the other; `written`: as a person wrote it, where that is another language."""
    return [Sample(prompt, (first_seed + number) % 2**31, written) for number in range(count)]
