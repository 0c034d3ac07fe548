"""What is kept, written as PNGs without metadata: borders cut off, made to fit, in child processes as they were measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.curation.reading import in_children, read_blob
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import crop_of
from gaucho_pipeline.images.decoding import BadImage, decode, fit, png_bytes
from gaucho_pipeline.stage.reporter import Reporter

_DIGITS = 16


def picture_name(sha256: str) -> str:
    """The file of a picture, by the SHA-256 of the file that it came from."""
    return f"{sha256[:_DIGITS]}.png"


def write_pictures(
    images: Sequence[str],
    measures: Mapping[str, Measures],
    path_of: Callable[[str], Path],
    folder: Path,
    spec: CurationSpec,
    reporter: Reporter,
) -> dict[str, str | BadImage]:
    """Writes images into a folder, and nothing else is in it then; the hash of each PNG, or why there is none, by SHA-256."""
    folder.mkdir(exist_ok=True)
    names = {picture_name(sha) for sha in images}
    _remove_others(folder, names)  # of a killed run that chose others
    progress = reporter.progress("writing", len(images), "images")
    tasks = ((sha, [str(path_of(sha)), str(folder / picture_name(sha)), crop_of(measures[sha], spec), spec.max_side]) for sha in images)
    found = {}
    for sha, outcome in in_children(_write, ((sha, json.dumps(task)) for sha, task in tasks)):
        found[sha] = outcome
        progress.advance()
    _remove_others(folder, names - {picture_name(sha) for sha, outcome in found.items() if isinstance(outcome, BadImage)})
    return found


def _remove_others(folder: Path, names: set[str]) -> None:
    for file in folder.iterdir():
        if file.name not in names:
            file.unlink()


def _write(task: str) -> str | BadImage:
    """Runs in a child."""
    source, target, (left, top, right, bottom), longest = json.loads(task)
    try:
        image = decode(read_blob(source))
    except BadImage as error:
        return error
    box = (round(left * image.width), round(top * image.height), round(right * image.width), round(bottom * image.height))
    content = png_bytes(fit(image.crop(box), longest))
    write_atomically(Path(target), content)
    return hashlib.sha256(content).hexdigest()
