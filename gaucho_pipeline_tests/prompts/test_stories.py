"""Stories as people write them: which frames they have, what meets in them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gaucho_pipeline.concepts.file import load_concepts, load_story
from gaucho_pipeline.concepts.sequence import SequenceSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.prompts.stories import STORIES, Beat, Frame, Story
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts

ROOT = Path(__file__).parents[2]


def story(*beats: dict[str, Any], **keys: Any) -> Story:
    return Story.model_validate({"name": "mine", "beats": beats} | keys)


def test_what_blends_turns_into_the_next_beat_and_what_is_cut_does_not() -> None:
    told = story({"prompt": "a", "frames": 2}, {"prompt": "b", "frames": 2, "transition": "cut"}, {"prompt": "c", "frames": 1})
    assert told.frames() == [Frame(0, 1, 0.0), Frame(0, 1, 0.5), Frame(1, 1, 0.0), Frame(1, 1, 0.0), Frame(2, 2, 0.0)]
    assert [frame.nearest for frame in told.frames()] == [0, 1, 1, 1, 2]


def test_the_last_beat_has_nothing_to_turn_into() -> None:
    assert story({"prompt": "a", "frames": 2}).frames() == [Frame(0, 0, 0.0), Frame(0, 0, 0.0)]


def test_concepts_meet_that_a_prompt_or_a_beat_names() -> None:
    told = story({"prompt": "{token} {class_noun} past {araucaria}"}, {"prompt": "{token}", "concepts": {"anita": 0.5, "pampa": 0.7}})
    assert told.beats[0].strengths("anita") == {"anita": 1.0, "araucaria": 1.0}
    assert told.beats[1].strengths("anita") == {"anita": 0.5, "pampa": 0.7}
    assert told.others("anita") == ["araucaria", "pampa"]


@pytest.mark.parametrize("prompt", ["a {Token}", "a {", "a }", "{a b}", "two\nlines", " "])
def test_a_prompt_that_cannot_be_read_is_refused(prompt: str) -> None:
    with pytest.raises(ValidationError):
        Beat(prompt=prompt)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"stories": ["a_day_on_mars"]}, "there is no story of that name; there are day_to_night"),
        ({"stories": ["dance", "dance"]}, "two stories have the same name"),
        ({"stories": []}, "at least 1"),
        ({"stories": [{"name": "x", "beats": [{"prompt": "a", "frames": 240}] * 3}]}, "has 720 frames"),
        ({"stories": ["dance"], "method": "animatediff"}, "needs a motion_adapter"),
        ({"stories": ["dance"], "method": "storyboard", "motion_adapter": {"model": "./m"}}, "goes with method: animatediff"),
        ({"stories": ["dance"], "motion_adapter": {"model": "owner/adapter"}}, "must be pinned by its commit"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_is_wrong(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SequenceSpec.model_validate(keys)


def test_ready_made_stories_have_words_in_both_languages_and_ask_for_their_concept() -> None:
    assert {"day_over_the_pampa", "seasons", "roda_de_chimarrao", "dance", "battle"} <= STORIES.keys()
    for name, each in STORIES.items():
        assert each.name == name
        assert each.title
        assert all(beat.caption and "{token} {class_noun}" in beat.prompt for beat in each.beats)
        assert len({beat.prompt for beat in each.beats}) == len(each.beats)


def test_the_battle_is_painted_and_no_photograph() -> None:
    assert all(beat.prompt.startswith("an oil painting of") for beat in STORIES["battle"].beats)


def test_shipped_concepts_have_their_stories() -> None:
    loaded = load_concepts(ROOT / "concepts.yaml").concepts
    asked = {slug: [each.name for each in concept.sequence.stories] for slug, concept in loaded.items() if concept.sequence}
    assert asked == {
        "chimarrao": ["roda_de_chimarrao"],
        "pilcha": ["dance"],
        "araucaria": ["seasons"],
        "pampa": ["day_over_the_pampa"],
        "farroupilha": ["battle"],
    }
    assert loaded["farroupilha"].historical


def test_a_method_is_the_familys_own_and_another_is_refused() -> None:
    spec = SequenceSpec.model_validate({"stories": ["dance"]})
    assert spec.for_family(FAMILIES["StableDiffusionPipeline"]).method == "storyboard"
    assert spec.for_family(FAMILIES["WanPipeline"]).method == "video"
    adapted = SequenceSpec.model_validate({"stories": ["dance"], "motion_adapter": {"model": "./m"}})
    assert adapted.for_family(FAMILIES["StableDiffusionPipeline"]).method == "animatediff"
    with pytest.raises(ConfigError, match="has storyboard; not 'animatediff'"):
        adapted.for_family(Embedded)
    with pytest.raises(ConfigError, match="FluxPipeline draws single pictures only"):
        spec.for_family(FAMILIES["FluxPipeline"])


def test_a_key_that_nobody_sets_is_as_the_gallerys_of_its_family() -> None:
    spec = SequenceSpec.model_validate({"stories": ["dance"], "guidance_scale": 3.0}).for_family(Embedded)
    assert (spec.num_inference_steps, spec.guidance_scale) == (20, 3.0)
    assert spec.clip
    assert spec.clip.model == "embedded"
    assert spec.dinov2 is None


def test_a_mistake_in_a_story_is_reported_with_file_line_and_key(tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    concept["sequence"] = {"stories": [{"name": "mine", "beats": [{"prompt": "a", "frame": 3}]}]}
    with pytest.raises(ConfigError, match=r"concepts.yaml:\d+: .*stories.0.beats.0.frame: unknown key; did you mean 'frames'\?"):
        load_concepts(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}))


def test_a_story_in_a_file_of_its_own_is_called_as_the_file_and_its_mistakes_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "Minha história.yaml"
    path.write_text('beats:\n  - {prompt: "a {token}", frames: 2}\n', encoding="utf-8")
    assert load_story(path).name == "minha_hist_ria"
    path.write_text('beats:\n  - {prompt: "a {token}"}\n  - {promt: "b"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"história.yaml:3: beats.1.promt: unknown key; did you mean 'prompt'\?"):
        load_story(path)
    path.write_text("- a\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="must be a mapping with the key 'beats'"):
        load_story(path)
