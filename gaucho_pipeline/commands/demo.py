"""`gaucho demo`: the whole chain for two concepts, on the model that ships and a site on loopback."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gaucho_pipeline.assets.table import ALL, GALLERY_SITE
from gaucho_pipeline.commands.init import program
from gaucho_pipeline.commands.run import RunRequest, run_concepts
from gaucho_pipeline.demo.site import HOST, DemoSite, demo_site
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.project.project import Project

_HERE = Path(__file__).parents[1] / "demo"
_PORT = re.compile(r"(?<=http://127\.0\.0\.1:)\d+")


def run_demo(folder: Path) -> None:
    """Puts the demo in a folder, runs it, and says where the gallery is. Raises GauchoError if a concept failed."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "concepts.yaml").exists():
        shutil.copyfile(_HERE / "concepts.yaml", folder / "concepts.yaml")
    from gaucho_pipeline.orchestration.runner import write_home_config  # here, because Dagster takes a second to import

    write_home_config(folder, is_alone=True)
    os.environ["DAGSTER_HOME"] = str(folder.resolve())
    os.environ["GAUCHO_ALLOW_PRIVATE_HOSTS"] = HOST
    with _site_for(folder / "concepts.yaml"):
        project = Project(folder / "concepts.yaml", folder / "data")
        failures = run_concepts(project, RunRequest((), GALLERY_SITE.name, jobs=None))
    if failures:
        raise GauchoError("; ".join(failures))
    where = shlex.quote(str(folder.resolve()))
    click.echo(_("\nThe gallery: {stable}", stable=project.store.stable(GALLERY_SITE.name, ALL) / "index.html"))
    click.echo(_("The web UI:  cd {where} && DAGSTER_HOME={where} {program} ui", where=where, program=program()))


@contextmanager
def _site_for(concepts_file: Path) -> Iterator[DemoSite]:
    """The site at the port that the concepts file names; if that is taken, at another one that is then written there."""
    text = concepts_file.read_text(encoding="utf-8")
    found = _PORT.search(text)
    try:
        site = demo_site(int(found[0]) if found else 0)
        running = site.__enter__()
    except OSError:
        site = demo_site(0)
        running = site.__enter__()
        concepts_file.write_text(_PORT.sub(str(running.server_address[1]), text), encoding="utf-8")
    try:
        yield running
    finally:
        site.__exit__(None, None, None)
