"""What may go out: a curator's approval of what exists of a concept, and the folder for a static host that is made of what was approved."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gaucho_pipeline.assets.rows import CreditedThumbnail, TrainImage, read_rows
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.pages.content import ConceptFolders
from gaucho_pipeline.pages.rendering import write_site
from gaucho_pipeline.project.approvals import _shown, read_approvals
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.site import Shown
from gaucho_pipeline.rights.licenses import RESERVED
from gaucho_pipeline.store.forgotten import Forgotten

_MARK = "published.json"
"""In a folder that was published into before, so that it may be published into again."""


def publish(project: Project, slugs: Sequence[str], folder: Path, with_weights: bool) -> list[str]:
    """Writes the pages of approved concepts into a folder for any static host; of all approved ones where none is named.

    Returns the concepts. Raises GauchoError if one that is named is not approved as it stands, or none is; ConfigError if the folder
    holds what was not published by this in places where it would be lost.
    """
    approvals, shown = read_approvals(project), project.shown()
    for slug in slugs:
        stands = _shown(project, slug, shown)
        if slug not in approvals or not approvals[slug].is_of(project, slug, stands):
            why = "what exists is another than what was approved" if slug in approvals else "nobody has approved it"
            raise GauchoError(
                _("{slug} cannot be published: {why}; look at it, then run: gaucho approve {slug} --by NAME", slug=slug, why=why)
            )
    chosen = list(slugs) or [slug for slug, each in shown.items() if slug in approvals and approvals[slug].is_of(project, slug, each)]
    if not chosen:
        raise GauchoError(_("no concept is approved as it stands; look at the site, then run: gaucho approve CONCEPT --by NAME"))
    for slug in chosen:
        _check_forgotten(project, slug, shown[slug])
    kept = _not_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".publish-") as name:
        whole, old = Path(name) / "whole", Path(name) / "old"
        whole.mkdir()
        concepts = [_folders(project, slug, shown[slug]) for slug in chosen]
        write_site(whole, concepts, with_weights, {slug: {"by": approvals[slug].by, "date": approvals[slug].date} for slug in chosen})
        files = sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file())
        mark = {"concepts": {slug: approvals[slug].model_dump() for slug in chosen}, "files": files}
        write_atomically(whole / _MARK, json.dumps(mark, ensure_ascii=False, indent=1) + "\n")
        whole.chmod(0o755)
        if clash := [name for name in kept if (whole / name).exists()]:
            raise ConfigError(_("{folder}: holds {clash}, which was not published by this; move it away", folder=folder, clash=clash[0]))
        if folder.exists():
            os.replace(folder, old)
            for each in kept:
                os.replace(old / each, whole / each)
        os.replace(whole, folder)
        shutil.rmtree(old, ignore_errors=True)
    return chosen


def _check_forgotten(project: Project, slug: str, shown: Shown) -> None:
    """Raises GauchoError if the pages would show an image that must not come back."""
    forgotten = Forgotten(project.forgotten_file).sha256
    if any(row.sha256 in forgotten for row in read_rows(shown.evaluation.folder / "training.jsonl", CreditedThumbnail)):
        raise GauchoError(
            _("{slug} cannot be published: it shows an image that was forgotten; make it again: gaucho run {slug}", slug=slug)
        )


def reserved_images(project: Project, slug: str) -> int:
    """How many training images of what can be shown of a concept are all rights reserved by their owner."""
    table = _shown(project, slug, project.shown()).checkpoint.folder / "train.jsonl"
    return sum(row.license == RESERVED for row in read_rows(table, TrainImage)) if table.exists() else 0


def _not_ours(folder: Path) -> list[str]:
    """What lies in a folder beside what was published into it, such as .git or CNAME: it is kept.

    Raises ConfigError if nothing was published into a folder that is not empty, or something lies among what was published.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return []
    try:
        ours = set(json.loads((folder / _MARK).read_text(encoding="utf-8"))["files"]) | {_MARK}
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(_("{folder}: is not empty, and was not published into before; name a new folder", folder=folder)) from None
    tops = {name.split("/")[0] for name in ours}
    among = [path.relative_to(folder).as_posix() for name in tops for path in (folder / name).rglob("*") if path.is_file()]
    if stranger := [name for name in among if name not in ours]:
        raise ConfigError(
            _("{folder}: holds {stranger}, which was not published by this; move it away", folder=folder, stranger=stranger[0])
        )
    return [path.name for path in folder.iterdir() if path.name not in tops]


def _folders(project: Project, slug: str, shown: Shown) -> ConceptFolders:
    about = project.concept(slug).about()
    sequence, judgement = (each.folder if each else None for each in (shown.sequence, shown.judgement))
    return ConceptFolders(slug, about, shown.evaluation.folder, shown.gallery.folder, shown.checkpoint.folder, sequence, judgement)
