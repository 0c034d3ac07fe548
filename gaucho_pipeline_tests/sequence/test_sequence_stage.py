"""Sequences as a whole, on tiny settings: what stands in the artifact, what makes it again, and how several concepts meet."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from gaucho_pipeline.assets.metrics import SampleSequenceMetrics
from gaucho_pipeline.assets.rows import to_json, write_rows
from gaucho_pipeline.assets.table import SAMPLE_SEQUENCE
from gaucho_pipeline.commands.preflight import problems
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.files.tables import read_table, write_attribution
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.provenance.labels import facts_in
from gaucho_pipeline.provenance.verify import verify_file
from gaucho_pipeline.sequence.__main__ import run
from gaucho_pipeline.sequence.drawing import check_strengths, prepare_stories
from gaucho_pipeline.stage.harness import StageResult
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.gallery.test_gallery_stage import new_adapter
from gaucho_pipeline_tests.programs import gaucho, kill_when, run_stage, stage_command
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.standing import edit, stand

NAME = SAMPLE_SEQUENCE.name
DAY = {"prompt": "a photo of {token} {class_noun} on the grass by day", "frames": 2, "caption": {"pt": "De dia", "en": "By day"}}
NIGHT = {"prompt": "a photo of {token} {class_noun} on the grass at night", "frames": 1}
STORY = {"name": "one_day", "title": {"pt": "Um dia", "en": "One day"}, "beats": [DAY, NIGHT], "frames_per_second": 4}
KEYS = {"num_inference_steps": 2, "guidance_scale": 3.0}


def new_project(folder: Path, **further: Any) -> Project:
    """Two concepts with checkpoints that were never trained: their adapters are noise. The first has a story."""
    concepts = {
        "araucaria": folder_concept(draw_folder(folder / "a", "araucaria", 2), "mtl", "tree"),
        "chimarrao": folder_concept(draw_folder(folder / "c", "chimarrao", 2), "dnc", "cup"),
    }
    concepts["araucaria"]["sequence"] = {"stories": [STORY], **KEYS, **further}
    project = Project(write_concepts(folder / "concepts.yaml", concepts), folder / "data")
    for slug, author in (("araucaria", "João"), ("chimarrao", "Ana")):
        for asset in ("raw_crawl", "curated_set", "checkpoint"):
            artifact = stand(project, asset, slug)
        learn(artifact.folder, slug, author)
    return project


def learn(folder: Path, slug: str, author: str) -> None:
    """What a checkpoint's folder holds beside its manifest."""
    new_adapter(folder, lambda w, g: w + 0.15 * torch.randn(w.shape, generator=g))
    (folder / "validation").mkdir()
    names = [f"validation/{i}.png" for i in range(3)]
    for index, name in enumerate(names):
        (folder / name).write_bytes(png_bytes(draw_subject(slug, index)))
    row = train_image(author=author)
    write_rows(folder / "validation.jsonl", [train_image(number, author=author, file=name) for number, name in enumerate(names)])
    write_rows(folder / "train.jsonl", [row])
    write_attribution(folder / "ATTRIBUTION.csv", [to_json(row)])


def draw(project: Project, staging: Path, slug: str = "araucaria") -> tuple[Path, SampleSequenceMetrics, StageResult]:
    staging.mkdir(parents=True)
    result = run(project.request(NAME, slug), staging, Reporter(None))
    assert isinstance(result.metrics, SampleSequenceMetrics)
    return staging, result.metrics, result


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return new_project(tmp_path_factory.mktemp("sequence"))


@pytest.fixture(scope="module")
def drawn(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleSequenceMetrics, StageResult]:
    return draw(project, tmp_path_factory.mktemp("drawn") / "staging")


def test_every_frame_film_and_filmstrip_stands_there(drawn: tuple[Path, SampleSequenceMetrics, StageResult]) -> None:
    folder, metrics, _ = drawn
    place = folder / "stories" / "one_day"
    found = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    films = ["story.gif", "story.mp4", "story.webp"]
    assert found == ["base.png", "control.png", "filmstrip.png", *(f"frames/{number:03d}.png" for number in range(3)), *films]
    assert (metrics.frames, metrics.generated, metrics.method, metrics.missing) == (3, 9, "storyboard", {})
    (row,) = read_table(folder / "stories.jsonl")
    assert (row["name"], row["frames"], row["frames_per_second"]) == ("one_day", 3, 4)
    assert [beat["first"] for beat in row["beats"]] == [0, 2]
    assert row["beats"][0]["caption"] == {"pt": "De dia", "en": "By day"}
    assert (folder / "filmstrip.jpg").stat().st_size <= 100_000
    assert not (folder / ".steps").exists()


