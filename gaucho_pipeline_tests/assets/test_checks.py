"""Checks of assets: where a limit lies, and what a person is told to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.assets import checks
from gaucho_pipeline.assets.checks import Subject
from gaucho_pipeline.assets.metrics import CheckpointMetrics, SampleGalleryMetrics, ValidationLoss
from gaucho_pipeline_tests.standing import METRICS

NOTHING = Subject({}, Path())


@pytest.mark.parametrize(("drawn_again", "passed"), [(2, True), (3, False)])
def test_a_quarter_of_the_prompts_and_seeds_may_be_drawn_again(drawn_again: int, passed: bool) -> None:
    """Sixteen pictures are eight prompts and seeds, of both models."""
    metrics = SampleGalleryMetrics(pictures=16, pictures_per_second=1, black=0, drawn_again=drawn_again)
    assert checks.no_black_pictures(metrics, NOTHING).passed == passed


def checkpoint(**changes: Any) -> CheckpointMetrics:
    found = METRICS["checkpoint"].model_copy(update=changes)
    assert isinstance(found, CheckpointMetrics)
    return found


@pytest.mark.parametrize(("drift", "passed"), [(None, True), (0.2, True), (0.21, False)])
def test_a_class_noun_that_moved_where_eyes_see_it_is_a_warning(drift: float | None, passed: bool) -> None:
    assert checks.loss_fell(checkpoint(class_noun_drift=drift), NOTHING).passed == passed


@pytest.mark.parametrize(("images", "needed"), [(1, True), (2, True), (3, False)])
def test_too_few_validation_images_are_told_how_many_are_needed(images: int, needed: bool) -> None:
    metrics = checkpoint(loss_fell="unclear", validation_images=images, validation_loss=ValidationLoss(base=0.5, tuned=0.4))
    found = checks.loss_fell(metrics, NOTHING)
    assert not found.passed
    assert ("3 validation images are needed to say how sure that is" in found.text) == needed
    assert ("try more epochs" in found.text) != needed
