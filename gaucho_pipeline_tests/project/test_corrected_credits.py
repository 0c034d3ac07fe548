"""An author or a licence that is corrected upstream, for the same bytes: it is shown and handed on, and nothing is trained again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.assets.rows import TrainImage, write_rows
from gaucho_pipeline.assets.table import ALL
from gaucho_pipeline.files.tables import write_attribution
from gaucho_pipeline.pages.corrections import corrected_attribution, corrected_card, corrections_of
from gaucho_pipeline.pages.rendering import write_site
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.states import State
from gaucho_pipeline.publishing.publish import _folders
from gaucho_pipeline.rights.credits import credits_section
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.standing import edit, one_concept, stand

SLUG = "araucaria"


def stand_curated(project: Project, version: str, **changes: Any) -> Artifact:
    """A set that stands, of two images of which the first is changed."""
    rows = [train_image(1, **changes), train_image(2)]
    return stand(project, "curated_set", SLUG, version, lambda folder: write_rows(folder / "images.jsonl", rows))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = one_concept(tmp_path)
    stand(project, "raw_crawl", SLUG)
    stand_curated(project, "1")
    for asset in ("checkpoint", "sample_gallery", "evaluation"):
        stand(project, asset, SLUG)
    stand(project, "gallery_site", ALL)
    return project


def states_after(project: Project, **changes: Any) -> dict[str, str]:
    stand(project, "raw_crawl", SLUG, "2")
    stand_curated(project, "2", **changes)
    opened = Project(project.concepts_file, project.store.root)
    states = {name: state.state for name, state in opened.states(SLUG).items()}
    return states | {"gallery_site": opened.site_state().state}


@pytest.mark.parametrize(
    "changes",
    [
        {"author": "Anália"},
        {"title": "Pinheiro"},
        {"license": "CC-BY-SA-4.0", "license_family": "cc-by-sa"},
        {"source": "https://m.example/1"},
    ],
)
def test_a_correction_of_credits_makes_the_pages_again_and_trains_nothing(project: Project, changes: dict[str, str]) -> None:
    assert states_after(project, **changes) == {
        "raw_crawl": "fresh", "curated_set": "fresh", "checkpoint": "fresh", "sample_gallery": "fresh", "evaluation": "fresh",
        "gallery_site": "stale",
    }  # fmt: skip


@pytest.mark.parametrize("changes", [{"caption": "another {token}"}, {"pixels": "f" * 64}, {"sha256": "e" * 64}, {"mask_pixels": "d" * 64}])
def test_what_training_reads_trains_again(project: Project, changes: dict[str, str]) -> None:
    assert states_after(project, **changes)["checkpoint"] == "stale"


def test_a_set_that_lost_an_image_trains_again(project: Project) -> None:
    stand(project, "raw_crawl", SLUG, "2")
    stand(project, "curated_set", SLUG, "2", lambda folder: write_rows(folder / "images.jsonl", [train_image(2)]))
    assert project.state("checkpoint", SLUG).state == "stale"


def test_another_setting_trains_on_the_set_that_stands(project: Project) -> None:
    states_after(project, author="Anália")
    edit(project, SLUG, "training", rank=2)
    opened = Project(project.concepts_file, project.store.root)
    assert opened.state("checkpoint", SLUG) == State("stale", ("rank changed", "curated_set changed"))
    assert opened.provenance("checkpoint", SLUG).inputs == {"curated_set": "2"}


def test_pages_show_the_credit_as_it_is_now(project: Project, tmp_path: Path) -> None:
    states_after(project, author="Anália <b>")
    opened = Project(project.concepts_file, project.store.root)
    write_site(tmp_path / "site", [_folders(opened, SLUG, opened.shown()[SLUG])])
    page = (tmp_path / "site" / SLUG / "index.html").read_text(encoding="utf-8")
    assert "Anália &lt;b&gt;" in page
    assert train_image(1).author not in page


def test_the_card_and_the_table_of_an_older_checkpoint_say_the_credit_as_it_is_now(tmp_path: Path) -> None:
    rows = [train_image(1), train_image(2)]
    write_attribution(tmp_path / "ATTRIBUTION.csv", [row.model_dump() for row in rows])  # type: ignore[misc]
    card = f"# A card\n\n{credits_section([row.model_dump() for row in rows])}\n\n## Specification\n\nrank 8\n"
    (tmp_path / "now").mkdir()
    write_rows(tmp_path / "now" / "images.jsonl", [train_image(1, author="=Anália | x"), train_image(2)])
    now = corrections_of([tmp_path / "now"])
    assert all(isinstance(row, TrainImage) for row in now.values())
    table = corrected_attribution(tmp_path / "ATTRIBUTION.csv", now)
    assert "'=Anália | x" in table  # which no spreadsheet takes for a formula
    assert table.startswith("\ufefffile,title,author")
    written = corrected_card(card, tmp_path / "ATTRIBUTION.csv", now)
    assert "Anália \\| x" in written
    assert written.startswith("# A card\n\n## The images that it learned from")
    assert written.endswith("\n## Specification\n\nrank 8\n")
    assert corrected_card(card, tmp_path / "ATTRIBUTION.csv", {}) == card


def test_what_is_agreed_is_said_once_by_a_card() -> None:
    said = corrected_card("# A card\n", Path("ATTRIBUTION.csv"), {}, "Ana | Souza, 2026-03-01: her portrait")
    assert said.startswith("# A card\n\n## What is agreed today\n\n")
    assert said.count("Ana \\| Souza") == 2  # once in each language
    assert corrected_card(said, Path("ATTRIBUTION.csv"), {}, "Ana | Souza, 2026-03-01: her portrait") == said
