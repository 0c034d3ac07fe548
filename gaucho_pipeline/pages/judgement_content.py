"""What a concept's page says of people's judgement, in one language: who judged, the word, shares by kind, remarks. No markup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gaucho_pipeline.assets.metrics import EvaluationMetrics, JudgementMetrics, KindJudgement, Proportion
from gaucho_pipeline.assets.rows import Remark, read_rows
from gaucho_pipeline.assets.table import SAMPLE_GALLERY
from gaucho_pipeline.assets.verdicts import JUDGEMENT_REASONS, JUDGEMENT_RULE
from gaucho_pipeline.language.bilingual import Language, day_in_words
from gaucho_pipeline.pages.words import number, words
from gaucho_pipeline.store.manifest import read_manifest


@dataclass(frozen=True)
class KindRow:
    """A line of the table: a kind of picture, and shares of answers as texts."""

    kind: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class JudgementContent:
    """People's judgement of a concept."""

    word: str
    by: str
    """Who judged, and when."""
    reason: str
    rule: str
    disagreement: str
    """Where the automatic verdict has another word."""
    is_of_these: bool
    """Whether it is of the pictures on the page, and not of earlier ones."""
    columns: tuple[str, ...]
    rows: tuple[KindRow, ...]
    agreement: str
    left_out: str
    remarks: tuple[tuple[str, str], ...]
    """What a picture was drawn of, and what is wrong with it."""


def judgement_content(folder: Path | None, gallery: Path, evaluation: EvaluationMetrics, language: Language) -> JudgementContent | None:
    """What people said; None where nobody was asked."""
    if folder is None:
        return None
    manifest, texts = read_manifest(folder), words(language)
    metrics = manifest.metrics
    assert isinstance(metrics, JudgementMetrics)
    is_of_these = manifest.provenance.inputs[SAMPLE_GALLERY.name] == read_manifest(gallery).data_version
    attributes = list(next(iter(metrics.kinds.values())).attributes) if metrics.kinds else []
    differs = is_of_these and metrics.raters and metrics.word != evaluation.verdict
    missing = f" {texts['judged_missing'].format(attributes=', '.join(metrics.missing_attributes))}" if metrics.missing_attributes else ""
    return JudgementContent(
        word=metrics.word,
        by=judged_by(metrics, manifest.made_at, language),
        reason=f"{JUDGEMENT_REASONS[metrics.reason].read(language)}{missing}",
        rule=JUDGEMENT_RULE.read(language),
        disagreement=texts["judged_differs"].format(people=texts[metrics.word], machine=texts[evaluation.verdict]) if differs else "",
        is_of_these=is_of_these,
        columns=(texts["judged_shows_it"], texts["judged_over_real"], texts["judged_over_base"], *attributes),
        rows=tuple(_row(kind, each, attributes, language) for kind, each in metrics.kinds.items()),
        agreement=_agreement(metrics, language),
        left_out=_left_out(metrics, texts),
        remarks=tuple((row.prompt, row.text) for row in read_rows(folder / "remarks.jsonl", Remark)),
    )


def judged_by(metrics: JudgementMetrics, made_at: str, language: Language) -> str:
    """Who judged, and when."""
    key = "judged_by_one" if metrics.raters == 1 else "judged_by"
    return words(language)[key].format(count=metrics.raters, date=day_in_words(made_at, language))


def _row(kind: str, judged: KindJudgement, attributes: list[str], language: Language) -> KindRow:
    shares = (judged.shows_it, judged.chosen_over_real, judged.chosen_over_base, *(judged.attributes.get(each) for each in attributes))
    return KindRow(words(language)[f"judged_{kind}"], tuple(_share(each, language) for each in shares))


def _share(proportion: Proportion | None, language: Language) -> str:
    if proportion is None:
        return "–"
    low, high = proportion.interval
    return f"{_percent(proportion.value, language)} ({_percent(low, language)} – {_percent(high, language)})"


def _percent(value: float, language: Language) -> str:
    return f"{number(100 * value, language, 0)} %"


def _agreement(metrics: JudgementMetrics, language: Language) -> str:
    pairs, singles = (
        "–" if alpha is None else number(alpha, language, 2) for alpha in (metrics.agreement_on_pairs, metrics.agreement_on_singles)
    )
    return words(language)["judged_agreement"].format(pairs=pairs, singles=singles)


def _left_out(metrics: JudgementMetrics, texts: Mapping[str, str]) -> str:
    parts = [texts[f"judged_{why}"].format(count=count) for why, count in metrics.left_out.items()]
    return f"{texts['judged_left_out']} {'; '.join(parts)}." if parts else ""
