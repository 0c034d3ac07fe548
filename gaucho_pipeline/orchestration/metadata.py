"""An artifact as Dagster shows it: where it is, what was counted and measured, and one small picture of it."""

import base64
from pathlib import Path
from typing import Any

import dagster as dg

from gaucho_pipeline.assets.metrics import (
    CheckpointMetrics,
    CollectionEvaluationMetrics,
    EvaluationMetrics,
    JudgementMetrics,
    Metrics,
    SourceCounts,
)
from gaucho_pipeline.assets.table import (
    ALL,
    CHECKPOINT,
    COLLECTION,
    COLLECTION_EVALUATION,
    EVALUATION,
    GALLERY_SITE,
    SAMPLE_GALLERY,
    SAMPLE_SEQUENCE,
)
from gaucho_pipeline.assets.verdict_text import collection_text, verdict_text
from gaucho_pipeline.assets.verdicts import JUDGEMENT_REASONS
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.soundness import run_check
from gaucho_pipeline.store.store import CURRENT

_INLINE_BYTES = 100_000
_SHOWN_ON_SITE = (CHECKPOINT, SAMPLE_GALLERY, EVALUATION, SAMPLE_SEQUENCE, COLLECTION, COLLECTION_EVALUATION)
ARTIFACTS = "/artifacts/"
"""Where `gaucho ui` has the files of artifacts: browsers follow no link to a file from a page of the web."""


def page_address(asset: str, concept: str, page: str) -> str:
    """Where `gaucho ui` has a page of the artifact that counts, whichever it is."""
    return f"{ARTIFACTS}{asset}/{concept}/{CURRENT}/{page}"


def build_metadata(artifact: Artifact) -> dict[str, Any]:
    """Metadata for a materialization: first the word and its reason, a picture and the page that people open, then numbers, then paths."""
    asset, found = artifact.asset, _word_of(artifact)
    if asset.figure and (inline := _inline(artifact.folder / asset.figure.file)):
        found[asset.figure.name] = inline
    if drawn := _inline(artifact.folder / "samples.jpg"):
        found["pictures_while_it_trained"] = drawn
    found |= _page_of(artifact)
    own = {name: value for name, value in _flat(artifact.manifest.metrics).items() if name not in found}
    found |= {name: own[name] for name in asset.headline if name in own} or own
    if further := {name: value for name, value in own.items() if name not in found}:
        found["further"] = _table_of(further)
    return found | {"folder": dg.MetadataValue.path(artifact.folder), "fingerprint": artifact.manifest.fingerprint}


def _word_of(artifact: Artifact) -> dict[str, Any]:
    """What people open it for, in a word, and why it is so."""
    metrics = artifact.manifest.metrics
    if isinstance(metrics, EvaluationMetrics):
        return {"verdict": metrics.verdict, "because": verdict_text(metrics, "en")}
    if isinstance(metrics, CollectionEvaluationMetrics):
        return {"verdict": metrics.verdict, "because": collection_text(metrics, "en")}
    if isinstance(metrics, JudgementMetrics):
        return {"word": metrics.word, "because": JUDGEMENT_REASONS[metrics.reason].read("en")}
    if isinstance(metrics, CheckpointMetrics):
        check = next(each for each in artifact.asset.checks if each.name == "loss_fell")
        return {"loss_fell": metrics.loss_fell, "because": run_check(check, artifact).text}
    return {}


def _page_of(artifact: Artifact) -> dict[str, Any]:
    """The page that people open: the artifact's own, or the concept's where the site shows it."""
    asset = artifact.asset
    if asset.page and (artifact.folder / asset.page).exists():
        return {"page": dg.MetadataValue.url(page_address(asset.name, artifact.manifest.concept, asset.page))}
    site = artifact.folder.parents[2] / GALLERY_SITE.name / ALL / CURRENT / artifact.manifest.concept / "index.html"
    if asset in _SHOWN_ON_SITE and site.exists():
        return {"page": dg.MetadataValue.url(page_address(GALLERY_SITE.name, ALL, f"{artifact.manifest.concept}/index.html"))}
    return {}


def _flat(metrics: Metrics, prefix: str = "") -> dict[str, Any]:
    """Metrics as what Dagster plots and shows: pairs as two numbers, counts and sources as tables."""
    found: dict[str, Any] = {}
    for key, value in metrics:
        name = f"{prefix}{key}"
        if isinstance(value, Metrics):
            found |= _flat(value, f"{name}_")
        elif isinstance(value, dict) and all(isinstance(count, int) for count in value.values()):
            found[name] = _counts(value)
        elif isinstance(value, dict) and all(isinstance(counts, SourceCounts) for counts in value.values()):
            found[name] = _sources(value)
        elif value and isinstance(value, dict) and all(each is None or isinstance(each, Metrics) for each in value.values()):
            for key_of, each in value.items():
                found |= _flat(each, f"{name}_{key_of}_") if each else {f"{name}_{key_of}": None}
        elif value and isinstance(value, tuple) and all(isinstance(row, Metrics) for row in value):
            found[name] = _rows(value)
        elif isinstance(value, tuple) and len(value) == 2 and all(isinstance(end, float) for end in value):
            found[f"{name}_low"], found[f"{name}_high"] = value  # numbers, which the web UI plots over time
        elif isinstance(value, (dict, tuple)):
            found[name] = dg.MetadataValue.json(value)
        else:
            found[name] = value
    return found


def _table_of(values: dict[str, Any]) -> Any:
    """A line for each of many values."""
    records = [dg.TableRecord({"what": name, "value": _as_text(value)}) for name, value in values.items()]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn("what", "string"), dg.TableColumn("value", "string")]))


def _as_text(value: Any) -> str:
    if isinstance(value, dg.TableMetadataValue):
        return "; ".join(", ".join(f"{name} {cell}" for name, cell in record.data.items()) for record in value.records)
    return str(value.value if isinstance(value, dg.MetadataValue) else value)


def _counts(value: dict[str, int]) -> Any:
    records = [dg.TableRecord({"what": what, "count": count}) for what, count in value.items()]
    schema = dg.TableSchema([dg.TableColumn("what", "string"), dg.TableColumn("count", "int")])
    return dg.MetadataValue.table(records, schema)


def _rows(value: tuple[Metrics, ...]) -> Any:
    """A line for each, with its keys for columns."""
    records = [{name: cell if isinstance(cell, (int, float)) else str(cell) for name, cell in row} for row in value]
    columns = [dg.TableColumn(name, "float" if isinstance(cell, (int, float)) else "string") for name, cell in records[0].items()]
    return dg.MetadataValue.table([dg.TableRecord(record) for record in records], dg.TableSchema(columns))


def _sources(value: dict[str, SourceCounts]) -> Any:
    """A line for each source of a crawl: what it listed, what became of it, and what went wrong."""
    names = ("listed", "kept", "refused", "failed", "gone")
    records = [
        dg.TableRecord({"source": origin} | {name: getattr(row, name) for name in names} | {"message": row.failure or row.note})
        for origin, row in value.items()
    ]
    columns = [dg.TableColumn("source", "string"), *(dg.TableColumn(name, "int") for name in names), dg.TableColumn("message", "string")]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _inline(path: Path) -> Any:
    """A picture inside Markdown; nothing if it is missing or so large that it would swell the database."""
    if not path.exists() or path.stat().st_size > _INLINE_BYTES:
        return None
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    return dg.MetadataValue.md(f"![{path.stem}](data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()})")