def test_every_frame_says_that_it_was_generated_and_from_what(
    drawn: tuple[Path, SampleSequenceMetrics, StageResult], project: Project
) -> None:
    facts = []
    for number in range(3):
        with Image.open(drawn[0] / "stories" / "one_day" / "frames" / f"{number:03d}.png") as image:
            facts.append(facts_in(image) or {})
    checkpoint = project.checkpoint("araucaria").manifest
    assert [each["frame"] for each in facts] == [0, 1, 2]
    assert [each["prompt"].rpartition(" ")[2] for each in facts] == ["day", "day", "night"]
    assert facts[1]["following_prompt"].endswith("at night")
    assert facts[1]["share"] == 0.5
    for each in facts:
        assert (each["story"], each["concept"], each["checkpoint"]) == ("one_day", "araucaria", checkpoint.data_version)
        assert each["base_model"] == checkpoint.provenance.base_model
        assert each["seed"] == 1
        assert "imagined" not in each


def test_figures_stand_beside_the_control_and_the_base_model(drawn: tuple[Path, SampleSequenceMetrics, StageResult]) -> None:
    (story,) = drawn[1].stories
    assert story.step_worst >= story.step_mean > 0
    assert story.control_step_worst > story.step_worst
    assert story.subject_lowest is not None
    assert story.subject_mean is not None
    assert story.subject_lowest <= story.subject_mean
    assert story.frames_above_base is not None
    rows = read_table(drawn[0] / "frames.jsonl")
    assert [("step" in row, "subject" in row) for row in rows] == [(False, True), (True, True), (True, True)]
    assert min(row["subject"] for row in rows) == story.subject_lowest == rows[story.subject_lowest_frame or 0]["subject"]


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_again_draws_nothing_and_is_the_same(
    drawn: tuple[Path, SampleSequenceMetrics, StageResult], project: Project, tmp_path: Path
) -> None:
    folder, metrics, result = draw(project, tmp_path / "again")
    assert (metrics.generated, metrics.frames_per_second) == (0, 0)
    assert result.data_version == drawn[2].data_version
    assert bytes_in(folder) == bytes_in(drawn[0])


def test_a_changed_beat_draws_that_story_only_and_another_caption_none(project: Project, tmp_path: Path) -> None:
    other = {"name": "other", "beats": [NIGHT]}
    edit(project, "araucaria", "sequence", stories=[STORY, other])
    now = Project(project.concepts_file, project.store.root)
    assert draw(now, tmp_path / "a")[1].generated == 3  # a frame by three models
    renamed = STORY | {"title": {"pt": "Outro", "en": "Other"}, "beats": [DAY | {"caption": {"pt": "Manhã", "en": "Morning"}}, NIGHT]}
    edit(project, "araucaria", "sequence", stories=[renamed, other])
    assert draw(Project(project.concepts_file, project.store.root), tmp_path / "b")[1].generated == 0
    edit(
        project, "araucaria", "sequence", stories=[STORY, {"name": "other", "beats": [NIGHT | {"prompt": "a photo of {token} at sunset"}]}]
    )
    assert draw(Project(project.concepts_file, project.store.root), tmp_path / "c")[1].generated == 3
    weaker = {"name": "other", "beats": [NIGHT | {"concepts": {"araucaria": 0.8}}]}
    edit(project, "araucaria", "sequence", stories=[STORY, weaker])
    assert draw(Project(project.concepts_file, project.store.root), tmp_path / "d")[1].generated == 2  # the base model knows of none
    edit(project, "araucaria", "sequence", stories=[STORY])


def test_another_checkpoint_draws_what_was_learned_again_and_keeps_the_base_models_frames(tmp_path: Path) -> None:
    project = new_project(tmp_path, stories=[{"name": "other", "beats": [NIGHT]}])
    assert draw(project, tmp_path / "one")[1].generated == 3
    edit(project, "araucaria", "training", rank=2)
    again = Project(project.concepts_file, project.store.root)
    learn(stand(again, "checkpoint", "araucaria", "2").folder, "araucaria", "João")
    assert draw(again, tmp_path / "two")[1].generated == 2


def test_only_its_own_part_and_its_checkpoints_make_it_stale(tmp_path: Path) -> None:
    meeting = STORY | {"beats": [DAY, NIGHT | {"prompt": "a photo of {token} {class_noun} with {chimarrao}"}]}
    project = new_project(tmp_path, stories=[meeting])
    stand(project, NAME, "araucaria")

    def state() -> tuple[str, tuple[str, ...]]:
        found = Project(project.concepts_file, project.store.root).states("araucaria")[NAME]
        return found.state, found.reasons

    assert state() == ("fresh", ())
    edit(project, "araucaria", "gallery", guidance_scale=7.0)
    edit(project, "chimarrao", "gallery", guidance_scale=7.0)
    assert state() == ("fresh", ())
    before = Project(project.concepts_file, project.store.root).observed_version(NAME, "araucaria")
    edit(project, "chimarrao", "training", rank=2)
    stand(Project(project.concepts_file, project.store.root), "checkpoint", "chimarrao", "2")
    assert state() == ("stale", ("checkpoint/chimarrao changed",))
    assert Project(project.concepts_file, project.store.root).observed_version(NAME, "araucaria") != before
    edit(project, "araucaria", "sequence", seed_that_is_none=1)
    with pytest.raises(ConfigError, match="seed_that_is_none: unknown key"):
        state()


