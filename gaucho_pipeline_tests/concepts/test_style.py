"""A style: what it needs to be learned and told by, and that everything that is made of it knows that it is one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.concepts.collection import CollectionSpec
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.part import ConceptFacts
from gaucho_pipeline.concepts.training import TrainingSamples
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.evaluation.verdict import MIN_WORKS_OF_OTHERS
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.gallery.samples import samples_of
from gaucho_pipeline.judging.pictures import PanelSources, candidates
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.training.samples import sample_prompts
from gaucho_pipeline_tests.conftest import SMALL, draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import invoke, run_stage
from gaucho_pipeline_tests.samples import picture_row, train_image
from gaucho_pipeline_tests.standing import stand_all

SPOKEN = SMALL["curation"] | {"captions": "title"}


def project_of(folder: Path, **keys: Any) -> Project:
    others = draw_folder(folder / "others", "araucaria", MIN_WORKS_OF_OTHERS)
    works = draw_folder(folder / "works", "chimarrao", 4)
    given = {"subject": "style", "curation": SPOKEN, "evaluation": {"look_alikes": {"folder": str(others)}}}
    concept = folder_concept(works, "dnc", "woodcut") | given | keys
    return Project(write_concepts(folder / "concepts.yaml", {"engraver": concept}), folder / "data")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"curation": SMALL["curation"]}, "captions must say what each image shows"),
        (
            {"curation": SPOKEN | {"captions": "context", "context": {"model": "embedded"}}},
            r"captions: title, catalogue or model",
        ),
        ({"evaluation": {}}, r"works of others.*look_alikes: \{folder"),
        ({"training": {"mask": {}}, "curation": SPOKEN | {"masks": {}}}, "training.mask"),
        ({"sequence": {"stories": ["seasons"]}}, "stories are of subjects"),
        ({"gallery": {"plan": "dreambench", "prompts": []}}, "gallery.plan: dreambench"),
    ],
    ids=["plain captions", "captions of the medium", "nobody else's works", "masks", "stories", "a plan without styles"],
)
def test_what_a_style_cannot_be_learned_or_told_by_is_refused_with_what_to_write(keys: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"subject: style: .*{said}"):
        project_of(tmp_path, **keys).concept("engraver")


def test_every_stage_is_told_that_it_is_a_style_and_its_version_depends_on_it(tmp_path: Path) -> None:
    (tmp_path / "style").mkdir()
    (tmp_path / "thing").mkdir()
    planned = {"gallery": {"prompts": []}}
    style = project_of(tmp_path / "style", **planned).concept("engraver")
    thing = project_of(tmp_path / "thing", subject="thing", **planned).concept("engraver")
    assert style.words == ConceptWords("dnc", "woodcut", is_style=True)
    for part in ("curation", "training", "gallery", "evaluation"):
        assert style.resolved_spec(part)["is_style"] is True
        assert "is_style" not in thing.resolved_spec(part)
    assert "a woodcut" in style.resolved_spec("training")["prior_prompts"]
    assert all(prompt.startswith("a {token} {class_noun} of ") for prompt in style.part("gallery").prompts)


def test_captions_say_what_is_shown_and_the_log_counts_those_that_still_name_the_medium(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    for number, path in enumerate(sorted((tmp_path / "works").iterdir())):
        path.rename(path.with_name(f"{('woodcut of a rider', 'a man with a photograph')[number % 2]} {number}{path.suffix}"))
    said = [run_stage(project, asset, "engraver", tmp_path / asset).stderr for asset in ("raw_crawl", "curated_set")]
    artifact = project.store.current("curated_set", "engraver")
    assert artifact, said
    captions = sorted(row["caption"] for row in read_table(artifact.folder / "images.jsonl"))
    assert [caption[:-2] for caption in captions] == [f"a {{token}} {{class_noun}} of {each}" for each in
                                                      (*["a man with a photograph"] * 2, *["a rider"] * 2)]  # fmt: skip
    assert "2 of 4 captions may still say how the picture is made" in said[1]
    assert "a man with a photograph" in said[1]


def test_from_works_to_the_page_a_style_is_scored_and_shown_as_one(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    assert invoke(project, "run").exit_code == 0
    checkpoint = project.store.current("checkpoint", "engraver")
    assert checkpoint
    assert checkpoint.manifest.training_spec().words == project.concept("engraver").words
    assert "instance_prompt: a dnc woodcut\n" in (checkpoint.folder / "README.md").read_text(encoding="utf-8")
    site = project.store.current("gallery_site", "all")
    assert site
    page = (site.folder / "engraver" / "en.html").read_text(encoding="utf-8")
    assert "what tells the real works from those of others" in page
    assert "prompt=&#34;a dnc woodcut&#34;" in page


def test_the_dreambooth_benchmark_has_no_prompts_for_a_style(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    stand_all(project)
    found = invoke(project, "benchmark", "dreambench", "engraver")
    assert found.exit_code == 2
    assert "it has none for a style" in found.output


@pytest.mark.parametrize(
    ("others", "said"),
    [(MIN_WORKS_OF_OTHERS, ""), (3, "3 works of others stand in"), (0, "0 works of others"), (None, "holds its own works")],
)
def test_the_doctor_counts_the_works_of_others_before_anything_is_trained(others: int | None, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "beside" if others is not None else tmp_path / "works"
    if others is not None:
        folder.mkdir()
    for number, image in enumerate(sorted((draw_folder(tmp_path / "more", "araucaria", others)).iterdir()) if others else ()):
        image.rename(folder / f"{number}.png")
    found = invoke(project_of(tmp_path, evaluation={"look_alikes": {"folder": str(folder)}}), "doctor").output
    assert ("look-alikes" in found) is bool(said)
    assert said in found


def test_captions_that_are_names_of_files_are_counted(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    for number, path in enumerate(sorted((tmp_path / "works").iterdir())):
        path.rename(path.with_name(f"cut {chr(97 + number)} rider{path.suffix}"))
    said = [run_stage(project, asset, "engraver", tmp_path / asset).stderr for asset in ("raw_crawl", "curated_set")]
    assert "4 of 4 captions are names of files" in said[1]


def test_a_story_is_not_drawn_of_a_style(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    stand_all(project)
    found = invoke(project, "sequence", "engraver", "seasons")
    assert found.exit_code == 2
    assert "stories are of subjects" in found.output


def test_a_panels_controls_show_neither_the_style_nor_anything(tmp_path: Path) -> None:
    """The tiles of a work in another order have its style: who takes that for it has not failed."""
    picture = Image.new("RGB", (32, 32), "red")
    for folder, name in (("gallery", "base.png"), ("curated", "work.png")):
        (tmp_path / folder).mkdir()
        (picture if folder == "gallery" else Image.new("RGB", (32, 32), "blue")).save(tmp_path / folder / name)
    write_rows(tmp_path / "gallery" / "pictures.jsonl", [picture_row("base", file="base.png", kind="class", height=32)])
    write_rows(tmp_path / "curated" / "images.jsonl", [train_image(file="work.png")])
    for is_style, colour in ((True, (255, 0, 0)), (False, (0, 0, 255))):
        sources = PanelSources(tmp_path / "gallery", tmp_path / "curated", is_style=is_style)
        (control,) = candidates(sources, random.Random(1))["control"]
        assert control.read().convert("RGB").getpixel((5, 5)) == colour


def test_pictures_while_it_trains_ask_for_what_it_is_learned_by() -> None:
    words = [ConceptWords("dnc", "woodcut", is_style=True), ConceptWords("mtl", "tree")]
    assert sample_prompts(TrainingSamples(), words) == [("a dnc woodcut", 1), ("a photo of mtl tree", 1)]


def test_a_collections_version_has_the_prompts_of_a_style_and_of_a_subject_of_one_noun() -> None:
    members = [{"slug": "a", "token": "dnc", "class_noun": "photo"}, {"slug": "b", "token": "zmr", "class_noun": "photo", "is_style": True}]
    shared = CollectionSpec.model_validate({"members": members}).shared(ConceptFacts(ConceptWords("", ""), False, (), ""))
    assert [prompts[0] for prompts in shared["prior_prompts"].values()] == ["a photo of a photo", "a photo"]


def test_the_prompt_without_the_token_is_english() -> None:
    spec = GallerySpec(prompts=("a {token} {class_noun} of a horse",), seeds=(1,), class_pictures=False)
    (sample,) = samples_of(spec, ConceptWords("dnc", "engraving", is_style=True))
    assert sample.without_token == "an engraving of a horse"
