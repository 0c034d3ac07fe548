"""The evaluation as a whole: what it says of pictures of which it is known what they show."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from gaucho_pipeline.assets.metrics import EvaluationMetrics
from gaucho_pipeline.concepts.models import EncoderSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.embedded.pen import Scene
from gaucho_pipeline.embedded.world import draw_picture, names, random_variant
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.evaluation.__main__ import run
from gaucho_pipeline.files.tables import read_table, write_table
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.models.encoders import Encoder
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.provenance.labels import labelled
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline_tests.evaluating import Shown, drawn, stand_until_evaluation
from gaucho_pipeline_tests.models.test_encoders import _Mean

TREES, CUPS = drawn("araucaria", 20, 6), drawn("chimarrao", 20, 6)


def evaluate(project: Project, staging: Path) -> EvaluationMetrics:
    staging.mkdir()
    metrics = run(project.request("evaluation", "araucaria"), staging, Reporter(None)).metrics
    assert isinstance(metrics, EvaluationMetrics)
    return metrics


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EvaluationMetrics]:
    """Of a model that drew cups before and draws araucárias now."""
    folder = tmp_path_factory.mktemp("good")
    return folder / "staging", evaluate(stand_until_evaluation(folder, TREES, CUPS), folder / "staging")


def test_a_model_that_draws_the_subject_now_is_a_yes(good: tuple[Path, EvaluationMetrics]) -> None:
    metrics = good[1]
    assert (metrics.verdict, metrics.reason, metrics.loss_fell) == ("yes", "learned", "yes")
    assert metrics.clip_i
    assert metrics.clip_i.interval
    assert 0 < metrics.clip_i.interval[0] < metrics.clip_i.tuned - metrics.clip_i.base < metrics.clip_i.interval[1]
    assert (metrics.pictures, metrics.validation_images, metrics.real_images) == (6, 5, 13)
    assert metrics.share
    assert metrics.separation
    assert metrics.separation.interval[0] > 0.5
    assert metrics.share.quarter > 0.25
    assert metrics.found_again
    assert metrics.found_again > 0.8
    assert metrics.asides == ()


def test_with_masks_the_subject_alone_has_a_figure_beside_the_whole_one(tmp_path: Path) -> None:
    project = stand_until_evaluation(tmp_path, TREES, CUPS)
    checkpoint, curated = (project.store.current(asset, "araucaria") for asset in ("checkpoint", "curated_set"))
    assert checkpoint
    assert curated
    rows = read_table(checkpoint.folder / "validation.jsonl")
    (curated.folder / "masks").mkdir()
    for number in (0, 1):
        rows[number]["mask"] = f"masks/{number}.png"
        mask = Image.new("L", (100, 100))
        mask.paste(255, (20, 0, 80, 100))
        (curated.folder / "masks" / f"{number}.png").write_bytes(png_bytes(mask))
    write_table(checkpoint.folder / "validation.jsonl", rows)
    metrics = evaluate(project, tmp_path / "staging")
    grey = [Image.new("RGB", image.size, (127, 127, 127)) for image in drawn("araucaria", 0, 2)]
    for image, shown in zip(drawn("araucaria", 0, 2), grey, strict=True):
        box = (round(image.width * 0.2), 0, round(image.width * 0.8), image.height)
        shown.paste(image.crop(box), box)
    encoder = Encoder("clip", EncoderSpec(model="embedded"))
    trees, cups, alone = (encoder.embed_images(each) for each in (TREES, CUPS, grey))
    assert metrics.clip_i
    assert metrics.clip_i.masked
    assert metrics.clip_i.masked.tuned == pytest.approx(float((trees @ alone.T).mean()), abs=0.01)
    assert metrics.clip_i.masked.base == pytest.approx(float((cups @ alone.T).mean()), abs=0.01)
    assert metrics.clip_i.masked.tuned != metrics.clip_i.tuned
    assert metrics.clip_t
    assert metrics.clip_t.masked is None


def test_figures_are_those_of_the_encoders_vectors(good: tuple[Path, EvaluationMetrics]) -> None:
    metrics, encoder = good[1], Encoder("clip", EncoderSpec(model="embedded"))
    images, trees, cups, training = (
        encoder.embed_images(each) for each in (drawn("araucaria", 0, 5), TREES, CUPS, drawn("araucaria", 10, 8))
    )
    texts = encoder.embed_texts(["a photo of a tree on the grass", "a photo of a tree at night"] * 3)
    assert metrics.clip_i
    assert metrics.clip_t
    assert metrics.retrieval
    assert metrics.class_drift
    for value, vectors in ((metrics.clip_i.base, cups), (metrics.clip_i.tuned, trees), (metrics.clip_i.ceiling, training)):
        assert value == pytest.approx(float((vectors @ images.T).mean()), abs=2e-4)
    assert metrics.clip_t.tuned == pytest.approx(float((trees * texts).sum(1).mean()), abs=2e-4)
    assert metrics.clip_t.ceiling is None
    assert metrics.retrieval.base < 0.7 < 0.95 < metrics.retrieval.tuned  # by default the look-alikes are the base model's class
    assert metrics.class_drift.base == metrics.class_drift.tuned
    assert metrics.clip_i.backbone == "embedded scorer, middle square at 64 px"


def test_training_images_stand_in_small_with_their_credits(good: tuple[Path, EvaluationMetrics]) -> None:
    rows = read_table(good[0] / "training.jsonl")
    assert [(row["title"], row["author"]) for row in rows] == [(f"Araucária {number}", "João") for number in range(8)]
    assert all((good[0] / row["file"]).stat().st_size < 20_000 for row in rows)


def test_a_model_that_draws_something_else_is_a_no_although_its_loss_fell(tmp_path: Path) -> None:
    metrics = evaluate(stand_until_evaluation(tmp_path, CUPS, CUPS[::-1]), tmp_path / "staging")
    assert (metrics.verdict, metrics.loss_fell) == ("no", "yes")
    assert metrics.reason == "no_nearer"


def test_pictures_that_are_the_same_whatever_is_asked_for_are_a_no_where_there_are_enough_to_tell(tmp_path: Path) -> None:
    scenes = [("grass", "day"), ("grass", "night")]  # as the two prompts ask, one after the other
    followed = [draw_subject("chimarrao", index, scenes[index % 2]) for index in range(20, 30)]
    for name, count in (("enough", 10), ("few", 6)):
        same = [draw_subject("araucaria", 40 + index // 2, scenes[0]) for index in range(count)]
        metrics = evaluate(stand_until_evaluation(tmp_path / name, same, followed[:count]), tmp_path / name / "staging")
        assert metrics.adherence
        assert metrics.adherence.base > 4 * metrics.adherence.tuned
        assert (metrics.reason == "prompts_ignored") == (name == "enough")


def test_good_pictures_of_a_training_whose_loss_did_not_fall_are_no_yes(tmp_path: Path) -> None:
    metrics = evaluate(stand_until_evaluation(tmp_path, TREES, CUPS, loss_fell="no"), tmp_path / "staging")
    assert (metrics.verdict, metrics.reason) == ("unclear", "loss_did_not_fall")


def test_one_picture_for_each_prompt_is_no_yes(tmp_path: Path) -> None:
    metrics = evaluate(stand_until_evaluation(tmp_path, [TREES[0], TREES[1]] * 3, CUPS), tmp_path / "staging")
    assert (metrics.verdict, metrics.reason) == ("unclear", "one_picture")


def test_pictures_that_are_copies_are_no_yes(tmp_path: Path) -> None:
    metrics = evaluate(stand_until_evaluation(tmp_path, [*drawn("araucaria", 10, 4), *TREES[:2]], CUPS), tmp_path / "staging")
    assert (metrics.verdict, metrics.reason, metrics.memorised) == ("unclear", "copied", 4)


def test_real_images_of_one_scene_cannot_say_no(tmp_path: Path) -> None:
    """The subject elsewhere looks like something else then."""
    project = stand_until_evaluation(tmp_path, TREES, CUPS)
    request = project.request("evaluation", "araucaria")
    for asset, folder in (("curated_set", "images"), ("checkpoint", "validation")):
        for number, path in enumerate(sorted((request.inputs[asset] / folder).iterdir())):
            draw_subject("araucaria", 70 + number, ("city", "day")).save(path)
    metrics = evaluate(project, tmp_path / "staging")
    assert (metrics.verdict, metrics.reason) == ("unclear", "one_scene")


def test_a_class_noun_that_is_drawn_otherwise_is_said_beside_the_verdict(tmp_path: Path) -> None:
    metrics = evaluate(stand_until_evaluation(tmp_path, TREES, CUPS, class_noun_drift=0.3, reported_apart=False), tmp_path / "staging")
    assert [each.key for each in metrics.asides] == ["class_noun_changed", "not_reported_apart"]
    assert metrics.asides[0].values == {"class_noun": "tree"}


def test_a_prompt_that_the_base_model_does_not_follow_is_named_and_not_counted(tmp_path: Path) -> None:
    """It draws trees, but bottles by night: that the tuned one does, too, is not the subject's fault."""
    world = {kind: [variant for variant in names().values() if variant.kind == kind] for kind in ("tree", "bottle")}

    def of(kind: str, number: int) -> Image.Image:
        return draw_picture(world[kind][number], Scene("grass", "day", number), number)

    base = [of("bottle" if number % 2 else "tree", number) for number in range(24)]
    tuned = [of("bottle", 23 - number) if number % 2 else draw_subject("araucaria", 20 + number) for number in range(24)]
    project = stand_until_evaluation(tmp_path, tuned, base)
    gallery = project.request("evaluation", "araucaria").inputs["sample_gallery"]
    for row in read_table(gallery / "pictures.jsonl"):
        if row["kind"] == "class":
            (gallery / row["file"]).write_bytes(png_bytes(of("tree", 14 + row["number"] % 2)))
    metrics = evaluate(project, tmp_path / "staging")
    assert metrics.unfollowed == ("a photo of mtl tree at night",)
    assert (metrics.pictures, metrics.counted) == (24, 12)
    assert metrics.separation
    assert metrics.separation.value > 0.7  # with those of bottles it would be far less


