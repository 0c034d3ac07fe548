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


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two concepts, of which one has a photograph and the other the same saved again; each has one of its own besides, too."""
    folder = tmp_path_factory.mktemp("two")
    for slug, numbers in (("araucaria", (0, 1, 2)), ("chimarrao", (3, 4))):
        (folder / slug).mkdir()
        for number in numbers:
            (folder / slug / f"{number}.jpg").write_bytes(jpeg(draw_subject(slug, number, side=400), 92))
    (folder / "chimarrao" / "again.jpg").write_bytes(jpeg(photo(0), 60))
    words = {"araucaria": ("mtl", "tree"), "chimarrao": ("dnc", "cup")}
    concepts = {
        slug: folder_concept(folder / slug, *own) | {"curation": {"min_images": 2}, "training": {"seed": 2}} for slug, own in words.items()
    }
    write_concepts(folder / "concepts.yaml", concepts)
    gaucho(folder, "run", "--select", "checkpoint")
    return folder


def test_a_near_copy_in_the_set_of_another_concept_goes_out_of_it_and_is_named(two: Path) -> None:
    store = Project(two / "concepts.yaml", two / "data").store
    copied = store.current("curated_set", "chimarrao")
    assert copied
    copy = next(row for row in read_rows(copied.folder / "images.jsonl", CuratedImage) if row.title == "again")
    done = gaucho(two, "forget", str(two / "araucaria" / "0.jpg")).stdout
    assert "like it: again in the set of chimarrao, which is made again; to have that leave everything, too:" in done
    assert f"gaucho forget {copy.sha256[:16]}" in done
    assert done.count("like it:") == 1
    assert "learned from it: checkpoint of chimarrao" in done
    assert "gaucho run araucaria chimarrao" in done
    assert store.current("curated_set", "chimarrao") is None
    assert not copied.folder.exists()
    (two / "araucaria" / "0.jpg").unlink()
    gaucho(two, "run", "--select", "curated_set")
    again = store.current("curated_set", "chimarrao")
    assert again
    (row,) = read_rows(again.folder / "excluded.jsonl", CuratedImage)
    assert (row.sha256, row.reason) == (copy.sha256, LIKE_FORGOTTEN)
    assert "like it" not in gaucho(two, "forget", copy.sha256).stdout


def test_other_photographs_stay_where_they_are(two: Path) -> None:
    store = Project(two / "concepts.yaml", two / "data").store
    before = store.current("curated_set", "araucaria")
    assert "like it" not in gaucho(two, "forget", str(two / "chimarrao" / "3.jpg")).stdout
    assert store.current("curated_set", "araucaria") == before


def test_a_concept_that_is_forgotten_whole_names_no_copies_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name, number, quality in (("one", 0, 92), ("two", 1, 92), ("again", 0, 50)):
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(jpeg(photo(number), quality))
    curation = {"min_images": 2, "near_duplicate_distance": 0, "near_duplicate_correlation": 1.0}
    concept = folder_concept(tmp_path / "photos", "mtl", "tree") | {"curation": curation}
    write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept})
    gaucho(tmp_path, "run", "--select", "curated_set")
    assert "like it" not in gaucho(tmp_path, "forget", "--concept", "araucaria").stdout
