"""Versions follow meaning: what a name stands for is part of them, and a key that did not exist before is not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import Field

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.concepts import file as concepts_file
from gaucho_pipeline.concepts.concept import Concept, Concepts
from gaucho_pipeline.concepts.crawl import CrawlSpec
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families import FAMILIES
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.families.stable_diffusion_3 import StableDiffusion3
from gaucho_pipeline.families.target_modules import TARGET_MODULES
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.plans import PLANS, heritage
from gaucho_pipeline.sources.commons import CommonsSpec
from gaucho_pipeline.sources.openverse import OpenverseSpec
from gaucho_pipeline.sources.registry import SourceSpec
from gaucho_pipeline.spec import Absent, Spec
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.standing import stand_all

FRESH = dict.fromkeys(ASSETS, "fresh")


class Part(Spec):
    size: int = Field(3, description="A key from the beginning")


class LaterPart(Part):
    shape: Annotated[str | None, Absent(None)] = Field(None, description="A key that came later")
    depth: Annotated[int, Absent(1)] = Field(2, description="One whose default is not what was before")
    parts: Annotated[tuple[Part, ...], Absent(())] = Field((), description="Parts of its own")


def test_a_key_at_its_absent_value_is_no_part_of_a_version() -> None:
    assert LaterPart(depth=1).identity() == Part().identity() == {"size": 3}


def test_a_later_key_with_another_value_is_part_of_it_also_where_that_is_the_default() -> None:
    assert LaterPart(shape="round").identity() == {"size": 3, "shape": "round", "depth": 2}
    assert LaterPart(depth=1, parts=(LaterPart(depth=1),)).identity()["parts"] == [{"size": 3}]


def test_a_part_whose_own_code_changed_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommonsSpec, "code_version", "2")
    assert SourceSpec(commons=CommonsSpec(search="x")).identity()["commons"]["code_version"] == "2"
    assert "code_version" not in SourceSpec(openverse=OpenverseSpec(query="x")).identity()["openverse"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two concepts, of which everything stands; the second one overrides plan and modules."""
    araucaria = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    commons: dict[str, object] = {"token": "dnc", "class_noun": "cup", "crawl": {"sources": [{"commons": {"search": "cuia"}}]}}
    commons |= {"gallery": {"prompts": ["{token} {class_noun}"]}, "training": {"target_modules": "all", "prior_loss_weight": 0}}
    without_prompts = {"gallery": {"prompts": []}}
    project = Project(
        write_concepts(tmp_path / "concepts.yaml", {"araucaria": araucaria | without_prompts, "cuia": commons}), tmp_path / "data"
    )
    stand_all(project)
    assert states(project) == {"araucaria": [], "cuia": [], "all": []}
    return project


def states(project: Project) -> dict[str, list[str]]:
    """What is not fresh, by concept."""
    again = Project(project.concepts_file, project.store.root)
    found = {slug: [name for name, state in again.states(slug).items() if state.state != "fresh"] for slug in again.slugs}
    return found | {"all": [] if again.site_state().state == "fresh" else ["gallery_site"]}


