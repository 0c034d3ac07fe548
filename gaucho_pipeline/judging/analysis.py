"""What the answers to a panel come to: shares by kind of picture, agreement, and the word. Arithmetic is in `statistics.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from gaucho_pipeline.assets.metrics import JudgementMetrics, KindJudgement, Proportion
from gaucho_pipeline.assets.verdicts import Verdict
from gaucho_pipeline.judging.answers import Answers, counted
from gaucho_pipeline.judging.panel import KINDS, Kind, Panel
from gaucho_pipeline.judging.statistics import Choices, Estimate, Ticks, agreement, preference, share

MIN_RATERS = 3
HALF = 0.5


def judge(panel: Panel, every: Sequence[Answers]) -> JudgementMetrics:
    """What people say of a panel's pictures. `every`: one of each person."""
    answers, left_out = counted(panel, every)
    kind_of = {picture.id: picture.kind for picture in panel.pictures}
    choices = _choices(panel, answers, kind_of)
    kinds: dict[str, KindJudgement] = {kind: _kind(panel, kind, answers, kind_of, choices) for kind in KINDS if kind in kind_of.values()}
    missing = _missing_attributes(kinds)
    verdict = decide(kinds, len(answers), missing)
    return JudgementMetrics(
        word=verdict.word,
        reason=verdict.reason,
        raters=len(answers),
        relations=dict(Counter(each.relation for each in answers)),
        left_out=dict(left_out),
        kinds=kinds,
        missing_attributes=missing,
        agreement_on_pairs=_rounded(agreement(_pair_table(panel, answers))),
        agreement_on_singles=_rounded(agreement(_single_table(panel, answers))),
        remarks=len(remarks(panel, answers)),
        panel=panel.id,
    )


def decide(kinds: Mapping[str, KindJudgement], raters: int, missing: Sequence[str]) -> Verdict:
    """The word of people who know the concept, and why.

    Yes: most single pictures are taken for it and most are chosen over the base model's, each with 97.5 % certainty, and no attribute is
    missing. No: most are not taken for it, or lack an attribute that real images show, with the same certainty. Unclear otherwise, and
    where real images are not taken for it either, or the base model's are.
    """
    if raters < MIN_RATERS:
        return Verdict("unclear", "too_few_raters")
    real, tuned = (kinds[kind].shows_it if kind in kinds else None for kind in ("real", "tuned"))
    if real is None or tuned is None:
        return Verdict("unclear", "too_few_answers")
    if real.interval[0] <= HALF:
        return Verdict("unclear", "real_not_recognised")
    if tuned.interval[1] < HALF:
        return Verdict("no", "not_recognised")
    if missing:
        return Verdict("no", "attribute_missing")
    if tuned.interval[0] <= HALF:
        return Verdict("unclear", "undecided")
    over_base = kinds["tuned"].chosen_over_base
    if over_base is None or over_base.interval[0] <= HALF:
        return Verdict("unclear", "base_as_good")
    return Verdict("yes", "recognised")


def remarks(panel: Panel, answers: Sequence[Answers]) -> list[tuple[str, str]]:
    """What people wrote that is wrong, by picture: of tuned pictures alone, whose faults can be mended."""
    tuned = {picture.id for picture in panel.pictures if picture.kind == "tuned"}
    return [(picture, single.wrong) for each in answers for picture, single in each.singles.items() if single.wrong and picture in tuned]


def _kind(panel: Panel, kind: Kind, answers: Sequence[Answers], kind_of: Mapping[str, Kind], choices: Choices | None) -> KindJudgement:
    def over(other: Kind) -> Proportion | None:
        if choices is None or kind == other:
            return None
        return _proportion(preference(choices, KINDS.index(kind), KINDS.index(other), len(KINDS)))

    pictures = [picture for picture in panel.singles if kind_of[picture] == kind]
    ticked = [
        (rater, picture, each.singles[picture]) for rater, each in enumerate(answers) for picture in pictures if picture in each.singles
    ]
    raters, shown = np.array([rater for rater, *_ in ticked], int), np.array([pictures.index(picture) for _, picture, _ in ticked], int)

    def of(is_yes: Sequence[bool]) -> Proportion | None:
        return _proportion(share(Ticks(raters, shown, np.array(is_yes, bool)))) if ticked else None

    return KindJudgement(
        pictures=len(pictures),
        shows_it=of([single.shows_it for *_, single in ticked]),
        chosen_over_real=over("real"),
        chosen_over_base=over("base"),
        attributes={text.pt: of([number in single.attributes for *_, single in ticked]) for number, text in enumerate(panel.attributes)},
    )


def _missing_attributes(kinds: Mapping[str, KindJudgement]) -> tuple[str, ...]:
    """Attributes that most real images show and most tuned pictures lack, for certain."""
    real, tuned = (kinds[kind].attributes if kind in kinds else {} for kind in ("real", "tuned"))
    pairs = [(text, real.get(text), own) for text, own in tuned.items()]
    return tuple(text for text, theirs, own in pairs if theirs and own and theirs.interval[0] > HALF > own.interval[1])


def _choices(panel: Panel, answers: Sequence[Answers], kind_of: Mapping[str, Kind]) -> Choices | None:
    """The answers to pairs that are no controls; None where there are none."""
    number_of = {picture.id: number for number, picture in enumerate(panel.pictures)}
    rows = []
    for rater, each in enumerate(answers):
        for pair in panel.pairs:
            chosen = each.pairs.get(pair.id)
            if chosen is None or pair.is_control:
                continue
            other = next(picture for picture in pair.pictures if picture != chosen)
            rows.append((rater, KINDS.index(kind_of[chosen]), KINDS.index(kind_of[other]), number_of[chosen], number_of[other]))
    return Choices(*np.array(rows, int).T) if rows else None


def _pair_table(panel: Panel, answers: Sequence[Answers]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Which of each pair a person chose, 0 or 1; NaN where none."""
    asked = [pair for pair in panel.pairs if not pair.is_control]
    rows = [[pair.pictures.index(each.pairs[pair.id]) if pair.id in each.pairs else np.nan for pair in asked] for each in answers]
    return np.array(rows, float).reshape(len(answers), len(asked))


def _single_table(panel: Panel, answers: Sequence[Answers]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Whether a person took each single picture for the concept, 0 or 1; NaN where they did not say."""
    rows = [[float(each.singles[picture].shows_it) if picture in each.singles else np.nan for picture in panel.singles] for each in answers]
    return np.array(rows, float).reshape(len(answers), len(panel.singles))


def _proportion(estimate: Estimate | None) -> Proportion | None:
    if estimate is None:
        return None
    low, high = estimate.interval
    return Proportion(value=round(estimate.value, 4), interval=(round(low, 4), round(high, 4)))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