def test_pictures_that_are_too_few_say_how_many_would_tell_and_the_line_to_paste(tmp_path: Path) -> None:
    """Two of four are right: what the two others would have been, more pictures would say."""
    mixed = [TREES[0], CUPS[3], TREES[2], TREES[3], TREES[4], TREES[1]]
    metrics = evaluate(stand_until_evaluation(tmp_path, mixed, CUPS), tmp_path / "staging")
    assert (metrics.verdict, metrics.reason) == ("unclear", "too_few_pictures")
    (aside,) = metrics.asides
    if aside.key == "more_pictures":
        seeds = json.loads(str(aside.values["seeds"]))
        assert seeds[:6] == [0, 1, 2, 3, 4, 5]  # those that are drawn are kept
        assert len(seeds) * 2 == aside.values["pictures"] > 6


def test_copies_of_training_images_are_flagged_beside_them(tmp_path: Path, good: tuple[Path, EvaluationMetrics]) -> None:
    copied = [*TREES[:4], *drawn("araucaria", 13, 1), TREES[5]]
    metrics = evaluate(stand_until_evaluation(tmp_path, copied, CUPS), tmp_path / "staging")
    (row,) = read_table(tmp_path / "staging" / "copies.jsonl")
    assert (row["file"], row["training"]) == ("pictures/004-tuned.png", "training/003.jpg")
    assert row["cosine"] > metrics.memorisation_line
    assert metrics.memorised == 1
    assert good[1].memorised == 0


