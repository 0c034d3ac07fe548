"""What was forgotten stays forgotten also where it comes back a little otherwise: saved again, smaller, mirrored, cut, grey."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from gaucho_pipeline.assets.rows import CuratedImage, read_rows
from gaucho_pipeline.curation.hashes import is_like
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.filters.registry import LIKE_FORGOTTEN
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import folder_concept, write_concepts
from gaucho_pipeline_tests.curating import of
from gaucho_pipeline_tests.programs import gaucho


def jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def cut(image: Image.Image) -> Image.Image:
    return image.crop((0, 0, round(0.9 * image.width), round(0.9 * image.height)))


COPIES: dict[str, Callable[[bytes, Image.Image], bytes]] = {
    "one byte more": lambda content, image: content + b"\0",
    "as PNG": lambda content, image: png(image),
    "at quality 60": lambda content, image: jpeg(image, 60),
    "half the size": lambda content, image: jpeg(image.resize((image.width // 2, image.height // 2)), 90),
    "mirrored": lambda content, image: jpeg(ImageOps.mirror(image), 90),
    "cut by a tenth": lambda content, image: jpeg(cut(image), 90),
    "in grey": lambda content, image: jpeg(image.convert("L").convert("RGB"), 90),
}


def photo(number: int) -> Image.Image:
    return draw_subject("araucaria", number, side=400)


@pytest.fixture(scope="module")
def forgotten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project one of whose six photographs was forgotten."""
    folder = tmp_path_factory.mktemp("forgotten")
    (folder / "photos").mkdir()
    for number in range(6):
        (folder / "photos" / f"{number}.jpg").write_bytes(jpeg(photo(number), 92))
    write_concepts(folder / "concepts.yaml", {"araucaria": folder_concept(folder / "photos", "mtl", "tree")})
    gaucho(folder, "run", "--select", "curated_set")
    gaucho(folder, "forget", str(folder / "photos" / "0.jpg"))
    (folder / "photos" / "0.jpg").unlink()
    return folder


def reasons(folder: Path) -> dict[str, int]:
    artifact = Project(folder / "concepts.yaml", folder / "data").store.current("curated_set", "araucaria")
    assert artifact
    return dict(artifact.manifest.metrics.excluded)


def test_the_tombstone_holds_hashes_and_no_picture(forgotten: Path) -> None:
    (stone,) = json.loads((forgotten / "concepts.forgotten.json").read_text(encoding="utf-8"))
    assert set(stone) == {"sha256", "places", "fingerprint", "on", "reason"}
    assert len(bytes.fromhex(stone["fingerprint"])) < 200


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_near_copy_is_not_learned_from(copy: Callable[[bytes, Image.Image], bytes], forgotten: Path) -> None:
    content = jpeg(photo(0), 92)
    back = forgotten / "photos" / "back.jpg"
    back.write_bytes(copy(content, photo(0)))
    try:
        gaucho(forgotten, "run", "--select", "curated_set")
        assert reasons(forgotten) == {LIKE_FORGOTTEN: 1}
    finally:
        back.unlink()


def test_the_curators_word_keeps_what_is_another(forgotten: Path) -> None:
    back = forgotten / "photos" / "back.jpg"
    back.write_bytes(jpeg(photo(0), 60))
    gaucho(forgotten, "run", "--select", "curated_set")
    artifact = Project(forgotten / "concepts.yaml", forgotten / "data").store.current("curated_set", "araucaria")
    assert artifact
    (row,) = read_rows(artifact.folder / "excluded.jsonl", CuratedImage)
    assert "esquecida" in str(row.pt)
    (forgotten / "overrides.csv").write_text(
        f"image,decision,caption,by,why\nsha256:{row.sha256[:16]},keep,,Ana,é outra\n", encoding="utf-8"
    )
    concept = folder_concept(forgotten / "photos", "mtl", "tree")
    concept["curation"] = {**concept.get("curation", {}), "overrides": "overrides.csv"}
    write_concepts(forgotten / "concepts.yaml", {"araucaria": concept})
    gaucho(forgotten, "run", "--select", "curated_set")
    assert LIKE_FORGOTTEN not in reasons(forgotten)
    back.unlink()


def test_other_photographs_are_not_taken_for_it(real: Path) -> None:
    photographs = sorted((real / "photos").rglob("*.jpg"))
    measures = []
    for path in photographs:
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((600, 600))
            measures.append(of(small))
    assert len(measures) > 8
    groups = [path.parent.name for path in photographs]
    wrong = [
        (one, other)
        for one in range(len(measures))
        for other in range(one)
        if groups[one] != groups[other] and is_like(measures[one].hashes, measures[one].mirrored, measures[other].hashes)
    ]
    assert wrong == []
