"""An artifact as Dagster shows it: where it is, what was counted and measured, and one small picture of it."""

import base64
from pathlib import Path
from typing import Any

import dagster as dg

from gaucho_pipeline.assets.metrics import EvaluationMetrics, JudgementMetrics, Metrics, SourceCounts
from gaucho_pipeline.assets.table import ALL, EVALUATION, GALLERY_SITE, SAMPLE_GALLERY, SAMPLE_SEQUENCE
from gaucho_pipeline.assets.verdict_text import verdict_text
from gaucho_pipeline.assets.verdicts import JUDGEMENT_REASONS
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.store import CURRENT

_INLINE_BYTES = 100_000
ARTIFACTS = "/artifacts/"
"""Where `gaucho ui` has the files of artifacts: browsers follow no link to a file from a page of the web."""


def page_address(asset: str, concept: str, page: str) -> str:
    """Where `gaucho ui` has a page of the artifact that counts, whichever it is."""
    return f"{ARTIFACTS}{asset}/{concept}/{CURRENT}/{page}"


def build_metadata(artifact: Artifact) -> dict[str, Any]:
    """Metadata for a materialization: paths, metrics, tables of counts, the loss curve or the contact sheet."""
    asset, metrics, found = artifact.asset, artifact.manifest.metrics, dict[str, Any]()
    if isinstance(metrics, EvaluationMetrics):  # what people open it for
        found["verdict"], found["because"] = metrics.verdict, verdict_text(metrics, "en")
    if isinstance(metrics, JudgementMetrics):
        found["word"], found["because"] = metrics.word, JUDGEMENT_REASONS[metrics.reason].read("en")
    found["folder"] = dg.MetadataValue.path(artifact.folder)
    found["fingerprint"] = artifact.manifest.fingerprint
    found |= {name: value for name, value in _flat(metrics).items() if name not in ("verdict", "word")}
    if asset.page and (artifact.folder / asset.page).exists():
        found["page"] = dg.MetadataValue.url(page_address(asset.name, artifact.manifest.concept, asset.page))
    site = artifact.folder.parents[2] / GALLERY_SITE.name / ALL / CURRENT / artifact.manifest.concept / "index.html"
    if asset in (SAMPLE_GALLERY, EVALUATION, SAMPLE_SEQUENCE) and site.exists():
        found["page"] = dg.MetadataValue.url(page_address(GALLERY_SITE.name, ALL, f"{artifact.manifest.concept}/index.html"))
    if asset.figure and (inline := _inline(artifact.folder / asset.figure.file)):
        found[asset.figure.name] = inline
    return found


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
