"""Pictures of galleries and evaluations that come back: they are those of their rows, and say what these say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.images.decoding import fit, jpeg_bytes, pixels_digest, png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.provenance.labels import marked_png
from gaucho_pipeline.publishing.arriving_pictures import check_pictures
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.samples import credited, facts, picture_row, sha, train_image
from gaucho_pipeline_tests.standing import stand, stand_all

GENUINE = draw_subject("araucaria", 1)
OTHER = draw_subject("chimarrao", 1)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    stand_all(project)
    return project


def check(project: Project, asset: str, furnish: Callable[[Path], None], curated: Path | None = None) -> None:
    made = stand(project, asset, "araucaria", "2", furnish)
    check_pictures(Artifact(made.folder, made.manifest), project.request(asset, "araucaria"), [curated] if curated else [], Path("a.tar"))


def gallery(project: Project, content: bytes, shown: Image.Image) -> Callable[[Path], None]:
    row = picture_row("tuned", 0, pixels=pixels_digest(shown), seed=1)

    def furnish(folder: Path) -> None:
        (folder / "pictures").mkdir(exist_ok=True)
        (folder / row.file).write_bytes(content)
        write_rows(folder / "pictures.jsonl", [row])

    project.store.withdraw("sample_gallery", "araucaria")
    return furnish


def test_a_generated_picture_is_the_one_of_its_row_and_says_so(project: Project) -> None:
    version = project.checkpoint("araucaria").manifest.data_version
    own = facts(prompt="a photo of mtl tree", seed=1, concept="araucaria", checkpoint=version)
    check(project, "sample_gallery", gallery(project, marked_png(GENUINE, own), GENUINE))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda own: marked_png(OTHER, facts(**own)), "is another picture than its table says"),
        (lambda own: png_bytes(GENUINE), "does not say how it was generated"),
        (lambda own: marked_png(GENUINE, facts(**own | {"prompt": "a photo"})), "does not say how it was generated"),
        (lambda own: marked_png(GENUINE, facts(**own | {"checkpoint": None})), "does not say how it was generated"),
        (lambda own: marked_png(GENUINE, facts(**own | {"seed": 2})), "does not say how it was generated"),
        (lambda own: marked_png(GENUINE, facts(**own | {"concept": "cuia"})), "does not say how it was generated"),
    ],
    ids=["another picture", "no word of itself", "another prompt", "the base model's", "another seed", "another concept"],
)
def test_any_other_is_refused(content: Callable[[dict[str, object]], bytes], said: str, project: Project) -> None:
    own = {
        "prompt": "a photo of mtl tree", "seed": 1, "concept": "araucaria",
        "checkpoint": project.checkpoint("araucaria").manifest.data_version,
    }  # fmt: skip
    with pytest.raises(GauchoError, match=f"pictures/000-tuned.png {said}"):
        check(project, "sample_gallery", gallery(project, content(own), GENUINE))


@pytest.mark.parametrize(("shown", "is_right"), [(GENUINE, True), (OTHER, False), (GENUINE.rotate(180), False)])
def test_a_training_image_in_small_shows_what_the_set_here_has(
    shown: Image.Image, is_right: bool, project: Project, tmp_path: Path
) -> None:
    curated = tmp_path / "curated"
    (curated / "images").mkdir(parents=True)
    GENUINE.resize((640, 640)).save(curated / "images" / "1.png")
    write_rows(curated / "images.jsonl", [train_image(1, sha256=sha(1), file="images/1.png")])

    def furnish(folder: Path) -> None:
        (folder / "training").mkdir(exist_ok=True)
        (folder / "training" / "001.jpg").write_bytes(jpeg_bytes(fit(shown.resize((640, 640)), 320), 82))
        write_rows(folder / "training.jsonl", [credited(1)])

    project.store.withdraw("evaluation", "araucaria")
    if is_right:
        return check(project, "evaluation", furnish, curated)
    with pytest.raises(GauchoError, match=r"training/001\.jpg is another picture"):
        check(project, "evaluation", furnish, curated)
    return None
