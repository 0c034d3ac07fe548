"""Before any work: a base model that is not there is told where it will be needed, and only there. The rest is in `test_stage.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.assets import ASSETS
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline.preflight import check_configuration
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts


@pytest.mark.parametrize("select", ASSETS)
def test_a_base_model_is_looked_at_where_the_run_comes_to_it(select: str, tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "photos", "chimarrao", 2), "dnc", "cup") | {"training": {"base_model": "./nowhere"}}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept}), tmp_path / "data")
    if select in ("raw_crawl", "curated_set"):
        check_configuration(project, ["chimarrao"], select)
    else:
        with pytest.raises(ConfigError, match=r"concepts\.yaml:\d+: concepts\.chimarrao\.training\.base_model: .*holds no model"):
            check_configuration(project, ["chimarrao"], select)
