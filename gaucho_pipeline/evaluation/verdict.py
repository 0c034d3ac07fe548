"""Whether the concept can be drawn now: the one word that a curator reads first, and the rule that it follows from.

The rule stands on every page (`RULE`). It takes what training found (`learned`) into account, and the figure of the subject that the best
encoder gives: DINOv2, else DINO, else CLIP-I.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from gaucho_pipeline.metrics import Score

Word = Literal["yes", "no", "unclear"]

SUBJECT_SCORERS = ("dinov2", "dino", "clip_i")
HALF, QUARTER = 0.5, 0.25

RULE = {
    "pt": "Sim: o treino aprendeu, e a semelhança com as imagens reais subiu além do acaso, cobrindo pelo menos metade da distância "
    "entre o modelo de base e as próprias imagens reais. Não: o treino não aprendeu, ou a semelhança não subiu além do acaso, ou cobriu "
    "menos de um quarto dessa distância. Nos demais casos, não se sabe.",
    "en": "Yes: training learned, and the similarity to the real images rose beyond chance and covers at least half of the way from "
    "the base model to the real images themselves. No: training learned nothing, or the similarity did not rise beyond chance, or it "
    "covers less than a quarter of that way. Anything else is unclear.",
}


class Verdict(NamedTuple):
    """The word, and the key of its reason in `REASONS`."""

    word: Word
    reason: str


REASONS = {
    "learned": {
        "pt": "O motivo aparece nas imagens, e bem mais do que antes.",
        "en": "The subject is there in the pictures, and much more so than before.",
    },
    "training_learned_nothing": {
        "pt": "O treino não aprendeu nada que se possa medir.",
        "en": "Training learned nothing that can be measured.",
    },
    "training_unclear": {
        "pt": "As imagens se aproximaram das reais, mas não está claro que o treino aprendeu.",
        "en": "The pictures came nearer to the real ones, but whether training learned is unclear.",
    },
    "no_nearer": {
        "pt": "As imagens não se parecem mais com as reais do que antes.",
        "en": "The pictures are no more like the real images than before.",
    },
    "hardly_nearer": {
        "pt": "As imagens mal se aproximaram das reais.",
        "en": "The pictures came hardly nearer to the real images.",
    },
    "partly": {
        "pt": "As imagens se aproximaram das reais, mas só em parte.",
        "en": "The pictures came nearer to the real images, but only in part.",
    },
    "within_chance": {
        "pt": "A mudança pode ser acaso: há poucas imagens para saber.",
        "en": "The change may be chance: there are too few images to know.",
    },
    "not_measured": {
        "pt": "A semelhança com as imagens reais não pôde ser medida.",
        "en": "The similarity to the real images could not be measured.",
    },
    "base_knows_it": {
        "pt": "O modelo de base já desenhava algo tão parecido quanto as imagens reais entre si.",
        "en": "The base model drew something as alike already as the real images are to one another.",
    },
}  # fmt: skip


def share_covered(score: Score) -> float | None:
    """What share of the way from the base model's figure to the real images' own was covered; None where there is no way to go."""
    if score.ceiling is None or score.ceiling <= score.base:
        return None
    return (score.tuned - score.base) / (score.ceiling - score.base)


def decide(learned: Word | None, subject: Score | None) -> Verdict:
    """The verdict by `RULE`. `learned` is the checkpoint's word, `subject` the figure of the subject; None where not measured."""
    if learned == "no":
        return Verdict("no", "training_learned_nothing")
    if subject is None or subject.interval is None:
        return Verdict("unclear", "not_measured")
    if subject.interval[1] <= 0 or subject.tuned <= subject.base:
        return Verdict("no", "no_nearer")
    share = share_covered(subject)
    if share is not None and share < QUARTER:
        return Verdict("no", "hardly_nearer")
    if subject.interval[0] <= 0:
        return Verdict("unclear", "within_chance")
    if share is None:
        return Verdict("unclear", "base_knows_it")
    if share < HALF:
        return Verdict("unclear", "partly")
    return Verdict("yes", "learned") if learned == "yes" else Verdict("unclear", "training_unclear")
