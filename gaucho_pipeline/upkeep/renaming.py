"""`gaucho rename OLD NEW`: a concept gets another slug and keeps all that was made of it; nothing is trained again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml

from gaucho_pipeline.artifacts import Artifact, Manifest, Store, write_atomically
from gaucho_pipeline.assets import CONCEPT_ASSETS, RAW_CRAWL
from gaucho_pipeline.concepts import SLUG
from gaucho_pipeline.concepts_file import load_concepts
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.pipeline import Project, fingerprint
from gaucho_pipeline.publishing import move_approval
from gaucho_pipeline.upkeep.references import at_work, folders_in


def rename(project: Project, old: str, new: str) -> int:
    """Renames a concept in the file, in the data folder and among the approvals; returns how many artifacts it has kept.

    A rename that was killed is finished by the same command again. Raises ConfigError for a slug that is none or is taken, GauchoError
    while a stage is at work on it.
    """
    if not SLUG.fullmatch(new) or len(new) > 64:
        raise ConfigError(f"{new}: must be a slug: small letters, digits and _")
    is_begun = old not in project.slugs and new in project.slugs and any(_homes(project.store, old))
    if not is_begun:
        project.concept(old)
        if new in project.slugs:
            raise ConfigError(f"{project.concepts_file}: there is a concept {new!r} already")
        if any(_homes(project.store, new)):
            raise ConfigError(f"{project.store.root}: something of a concept {new!r} stands there; see: gaucho gc --removed")
    if any(slug == old for _, slug in at_work(project.store)):
        raise GauchoError(f"{old}: a stage is at work; wait for it to end, then rename")
    if not is_begun:
        _rename_in_file(project.concepts_file, old, new)
    count = sum(_move(project.store, asset.name, old, new) for asset in CONCEPT_ASSETS)
    move_approval(project, old, new)
    _move_file(project.store.root / ".fetched" / f"{old}.jsonl", project.store.root / ".fetched" / f"{new}.jsonl")
    for asset in CONCEPT_ASSETS:
        for place in (".staging", ".requests"):
            shutil.rmtree(project.store.root / place / asset.name / old, ignore_errors=True)
    return count


def _homes(store: Store, slug: str) -> list[Path]:
    return [home for asset in CONCEPT_ASSETS if (home := store.home(asset.name, slug)).exists()]


def _move(store: Store, asset: str, old: str, new: str) -> int:
    """Moves the artifacts of one asset, each under the fingerprint that it has with the new name."""
    current, count = store.current(asset, old), 0
    counts_now = current.manifest.fingerprint if current else None
    for folder in folders_in(store.home(asset, old)):
        artifact = store.find(asset, old, folder.name)
        if artifact is None:
            continue
        moved = _moved(store, artifact, new)
        if folder.name == counts_now:
            store.set_current(moved)
        count += 1
    shutil.rmtree(store.home(asset, old), ignore_errors=True)
    return count


def _moved(store: Store, artifact: Artifact, new: str) -> Artifact:
    """The same artifact under the new name: its files as they are, but for the one that has the name of the concept."""
    made, old = artifact.manifest, artifact.manifest.concept
    named = made.fingerprint if made.asset == RAW_CRAWL.name else fingerprint(made.asset, new, made.provenance)
    manifest = Manifest.model_validate(made.model_dump() | {"concept": new, "fingerprint": named, "metrics": made.metrics.model_dump()})
    with store.staging(made.asset, new, named) as staging:
        shutil.copytree(artifact.folder, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        for path in staging.rglob(f"{old}.safetensors"):
            path.rename(path.with_name(f"{new}.safetensors"))
        return store.publish(staging, manifest)


def _move_file(old: Path, new: Path) -> None:
    if old.exists():
        new.parent.mkdir(parents=True, exist_ok=True)
        old.replace(new)


def _rename_in_file(path: Path, old: str, new: str) -> None:
    """Writes the new slug over the old one, as the concept's key and among look-alikes; comments and the rest stay as they are."""
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    places = sorted(_places(root, old), reverse=True)
    for start, end in places:
        text = text[:start] + re.sub(re.escape(old), new, text[start:end]) + text[end:]
    before = path.read_text(encoding="utf-8")
    write_atomically(path, text)
    try:
        load_concepts(path)
    except ConfigError:
        write_atomically(path, before)
        raise


def _places(root: yaml.Node | None, old: str) -> list[tuple[int, int]]:
    """Where the slug stands: the key below `concepts`, and the scalars of every `look_alikes.concepts`."""
    found = list[tuple[int, int]]()

    def visit(node: yaml.Node | None, above: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if above == ("concepts",) and key.value == old:
                    found.append((key.start_mark.index, key.end_mark.index))
                visit(value, (*above, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                is_named = above[-2:] == ("look_alikes", "concepts") and isinstance(item, yaml.ScalarNode) and item.value == old
                found.extend([(item.start_mark.index, item.end_mark.index)] if is_named else [])
                visit(item, above)

    visit(root, ())
    return found
