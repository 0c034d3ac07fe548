"""Pictures while it trains: they are drawn and shown, say what they are, and change nothing of what is learned."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gaucho_pipeline.concepts.training import TrainingSamples, TrainingSpec
from gaucho_pipeline.families.base import Sampling
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.provenance.labels import facts_in
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.samples import PAGE, SamplesAbout, SamplesWhileTraining, sample_prompts, sampling_of
from gaucho_pipeline_tests.trainers import WORDS, copied, new_trainer, same

SPEC = TrainingSpec(samples=TrainingSamples(seeds=(1, 2), num_inference_steps=2, share=0.5))


def watched(folder: Path, fingerprint: str = "f", **keys: Any) -> tuple[Trainer, SamplesWhileTraining]:
    trainer = new_trainer(max_steps=6, validation_steps=2, learning_rate=3e-3)
    assert SPEC.samples
    rows = sample_prompts(SPEC.samples, [WORDS])
    about = SamplesAbout("araucaria", fingerprint, **keys)
    found = SamplesWhileTraining(SPEC.samples, SPEC, rows, Sampling(2, 2.0, 64), folder / "samples", about, Reporter(None))
    trainer.watch = found
    return trainer, found


def test_what_is_learned_is_the_same_with_and_without_them(tmp_path: Path) -> None:
    plain = new_trainer(max_steps=6, validation_steps=2, learning_rate=3e-3)
    plain.run(tmp_path / "plain.pt", Reporter(None))
    trainer, _found = watched(tmp_path)
    trainer.run(tmp_path / "watched.pt", Reporter(None))
    assert same(copied(plain), copied(trainer))
    assert [row.validation for row in plain.state.curve] == [row.validation for row in trainer.state.curve]
    assert (tmp_path / "samples" / "000006-01.png").exists()


def test_the_scheduler_of_the_training_stays_as_it_is(tmp_path: Path) -> None:
    trainer, found = watched(tmp_path)
    scheduler = trainer.model.family.pipeline.scheduler
    before = torch.as_tensor(scheduler.timesteps).clone()
    found.look(trainer)
    assert trainer.model.family.pipeline.scheduler is scheduler
    assert torch.equal(torch.as_tensor(scheduler.timesteps), before)


def test_each_says_that_it_was_generated_by_which_step_and_what_people_agreed_to(tmp_path: Path) -> None:
    trainer, found = watched(tmp_path, imagined=True, consent="Ana, 2026")
    found.look(trainer)
    with Image.open(tmp_path / "samples" / "000000-01.png") as image:
        facts = facts_in(image)
    assert facts
    assert (facts["prompt"], facts["seed"], facts["training_step"]) == ("a photo of mtl tree", 2, 0)
    assert (facts["imagined"], facts["consent"], facts["concept"]) == (True, "Ana, 2026", "araucaria")
    assert "checkpoint" not in facts


def test_the_page_reloads_itself_until_the_training_is_over_and_escapes_what_people_write(tmp_path: Path) -> None:
    trainer, found = watched(tmp_path)
    found.rows = [("<b>mtl</b> tree", 1)]
    trainer.model.family.read(["<b>mtl</b> tree"], found.sampling)
    found.look(trainer)
    page = (tmp_path / "samples" / PAGE).read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' in page
    assert "<b>mtl" not in page
    assert "&lt;b&gt;mtl&lt;/b&gt; tree" in page
    found.look(trainer, is_last=True)
    assert 'http-equiv="refresh"' not in (tmp_path / "samples" / PAGE).read_text(encoding="utf-8")


def test_drawing_takes_at_most_its_share_of_the_time(tmp_path: Path) -> None:
    trainer, found = watched(tmp_path)
    found.look(trainer)
    found._began -= 100.0  # of a training that has run for so long
    found._spent, found._took = 49.0, 2.0
    trainer.state.step = 2
    found.look(trainer)
    assert not (tmp_path / "samples" / "000002-00.png").exists()
    found._spent = 40.0
    found.look(trainer)
    assert (tmp_path / "samples" / "000002-00.png").exists()
    found._spent, trainer.state.step = 99.0, 6
    found.look(trainer, is_last=True)
    assert (tmp_path / "samples" / "000006-00.png").exists()


def test_another_training_begins_with_an_empty_page_and_a_killed_one_goes_on(tmp_path: Path) -> None:
    trainer, found = watched(tmp_path)
    found.look(trainer)
    _again, same_training = watched(tmp_path)
    assert (tmp_path / "samples" / "000000-00.png").exists()
    assert same_training.strip()
    _other, other = watched(tmp_path, fingerprint="g")
    assert not (tmp_path / "samples" / "000000-00.png").exists()
    assert other.strip() is None


def test_the_strip_is_small_and_has_at_most_eight_steps(tmp_path: Path) -> None:
    trainer, found = watched(tmp_path)
    found.look(trainer)
    for step in range(1, 30):
        for row in range(2):
            (tmp_path / "samples" / f"{step:06d}-{row:02d}.png").write_bytes((tmp_path / "samples" / f"000000-{row:02d}.png").read_bytes())
    strip = found.strip()
    assert strip
    assert len(strip) <= 100_000
    with Image.open(io.BytesIO(strip)) as image:
        assert image.width == 4 + 8 * 100


def test_of_a_collection_each_concept_is_drawn_and_at_most_twelve_rows() -> None:
    words = [ConceptWords(f"t{number}", "tree") for number in range(20)]
    rows = sample_prompts(TrainingSamples(), words)
    assert rows == [(f"a photo of t{number} tree", 1) for number in range(12)]


def test_they_are_drawn_as_the_family_recommends() -> None:
    sampling = sampling_of(TrainingSamples(), TrainingSpec(), Embedded, 64)
    recommended = Embedded.recommended.gallery
    assert (sampling.num_inference_steps, sampling.guidance_scale) == (recommended["num_inference_steps"], recommended["guidance_scale"])
    assert sampling_of(TrainingSamples(num_inference_steps=3), TrainingSpec(), Embedded, 64).num_inference_steps == 3


def test_they_are_in_no_version_and_go_with_no_study() -> None:
    assert TrainingSpec(samples=TrainingSamples()).identity() == TrainingSpec().identity()
    with pytest.raises(ValidationError, match="a study trains several times"):
        TrainingSpec(samples=TrainingSamples(), study={"learning_rate": (1e-4, 2e-4)})
    with pytest.raises(ValidationError, match=r"must hold \{token\}"):
        TrainingSamples(prompts=("a tree",))
