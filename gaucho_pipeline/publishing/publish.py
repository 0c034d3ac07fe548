"""What may go out: a curator's approval of what exists of a concept, and the folder for a static host that is made of what was approved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gaucho_pipeline.assets.rows import ImageMention, TrainImage, read_rows
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.tables import attributed
from gaucho_pipeline.pages.collection_content import CollectionFolders, collection_folders
from gaucho_pipeline.pages.content import ConceptFolders
from gaucho_pipeline.pages.rendering import write_site
from gaucho_pipeline.project.approvals import Approval, _shown, read_approvals
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.published import MARK, Mark, read_mark, remember_published, shows_forgotten, write_mark
from gaucho_pipeline.project.site import Shown, ShownCollection, others_learned
from gaucho_pipeline.publishing.registry import make_registry
from gaucho_pipeline.rights.licenses import RESERVED
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.forgotten import Forgotten


@dataclass(frozen=True)
class Published:
    """What a folder shows now, and what it showed before and does not any more."""

    concepts: Sequence[str]
    withdrawn: Sequence[str]
    """Concepts that showed an image which was forgotten since."""
    refused: Mapping[str, str]
    """Why each concept stays out that was named, or is approved and shows such an image."""
    without_weights: Mapping[str, Sequence[str]]
    """Concepts whose weights stay here, since they draw others, too, that may not go out."""


def publish(project: Project, slugs: Sequence[str], folder: Path, with_weights: bool) -> Published:
    """Writes the pages of approved concepts into a folder for any static host; of all approved ones where none is named.

    Where the folder shows an image that was forgotten since, what shows it is taken out at once, whatever else is refused: then the folder
    keeps those of its concepts that are approved as they are, be they none.

    Raises GauchoError if one that is named is not approved as it is, or none is, and nothing must go; ConfigError if the folder holds
    what was not published by this in places where it would be lost.
    """
    approvals, shown, forgotten = read_approvals(project), project.shown(), Forgotten(project.forgotten_file)
    withdrawn, before = shows_forgotten(folder, forgotten), read_mark(folder)
    refusals = {slug: text for slug in {**dict.fromkeys(slugs), **shown} if (text := _refusal(project, slug, approvals, shown, forgotten))}
    named = {slug: text for slug, text in refusals.items() if slug in slugs}
    if named and not withdrawn:
        raise GauchoError(next(iter(named.values())))
    wanted = [*slugs, *(before.concepts if named and before else ())] if slugs else [*shown]
    chosen = [slug for slug in dict.fromkeys(wanted) if slug in shown and slug not in refusals]
    approved = [slug for slug in refusals if slug in approvals and slug in shown]
    held_back = {
        slug: refusals[slug]
        for slug in approved
        if _is_forgotten(shown[slug], forgotten) or _community_refusal(project, slug) or approvals[slug].is_of(project, slug, shown[slug])
    }
    if not chosen and not withdrawn:
        nothing = _("no concept is approved as it stands; look at the site, then run: gaucho approve CONCEPT --by NAME")
        raise GauchoError(next(iter(held_back.values()), nothing))
    kept = _whose_weights_stay(project, shown, chosen, refusals) if with_weights else {}
    giving = [slug for slug in chosen if slug not in kept] if with_weights else None
    _write(project, {slug: shown[slug] for slug in chosen}, approvals, folder, giving)
    remember_published(project, folder)
    return Published(chosen, withdrawn, named or held_back, kept)


def refusal(project: Project, slug: str) -> str:
    """Why a concept may not go out as it is; empty if it may. Raises ConfigError if there is no such concept."""
    return _refusal(project, slug, read_approvals(project), project.shown(), Forgotten(project.forgotten_file))


def _refusal(project: Project, slug: str, approvals: Mapping[str, Approval], shown: Mapping[str, Shown], forgotten: Forgotten) -> str:
    """Why a concept cannot be published; empty if it can. Raises ConfigError if there is no such concept."""
    project.concept(slug)
    if slug not in shown:
        return _("{slug} cannot be published: nothing of it can be shown yet; run: gaucho run {slug}", slug=slug)
    if _is_forgotten(shown[slug], forgotten):
        return _("{slug} cannot be published: it shows an image that was forgotten; make it again: gaucho run {slug}", slug=slug)
    if why := _community_refusal(project, slug):
        return _("{slug} cannot be published: {why}", slug=slug, why=why)
    if why := _refusal_of_others(project, shown[slug]):
        return _("{slug} cannot be published: {why}", slug=slug, why=why)
    if slug in approvals and approvals[slug].is_of(project, slug, shown[slug]):
        why = _unsound(*_artifacts_of(shown[slug]))
        return _("{slug} cannot be published: {why}; run: gaucho fsck --repair", slug=slug, why=why) if why else ""
    why = "what exists is another than what was approved" if slug in approvals else "nobody has approved it"
    return _("{slug} cannot be published: {why}; look at it, then run: gaucho approve {slug} --by NAME", slug=slug, why=why)


def _refusal_of_others(project: Project, shown: Shown) -> str:
    """Why a concept may not go out because of those that were taught in one adapter with it; empty if it may."""
    others = others_learned(project.store, shown.checkpoint)
    if others is None:
        return _("the collection that it was taught in is gone; run: gaucho run {slug}", slug=shown.checkpoint.manifest.concept)
    for other in others:
        if other not in project.concepts.concepts:
            return _("it was taught in one adapter with {other}, which the concepts file does not have any more", other=other)
        if why := _community_refusal(project, other):
            return _("it was taught in one adapter with {other}: {why}", other=other, why=why)
    return ""


def _whose_weights_stay(
    project: Project, shown: Mapping[str, Shown], chosen: Sequence[str], refusals: Mapping[str, str]
) -> dict[str, list[str]]:
    """The concepts whose weights draw others, too, that may not go out, with those others."""
    found = {}
    for slug in chosen:
        others = others_learned(project.store, shown[slug].checkpoint) or ()
        if refused := [each for each in others if each in refusals or each not in shown]:
            found[slug] = refused
    return found


def _artifacts_of(shown: Shown) -> list[Artifact]:
    parts = (shown.evaluation, shown.gallery, shown.checkpoint, shown.sequence, shown.judgement, *shown.corrected)
    return [each for each in parts if each]


def _unsound(*artifacts: Artifact) -> str:
    """What of some artifacts is not what was written, or was laid beside it; empty where all is: nobody approved that."""
    for each in artifacts:
        if wrong := [*each.damaged(), *each.unexpected_files()]:
            return _("{name} of its {asset} is not what was written there", name=wrong[0], asset=each.manifest.asset)
    return ""


def _community_refusal(project: Project, slug: str) -> str:
    """Why the community whose it is would not have it published; empty if it would, or it is of none."""
    community = project.concept(slug).community
    return community.why_not_published(date.today()) if community else ""


def _write(
    project: Project, shown: Mapping[str, Shown], approvals: Mapping[str, Approval], folder: Path, giving: Sequence[str] | None
) -> None:
    """Puts a whole new site in the place of the folder, with what else lay in it.

    `giving`: the concepts whose weights go out; None: neither theirs nor those of collections.
    """
    kept = _not_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".publish-") as name:
        whole, old = Path(name) / "whole", Path(name) / "old"
        whole.mkdir()
        concepts = [_folders(project, slug, each, slug in (giving or ())) for slug, each in shown.items()]
        trained = project.collections_shown(shown)
        sound = {slug: each for slug, each in trained.items() if not _unsound(each.evaluation, each.collection)}
        collections = [_collection_folders(project, slug, each) for slug, each in sound.items()]
        named = {slug: {"by": approvals[slug].by, "date": approvals[slug].date} for slug in shown}
        write_site(whole, concepts, giving is not None, named, project.concepts.site, collections)
        make_registry(whole, shown)
        files = sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file())
        images = {slug: _images(each) for slug, each in shown.items()}
        approved = {slug: approvals[slug] for slug in shown}
        write_mark(whole, Mark(concepts=approved, files=tuple(files), images=images, with_weights=giving is not None))
        whole.chmod(0o755)
        if clash := [name for name in kept if (whole / name).exists()]:
            raise ConfigError(_("{folder}: holds {clash}, which was not published by this; move it away", folder=folder, clash=clash[0]))
        if folder.exists():
            os.replace(folder, old)
            for each in kept:
                os.replace(old / each, whole / each)
        os.replace(whole, folder)
        shutil.rmtree(old, ignore_errors=True)


def _images(shown: Shown) -> tuple[str, ...]:
    """SHA-256 of the images that a concept learned from, or whose thumbnails its page shows."""
    learned = (shown.checkpoint.folder / name for name in ("train.jsonl", "together.jsonl"))
    tables = (*learned, shown.evaluation.folder / "training.jsonl")
    named = {row.sha256 for path in tables if path.exists() for row in read_rows(path, ImageMention)}
    return tuple(sorted(named | attributed(shown.checkpoint.folder)))


def _is_forgotten(shown: Shown, forgotten: Forgotten) -> bool:
    """Whether the pages would show an image that must not come back, or what learned from it."""
    artifacts = (shown.checkpoint, shown.gallery, shown.evaluation, *([shown.sequence] if shown.sequence else []))
    return not forgotten.sha256.isdisjoint(_images(shown)) or any(each.holds(forgotten.sha256) for each in artifacts)


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
    mark = read_mark(folder)
    if mark is None:
        raise ConfigError(_("{folder}: is not empty, and was not published into before; name a new folder", folder=folder))
    ours = {*mark.files, MARK}
    tops = {name.split("/")[0] for name in ours}
    among = [path.relative_to(folder).as_posix() for name in tops for path in (folder / name).rglob("*") if path.is_file()]
    if stranger := [name for name in among if name not in ours]:
        raise ConfigError(
            _("{folder}: holds {stranger}, which was not published by this; move it away", folder=folder, stranger=stranger[0])
        )
    return [path.name for path in folder.iterdir() if path.name not in tops]


def _collection_folders(project: Project, slug: str, shown: ShownCollection) -> CollectionFolders:
    artifacts = (shown.evaluation, shown.collection, *shown.corrected)
    inputs = {f"{each.manifest.asset}/{each.manifest.concept}": each.folder for each in artifacts}
    concepts = {each: project.concept(each).about() for each in project.concepts.concepts_of(slug)}
    return collection_folders(slug, project.concepts.collections[slug].about(), concepts, inputs)


def _folders(project: Project, slug: str, shown: Shown, gives_weights: bool = True) -> ConceptFolders:
    about = project.concept(slug).about()
    sequence, judgement = (each.folder if each else None for each in (shown.sequence, shown.judgement))
    corrected = [each.folder for each in shown.corrected]
    evaluation, gallery, checkpoint = (each.folder for each in (shown.evaluation, shown.gallery, shown.checkpoint))
    return ConceptFolders(slug, about, evaluation, gallery, checkpoint, sequence, judgement, corrected, gives_weights)