def test_a_copy_detector_of_the_users_own_draws_the_line_where_its_paper_does(tmp_path: Path) -> None:
    torch.jit.script(_Mean()).save(str(tmp_path / "copies.pt"))  # type: ignore[no-untyped-call]
    project = stand_until_evaluation(tmp_path, TREES, CUPS, {"copy_detector": str(tmp_path / "copies.pt")})
    metrics = evaluate(project, tmp_path / "staging")
    assert metrics.memorisation_line == 0.75
    assert metrics.memorisation_backbone.startswith("copies.pt")


def test_figures_without_weights_are_named_with_the_remedy_and_nothing_takes_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    wanted = {"scorers": ["dinov2", "clip_i", "variety"], "clip": None, "dinov2": {"model": "facebook/dinov2-base", "revision": "f" * 40}}
    metrics = evaluate(stand_until_evaluation(tmp_path, TREES, CUPS, wanted), tmp_path / "staging")
    assert (metrics.verdict, metrics.reason) == ("unclear", "not_measured")
    assert metrics.missing["clip_i"] == "evaluation.clip names no encoder"
    assert set(metrics.missing) == {"dinov2", "clip_i", "variety"}
    assert "hf download facebook/dinov2-base" in metrics.missing["dinov2"]
    assert metrics.scores == {}
    assert metrics.memorisation_backbone == ""


