"""What crawls would do, told on the command line before they do it: `gaucho run CONCEPT --select raw_crawl --plan`.

The plan itself is made by `crawl/plan.py`, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from gaucho_pipeline.artifacts import write_atomically
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.launch import ERROR_FILE
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline.preflight import check_configuration


def plan_crawls(project: Project, concepts: tuple[str, ...], refresh_lock: bool) -> None:
    """Asks the sources of concepts what they list, and prints what a crawl would fetch; fetches no image.

    Raises GauchoError if a plan could not be made, or a source could not be asked.
    """
    slugs = list(dict.fromkeys(concepts)) or project.slugs
    for slug in slugs:
        project.concept(slug)
    check_configuration(project, slugs, "raw_crawl", asks_anyway=True)
    project.store.check_writable()
    failures = []
    for slug in slugs:
        click.secho(slug, bold=True)
        plan = _plan(project, slug, refresh_lock)
        for row in plan["sources"]:
            _print_source(row)
            failures += [f"{slug}: {row['failure']}"] if row["failure"] else []
        fetched, stand = (sum(row[name] for row in plan["sources"]) for name in ("would_be_fetched", "cached"))
        most = f"at most {plan['max_images']} images and {plan['max_bytes'] / 1e6:.0f} MB"
        click.echo(f"  in all: {fetched} images would be fetched, {stand} stand already ({most})")
    if failures:
        raise GauchoError("; ".join(failures))


def _plan(project: Project, slug: str, refresh_lock: bool) -> dict[str, Any]:
    folder = project.store.root / ".requests" / "plan" / slug
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("plan.json", ERROR_FILE):
        (folder / name).unlink(missing_ok=True)
    write_atomically(folder / "request.json", project.request("raw_crawl", slug).model_dump_json(indent=1))
    command = [
        sys.executable,
        "-m",
        "gaucho_pipeline.crawl.plan",
        str(folder / "request.json"),
        *(["--refresh-lock"] if refresh_lock else []),
    ]
    if subprocess.run(command).returncode:
        error = folder / ERROR_FILE
        raise GauchoError(f"{slug}: {_read(error)['message'] if error.exists() else 'no plan was made'}")
    return _read(folder / "plan.json")


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _print_source(row: dict[str, Any]) -> None:
    there_are = f" of {row['there_are']}" if row["there_are"] is not None else ""
    would = f"{row['would_be_fetched']} would be fetched, {row['cached']} stand already"
    click.echo(f"  {row['source']}: {row['listed']}{there_are} records; {would}")
    for label in ("licenses", "refused"):
        if row[label]:
            click.echo(f"    {label:<9} {', '.join(f'{count} {what}' for what, count in row[label].items())}")
    if row["failure"] or row["note"]:
        click.secho(f"    {row['failure'] or row['note']}", fg="red" if row["failure"] else "yellow")
