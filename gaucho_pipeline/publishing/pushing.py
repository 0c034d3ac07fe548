"""What was learned of a concept or a collection, put on a model hub: weights, card with pictures, and credits, once a curator approved it.

Who may write there is the hub library's to know (HF_TOKEN, or `hf auth login`): no token passes through here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gaucho_pipeline.assets.rows import Picture, read_rows
from gaucho_pipeline.errors import ConfigError, GauchoError, TransientError, _, first_line
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.pages.card import MAX_PICTURES, presentable, with_pictures
from gaucho_pipeline.pages.corrections import corrections_of, write_corrected
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.site import others_learned
from gaucho_pipeline.publishing.exporting import export_pipeline
from gaucho_pipeline.publishing.publish import refusal
from gaucho_pipeline.store.artifact import Artifact

_PUSHED = TypeAdapter(dict[str, tuple[str, ...]])


def push(project: Project, slug: str, repository: str, is_private: bool, may_begin: Callable[[], bool]) -> str | None:
    """Puts a concept, or a collection, into a repository of the hub; returns its address, or None where that was not to be.

    `may_begin`: asked once, before it goes to a repository for the first time. Raises ConfigError for a name that is none, GauchoError if
    the concept, or one of the collection, is not approved as it is, and TransientError if the hub cannot be asked or does not take it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    for concept in _whose_weights(project, slug):
        if why := refusal(project, concept):
            raise GauchoError(why)
    if repository.count("/") != 1:
        raise ConfigError(_("{repository}: must be owner/name, as the hub has it", repository=repository))
    if repository not in pushed_to(project).get(slug, ()) and not may_begin():
        return None
    with tempfile.TemporaryDirectory(dir=project.store.root, prefix=".push-") as name:
        folder = Path(name)
        _gather(project, slug, folder)
        try:
            api = HfApi()
            made = api.create_repo(repository, private=is_private, exist_ok=True)
            _remember(project, slug, repository)
            api.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"gaucho_pipeline: {slug}")
        except HFValidationError as error:
            raise ConfigError(
                _("{repository}: is no name that a hub has: {error}", repository=repository, error=first_line(error))
            ) from None
        except (HfHubHTTPError, OSError) as error:
            raise TransientError(
                _("{repository}: the hub did not take it: {error}", repository=repository, error=first_line(error))
            ) from None
    return str(made)


def _whose_weights(project: Project, slug: str) -> list[str]:
    """The concepts that the weights of a concept, or of a collection, draw."""
    named = project.concepts.concepts_of(slug)
    shown = project.shown()
    others = [other for each in named if each in shown for other in others_learned(project.store, shown[each].checkpoint) or ()]
    return list(dict.fromkeys((*named, *others)))


def pushed_to(project: Project) -> dict[str, tuple[str, ...]]:
    """The repositories that each concept and collection was put into, by slug."""
    try:
        return _PUSHED.validate_json(_file(project).read_bytes())
    except (OSError, ValidationError):
        return {}


def _gather(project: Project, slug: str, folder: Path) -> None:
    """All that goes to the hub, and nothing else: no training image, not even in small."""
    trained, galleries = _trained_and_drawn(project, slug)
    weights = trained.folder / f"{slug}.safetensors"
    if weights.is_file():
        shutil.copyfile(weights, folder / weights.name)
    else:
        export_pipeline(trained, folder / "pipeline")  # all weights were learned
    pictures = _tuned_pictures(galleries, MAX_PICTURES)
    drawn = next(iter(galleries.values())).manifest.drawing_spec()
    card = with_pictures((trained.folder / "README.md").read_text(encoding="utf-8"), [row for row, _file in pictures], drawn)
    corrections, agreed = corrections_of(project.corrected_credits(trained)), project.subject(slug).agreed
    write_corrected(folder, card, trained.folder / "ATTRIBUTION.csv", corrections, agreed)
    for row, file in ((row, file) for row, file in pictures if row.file in card):
        (folder / row.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / row.file)


def _trained_and_drawn(project: Project, slug: str) -> tuple[Artifact, dict[str, Artifact]]:
    """What was learned, and the galleries that were drawn with it, by concept. Raises GauchoError if a collection is not shown as it is."""
    shown = project.shown()
    if slug in shown:
        return shown[slug].checkpoint, {slug: shown[slug].gallery}
    collections = project.collections_shown(shown)
    if slug not in collections:
        raise GauchoError(_("nothing of {slug} can be shown yet; run: gaucho run {slug}", slug=slug))
    return collections[slug].collection, {concept: shown[concept].gallery for concept in project.concepts.concepts_of(slug)}


def _tuned_pictures(galleries: Mapping[str, Artifact], at_most: int) -> list[tuple[Picture, Path]]:
    """Pictures of the concepts in turn, under the names that they go by on the hub, with the files that they are."""
    named = []
    for concept, gallery in galleries.items():
        rows, inside = presentable(read_rows(gallery.folder / "pictures.jsonl", Picture)), "" if len(galleries) == 1 else f"{concept}/"
        named.append([(row.model_copy(update={"file": f"{inside}{row.file}"}), gallery.folder / row.file) for row in rows])
    return [each for turn in zip_longest(*named) for each in turn if each][:at_most]


def _file(project: Project) -> Path:
    return project.store.root / ".pushed.json"


def _remember(project: Project, slug: str, repository: str) -> None:
    known = pushed_to(project)
    known[slug] = tuple(dict.fromkeys([*known.get(slug, ()), repository]))
    write_atomically(_file(project), _PUSHED.dump_json(known, indent=1).decode() + "\n")
