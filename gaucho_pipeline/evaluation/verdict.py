"""Whether the concept can be drawn now: the one word that a curator reads first, and the rule that it follows from.

The rule stands on every page (`RULE`). It takes what training found (`learned`) into account, and the figure of the subject that the best
encoder gives: DINOv2, else DINO, else CLIP-I.
"""

from __future__ import annotations

from gaucho_pipeline.assets.metrics import Score
from gaucho_pipeline.assets.verdicts import Verdict, Word

MIN_SHARE_FOR_YES, MIN_SHARE_FOR_UNCLEAR = 0.5, 0.25
MIN_SHARE_OF_ADHERENCE = 0.25
ENOUGH_PICTURES = 8
"""With fewer, that pictures follow their prompts may be chance: whether they still do is not asked."""


def share_covered(score: Score) -> float | None:
    """What share of the way to the real images' own figure was covered; None where there is no way to go.

    It begins at the base model's figure, or at that of the same colours without the subject (`controls.py`), whichever is higher.
    """
    start = max(score.base, score.base if score.floor is None else score.floor)
    if score.ceiling is None or score.ceiling <= start:
        return None
    return (score.tuned - start) / (score.ceiling - start)


def ignores_prompts(adherence: Score | None) -> bool:
    """Whether pictures followed their prompts before, and now do less than a quarter as much, beyond chance."""
    if adherence is None or adherence.interval is None or adherence.base <= 0:
        return False
    return adherence.interval[1] < 0 and adherence.tuned < MIN_SHARE_OF_ADHERENCE * adherence.base


def decide(learned: Word | None, subject: Score | None, adherence: Score | None = None) -> Verdict:
    """The verdict by `RULE`. `learned` is the checkpoint's word, `subject` the figure of the subject; None where not measured."""
    if learned == "no":
        return Verdict("no", "training_learned_nothing")
    if subject is None:
        return Verdict("unclear", "not_measured")
    if subject.tuned <= subject.base or (subject.interval and subject.interval[1] <= 0):
        return Verdict("no", "no_nearer")
    if ignores_prompts(adherence):
        return Verdict("no", "prompts_ignored")
    share = share_covered(subject)
    if share is not None and share < MIN_SHARE_FOR_UNCLEAR:
        return Verdict("no", "hardly_nearer")
    if subject.interval is None or subject.interval[0] <= 0:
        return Verdict("unclear", "within_chance" if subject.interval else "too_few_images")
    if share is None:
        is_blind = subject.floor is not None and subject.ceiling is not None and subject.base < subject.ceiling <= subject.floor
        return Verdict("unclear", "colours_only" if is_blind else "base_knows_it")
    if share < MIN_SHARE_FOR_YES:
        return Verdict("unclear", "partly")
    return Verdict("yes", "learned") if learned == "yes" else Verdict("unclear", "training_unclear")
