"""`gaucho rename OLD NEW`: a concept or a collection gets another slug and keeps all that was made of it; nothing is trained again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml

from gaucho_pipeline.assets.table import ASSETS, CHECKPOINT, COLLECTION, RAW_CRAWL
from gaucho_pipeline.concepts.concept import SLUG
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.concepts.yaml_mistakes import check_nesting
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.judging.panel import PANELS
from gaucho_pipeline.project.approvals import move_approval, read_approvals
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Manifest, fingerprint
from gaucho_pipeline.store.store import CURRENT, Store
from gaucho_pipeline.upkeep.references import busy_with, folders_in

_PARTITIONED = tuple(asset for asset in ASSETS.values() if asset.is_partitioned)


def rename(project: Project, old: str, new: str) -> int:
    """Renames a concept or a collection in the file, in the data folder and among the approvals; returns how many artifacts it has kept.

    A rename that was killed is finished by the same command again. Raises ConfigError for a slug that is none or is taken, GauchoError
    while a stage is at work on it.
    """
    if not SLUG.fullmatch(new) or len(new) > 64:
        raise ConfigError(_("{new}: must be a slug: small letters, digits and _", new=new))
    store, journal = project.store, project.store.root / ".fetched" / f"{old}.jsonl"
    is_begun = not project.concepts.has(old) and project.concepts.has(new)
    if is_begun and not (_homes(store, old) or journal.exists() or old in read_approvals(project) or _trained_with(store, old)):
        project.subject(old)  # there is nothing left to finish
    if not is_begun:
        project.subject(old)
        if project.concepts.has(new):
            raise ConfigError(_("{concepts_file}: there is a concept {new!r} already", concepts_file=project.concepts_file, new=new))
        if _homes(store, new):
            raise ConfigError(_("{root}: something of a concept {new!r} stands there; see: gaucho gc --removed", root=store.root, new=new))
    if busy := busy_with(store, {old}):
        raise GauchoError(_("{busy}: at work; wait for the end, then rename", busy=", ".join(busy)))
    named = [each for asset in _PARTITIONED for each in store.all(asset.name, old)]
    for artifact in (*named, *_trained_with(store, old)):
        if damaged := artifact.damaged():
            raise GauchoError(_("{folder}: is damaged; first run: gaucho fsck --repair", folder=artifact.folder / damaged[0]))
    if not is_begun:
        _rename_in_file(project.concepts_file, old, new)
    count = sum(_move(store, asset.name, old, new) for asset in _PARTITIONED)
    for artifact in _trained_with(store, old):
        _with_input_renamed(store, artifact, old, new)
    move_approval(project, old, new)
    _move_file(journal, journal.with_name(f"{new}.jsonl"))
    _move_file(store.root / PANELS / old, store.root / PANELS / new)
    for asset in _PARTITIONED:
        for place in (".staging", ".requests", ".samples"):
            shutil.rmtree(store.root / place / asset.name / old, ignore_errors=True)
    return count


def _homes(store: Store, slug: str) -> list[Path]:
    return [home for asset in _PARTITIONED if (home := store.home(asset.name, slug)).exists()]


def _trained_with(store: Store, slug: str) -> list[Artifact]:
    """What was taught in a collection: collections that learned from a concept of this slug, checkpoints of a collection of this slug."""
    trained = (
        artifact
        for asset in (COLLECTION.name, CHECKPOINT.name)
        for home in folders_in(store.root / asset)
        for artifact in store.all(asset, home.name)
    )
    return [each for each in trained if any(name.endswith(f"/{slug}") for name in each.manifest.provenance.inputs)]


def _with_input_renamed(store: Store, artifact: Artifact, old: str, new: str) -> None:
    """Publishes an artifact under the fingerprint that it has with an input's new name, in the place of itself."""
    made, current = artifact.manifest, store.current(artifact.manifest.asset, artifact.manifest.concept)
    inputs = {
        f"{name.partition('/')[0]}/{new}" if name.endswith(f"/{old}") else name: each for name, each in made.provenance.inputs.items()
    }
    provenance = made.provenance.model_copy(update={"inputs": inputs})
    named = made.model_copy(update={"provenance": provenance, "fingerprint": fingerprint(made.asset, made.concept, provenance)})
    with store.staging(made.asset, made.concept, named.fingerprint) as staging:
        shutil.copytree(artifact.folder, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        store.publish(staging, named, counts=bool(current and current.folder == artifact.folder))
    store.discard(artifact.folder)


def _move(store: Store, asset: str, old: str, new: str) -> int:
    """Moves the artifacts of one asset, each under the fingerprint that it has with the new name; what cannot be read is put aside."""
    home, current, counts, count = store.home(asset, old), store.current(asset, old), None, 0
    for folder in (each for each in folders_in(home) if each.name != CURRENT):
        artifact = store.find(asset, old, folder.name)
        if artifact is None:
            store.quarantine(folder)
            continue
        moved = _moved(store, artifact, new)
        counts = moved if current and folder == current.folder else counts
        count += 1
    if counts:
        store.set_current(counts)
    shutil.rmtree(home, ignore_errors=True)
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
        return store.publish(staging, manifest, counts=False)


def _move_file(old: Path, new: Path) -> None:
    if old.exists():
        new.parent.mkdir(parents=True, exist_ok=True)
        old.replace(new)


def _rename_in_file(path: Path, old: str, new: str) -> None:
    """Writes the new slug over the old one: as the concept's key, among look-alikes and in stories. The rest stays as it is."""
    text = path.read_text(encoding="utf-8")
    check_nesting(text)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    places = sorted(set(_places(root, old, text)), reverse=True)  # what an alias repeats stands once
    for start, end in places:
        text = text[:start] + re.sub(re.escape(old), new, text[start:end]) + text[end:]
    before = path.read_text(encoding="utf-8")
    write_atomically(path, text)
    try:
        load_concepts(path)
    except ConfigError:
        write_atomically(path, before)
        raise


def _places(root: yaml.Node | None, old: str, text: str) -> list[tuple[int, int]]:
    """Where the slug stands: as a key of `concepts` or `collections`, in `concepts` of look-alikes and collections, and in every beat."""
    found = list[tuple[int, int]]()

    def visit(node: yaml.Node | None, above: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                is_key = above in (("concepts",), ("collections",)) or above[-2:] == ("beats", "concepts")
                is_key = is_key or (len(above) == 3 and above[0] == "collections" and above[2] == "weights")
                if key.value == old and is_key:
                    found.append((key.start_mark.index, key.end_mark.index))
                if above[-1:] == ("beats",) and key.value == "prompt":
                    start, end = value.start_mark.index, value.end_mark.index
                    found.extend((start + each.start(), start + each.end()) for each in re.finditer(rf"\{{{old}\}}", text[start:end]))
                visit(value, (*above, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                is_list = above[-2:] == ("look_alikes", "concepts") or (len(above) == 3 and above[::2] == ("collections", "concepts"))
                is_named = is_list and isinstance(item, yaml.ScalarNode) and item.value == old
                found.extend([(item.start_mark.index, item.end_mark.index)] if is_named else [])
                visit(item, above)

    visit(root, ())
    return found