def test_it_waits_for_the_checkpoints_of_others_and_is_stale_when_one_of_them_becomes_history(tmp_path: Path) -> None:
    project = new_project(tmp_path, stories=[STORY | {"beats": [NIGHT | {"concepts": {"chimarrao": 0.5}}]}])
    stand(project, NAME, "araucaria")
    edit(project, "chimarrao", "training", rank=2)
    waiting = Project(project.concepts_file, project.store.root).states("araucaria")[NAME]
    assert (waiting.state, waiting.reasons) == ("waiting", ("checkpoint of chimarrao is stale",))
    edit(project, "chimarrao", "training", rank=4)
    text = project.concepts_file.read_text(encoding="utf-8").replace("token: dnc", "historical: true\n    token: dnc")
    project.concepts_file.write_text(text, encoding="utf-8")
    stale = Project(project.concepts_file, project.store.root).states("araucaria")[NAME]
    assert (stale.state, stale.reasons) == ("stale", ("historical changed",))


def test_how_sequences_are_drawn_by_default_asks_for_none(tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    text = yaml.safe_dump({"defaults": {"sequence": {"guidance_scale": 4}}, "concepts": {"a": concept, "b": concept | {"token": "x"}}})
    value = yaml.safe_load(text)
    value["concepts"]["b"]["sequence"] = {"stories": ["dance"]}
    (tmp_path / "concepts.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    concepts = Project(tmp_path / "concepts.yaml", tmp_path / "data").concepts.concepts
    assert concepts["a"].sequence is None
    assert concepts["b"].sequence
    assert concepts["b"].sequence.guidance_scale == 4


def test_a_concept_that_asks_for_none_has_none(project: Project) -> None:
    assert NAME in project.states("araucaria")
    assert NAME not in project.states("chimarrao")
    assert [asset.name for asset in project.assets_of("chimarrao")][-1] == "evaluation"
    with pytest.raises(ConfigError, match=r"chimarrao asks for no sample_sequence; name a story in .*concepts.chimarrao.sequence"):
        project.state(NAME, "chimarrao")
    done = gaucho(project.concepts_file.parent, "run", "chimarrao", "--select", NAME, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: chimarrao asks for no sample_sequence")


def test_several_concepts_meet_and_all_their_images_are_credited(tmp_path: Path) -> None:
    beats = [
        DAY | {"prompt": "a photo of {token} {class_noun} with {chimarrao}", "concepts": {"chimarrao": 0.5}},
        NIGHT | {"concepts": {"araucaria": 0.8}},
    ]
    project = new_project(tmp_path, stories=[STORY | {"beats": beats}])
    folder, metrics, _ = draw(project, tmp_path / "staging")
    assert metrics.frames == 3
    with Image.open(folder / "stories" / "one_day" / "frames" / "000.png") as image:
        facts = facts_in(image) or {}
    assert facts["prompt"] == "a photo of mtl tree with dnc cup"
    assert facts["strengths"] == {"araucaria": 1.0, "chimarrao": 0.5}
    assert facts["others"] == {"chimarrao": {"checkpoint": project.checkpoint("chimarrao").manifest.data_version}}
    credits_ = (folder / "ATTRIBUTION.csv").read_text(encoding="utf-8-sig")
    assert "João" in credits_
    assert "Ana" in credits_
    strip, base = (Image.open(folder / "stories" / "one_day" / name).tobytes() for name in ("filmstrip.png", "base.png"))
    assert strip != base


def test_a_story_that_shows_something_of_the_past_says_so_whosever_it_is(tmp_path: Path) -> None:
    project = new_project(tmp_path, stories=[STORY | {"beats": [NIGHT | {"prompt": "{token} {class_noun} and {chimarrao}"}]}])
    assert "historical" not in project.recipe(NAME, "araucaria").spec
    text = project.concepts_file.read_text(encoding="utf-8").replace("token: dnc", "historical: true\n    token: dnc")
    project.concepts_file.write_text(text, encoding="utf-8")
    again = Project(project.concepts_file, project.store.root)
    assert again.recipe(NAME, "araucaria").spec["historical"] is True
    folder, _, _ = draw(again, tmp_path / "staging")
    with Image.open(folder / "stories" / "one_day" / "frames" / "000.png") as image:
        assert (facts_in(image) or {})["imagined"] is True


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda concepts: concepts["araucaria"]["sequence"]["stories"][0]["beats"][0].update(concepts={"pampa": 1}), "no concept of this"),
        (
            lambda concepts: concepts["chimarrao"].setdefault("training", {}).update(method="dreambooth"),
            "only concepts taught by lora or t_lora go together",
        ),
        (lambda concepts: concepts["araucaria"]["sequence"].update(clip={"model": "./nowhere"}), "nowhere is not there"),
    ],
)
def test_what_cannot_be_drawn_is_reported_before_any_work(change: Any, problem: str, tmp_path: Path) -> None:
    beats = [NIGHT | {"concepts": {"chimarrao": 1.0}}]
    project = new_project(tmp_path, stories=[STORY | {"beats": beats}])
    value = yaml.safe_load(project.concepts_file.read_text(encoding="utf-8"))
    change(value["concepts"])
    project.concepts_file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    found = list(problems(Project(project.concepts_file, project.store.root), ["araucaria"], NAME))
    assert [problem in str(each) and "concepts.yaml:" in str(each) for each in found] == [True], found


