"""What was learned of a concept, put on a model hub: the weights, the card with its pictures, and the credits, once a curator approved it.

Who may write there is the hub library's to know (HF_TOKEN, or `hf auth login`): no token passes through here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gaucho_pipeline.assets.rows import Picture, read_rows
from gaucho_pipeline.errors import ConfigError, GauchoError, TransientError, _, first_line
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.pages.card import with_pictures
from gaucho_pipeline.pages.corrections import corrected_attribution, corrected_card, corrections_of
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.publishing.exporting import export_pipeline
from gaucho_pipeline.publishing.publish import refusal

_PUSHED = TypeAdapter(dict[str, tuple[str, ...]])
_CARD, _CREDITS = "README.md", "ATTRIBUTION.csv"


def push(project: Project, slug: str, repository: str, is_private: bool, may_begin: Callable[[], bool]) -> str | None:
    """Puts a concept into a repository of the hub; returns its address, or None where that was not to be.

    `may_begin`: asked once, before a concept goes to a repository for the first time. Raises ConfigError for a name that is none,
    GauchoError if the concept is not approved as it stands, and TransientError if the hub cannot be asked or does not let us in.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if why := refusal(project, slug):
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


def pushed_to(project: Project) -> dict[str, tuple[str, ...]]:
    """The repositories that each concept was put into, by slug."""
    try:
        return _PUSHED.validate_json(_file(project).read_bytes())
    except (OSError, ValidationError):
        return {}


def _gather(project: Project, slug: str, folder: Path) -> None:
    """All that goes to the hub, and nothing else: no training image, not even in small."""
    shown = project.shown()[slug]
    weights = shown.checkpoint.folder / f"{slug}.safetensors"
    if weights.is_file():
        shutil.copyfile(weights, folder / weights.name)
    else:
        export_pipeline(shown.checkpoint, folder / "pipeline")  # all weights were learned
    rows = read_rows(shown.gallery.folder / "pictures.jsonl", Picture)
    card = with_pictures((shown.checkpoint.folder / _CARD).read_text(encoding="utf-8"), rows, shown.gallery.manifest.drawing_spec())
    credited, corrections = shown.checkpoint.folder / _CREDITS, corrections_of(shown.curated.folder if shown.curated else None)
    write_atomically(folder / _CARD, corrected_card(card, credited, corrections))
    write_atomically(folder / _CREDITS, corrected_attribution(credited, corrections) if corrections else credited.read_bytes())
    for row in rows:
        if row.model == "tuned" and row.file in card:
            (folder / row.file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shown.gallery.folder / row.file, folder / row.file)


def _file(project: Project) -> Path:
    return project.store.root / ".pushed.json"


def _remember(project: Project, slug: str, repository: str) -> None:
    known = pushed_to(project)
    known[slug] = tuple(dict.fromkeys([*known.get(slug, ()), repository]))
    write_atomically(_file(project), _PUSHED.dump_json(known, indent=1).decode() + "\n")
