"""A living person is taught and drawn with their consent alone, and everything that shows them says so."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gaucho_pipeline.concepts.consent import Consent
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.gallery import single
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho, invoke
from gaucho_pipeline_tests.standing import stand_all

GIVEN = {"who": "Zoravia Bettiol", "date": "2026-03-01", "scope": "portraits, on the museum's site", "conditions": "named beside them"}
SENTENCE = "Zoravia Bettiol, 2026-03-01: portraits, on the museum's site (named beside them)"


def project_of(folder: Path, **keys: Any) -> Project:
    concept = folder_concept(draw_folder(folder / "a", "araucaria", 4), "mtl", "woman") | {"subject": "person"} | keys
    return Project(write_concepts(folder / "concepts.yaml", {"artist": concept}), folder / "data")


def test_a_living_person_needs_consent_and_the_message_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"consent: \{who, date, scope\}.*historical: true"):
        project_of(tmp_path).concept("artist")


@pytest.mark.parametrize("keys", [{"historical": True}, {"consent": GIVEN}, {"subject": "thing"}])
def test_a_person_of_the_past_one_who_agreed_and_what_is_no_person_need_no_more(keys: dict[str, Any], tmp_path: Path) -> None:
    assert project_of(tmp_path, **keys).concept("artist")


@pytest.mark.parametrize(
    "wrong",
    [{"who": None}, {"date": "yesterday"}, {"scope": ""}, {"review": "2026-02-01"}, {"signature": "x"}],
    ids=["nobody", "no date", "no scope", "a review before it", "an unknown key"],
)
def test_a_consent_that_says_too_little_is_none(wrong: dict[str, Any]) -> None:
    given = {key: value for key, value in (GIVEN | wrong).items() if value is not None}
    with pytest.raises(ValidationError):
        Consent.model_validate(given)


def test_one_lapses_after_the_day_on_which_it_was_to_be_asked_for_again() -> None:
    consent = Consent.model_validate(GIVEN | {"review": "2027-01-31"})
    assert not consent.has_lapsed(date(2027, 1, 31))
    assert consent.has_lapsed(date(2027, 2, 1))
    assert not Consent.model_validate(GIVEN).has_lapsed(date(2100, 1, 1))


@pytest.mark.parametrize(
    "command",
    [("run", "--select", "evaluation"), ("run", "--select", "raw_crawl"), ("generate", "artist", "a photo of {token} {class_noun}")],
)
def test_with_one_that_has_lapsed_nothing_is_fetched_trained_or_drawn(command: tuple[str, ...], tmp_path: Path) -> None:
    stand_all(project_of(tmp_path, consent=GIVEN))
    project_of(tmp_path, consent=GIVEN | {"review": "2026-04-01"})
    done = gaucho(tmp_path, *command, "--force" if command[0] == "run" else "--seed=1", check=False)
    assert done.returncode == 2
    assert "consent.review: it was to be asked for again by 2026-04-01" in done.stderr


def test_nor_by_dagster(tmp_path: Path) -> None:
    lapsed = project_of(tmp_path, consent=GIVEN | {"review": "2026-04-01"})
    with pytest.raises(ConfigError, match="asked for again"):
        lapsed.request("raw_crawl", "artist")


def test_requests_pages_and_pictures_of_ones_own_say_what_was_agreed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_of(tmp_path, consent=GIVEN)
    stand_all(project)
    assert project.request("sample_gallery", "artist").consent == SENTENCE
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(single, "generate_pictures", lambda *arguments: asked.append(arguments))
    invoke(project, "generate", "artist", "a photo of {token} {class_noun}")
    assert asked[0][-1] == SENTENCE
    from gaucho_pipeline.pages.content import ConceptFolders
    from gaucho_pipeline.pages.rendering import write_site

    shown = project.shown()["artist"]
    about = project.concept("artist").about()
    write_site(tmp_path / "site", [ConceptFolders("artist", about, shown.evaluation.folder, shown.gallery.folder, shown.checkpoint.folder)])
    assert "Com o consentimento da pessoa: Zoravia Bettiol" in (tmp_path / "site" / "artist" / "index.html").read_text(encoding="utf-8")


def test_another_consent_draws_again_and_trains_nothing_again(tmp_path: Path) -> None:
    stand_all(project_of(tmp_path, consent=GIVEN))
    states = project_of(tmp_path, consent=GIVEN | {"scope": "one exhibition"}).states("artist")
    assert (states["checkpoint"].state, states["sample_gallery"].state) == ("fresh", "stale")
    assert states["sample_gallery"].reasons == ("consent changed",)
