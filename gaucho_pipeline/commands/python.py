"""The Python interface, for notebooks and scripts: `gaucho_pipeline.Project`. What commands do and show, with tables as data frames.

What it does is done elsewhere, by the same code as the command line's.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from gaucho_pipeline.assets.table import ALL, ASSETS, GALLERY_SITE, RUN_ASSETS
from gaucho_pipeline.commands.run import RunRequest, run_concepts
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.project import project
from gaucho_pipeline.store.artifact import Artifact

if TYPE_CHECKING:
    import pandas as pd


class Project:
    """A concepts file and a data folder. Both are read again by every call, so an edited file counts at once.

    Every method raises ConfigError for a mistake in the file and for a name that is none, and GauchoError for what cannot be done.
    """

    def __init__(self, concepts: str | Path = "concepts.yaml", data: str | Path = "data") -> None:
        self.concepts_file, self.data = Path(concepts), Path(data)

    def __repr__(self) -> str:
        return f"Project({str(self.concepts_file)!r}, {str(self.data)!r})"

    @property
    def concepts(self) -> list[str]:
        """The slugs of the concepts, in the file's order."""
        return self._read().slugs

    def states(self) -> pd.DataFrame:
        """Whether each asset is up to date: a row for each, with concept, asset, state (fresh, waiting, stale, missing) and reasons."""
        import pandas as pd

        found = self._read()
        rows = [
            (slug, name, state.state, "; ".join(state.reasons))
            for slug in (*found.slugs, *found.concepts.collections)
            for name, state in found.states(slug).items()
        ]
        site = found.site_state()
        rows.append((ALL, GALLERY_SITE.name, site.state, "; ".join(site.reasons)))
        return pd.DataFrame(rows, columns=["concept", "asset", "state", "reasons"])

    def run(self, *concepts: str, select: str = GALLERY_SITE.name, force: bool = False) -> None:
        """Brings concepts (all if none is named) up to date as far as an asset, as `gaucho run` does. Raises GauchoError for what failed.

        `force`: whether that asset is made again although it is fresh.
        """
        _check(select, RUN_ASSETS)
        if failures := run_concepts(self._read(), RunRequest(concepts, select, force)):
            raise GauchoError("; ".join(failures))

    def folder(self, asset: str, concept: str = ALL) -> Path:
        """The folder of the artifact that counts. Raises GauchoError if it was never made."""
        return self._artifact(asset, concept).folder

    def rows(self, asset: str, concept: str, table: str = "images.jsonl") -> pd.DataFrame:
        """A table of the artifact that counts, a row for each line: such as `excluded.jsonl`, `pictures.jsonl`, `losses.jsonl`."""
        import pandas as pd

        artifact = self._artifact(asset, concept)
        tables = sorted(name for name in artifact.manifest.files if name.endswith(".jsonl"))
        if table not in tables:
            raise ConfigError(
                _(
                    "{asset} of {concept} has no table {table!r}; it has {tables}",
                    asset=asset,
                    concept=concept,
                    table=table,
                    tables=", ".join(tables) or "none",
                )
            )
        return pd.DataFrame(read_table(artifact.folder / table))

    def metrics(self, asset: str) -> pd.DataFrame:
        """What was counted and measured of an asset: a row for each concept that has it, nested keys joined by dots."""
        import pandas as pd

        _check(asset)
        found = self._read()
        slugs = [*found.slugs, *found.concepts.collections] if ASSETS[asset].is_partitioned else [ALL]
        made = {slug: artifact for slug in slugs if (artifact := found.store.current(asset, slug))}
        rows = [artifact.manifest.metrics.model_dump(mode="json") for artifact in made.values()]
        return pd.json_normalize(rows).set_index(pd.Index(made, name="concept"))

    def _read(self) -> project.Project:
        return project.Project(self.concepts_file, self.data)

    def _artifact(self, asset: str, concept: str) -> Artifact:
        _check(asset)
        return self._read().artifact(asset, concept)


def _check(asset: str, among: Collection[str] = tuple(ASSETS)) -> None:
    if asset not in among:
        raise ConfigError(_("there is no asset {asset!r}; there are {assets}", asset=asset, assets=", ".join(among)))
