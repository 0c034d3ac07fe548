"""What a generated file says of itself: to people, to programs by IPTC's terms, and to us."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

from PIL import Image

from gaucho_pipeline.provenance.labels import facts_in, labelled, marked_png
from gaucho_pipeline_tests.samples import facts

FACTS = facts(prompt='a photo of chimarrão "<&>"', seed=3, base_model={"id": "owner/name", "revision": "abc"}, checkpoint="f00d")


def test_a_picture_says_that_it_was_generated_and_from_what() -> None:
    with Image.open(io.BytesIO(marked_png(Image.new("RGB", (8, 8)), FACTS, {"parameters": "Steps: 2"}))) as picture:
        assert "Imagem gerada por um modelo" in picture.text["Description"]
        assert picture.text["parameters"] == "Steps: 2"
        assert facts_in(picture) == FACTS.to_json()


def test_programs_that_read_xmp_find_iptcs_terms_whatever_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(marked_png(Image.new("RGB", (8, 8)), FACTS))
    asked = ["exiftool", "-j", "-n", "-XMP-iptcExt:all", "-Description", "-Software", str(tmp_path / "x.png")]
    (found,) = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert found["DigitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert found["Software"] == "gaucho_pipeline"
    raw = subprocess.run(["exiftool", "-b", "-XMP", str(tmp_path / "x.png")], capture_output=True, text=True, check=True).stdout
    assert "AIPromptInformation='a photo of chimarrão \"&lt;&amp;&gt;\"'" in raw
    assert 'AISystemUsed="owner/name abc"' in raw


def test_an_imagined_scene_says_so() -> None:
    with Image.open(io.BytesIO(marked_png(Image.new("RGB", (8, 8)), FACTS.with_facts(imagined=True)))) as picture:
        assert "imaginada" in picture.text["Description"]


def test_pictures_of_others_have_no_facts() -> None:
    assert facts_in(Image.new("RGB", (8, 8))) is None
    for text in ("[1]", "{", "[" * 100_000):
        picture = Image.new("RGB", (8, 8))
        picture.text = {"gaucho_pipeline": text}  # type: ignore[attr-defined]
        assert facts_in(picture) is None


def test_a_visible_label_stands_below_the_picture_and_covers_nothing_of_it() -> None:
    picture = Image.new("RGB", (64, 64), "red")
    found = labelled(picture, imagined=False)
    assert found.width == 64
    assert found.height > 64
    assert found.crop((0, 0, 64, 64)).tobytes() == picture.tobytes()
    assert found.tobytes() != labelled(picture, imagined=True).tobytes()
