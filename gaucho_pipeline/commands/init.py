"""`gaucho init`: a commented concepts file for one concept with photographs of one's own, and a folder to put them into."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import yaml

from gaucho_pipeline.concepts.concept import SLUG
from gaucho_pipeline.concepts.schema import SCHEMA_FILE, SCHEMA_LINE, schema_text
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.language.terminal import language
from gaucho_pipeline.sources.declared import UNFILLED

_FILE, _PHOTOS = "concepts.yaml", "photos"
_SLUG = "my_concept"
"""Where the folder's name makes no key, in letters of another script for one."""
_MAX_SLUG = 64

_CONCEPT = """\
# One concept. Every key has a default but token, class_noun and one source; paths are relative to this file.
# Put at least six photographs into photos/, then run: gaucho doctor
concepts:
  SLUG:                             # a key: small letters, digits and _ ; it names files and never shows
    name: {pt: NAME, en: NAME}      # how people read it, with its accents, in Portuguese and in English
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
_CRAWL, _PUT_PHOTOS = "    crawl:\n", "# Put at least six photographs into photos/, then run: gaucho doctor\n"
"""Where the part begins that says what to gather; and what is said only where that is one's own photographs."""
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
      plan: heritage                # English prompts that suit most subjects; your own go into prompts, in Portuguese with language: pt
"""
STARTS = {"embedded": _EMBEDDED, "stable-diffusion": _STABLE_DIFFUSION}
"""What to teach, by the word that asks for it."""
_IN_PORTUGUESE = {
    "# One concept. Every key has a default but token, class_noun and one source; paths are relative to this file.":
        "# Um conceito. Toda chave tem um valor padrão, menos token, class_noun e uma fonte; os caminhos são relativos a este arquivo.",
    "# Put at least six photographs into photos/, then run: gaucho doctor":
        "# Ponha pelo menos seis fotografias em photos/, depois execute: gaucho doctor",
    "# a key: small letters, digits and _ ; it names files and never shows":
        "# uma chave: letras minúsculas, algarismos e _ ; dá nome a arquivos e nunca aparece",
    "# how people read it, with its accents, in Portuguese and in English":
        "# como as pessoas o leem, com acentos, em português e em inglês",
    "# a sentence for its page": "# uma frase para a sua página",
    "# a made-up word that will stand for it; no word of any language":
        "# uma palavra inventada que o representará; não uma palavra de alguma língua",
    "# the plain English noun of what it is: cup, tree, person, dance":
        "# o substantivo simples, em inglês, do que ele é: cup, tree, person, dance",
    "# what a picture must show to be right, for people who judge: [a bare trunk, a crown like a cup]":
        "# o que uma imagem tem de mostrar para estar certa, para quem julga: [tronco nu, copa em taça]",
    "# yours: all rights reserved, and you allow that a model learns from them":
        "# suas: todos os direitos reservados, e você permite que um modelo aprenda com elas",
    "# or what they are under: cc-by-4.0, cc-by-sa-4.0, cc0-1.0, pd": "# ou a licença delas: cc-by-4.0, cc-by-sa-4.0, cc0-1.0, pd",
    "# ships with the package and needs no GPU. It knows a small drawn world of 64 pixels and nothing":
        "# vem junto e não precisa de GPU. Conhece um pequeno mundo desenhado de 64 pixels e nada",
    "# else: it shows that everything works, and draws coloured patches of photographs":
        "# mais: mostra que tudo funciona, e de fotografias desenha manchas coloridas",
    "# for this small model only": "# só para este modelo pequeno",
    "# or a folder in diffusers' layout; other families: docs/own-model.md":
        "# ou uma pasta como o diffusers a escreve; outras famílias: docs/own-model.md",
    "# the commit on the hub": "# o commit no hub",
    "# English prompts that suit most subjects; your own go into prompts, in Portuguese with language: pt":
        "# pedidos em inglês que servem para quase tudo; os seus vão em prompts, em português com language: pt",
}  # fmt: skip
"""The comments of what `gaucho init` writes."""


def write_start(folder: Path, model: str, address: str = "") -> list[str]:
    """Writes the file and makes the folder for photographs; what to do next, in lines. The concept is called as the folder is.

    `address`: of a page whose images are to be gathered in place of photographs of one's own. Raises ConfigError if the file exists
    already, or the page is of no kind that is known.
    """
    file = folder / _FILE
    if file.exists():
        raise ConfigError(_("{file}: exists already; name another folder, or edit it", file=file))
    crawl = _crawl_of(address) if address else ""
    (folder if crawl else folder / _PHOTOS).mkdir(parents=True, exist_ok=True)
    write_atomically(folder / SCHEMA_FILE, schema_text())
    named, text = folder.resolve().name, _unfilled(_CONCEPT)
    text = text.replace("SLUG:".ljust(34), f"{slug_of(named)}:".ljust(33) + " ").replace(
        "NAME", json.dumps(_name_of(named), ensure_ascii=False)
    )
    if crawl:
        text = text[: text.index(_CRAWL)].replace(_PUT_PHOTOS, "") + crawl
    write_atomically(file, SCHEMA_LINE.format(SCHEMA_FILE) + _in_own_language(text + STARTS[model]))
    there = "" if folder == Path(".") else f"cd {shlex.quote(str(folder))} && "
    wrote = _("wrote {file}, and {schema} beside it, by which editors complete its keys", file=file, schema=SCHEMA_FILE)
    if crawl:
        return [
            wrote,
            _("1. edit {file}: the name and the noun", file=file),
            _("2. see what would be fetched: {command}", command=f"{there}{program()} run --select raw_crawl --plan --rights"),
            _("3. {command}", command=f"{there}{program()} run"),
        ]
    return [
        wrote,
        _("1. put at least six photographs into {folder}", folder=folder / _PHOTOS),
        _("2. edit {file}: the name, the noun, whose the photographs are", file=file),
        _("3. {command}", command=f"{there}{program()} doctor"),
        _("4. {command}", command=f"{there}{program()} run"),
    ]


def _unfilled(text: str) -> str:
    """What a person is to replace, in that person's language."""
    for key, written in UNFILLED.items():
        text = text.replace(key.upper(), written.read(language()))
    return text