def test_only_the_figures_that_are_asked_for_are_there_and_thresholds_hold_them(tmp_path: Path) -> None:
    wanted = {"scorers": ["clip_i", "class_drift"], "thresholds": {"clip_i": 0.999, "class_drift": -0.999}}
    metrics = evaluate(stand_until_evaluation(tmp_path, TREES, CUPS, wanted), tmp_path / "staging")
    assert set(metrics.scores) == {"clip_i", "class_drift"}
    assert set(metrics.beyond) == {"clip_i", "class_drift"}


def test_a_threshold_of_what_could_not_be_measured_is_not_met(tmp_path: Path) -> None:
    wanted = {"scorers": ["clip_i", "dinov2"], "dinov2": None, "thresholds": {"dinov2": 0.1}}
    assert evaluate(stand_until_evaluation(tmp_path, TREES, CUPS, wanted), tmp_path / "staging").beyond == ("dinov2",)


def test_a_label_below_a_picture_is_not_scored(tmp_path: Path, good: tuple[Path, EvaluationMetrics]) -> None:
    project = stand_until_evaluation(tmp_path, TREES, CUPS)
    gallery = project.request("evaluation", "araucaria").inputs["sample_gallery"]
    rows = read_table(gallery / "pictures.jsonl")
    for row in rows:
        with Image.open(gallery / row["file"]) as picture:
            height, shown = picture.height, labelled(picture.convert("RGB"), False)
        shown.save(gallery / row["file"])
        row["height"] = height
    write_table(gallery / "pictures.jsonl", rows)
    assert evaluate(project, tmp_path / "staging").scores == good[1].scores


@pytest.mark.parametrize("kind", ["folder", "concepts"])
def test_look_alikes_are_a_folder_or_another_concepts_images(kind: str, tmp_path: Path) -> None:
    (tmp_path / "alike").mkdir()
    for number, tree in enumerate(drawn("araucaria", 20, 6)):
        tree.save(tmp_path / "alike" / f"{number}.png")
    (tmp_path / "alike" / "broken.png").write_text("x")
    wanted = {"look_alikes": {"folder": str(tmp_path / "alike")} if kind == "folder" else {"concepts": ["cuia"]}}
    project = stand_until_evaluation(tmp_path, TREES, CUPS, wanted, slugs=("araucaria", "cuia"))
    retrieval = evaluate(project, tmp_path / "staging").retrieval
    assert retrieval
    assert retrieval.tuned < 0.6 if kind == "folder" else retrieval.tuned > 0.85  # the folder holds the very pictures


def test_the_same_pictures_give_the_same_version_and_others_another(tmp_path: Path, good: tuple[Path, EvaluationMetrics]) -> None:
    project = stand_until_evaluation(tmp_path, TREES, CUPS)
    versions = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        versions.append(run(project.request("evaluation", "araucaria"), tmp_path / name, Reporter(None)).data_version)
    assert versions[0] == versions[1]


