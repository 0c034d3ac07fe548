"""An artifact as Dagster shows it: where it is, what was counted and measured, and one small picture of it."""

import base64
from pathlib import Path
from typing import Any

import dagster as dg

from gaucho_pipeline.artifacts import Artifact

_INLINE_BYTES = 100_000
_PICTURES = {"checkpoint": ("loss_curve", "losses.png"), "sample_gallery": ("contact_sheet", "contact_sheet.jpg")}
_COUNTS = ("refused", "failed", "excluded", "licenses", "flags", "captions")


def described(artifact: Artifact) -> dict[str, Any]:
    """Metadata for a materialization: paths, figures, tables of counts, the loss curve or the contact sheet."""
    manifest = artifact.manifest
    found: dict[str, Any] = {}
    found["folder"] = dg.MetadataValue.path(artifact.folder)
    found["fingerprint"] = manifest.fingerprint
    for name, value in manifest.figures.items():
        if name in _COUNTS:
            found[name] = _counts(value)
        elif name == "sources":
            found[name] = _sources(value)
        elif isinstance(value, dict):
            found[name] = dg.MetadataValue.json(value)
        else:
            found[name] = value
    for name in ("index.html", "review.html"):
        if (artifact.folder / name).exists():
            found["page"] = dg.MetadataValue.url((artifact.folder / name).as_uri())
    name, picture = _PICTURES.get(manifest.asset, ("", ""))
    if picture and (inline := _inline(artifact.folder / picture)):
        found[name] = inline
    return found


def _counts(value: dict[str, int]) -> Any:
    records = [dg.TableRecord({"what": what, "count": count}) for what, count in value.items()]
    schema = dg.TableSchema([dg.TableColumn("what", "string"), dg.TableColumn("count", "int")])
    return dg.MetadataValue.table(records, schema)


def _sources(value: dict[str, dict[str, Any]]) -> Any:
    """A line for each source of a crawl: what it listed, what became of it, and what went wrong."""
    names = ("listed", "kept", "refused", "failed", "gone")
    rows = [{"source": origin} | {n: row[n] for n in names} | {"said": row["failure"] or row["note"]} for origin, row in value.items()]
    records = [dg.TableRecord(row) for row in rows]
    columns = [dg.TableColumn("source", "string"), *(dg.TableColumn(n, "int") for n in names), dg.TableColumn("said", "string")]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _inline(path: Path) -> Any:
    """A picture inside Markdown; nothing if it is missing or so large that it would swell the database."""
    if not path.exists() or path.stat().st_size > _INLINE_BYTES:
        return None
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    return dg.MetadataValue.md(f"![{path.stem}](data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()})")
