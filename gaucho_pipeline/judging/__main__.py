"""The judgement as a stage: makes `judgement` of a concept from the answers that people sent back. It shows and asks nothing.

Writes remarks.jsonl: what people wrote that is wrong with the tuned pictures. The shares and the word are in the manifest; who said what
stays with the panel, in the data folder.
"""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline.assets.rows import Remark, to_json, write_rows
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.judging.analysis import judge, remarks
from gaucho_pipeline.judging.answers import counted, read_answers
from gaucho_pipeline.judging.panel import judged_panel
from gaucho_pipeline.stage.harness import StageResult, main
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.stage.request import StageRequest


def run(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
    """Counts the answers. Raises GauchoError if there are none, or others than the request names."""
    standing = judged_panel(request.data, request.concept)
    if standing is None or standing.answers_version() != request.provenance.inputs["answers"]:
        raise GauchoError(_("the answers about {slug} changed meanwhile; run: gaucho judge --read", slug=request.concept))
    every = read_answers(standing)
    metrics = judge(standing.panel, every)
    by_id = {picture.id: picture for picture in standing.panel.pictures}
    written = remarks(standing.panel, counted(standing.panel, every)[0])
    rows = [Remark(prompt=by_id[picture].prompt, seed=by_id[picture].seed or 0, text=text) for picture, text in written]
    write_rows(staging / "remarks.jsonl", rows)
    for why, count in metrics.left_out.items():
        reporter.info(_("{count} people left out: {why}", count=count, why=why.replace("_", " ")))
    reporter.info(_("by {raters} people who know it: {word}", raters=metrics.raters, word=metrics.word))
    version = digest([request.provenance.inputs, metrics.model_dump(mode="json"), [to_json(row) for row in rows]])
    return StageResult(data_version=version, metrics=metrics)


if __name__ == "__main__":
    main(run)
