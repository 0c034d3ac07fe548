"""Which concepts a curator has approved for publication, and of what of them; the file beside concepts.yaml that keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.site import Shown


class Approval(BaseModel):
    """Who approved a concept for publication, when, and what of it: anything else that exists later is not approved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="Name of the curator")
    date: str = Field(description="Day, ISO 8601")
    checkpoint: str = Field(description="Data version of the checkpoint")
    sample_gallery: str = Field(description="Data version of the pictures")
    evaluation: str = Field(description="Data version of the figures")
    sample_sequence: str | None = Field(None, description="Data version of the stories; null where there are none")
    judgement: str | None = Field(None, description="Data version of what people said; null where nobody was asked")
    about: str = Field(description="Digest of what the concepts file says of it: names, description, whether it is of the past")

    def is_of(self, project: Project, slug: str, shown: Shown) -> bool:
        """Whether it is of what exists."""
        versions = (self.checkpoint, self.sample_gallery, self.evaluation, self.sample_sequence, self.judgement)
        return versions == _versions(shown) and self.about == digest(project.concept(slug).about().to_json())


_FILE = TypeAdapter(dict[str, Approval])


def approvals_file(project: Project) -> Path:
    """The file beside the concepts file that keeps approvals, to be reviewed and committed with it."""
    return project.concepts_file.resolve().with_suffix(".approvals.json")


def read_approvals(project: Project) -> dict[str, Approval]:
    """All approvals by concept, of whatever stood then. Raises ConfigError if the file is broken."""
    path = approvals_file(project)
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise ConfigError(f"{path}: {error.errors()[0]['msg']}") from None


def approve(project: Project, slug: str, by: str) -> Approval:
    """Approves what exists of a concept. Raises GauchoError if nothing exists that could be shown."""
    shown = _shown(project, slug, project.shown())
    checkpoint, gallery, evaluation, sequence, judgement = _versions(shown)
    found = Approval(
        by=" ".join(by.split()),
        date=datetime.now(UTC).date().isoformat(),
        checkpoint=checkpoint,
        sample_gallery=gallery,
        evaluation=evaluation,
        sample_sequence=sequence,
        judgement=judgement,
        about=digest(project.concept(slug).about().to_json()),
    )
    _write(project, read_approvals(project) | {slug: found})
    return found


def withdraw(project: Project, slug: str) -> None:
    """Takes an approval back. Raises GauchoError if there is none."""
    project.concept(slug)
    approvals = read_approvals(project)
    if slug not in approvals:
        raise GauchoError(_("{slug} is not approved", slug=slug))
    _write(project, {other: approval for other, approval in approvals.items() if other != slug})


def move_approval(project: Project, old: str, new: str) -> None:
    """Keeps a concept's approval under its new slug."""
    approvals = read_approvals(project)
    if old in approvals:
        _write(project, {new if slug == old else slug: approval for slug, approval in approvals.items()})


def _write(project: Project, approvals: dict[str, Approval]) -> None:
    write_atomically(approvals_file(project), _FILE.dump_json(approvals, indent=1).decode() + "\n")


def _versions(shown: Shown) -> tuple[str, str, str, str | None, str | None]:
    checkpoint, gallery, evaluation = (each.manifest.data_version for each in (shown.checkpoint, shown.gallery, shown.evaluation))
    sequence, judgement = (each.manifest.data_version if each else None for each in (shown.sequence, shown.judgement))
    return checkpoint, gallery, evaluation, sequence, judgement


def _shown(project: Project, slug: str, shown: Mapping[str, Shown]) -> Shown:
    project.concept(slug)
    if slug not in shown:
        raise GauchoError(_("nothing of {slug} can be shown yet; run: gaucho run {slug}", slug=slug))
    return shown[slug]