def test_an_image_that_is_gone_is_reported(tmp_path: Path) -> None:
    project = stand_until_evaluation(tmp_path, TREES, CUPS)
    request = project.request("evaluation", "araucaria")
    (request.inputs["curated_set"] / "images" / "3.png").unlink()
    (tmp_path / "staging").mkdir()
    with pytest.raises(GauchoError, match=r"images/3\.png: cannot be read"):
        run(request, tmp_path / "staging", Reporter(None))


def test_noise_is_not_taken_for_the_subject(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    noise = [Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(6)]
    metrics = evaluate(stand_until_evaluation(tmp_path, noise, CUPS), tmp_path / "staging")
    assert metrics.verdict != "yes"
    assert metrics.memorised == 0


# ------------------------------------------------------------------------------------------------------------- a style


def works(first: int, count: int) -> list[Image.Image]:
    """Trees and cups in turn, in no style of their own."""
    return [draw_subject(("araucaria", "chimarrao")[index % 2], index) for index in range(first, first + count)]


def sepia(pictures: list[Image.Image]) -> list[Image.Image]:
    return [ImageOps.colorize(ImageOps.posterize(picture, 2).convert("L"), (60, 30, 10), (240, 222, 190)) for picture in pictures]


def things() -> list[Image.Image]:
    """What no work shows: houses and cars."""
    rng, places = random.Random(1), ("grass", "snow", "beach")
    scenes = [(kind, Scene(place, "day", number)) for number, place in enumerate(places) for kind in ("house", "car")]
    return [draw_picture(random_variant(kind, rng), scene, 7) for kind, scene in scenes]


def evaluate_style(folder: Path, tuned: list[Image.Image], others: list[Image.Image]) -> EvaluationMetrics:
    (folder / "others").mkdir()
    for number, picture in enumerate(others):
        picture.save(folder / "others" / f"{number}.png")
    keys = {"subject": "style", "curation": {"captions": "title"}}
    shown = Shown(lambda first, count: sepia(works(first, count)), keys)
    project = stand_until_evaluation(folder, tuned, things(), {"look_alikes": {"folder": str(folder / "others")}}, shown=shown)
    return evaluate(project, folder / "staging")


def test_other_things_in_the_same_style_are_a_yes(tmp_path: Path) -> None:
    metrics = evaluate_style(tmp_path, sepia(things()), works(20, 10))
    assert (metrics.verdict, metrics.reason) == ("yes", "style_learned")
    assert metrics.retrieval
    assert metrics.retrieval.tuned > metrics.retrieval.base + 0.2
    assert metrics.clip_i
    assert metrics.clip_i.floor is None  # tiles in another order have the style, too
    assert metrics.unfollowed == ()


def test_the_same_things_in_no_style_are_no_yes(tmp_path: Path) -> None:
    metrics = evaluate_style(tmp_path, works(40, 6), works(20, 10))
    assert metrics.verdict == "no"


def test_works_of_others_in_the_same_style_leave_it_to_people(tmp_path: Path) -> None:
    metrics = evaluate_style(tmp_path, sepia(things()), sepia(works(20, 10)))
    assert (metrics.verdict, metrics.reason) == ("unclear", "encoder_blind_to_style")


def test_without_ten_works_of_others_nobody_knows(tmp_path: Path) -> None:
    metrics = evaluate_style(tmp_path, sepia(things()), works(20, 9))
    assert (metrics.verdict, metrics.reason) == ("unclear", "too_few_others")
    assert metrics.share is None  # nobody knows: no bar is shown


def test_without_any_work_of_others_that_can_be_read_nobody_knows(tmp_path: Path) -> None:
    metrics = evaluate_style(tmp_path, sepia(things()), [])
    assert (metrics.verdict, metrics.reason) == ("unclear", "too_few_others")
    assert metrics.share is None
