"""`gaucho init`: a commented concepts file for one concept with photographs of one's own, and a folder to put them into."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from gaucho_pipeline.concepts.schema import SCHEMA_FILE, SCHEMA_LINE, schema_text
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.sources.declared import UNFILLED

_FILE, _PHOTOS = "concepts.yaml", "photos"

_CONCEPT = """\
# One concept. Every key has a default but token, class_noun and one source; paths are relative to this file.
# Put at least six photographs into photos/, then run: gaucho doctor
concepts:
  my_concept:                       # a key: small letters, digits and _ ; it names files and never shows
    name: {pt: "Meu conceito", en: "My concept"}   # how people read it, with its accents
    description: ""                 # a sentence for its page
    token: dnc                      # a made-up word that will stand for it; no word of any language
    class_noun: thing               # the plain English noun of what it is: cup, tree, person, dance
    attributes: []                  # what a picture must show to be right, for people who judge: [a bare trunk, a crown like a cup]
    crawl:
      sources:
        - folder:
            path: photos
            license: own            # yours: all rights reserved, and you allow that a model learns from them
                                    # or what they are under: cc-by-4.0, cc-by-sa-4.0, cc0-1.0, pd
            author: "AUTHOR"
            source: "SOURCE"
"""
_EMBEDDED = """\
    training:
      base_model: embedded          # ships with the package and needs no GPU. It knows a small drawn world of 64 pixels and nothing
                                    # else: it shows that everything works, and draws coloured patches of photographs
    curation: {min_side: 64, min_sharpness: 0.0001, max_graphic: 1.0}   # for this small model only
"""
_STABLE_DIFFUSION = """\
    training:
      base_model: stable-diffusion-v1-5/stable-diffusion-v1-5   # or a folder in diffusers' layout; other families: docs/own-model.md
      revision: 451f4fe16113bff5a5d2269ed5ad43b0592e9a14        # the commit on the hub
    gallery:
      plan: heritage                # prompts in Portuguese that suit most subjects
"""
STARTS = {"embedded": _EMBEDDED, "stable-diffusion": _STABLE_DIFFUSION}
"""What to teach, by the word that asks for it."""


def write_start(folder: Path, model: str) -> list[str]:
    """Writes the file and makes the folder for photographs; what to do next, in lines. Raises ConfigError if the file exists already."""
    file = folder / _FILE
    if file.exists():
        raise ConfigError(_("{file}: exists already; name another folder, or edit it", file=file))
    (folder / _PHOTOS).mkdir(parents=True, exist_ok=True)
    write_atomically(folder / SCHEMA_FILE, schema_text())
    write_atomically(
        file,
        SCHEMA_LINE.format(SCHEMA_FILE)
        + _CONCEPT.replace("AUTHOR", UNFILLED["author"]).replace("SOURCE", UNFILLED["source"])
        + STARTS[model],
    )
    there = "" if folder == Path(".") else f"cd {shlex.quote(str(folder))} && "
    return [
        f"wrote {file}, and {SCHEMA_FILE} beside it, by which editors complete its keys",
        f"1. put at least six photographs into {folder / _PHOTOS}",
        f"2. edit {file}: the name, the noun, whose the photographs are",
        f"3. {there}{program()} doctor",
        f"4. {there}{program()} run",
    ]


def program() -> str:
    """The `gaucho` that runs, as it can be called from anywhere in this shell."""
    beside = Path(sys.executable).with_name("gaucho")
    found = shutil.which("gaucho")
    return "gaucho" if not beside.exists() or (found and Path(found).resolve() == beside.resolve()) else shlex.quote(str(beside))
