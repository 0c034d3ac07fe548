"""Images of the class, for `prior: class_images`: the user's own, or made once by the base model and kept for all that ask for the same."""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline.assets.rows import ClassImage
from gaucho_pipeline.concepts.training import ClassImages, TrainingSpec
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.families.base import Sampling
from gaucho_pipeline.files.digests import digest, file_digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.images.decoding import BadImage, decode, png_bytes
from gaucho_pipeline.images.files import list_folder
from gaucho_pipeline.models import base_models
from gaucho_pipeline.models.base_models import Loaded
from gaucho_pipeline.prompts.templates import ConceptWords, class_prompt
from gaucho_pipeline.rights.licenses import parse_license
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.forgotten import Forgotten

_BATCH = 4
_BATCHES_AT_ONCE = 64
_MAX_BYTES = 100_000_000


def own_images(spec: ClassImages, folder: Path, into: Path, forgotten: Forgotten, reporter: Reporter) -> list[ClassImage]:
    """The user's images of the class, decoded safely into a folder, with their credits. What is no image is named and left out.

    Raises ConfigError if there is none.
    """
    rows, rights = list[ClassImage](), parse_license(spec.license)
    into.mkdir(exist_ok=True)
    seen = set[str]()
    for file in list_folder(folder):
        path = file.path
        if len(rows) == spec.count:
            break
        try:
            if file.reason:
                raise BadImage("not-taken", file.reason)
            if path.stat().st_size > _MAX_BYTES:
                raise BadImage("too-large", f"more than {_MAX_BYTES // 10**6} MB")
            sha = file_digest(path)
            if sha in forgotten.sha256:
                raise BadImage("forgotten", "it was forgotten")
            picture = decode(path.read_bytes())
            if sha in seen:
                raise BadImage("duplicate", "the same bytes again")
        except BadImage as error:
            reporter.info(_("class image left out: {name}: {error}", name=file.name, error=error))
            continue
        seen.add(sha)
        write_atomically(into / f"{sha}.png", png_bytes(picture))
        credit = {"author": spec.author or "", "source": spec.source or "", "license": rights.id, "license_url": rights.url}
        rows.append(ClassImage(file=f"{into.name}/{sha}.png", title=path.stem, sha256=sha, pixels=sha, **credit))
    if not rows:
        raise ConfigError(_("training.class_images: {folder} holds no image that can be read", folder=folder))
    return rows


def generated_images(
    base: Loaded, spec: TrainingSpec, wanted: ClassImages, words: ConceptWords, root: Path, reporter: Reporter
) -> dict[Path, str]:
    """Images of the class that the base model generates, each from its own seed, with the hash of each.

    They are kept under a hash of all that shapes them; those that a killed run has made are kept. Batches are the same whatever is missing,
    because a picture depends on its batch in the last digits.
    """
    family, prompt, side = base.family, class_prompt(words), spec.resolution or base.resolution
    model = [base_models.identity(spec.base_model, spec.revision), spec.quantization, base.device.type]
    model += [spec.precision] if spec.precision else []
    made_by = [model, family.code_version, prompt, side, wanted.num_inference_steps, wanted.guidance_scale, spec.seed]
    folder = root / digest(made_by)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:05d}.png" for number in range(wanted.count)]
    batches = [range(start, start + _BATCH) for start in range(0, wanted.count, _BATCH)]
    missing = [batch for batch in batches if not all(file.is_file() for file in files[batch.start : batch.stop])]
    progress = reporter.progress("generating class images", _BATCH * len(missing), "pictures")
    sampling = sampling_of(wanted, side)
    for start in range(0, len(missing), _BATCHES_AT_ONCE):  # denoised together, then decoded together: each part is loaded once for them
        batches = missing[start : start + _BATCHES_AT_ONCE]
        seeds = [[(spec.seed * 100_003 + number) % 2**31 for number in batch] for batch in batches]
        latents = [family.denoise([prompt] * _BATCH, own, sampling) for own in seeds]
        for batch, own in zip(batches, latents, strict=True):
            for number, picture in zip(batch, family.decode(own), strict=True):
                if number < len(files) and not files[number].is_file():
                    write_atomically(files[number], png_bytes(picture))
            progress.advance(_BATCH)
    return {file: file_digest(file) for file in files}


def sampling_of(wanted: ClassImages, side: int) -> Sampling:
    """How class images of a specification are drawn."""
    return Sampling(wanted.num_inference_steps, wanted.guidance_scale, side)
