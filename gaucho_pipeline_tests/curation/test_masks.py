"""Masks of the images that stay: from a person's file, from transparency, from a plain backdrop; what is wrong with one is said."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from gaucho_pipeline.assets.rows import TrainImage, read_rows
from gaucho_pipeline.concepts.masks import MaskSources
from gaucho_pipeline.curation.masks import ImageMask, MaskInputs, write_masks
from gaucho_pipeline.curation.writing import picture_name
from gaucho_pipeline.filters.boxes import Box
from gaucho_pipeline.images.decoding import decode_alpha, png_bytes
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import folder_concept, write_concepts
from gaucho_pipeline_tests.programs import run_stage
from gaucho_pipeline_tests.reporters import RecordingReporter

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def photo(size: tuple[int, int] = (120, 80), seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def with_alpha(box: tuple[int, int, int, int], size: tuple[int, int] = (120, 80)) -> Image.Image:
    picture, alpha = photo(size).convert("RGBA"), Image.new("L", size)
    alpha.paste(255, box)
    picture.putalpha(alpha)
    return picture


def mask_file(folder: Path, name: str, box: tuple[int, int, int, int], size: tuple[int, int] = (120, 80)) -> Path:
    folder.mkdir(exist_ok=True)
    mask = Image.new("L", size)
    mask.paste(255, box)
    mask.save(folder / name)
    return folder


class Masking:
    """One image that was written, and what came of masking it."""

    def __init__(self, folder: Path, image: Image.Image, name: str = "gourd.jpg", box: Box = WHOLE) -> None:
        self.folder, self.name, self.box, self.reporter = folder, name, box, RecordingReporter()
        (folder / "images").mkdir()
        self.source = folder / "source"
        self.source.mkdir()
        content = png_bytes(image) if image.mode == "RGB" else _png(image)
        self.sha = hashlib.sha256(content).hexdigest()
        (self.source / self.sha).write_bytes(content)
        left, top, right, bottom = box
        whole = image.convert("RGB")
        cut = (round(left * whole.width), round(top * whole.height), round(right * whole.width), round(bottom * whole.height))
        whole.crop(cut).save(folder / "images" / picture_name(self.sha))

    def write(self, **sources: object) -> ImageMask | None:
        found = write_masks(
            [self.sha], MaskInputs({self.sha: self.box}, {self.sha: self.name}), self.source.joinpath, self.folder,
            MaskSources.model_validate(sources), self.reporter,
        )  # fmt: skip
        return found.get(self.sha)

    @property
    def written(self) -> np.ndarray:
        with Image.open(self.folder / "masks" / picture_name(self.sha)) as mask:
            return np.asarray(mask)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_persons_mask_is_found_by_the_images_name_whatever_its_ending_and_case(tmp_path: Path) -> None:
    masking = Masking(tmp_path, photo(), "Gourd.JPG")
    found = masking.write(folder=mask_file(tmp_path / "own", "gourd.png", (0, 0, 60, 80)))
    assert found
    assert (found.by, found.share) == ("folder", 0.5)
    assert masking.written.shape == (80, 120)
    assert masking.written[:, :60].all()
    assert not masking.written[:, 60:].any()


def test_or_by_the_images_hash_which_goes_before_its_name(tmp_path: Path) -> None:
    masking = Masking(tmp_path, photo())
    mask_file(tmp_path / "own", "gourd.png", (0, 0, 60, 80))
    found = masking.write(folder=mask_file(tmp_path / "own", f"{masking.sha[:16]}.png", (0, 0, 30, 80)))
    assert found
    assert found.share == 0.25


def test_a_mask_of_the_whole_file_is_cut_as_the_picture_was(tmp_path: Path) -> None:
    masking = Masking(tmp_path, photo((160, 80)), box=(0.5, 0.0, 1.0, 1.0))
    found = masking.write(folder=mask_file(tmp_path / "own", "gourd.png", (80, 0, 120, 80), (160, 80)))
    assert found
    assert found.share == 0.5
    assert masking.written[:, :40].all()


def test_a_mask_in_another_size_and_the_same_shape_is_brought_to_the_pictures(tmp_path: Path) -> None:
    masking = Masking(tmp_path, photo())
    found = masking.write(folder=mask_file(tmp_path / "own", "gourd.png", (0, 0, 120, 160), (240, 160)))
    assert found
    assert abs(found.share - 0.5) < 0.01


def test_what_is_transparent_is_not_the_subject(tmp_path: Path) -> None:
    masking = Masking(tmp_path, with_alpha((30, 20, 90, 60)))
    found = masking.write()
    assert found
    assert (found.by, found.share) == ("alpha", 0.25)
    assert masking.written[20:60, 30:90].all()


def test_nor_is_a_plain_backdrop(tmp_path: Path) -> None:
    picture = Image.new("RGB", (240, 240), (250, 250, 250))
    gradient = Image.linear_gradient("L").resize((120, 120)).convert("RGB")
    disc = Image.new("L", (120, 120))
    ImageDraw.Draw(disc).ellipse((0, 0, 119, 119), fill=255)
    picture.paste(gradient, (60, 60), disc)
    masking = Masking(tmp_path, picture)
    found = masking.write()
    assert found
    assert found.by == "backdrop"
    assert abs(found.share - 0.785 * 0.25) < 0.03
    assert not masking.write(backdrop=False)


def test_a_photograph_of_a_scene_has_none(tmp_path: Path) -> None:
    assert Masking(tmp_path, photo()).write() is None


@pytest.mark.parametrize(("box", "said"), [((0, 0, 0, 0), "nothing"), ((0, 0, 120, 80), "everything")])
def test_a_mask_of_nothing_or_everything_is_reported_and_not_taken(box: tuple[int, int, int, int], said: str, tmp_path: Path) -> None:
    masking = Masking(tmp_path, with_alpha((30, 20, 90, 60)))
    found = masking.write(folder=mask_file(tmp_path / "own", "gourd.png", box))
    assert found
    assert found.by == "alpha"
    assert f"it shows {said}, and is not taken" in masking.reporter.said


def test_masks_that_contradict_one_another_are_reported_and_the_persons_is_taken(tmp_path: Path) -> None:
    masking = Masking(tmp_path, with_alpha((0, 0, 60, 80)))
    found = masking.write(folder=mask_file(tmp_path / "own", "gourd.png", (60, 0, 120, 80)))
    assert found
    assert found.by == "folder"
    assert "folder and alpha contradict one another; folder is taken" in masking.reporter.said


def test_masks_that_agree_say_nothing(tmp_path: Path) -> None:
    masking = Masking(tmp_path, with_alpha((0, 0, 60, 80)))
    assert masking.write(folder=mask_file(tmp_path / "own", "gourd.png", (0, 0, 64, 80)))
    assert "contradict" not in masking.reporter.said


def test_a_mask_of_another_shape_is_named_and_not_taken(tmp_path: Path) -> None:
    masking = Masking(tmp_path, photo())
    assert masking.write(folder=mask_file(tmp_path / "own", "gourd.png", (0, 0, 10, 10), (80, 120))) is None
    assert "gourd.png is 80 × 120, and the image 120 × 80: another shape, and not taken" in masking.reporter.said


def test_a_mask_that_cannot_be_read_is_named_and_the_next_is_taken(tmp_path: Path) -> None:
    masking = Masking(tmp_path, with_alpha((0, 0, 60, 80)))
    folder = mask_file(tmp_path / "own", "gourd.png", (0, 0, 60, 80))
    (folder / "gourd.png").write_bytes((folder / "gourd.png").read_bytes()[:60])
    found = masking.write(folder=folder)
    assert found
    assert found.by == "alpha"
    assert "gourd.png cannot be read" in masking.reporter.said


def test_transparency_is_read_upright_and_an_opaque_channel_is_none() -> None:
    picture = with_alpha((0, 0, 60, 80))
    exif = picture.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", exif=exif)
    turned = decode_alpha(buffer.getvalue())
    assert turned
    assert turned.size == (80, 120)
    assert np.asarray(turned)[:60].all()
    opaque = photo().convert("RGBA")
    assert decode_alpha(_png(opaque)) is None
    assert decode_alpha(_png(photo())) is None


def test_a_source_must_be_named() -> None:
    with pytest.raises(ValidationError, match="leave masks out"):
        MaskSources(alpha=False, backdrop=False)


def test_the_curated_set_has_them_and_another_mask_makes_it_another_set(tmp_path: Path) -> None:
    photos, own = tmp_path / "photos", tmp_path / "own"
    photos.mkdir()
    for number in range(4):
        photo((160, 160), number).save(photos / f"{number}.png")
    mask_file(own, "0.png", (0, 0, 80, 160), (160, 160))
    versions = []
    for width in (80, 40):
        mask_file(own, "1.png", (0, 0, width, 160), (160, 160))
        keys = {"min_side": 64, "min_sharpness": 0, "max_graphic": 1.0, "masks": {"folder": str(own)}}
        concept = folder_concept(photos, "mtl", "tree") | {"curation": keys}
        project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
        for asset in ("raw_crawl", "curated_set"):
            done = run_stage(project, asset, "araucaria", tmp_path / asset)
        artifact = project.store.current("curated_set", "araucaria")
        assert artifact, done.stderr
        versions.append(artifact.manifest.data_version)
        rows = read_rows(artifact.folder / "images.jsonl", TrainImage)
        assert sorted((row.mask_by, row.mask_share) for row in rows if row.mask) == sorted([("folder", 0.5), ("folder", width / 160)])
        assert all((artifact.folder / row.mask).is_file() for row in rows if row.mask)
        assert artifact.manifest.metrics.masks == {"folder": 2}
        assert "images have no mask: they are learned from whole" in done.stderr
    assert versions[0] != versions[1]
