"""Pictures of a prompt of one's own, for `gaucho generate`: with one concept, or with several at once."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.gallery.facts import DrawnWith, facts_of
from gaucho_pipeline.gallery.generation import open_base
from gaucho_pipeline.gallery.png_info import png_info
from gaucho_pipeline.gallery.samples import Sample
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models.trained import Adapters
from gaucho_pipeline.provenance.facts import OtherConcept
from gaucho_pipeline.provenance.labels import labelled, marked_png
from gaucho_pipeline.provenance.signing import signer_from_environment
from gaucho_pipeline.store.artifact import Artifact


def generate_pictures(
    checkpoints: dict[str, tuple[Artifact, float]],
    samples: list[Sample],
    spec: GallerySpec,
    paths: list[Path],
    imagined: bool,
    consent: str = "",
) -> None:
    """Draws the samples with what was learned of each concept, at its strength, and writes PNGs that say so. The first concept leads.

    `consent`: what the living people among them have agreed to.
    Raises ConfigError if the checkpoints do not go together, GauchoError if one does not load.
    """
    first, (leading, strength) = next(iter(checkpoints.items()))
    signer, trained = signer_from_environment(), leading.manifest
    with tempfile.TemporaryDirectory(prefix="gaucho-") as waiting:
        drawer = open_base(trained, spec, Path(waiting))
        side, multiple = drawer.settings.side, drawer.family.pixel_multiple
        if side % multiple:
            name = type(drawer.family).pipeline_class
            raise ConfigError(
                _("--size: {pipeline_class} takes multiples of {pixel_multiple}", pipeline_class=name, pixel_multiple=multiple)
            )
        if len(checkpoints) == 1 and strength == 1:
            METHODS[trained.training_spec().method].load(drawer.family, leading.folder)
        else:
            adapters = Adapters(drawer.family, {slug: (made.manifest, made.folder) for slug, (made, _unused) in checkpoints.items()})
            adapters.use({slug: own for slug, (_unused, own) in checkpoints.items()})
        further = list(checkpoints.items())[1:]
        others = {slug: OtherConcept(checkpoint=made.manifest.data_version, strength=own) for slug, (made, own) in further}
        for (sample, picture), path in zip(drawer.draw(samples), paths, strict=True):
            facts = facts_of(sample, "tuned", drawer.settings, spec, DrawnWith(first, trained, imagined, strength, consent))
            facts = facts.with_facts(others=others) if others else facts
            texts = png_info(facts, first, drawer.family.denoiser == "unet")
            shown = labelled(picture, imagined) if spec.visible_label else picture
            write_atomically(path.resolve(), signer.sign(marked_png(shown, facts, texts), facts))


def numbered(prompt: str, written: str, first_seed: int, count: int) -> list[Sample]:
    """So many samples of a prompt, with one seed after the other; `written`: as a person wrote it, where that is another language."""
    return [Sample(prompt, (first_seed + number) % 2**31, written) for number in range(count)]
