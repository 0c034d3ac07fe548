"""`gaucho benchmark dreambench`: the protocol's prompts and pictures, scores by hand, and the paper's table with ours beneath."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from gaucho_pipeline import cli
from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.commands.benchmark import run_dreambench
from gaucho_pipeline.concepts.models import EncoderSpec
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.evaluation.dreambench import PUBLISHED, Row, score_subject, table
from gaucho_pipeline.images.decoding import png_bytes
from gaucho_pipeline.models.encoders import Encoder
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.reporter import SilentReporter
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.gallery.test_gallery_stage import new_adapter
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.standing import stand


@pytest.fixture
def project(tmp_path: Path) -> Project:
    concept = folder_concept(draw_folder(tmp_path / "photos", "araucaria", 2), "mtl", "tree")
    concept["gallery"] = {"num_inference_steps": 2}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set", "checkpoint"):
        made = stand(project, asset, "araucaria")
        if asset == "curated_set":
            (made.folder / "0.png").write_bytes(png_bytes(draw_subject("araucaria", 0)))
            write_rows(made.folder / "images.jsonl", [train_image(file="0.png")])
    new_adapter(made.folder, lambda w, g: w + 0.1 * torch.randn(w.shape, generator=g))
    return project


def test_scores_are_over_all_pairs_and_each_prompt() -> None:
    encoder = Encoder("clip", EncoderSpec(model="embedded"))
    pictures, images = ([draw_subject("araucaria", index) for index in range(*span)] for span in ((0, 3), (5, 9)))
    prompts = ["a photo of a tree", "a cup", "a house"]
    row = score_subject("x", {"clip": encoder}, pictures, prompts, images)
    vectors, real, texts = encoder.embed_images(pictures), encoder.embed_images(images), encoder.embed_texts(prompts)
    dino, clip_i, clip_t = row.scores
    assert dino is None
    assert clip_i == pytest.approx(float((vectors @ real.T).mean()), abs=1e-5)
    assert clip_t == pytest.approx(float(np.mean([vectors[i] @ texts[i] for i in range(3)])), abs=1e-5)


def test_the_table_has_the_published_rows_ours_and_their_mean() -> None:
    text = table([Row("araucaria", (0.5, 0.6, None), 4), Row("cuia", (0.7, 0.8, None), 4)], {})
    lines = text.splitlines()
    assert len([line for line in lines if "published" in line]) == len(PUBLISHED)
    assert "| Real images, published | 0.774 | 0.885 | - |" in lines
    assert "| ours, mean of 2 subjects | 0.600 | 0.700 | - |" in lines


def test_it_draws_the_benchmarks_prompts_and_draws_none_twice(project: Project) -> None:
    found = run_dreambench(project, (), 1, SilentReporter(None))
    assert "| araucaria, 4 pictures | - | " in found
    kept = list((project.store.root / ".pictures").rglob("*.png"))
    assert len(kept) == 4
    times = {path: path.stat().st_mtime_ns for path in kept}
    assert run_dreambench(project, ("araucaria",), 1, SilentReporter(None)) == found
    assert {path: path.stat().st_mtime_ns for path in (project.store.root / ".pictures").rglob("*.png")} == times


def test_what_cannot_be_had_is_reported(project: Project) -> None:
    done = CliRunner().invoke(cli.main, ["--concepts", str(project.concepts_file), "--data", str(project.store.root), "benchmark", "other"])
    assert done.exit_code == 2
    (project.store.home("checkpoint", "araucaria") / "current.json").unlink()
    with pytest.raises(GauchoError, match="checkpoint of araucaria does not stand: it was made, and was taken out since"):
        run_dreambench(project, (), 1, SilentReporter(None))