def test_an_added_optional_key_leaves_everything_fresh(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class LaterTraining(TrainingSpec):
        ema_decay: Annotated[float | None, Absent(None)] = Field(None, description="Decay of an average of the weights")

    class LaterConcept(Concept):
        training: LaterTraining = Field(default_factory=LaterTraining)

    class LaterConcepts(Concepts):
        concepts: dict[str, LaterConcept]  # type: ignore[assignment]

    monkeypatch.setattr(concepts_file, "Concepts", LaterConcepts)
    monkeypatch.setattr(concepts_file, "Concept", LaterConcept)
    assert states(project) == {"araucaria": [], "cuia": [], "all": []}
    text = project.concepts_file.read_text().replace("target_modules: all", "{target_modules: all, ema_decay: 0.9}", 1)
    project.concepts_file.write_text(text.replace("{target_modules: all, ema_decay: 0.9}", "target_modules: all\n      ema_decay: 0.9"))
    assert states(project)["cuia"] == ["checkpoint", "sample_gallery", "evaluation"]
    assert states(project)["araucaria"] == []


def test_an_added_source_kind_leaves_everything_fresh(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class LaterSource(SourceSpec):
        flickr: Annotated[OpenverseSpec | None, Absent(None)] = Field(None, description="A kind that came later")

    class LaterCrawl(CrawlSpec):
        sources: tuple[LaterSource, ...] = Field(min_length=1)

    class LaterConcept(Concept):
        crawl: LaterCrawl

    class LaterConcepts(Concepts):
        concepts: dict[str, LaterConcept]  # type: ignore[assignment]

    monkeypatch.setattr(concepts_file, "Concepts", LaterConcepts)
    monkeypatch.setattr(concepts_file, "Concept", LaterConcept)
    assert states(project) == {"araucaria": [], "cuia": [], "all": []}


def test_an_added_plan_leaves_everything_fresh(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, "dances", lambda subject: ("{token} {class_noun} dancing",))
    assert states(project) == {"araucaria": [], "cuia": [], "all": []}


def test_another_text_of_a_plan_makes_its_galleries_stale_and_nothing_else(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, "drawn_world", lambda subject: ("a drawing of {token} {class_noun}",))
    assert states(project) == {"araucaria": ["sample_gallery", "evaluation"], "cuia": [], "all": ["gallery_site"]}


def test_other_modules_behind_a_name_make_the_checkpoints_stale_that_use_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGET_MODULES, "all", ("to_q",))
    assert states(project) == {"araucaria": [], "cuia": ["checkpoint", "sample_gallery", "evaluation"], "all": ["gallery_site"]}


def test_other_prior_prompts_make_the_checkpoints_stale_that_are_trained_with_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gaucho_pipeline.concepts.training.prior_prompts", lambda words: [f"a {words.class_noun}"])
    assert states(project) == {"araucaria": ["checkpoint", "sample_gallery", "evaluation"], "cuia": [], "all": ["gallery_site"]}


def test_another_version_of_one_sources_code_makes_the_crawls_stale_that_use_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommonsSpec, "code_version", "2")
    assert states(project) == {
        "araucaria": [],
        "cuia": ["raw_crawl", "curated_set", "checkpoint", "sample_gallery", "evaluation"],
        "all": ["gallery_site"],
    }


def test_naming_the_default_plan_or_its_prompts_is_the_same() -> None:
    assert GallerySpec().resolved(None).identity() == GallerySpec(plan="heritage", prompts=heritage(None)).identity()
    assert "plan" not in GallerySpec().identity()


def test_modules_may_be_named_one_by_one() -> None:
    one, other = (TrainingSpec(target_modules=name) for name in (TARGET_MODULES["attention"], "attention"))
    assert one.for_family(StableDiffusion).identity() == other.for_family(StableDiffusion).identity()


def test_a_family_recommends_what_nobody_has_set_and_that_is_part_of_the_version() -> None:
    spec = TrainingSpec(rank=4).for_family(Embedded)
    assert (spec.rank, spec.learning_rate, spec.epochs, spec.min_snr_gamma) == (4, 2e-3, 95, None)
    assert spec.target_modules == TARGET_MODULES["all"]
    assert TrainingSpec(rank=4).for_family(StableDiffusion).learning_rate == 1e-4
    assert spec.identity() != TrainingSpec(rank=4).for_family(StableDiffusion).identity()
    assert TrainingSpec(learning_rate=1e-4).for_family(Embedded).learning_rate == 1e-4  # set, although it is the default


def test_a_family_recommends_how_to_draw_too(project: Project) -> None:
    concept = project.concept("araucaria").model_copy(update={"gallery": GallerySpec(num_inference_steps=9)})
    gallery = concept.for_family(Embedded).gallery
    assert (gallery.num_inference_steps, gallery.guidance_scale) == (9, 2.0)
    assert concept.for_family(StableDiffusion).gallery.guidance_scale == 6.0


def test_modules_that_a_family_does_not_name_are_reported() -> None:
    with pytest.raises(ConfigError, match="StableDiffusion3Pipeline has attention, attention_ff, or modules by name; not 'all'"):
        TrainingSpec(target_modules="all").for_family(StableDiffusion3)


def test_a_resolution_that_a_family_has_no_pictures_of_is_reported_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match=r"training\.resolution: SanaPipeline takes multiples of 32"):
        TrainingSpec(resolution=40).for_family(FAMILIES["SanaPipeline"])
    assert TrainingSpec(resolution=40).for_family(FAMILIES["StableDiffusionPipeline"]).resolution == 40