def _in_own_language(text: str) -> str:
    """The file with its comments in the reader's language."""
    for english, portuguese in _IN_PORTUGUESE.items() if language() == "pt" else ():
        text = text.replace(english, portuguese)
    return text


def _crawl_of(address: str) -> str:
    """The part `crawl:` for a page. Raises ConfigError if it is of no kind that is known, and for a site that cannot be asked."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gaucho_pipeline.crawl.recognising", address], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise ConfigError(
            done.stderr.strip().splitlines()[-1] if done.stderr.strip() else _("{address}: could not be asked", address=address)
        )
    found = json.loads(done.stdout)
    source: dict[str, object] = {"sources": [{found["kind"]: found["keys"]}]}
    hosts = {"media_hosts": found["media_hosts"]} if found["media_hosts"] else {}
    return textwrap.indent(yaml.safe_dump({"crawl": source | hosts}, allow_unicode=True, sort_keys=False, width=120), "    ")


def slug_of(name: str) -> str:
    """A concept's key of a name that a person gave, with its accents and spaces: `Cão Ovelheiro` is `cao_ovelheiro`."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(sign))
    found = re.sub(r"[^a-z0-9]+", "_", bare).strip("_")[:_MAX_SLUG].rstrip("_")
    return found if SLUG.fullmatch(found) else _SLUG


def _name_of(name: str) -> str:
    """How people read it: as it was given, but for what stands for a space, and with a capital."""
    words = " ".join("".join(sign for sign in name if sign.isprintable()).replace("_", " ").split()) or _SLUG
    return words[:1].upper() + words[1:]


def program() -> str:
    """The `gaucho` that runs, as it can be called from anywhere in this shell."""
    beside = Path(sys.executable).with_name("gaucho")
    found = shutil.which("gaucho")
    return "gaucho" if not beside.exists() or (found and Path(found).resolve() == beside.resolve()) else shlex.quote(str(beside))
