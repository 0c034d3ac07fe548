"""Whether the concept can be drawn now: the one word that a curator reads first, and the rule that it follows from.

The rule is on every page (`RULE`; `STYLE_RULE` of a style). It follows from the pictures: from the best encoder that there is (DINOv2,
else DINO, else CLIP), and from what else is wrong with them. A loss that did not fall takes a yes away, and gives none. How often the word
is right is shown by benchmarks/verdicts.py, which chose these thresholds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gaucho_pipeline.assets.metrics import Score
from gaucho_pipeline.assets.verdicts import Verdict, Word
from gaucho_pipeline.evaluation.shares import Shares

MIN_SEPARATION, MIN_SIMILARITY = 0.5, 0.25
"""Shares above which a yes lies: with 97.5 % on the axis, with 75 % in similarity."""
MAX_SHARE_FOR_NO = 0.5
"""A no lies below this share with 97.5 %."""
MAX_SMALL_GAPS = 0.1
MIN_FOUND_AGAIN = 0.6
MIN_REAL_IMAGES = 4
MIN_WORKS_OF_OTHERS = 10
"""With fewer, intervals are too narrow: of works drawn again, four cover the truth 76 times of 100, ten 89 times."""
MIN_SHARE_OF_ADHERENCE = 0.25
ENOUGH_PICTURES = 8
"""With fewer, that pictures follow their prompts may be chance: whether they still do is not asked."""
MAX_COPIED = 0.5
MIN_SCENES = 0.25
"""How unlike real images are, as a share of how unlike the base model's pictures of all prompts are: below it they show one scene."""
MIN_VARIETY = 0.03
"""Within a prompt, as a share of the real images' own: below it there is one picture for each prompt, whatever the seed."""
_NORMAL = 1.96


@dataclass(frozen=True)
class Evidence:
    """What the verdict follows from; None for what could not be measured."""

    shares: Shares | None
    subject: Score | None
    """The figure of the subject, whose interval says whether pictures came nearer at all."""
    real_images: int
    found_again: float | None
    """How often the encoder finds a real image nearer to another one than to a look-alike."""
    loss_fell: Word | None
    adherence: Score | None = None
    copies: int = 0
    """Pictures that look copied from a training image, of all that were drawn."""
    drawn: int = 1
    scenes: float | None = None
    """How unlike real images are to one another, as a share of how unlike the base model's pictures are."""
    variety: float | None = None
    """Of pictures of one prompt, as a share of the real images' own."""
    works_of_others: int | None = None
    """Of a style, how many works of others it is held against; None of a subject."""
    is_attribute_missing: bool = False
    """Whether most pictures lack for certain what they must show."""


def decide(evidence: Evidence) -> Verdict:
    """The verdict by `RULE`: first whether the encoder can tell, then what the pictures show."""
    found, is_style = evidence.shares, evidence.works_of_others is not None
    if evidence.works_of_others is not None and evidence.works_of_others < MIN_WORKS_OF_OTHERS:
        return Verdict("unclear", "too_few_others")
    if found is None or evidence.subject is None:
        return Verdict("unclear", "not_measured")
    if evidence.real_images < MIN_REAL_IMAGES:
        return Verdict("unclear", "too_few_real_images")
    if found.small_gaps > MAX_SMALL_GAPS:
        return Verdict("unclear", "base_knows_it" if found.base_is_near else _blind(is_style))
    if evidence.found_again is not None and evidence.found_again < MIN_FOUND_AGAIN:
        return Verdict("unclear", _blind(is_style))
    if evidence.scenes is not None and evidence.scenes < MIN_SCENES:
        return Verdict("unclear", "one_scene")
    if ignores_prompts(evidence.adherence):
        return Verdict("no", "prompts_ignored")
    if found.lower_of_both.high < MAX_SHARE_FOR_NO:
        return Verdict("no", _why_not(evidence))
    if evidence.copies >= MAX_COPIED * evidence.drawn:
        return Verdict("unclear", "copied")
    if evidence.variety is not None and evidence.variety < MIN_VARIETY:
        return Verdict("unclear", "one_picture")
    if found.separation.low <= MIN_SEPARATION or found.similarity.quarter <= MIN_SIMILARITY:
        return Verdict("unclear", "too_few_pictures" if _would_be_yes(found) else "partly")
    if evidence.is_attribute_missing:
        return Verdict("no", "attribute_missing")
    if evidence.loss_fell == "no":
        return Verdict("unclear", "loss_did_not_fall")
    return Verdict("yes", "style_learned" if is_style else "learned")


def _blind(is_style: bool) -> str:
    return "encoder_blind_to_style" if is_style else "encoder_blind"


def _why_not(evidence: Evidence) -> str:
    if evidence.loss_fell == "no":
        return "loss_did_not_fall_either"
    assert evidence.subject
    low = evidence.subject.interval[0] if evidence.subject.interval else evidence.subject.tuned - evidence.subject.base
    return "no_nearer" if low <= 0 else "hardly_nearer"


def _would_be_yes(found: Shares) -> bool:
    """Whether the shares themselves are beyond the thresholds, and only their intervals are not."""
    return found.separation.value > MIN_SEPARATION and found.similarity.value > MIN_SIMILARITY


def pictures_needed(found: Shares, pictures: int) -> int | None:
    """About how many pictures would tell, where separation's interval alone keeps from a yes; None where more pictures would not.

    What pictures add to the variance falls with their number; what the real images add stays.
    """
    distance = (found.separation.value - MIN_SEPARATION) / _NORMAL
    left = distance**2 - max(found.variance - found.variance_of_pictures, 0.0)
    if distance <= 0 or left <= 0:
        return None
    needed = math.ceil(pictures * found.variance_of_pictures / left)
    return needed if needed > pictures else None


def ignores_prompts(adherence: Score | None) -> bool:
    """Whether pictures followed their prompts before, and now do less than a quarter as much, beyond chance."""
    if adherence is None or adherence.interval is None or adherence.base <= 0:
        return False
    return adherence.interval[1] < 0 and adherence.tuned < MIN_SHARE_OF_ADHERENCE * adherence.base