def test_what_is_read_from_a_file_is_known_as_set_or_not(tmp_path: Path) -> None:
    concept = {"token": "mtl", "class_noun": "tree", "crawl": {"sources": [{"openverse": {"query": "x"}}]}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"concepts": {"a": concept | {"training": {"rank": 3}}}}))
    training = concepts_file.load_concepts(tmp_path / "c.yaml").concepts["a"].training
    assert training.model_fields_set == {"rank"}
    assert training.for_family(Embedded).learning_rate == 2e-3


def test_paths_are_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    concept = {"token": "mtl", "class_noun": "tree", "curation": {"overrides": "mine.csv"}}
    folder = {"path": "photos", "table": "t.csv", "license": "pd", "author": "X", "source": "Y"}
    crawl = {"sources": [{"folder": folder}, {"urls": {"table": "u.csv"}}]}
    (tmp_path / "u.csv").write_text("url\n")
    file = write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept | {"crawl": crawl}})
    loaded = concepts_file.load_concepts(file).concepts["araucaria"]
    assert [path for source in loaded.crawl.sources for path in source.spec.paths] == [tmp_path / n for n in ("photos", "t.csv", "u.csv")]
    assert loaded.curation.overrides == tmp_path / "mine.csv"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("crawl", {"sources": [{"folder": {"path": "", "license": "own", "author": "a", "source": "b"}}]}),
        ("curation", {"overrides": " "}),
        ("curation", {"masks": {"folder": ""}}), ("evaluation", {"copy_detector": ""}), ("evaluation", {"look_alikes": {"folder": "\t"}}),
    ],
)  # fmt: skip
def test_an_empty_path_is_not_the_folder_of_the_file(part: str, value: dict[str, object], tmp_path: Path) -> None:
    concept = folder_concept(tmp_path / "photos", "dnc", "cup") | {part: value}
    with pytest.raises(ConfigError, match=rf"concepts\.cuia\.{part}\.[\w.]+: is empty; write a path beside this file, such as photos"):
        concepts_file.load_concepts(write_concepts(tmp_path / "concepts.yaml", {"cuia": concept}))


def test_folders_of_models_are_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    asked = {"model": "./clip"}
    curation = {
        "relevance": asked | {"positive_prompts": ["a tree"]}, "captions": "context", "context": asked | {"view": []},
    }  # fmt: skip
    concept = {"token": "mtl", "class_noun": "tree", "curation": curation, "training": {"base_model": "./sd"}}
    crawl = {"sources": [{"openverse": {"query": "x"}}]}
    file = write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept | {"crawl": crawl}})
    loaded = concepts_file.load_concepts(file).concepts["araucaria"]
    assert loaded.curation.relevance
    assert loaded.curation.context
    assert loaded.curation.relevance.model == loaded.curation.context.model == str(tmp_path / "clip")
    assert loaded.training.base_model == str(tmp_path / "sd")


def test_how_it_is_computed_is_in_no_version_and_what_is_learned_from_is() -> None:
    plain = TrainingSpec()
    for keys in ({"micro_batch": 1}, {"gradient_checkpointing": True}, {"compile": True}, {"channels_last": True}, {"save_minutes": 9}):
        assert TrainingSpec.model_validate(keys).identity() == plain.identity()
    for keys in ({"crops": 2}, {"caption_dropout": 0.1}, {"betas": (0.8, 0.9)}, {"keep_best": False}, {"study": {"rank": [2, 4]}}):
        assert TrainingSpec.model_validate(keys).identity() != plain.identity()


def test_another_class_noun_or_token_is_another_gallery_and_another_training(tmp_path: Path) -> None:
    def versions(token: str, noun: str) -> dict[str, str]:
        concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 1), token, noun)
        loaded = concepts_file.load_concepts(write_concepts(tmp_path / "concepts.yaml", {"a": concept})).concepts["a"]
        return {part: loaded.spec_version(part) for part in ("gallery", "training", "crawl")}

    before, noun, token = versions("mtl", "tree"), versions("mtl", "plant"), versions("dnc", "tree")
    assert len({each["gallery"] for each in (before, noun, token)}) == 3
    assert len({each["training"] for each in (before, noun, token)}) == 3
    assert len({each["crawl"] for each in (before, noun, token)}) == 1