@pytest.mark.parametrize(
    ("training", "keys", "problem"),
    [
        ({"method": "dreambooth"}, {}, "only a concept taught by lora or t_lora has a strength"),
        ({}, {"motion_adapter": {"model": "./motion"}, "method": "animatediff"}, "animatediff draws all beats at once"),
    ],
)
def test_strengths_that_cannot_be_are_reported_before_any_work(
    training: dict[str, Any], keys: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "motion").mkdir()
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    beats = [DAY, NIGHT | {"concepts": {"araucaria": 0.5}}]
    concept |= {"training": training, "sequence": {"stories": [STORY | {"beats": beats}], **keys}}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    found = [str(each) for each in problems(project, ["araucaria"], "raw_crawl")]
    assert [problem in each and "stories.0" in each for each in found] == [True], found


def test_strengths_that_differ_are_refused_where_all_beats_are_drawn_at_once(project: Project) -> None:
    spec = project.on_its_base_model("araucaria").sequence
    assert spec
    stories = prepare_stories(spec.stories, "araucaria", {"araucaria": ConceptWords("mtl", "tree")})
    check_strengths(stories, spec.model_copy(update={"method": "animatediff"}))
    beats = (spec.stories[0].beats[0], spec.stories[0].beats[1].model_copy(update={"concepts": {"araucaria": 0.5}}))
    uneven = prepare_stories([spec.stories[0].model_copy(update={"beats": beats})], "araucaria", {"araucaria": ConceptWords("mtl", "tree")})
    check_strengths(uneven, spec)
    with pytest.raises(ConfigError, match="one_day: animatediff draws all beats at once"):
        check_strengths(uneven, spec.model_copy(update={"method": "animatediff"}))


def test_a_concept_whose_checkpoint_was_never_made_is_named(tmp_path: Path) -> None:
    project = new_project(tmp_path, stories=[STORY | {"beats": [NIGHT | {"concepts": {"chimarrao": 1.0}}]}])
    shutil.rmtree(project.store.home("checkpoint", "chimarrao"))
    with pytest.raises(GauchoError, match="needs checkpoint of chimarrao"):
        project.request(NAME, "araucaria")


def test_killed_it_goes_on_and_ends_as_if_left_alone(tmp_path: Path) -> None:
    alone, killed = new_project(tmp_path / "alone"), new_project(tmp_path / "killed")
    assert run_stage(alone, NAME, "araucaria", tmp_path / "r1").returncode == 0
    steps = killed.store.root / ".staging" / NAME

    def begun() -> bool:
        return len(list(steps.rglob("*.safetensors"))) > 0

    assert kill_when(stage_command(killed, NAME, "araucaria", tmp_path / "r2"), begun)
    assert killed.store.current(NAME, "araucaria") is None
    assert run_stage(killed, NAME, "araucaria", tmp_path / "r2").returncode == 0
    one, other = (project.store.current(NAME, "araucaria") for project in (alone, killed))
    assert one
    assert other
    assert one.manifest.data_version == other.manifest.data_version
    assert {name: sha for name, sha in one.manifest.files.items() if name.startswith("stories/")} == {
        name: sha for name, sha in other.manifest.files.items() if name.startswith("stories/")
    }
    for name in ("frames/001.png", "story.webp", "story.gif", "story.mp4", "filmstrip.png"):
        finding = verify_file(one.folder / "stories" / "one_day" / name, alone.store)
        assert finding.holds, name
        assert [row.author for row in finding.training_images] == ["João"]
