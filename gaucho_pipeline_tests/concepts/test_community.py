"""Whose knowledge or culture a concept is: said wherever it is shown, and published with the community's recorded consent alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gaucho_pipeline.concepts.community import CommunitySpec
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.project.approvals import approve
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.publishing.publish import publish
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.standing import add_file, stand_all

LABEL = "https://localcontexts.org/label/tk-attribution/"
CONSENT = {"who": "Conselho de Anciãos", "date": "2026-03-01", "scope": "baskets, on the museum's site"}
KAINGANG = {"who": "Povo Kaingang", "consent": CONSENT, "labels": [LABEL]}


def project_of(folder: Path, community: Any) -> Project:
    concept = folder_concept(draw_folder(folder / "a", "araucaria", 4), "mtl", "basket") | ({"community": community} if community else {})
    return Project(write_concepts(folder / "concepts.yaml", {"cesto": concept}), folder / "data")


def test_labels_are_named_as_local_contexts_names_them() -> None:
    bc = "https://localcontexts.org/label/bc-open-to-collaboration"
    assert CommunitySpec(who="x", labels=(LABEL, bc)).named_labels() == {"TK Attribution": LABEL, "BC Open To Collaboration": bc}


@pytest.mark.parametrize(
    "address",
    [
        "TK Attribution",
        "http://localcontexts.org/label/tk-attribution/",
        "https://localcontexts.org.evil.example/label/tk-a/",
        "javascript:x",
        f"{LABEL}?x=<b>",
    ],
)
def test_what_is_no_address_of_a_label_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="is no address of a label"):
        CommunitySpec(who="x", labels=(address,))


@pytest.mark.parametrize(
    ("community", "why"),
    [
        ({"who": "Povo Kaingang"}, "no consent of Povo Kaingang is recorded"),
        (KAINGANG | {"consent": CONSENT | {"review": "2026-04-01"}}, "was to be asked for again by 2026-04-01"),
        (KAINGANG | {"labels": ["https://localcontexts.org/label/tk-secret-sacred/"]}, "the label TK Secret Sacred of Povo Kaingang"),
    ],
)
def test_nothing_is_published_without_consent_nor_after_its_review_nor_against_a_label(community: Any, why: str, tmp_path: Path) -> None:
    project = project_of(tmp_path, community)
    stand_all(project)
    approve(project, "cesto", "Ana")
    with pytest.raises(GauchoError, match=f"cesto cannot be published: .*{why}"):
        publish(project, [], tmp_path / "site", with_weights=False)
    assert not (tmp_path / "site").exists()


def test_a_review_lapses_after_its_day() -> None:
    community = CommunitySpec.model_validate(KAINGANG | {"consent": CONSENT | {"review": "2027-01-31"}})
    assert (community.why_not_published(date(2027, 1, 31)), bool(community.why_not_published(date(2027, 2, 1)))) == ("", True)


def test_page_card_and_pictures_say_whose_it_is_and_under_what_labels(tmp_path: Path) -> None:
    project = project_of(tmp_path, KAINGANG)
    stand_all(project)
    sentence = (
        f"community: Povo Kaingang (Conselho de Anciãos, 2026-03-01: baskets, on the museum's site); labels: TK Attribution ({LABEL})"
    )
    assert [project.request(asset, "cesto").consent for asset in ("checkpoint", "sample_gallery")] == [sentence, sentence]
    approve(project, "cesto", "Ana")
    publish(project, [], tmp_path / "site", with_weights=False)
    page = (tmp_path / "site" / "cesto" / "index.html").read_text(encoding="utf-8")
    assert "Da comunidade: Povo Kaingang. Seu consentimento: Conselho de Anciãos" in page
    assert f'<a href="{LABEL}">TK Attribution</a>' in page


def test_a_community_that_is_named_draws_again_and_trains_nothing_again(tmp_path: Path) -> None:
    stand_all(project_of(tmp_path, None))
    states = project_of(tmp_path, KAINGANG).states("cesto")
    assert (states["checkpoint"].state, states["sample_gallery"].state) == ("fresh", "stale")


def test_a_card_that_is_older_than_an_agreement_says_it_where_it_is_handed_on(tmp_path: Path) -> None:
    older = project_of(tmp_path, None)
    stand_all(older)
    add_file(older.shown()["cesto"].checkpoint, "README.md", b"# A card of before\n")
    project = project_of(tmp_path, KAINGANG)
    approve(project, "cesto", "Ana")
    publish(project, [], tmp_path / "site", with_weights=False)
    card = (tmp_path / "site" / "cesto" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# A card of before\n")
    assert "## What is agreed today" in card
    assert "have agreed to: community: Povo Kaingang" in card
    assert "mostra aceitaram: community: Povo Kaingang" in card


def test_what_a_community_takes_back_is_forgotten_whole(tmp_path: Path) -> None:
    project = project_of(tmp_path, KAINGANG)
    gaucho(tmp_path, "run", "--select", "curated_set")
    done = gaucho(tmp_path, "forget", "--concept", "cesto", "--reason", "withdrawn")
    assert "remove cesto from" in done.stdout
    assert not [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()]
    assert project.store.current("curated_set", "cesto") is None
    again = gaucho(tmp_path, "run", "cesto", "--select", "raw_crawl", "--force", check=False)
    assert again.returncode != 0
    assert "4 forgotten" in again.stderr


def test_forget_takes_an_image_or_a_concept(tmp_path: Path) -> None:
    project_of(tmp_path, None)
    assert gaucho(tmp_path, "forget", check=False).returncode == 2
    assert gaucho(tmp_path, "forget", "x.jpg", "--concept", "cesto", check=False).returncode == 2
    assert "no image of it stands here" in gaucho(tmp_path, "forget", "--concept", "cesto", check=False).stderr
