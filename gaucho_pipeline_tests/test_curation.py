"""Curation: what is measured, what is decided, the curator's word, and that nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.copies import COPIES, jpeg
from gaucho_pipeline.artifacts import Artifact, read_table
from gaucho_pipeline.concepts import Captioner, CurationSpec, Relevance
from gaucho_pipeline.curation.captions import PROMPT, captioning_model, captions_of, with_token
from gaucho_pipeline.curation.choosing import choose, most_varied
from gaucho_pipeline.curation.duplicates import alike_pairs
from gaucho_pipeline.curation.filters import SENTENCES
from gaucho_pipeline.curation.hashes import near_pairs
from gaucho_pipeline.curation.measures import Measures, measure
from gaucho_pipeline.curation.overrides import Override, by_image, read_overrides
from gaucho_pipeline.curation.reading import MeasuresCache, in_children, measure_all
from gaucho_pipeline.curation.relevance import relevance_model
from gaucho_pipeline.embedded.demo_site import DemoSite
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.images import BadImage, decode, png_bytes, probe
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline.soundness import judge
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.crawling import concept_of, openverse
from gaucho_pipeline_tests.programs import run_stage

LOOSE = CurationSpec(min_side=64, min_images=2, min_sharpness=0.0)


@pytest.fixture(scope="module")
def recorded(real: Path) -> dict[str, Measures]:
    """The recorded images, measured, by the first digits of their names."""
    return {file.name[:8]: measure(file.read_bytes()) for file in sorted((real / "openverse" / "images").glob("*"))}


def of(picture: Image.Image) -> Measures:
    return measure(png_bytes(picture))


# ------------------------------------------------------------------------------------------ measures


def test_a_blurred_picture_is_less_sharp_and_a_larger_copy_is_not_sharper() -> None:
    picture = draw_subject("araucaria", 2, side=256)
    assert of(picture.filter(ImageFilter.GaussianBlur(8))).sharpness < of(picture).sharpness / 5
    large = of(picture.resize((1024, 1024), Image.Resampling.LANCZOS)).sharpness
    assert abs(large - of(picture).sharpness) < 0.5 * of(picture).sharpness


def test_hashes_are_those_of_imagehash(real: Path) -> None:
    picture = (
        decode(sorted((real / "openverse" / "images").glob("*"))[1].read_bytes()).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    )
    assert int.from_bytes(of(picture.convert("RGB")).hashes[:8], "little") == int(str(imagehash.phash(picture)), 16)


@pytest.mark.parametrize("quality", [25, 40, 75, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int) -> None:
    assert probe(jpeg(draw_subject("araucaria", 1), quality), 64).quality == pytest.approx(quality, abs=1)


def test_uniform_borders_are_found_and_cut_off() -> None:
    framed = Image.new("RGB", (300, 240), "black")
    framed.paste(draw_subject("araucaria", 1, side=200), (40, 20))
    left, top, right, bottom = of(framed).inside
    assert (left * 300, top * 240, right * 300, bottom * 240) == pytest.approx((40, 20, 240, 220), abs=3)


# ------------------------------------------------------------------------------------------ verdicts

JUDGED = {
    "06f2ae25": "text or graphics", "0a44e589": "text or graphics", "21aa7e9a": "text or graphics", "366eb553": "text or graphics",
    "cfa45160": "text or graphics",
    "c927bbc0": "", "036b1a0b": "monochrome", "5ca5cc9b": "monochrome",
    "5cd28780": "monochrome",
    # only a text-image model could tell that these are a record's sleeve, posters and signs: they stay
    "72223351": "", "a51d90a5": "", "cbff4e67": "", "4e922bf8": "", "ff3d7e40": "", "d866d24d": "",
    # photographs, of which none may be lost
    "04c22c8b": "", "07c003ba": "", "0814ab37": "", "0d66dd5c": "", "162547b4": "", "19e2e417": "", "1df7313e": "", "1ecc6b8d": "",
    "2103a0c5": "", "2538e3b1": "", "2dd07999": "", "2f6c1be8": "", "3645ad45": "", "39072c2d": "", "55b1ada4": "", "599f9989": "",
    "7ea455b5": "", "8a95b528": "", "945d3433": "", "e801d837": "", "f4c5b396": "", "feb91b13": "",
}  # fmt: skip
"""Chosen by looking at them: the reason that each is excluded for, or nothing."""


def test_the_verdicts_on_recorded_images_are_those_of_an_eye(recorded: dict[str, Measures]) -> None:
    found = choose(recorded, CurationSpec(min_side=250, monochrome=False, max_images=100))
    assert len(JUDGED) >= 30
    assert {name: found[name].reason for name in JUDGED} == JUDGED


def test_each_filter_names_itself_with_score_and_threshold() -> None:
    ramp = np.tile(np.linspace(0, 255, 512, dtype=np.uint8), (512, 1))
    rough = np.random.default_rng(1).integers(0, 255, (512, 512, 3), np.uint8)
    page = Image.new("RGB", (512, 512), "white")
    for line in range(24):
        ImageDraw.Draw(page).text((20, 8 + 20 * line), "Os farrapos e a República Rio-Grandense, 1835", fill="black", font_size=18)
    pictures = {
        "too small": Image.fromarray(rough[:40]),
        "too long": Image.fromarray(np.concatenate([rough, rough], 1)[:200]),
        "too dark": Image.fromarray(np.where(rough[..., :1] > 200, rough, 3)),
        "too bright": Image.fromarray(np.where(rough[..., :1] < 55, rough, 253)),
        "low contrast": Image.fromarray(rough // 16 + 100),
        "blurred": Image.fromarray(ramp).convert("RGB"),
        "text or graphics": page,
    }
    spec = CurationSpec(min_side=100, max_bright=0.77)
    verdicts = choose({name: of(picture) for name, picture in pictures.items()}, spec)
    assert {name: verdict.reason for name, verdict in verdicts.items()} == {name: name for name in pictures}
    assert (verdicts["too small"].score, verdicts["too small"].threshold) == (40, 100)
    assert choose({"a": measure(jpeg(Image.fromarray(rough), 8))}, spec)["a"].reason == "heavily compressed"
    assert choose({"a": of(Image.new("RGB", (600, 600), "#808080"))}, spec)["a"].reason == "low contrast"
    assert all(sentence for pair in SENTENCES.values() for sentence in pair)


def test_a_frame_that_is_most_of_the_picture_excludes_it() -> None:
    framed = Image.new("RGB", (600, 600), "white")
    framed.paste(draw_subject("araucaria", 1, side=300), (150, 150))
    assert choose({"a": of(framed)}, LOOSE)["a"].reason == "framed"


def test_the_order_of_the_input_does_not_matter(recorded: dict[str, Measures]) -> None:
    backwards = dict(reversed(recorded.items()))
    assert choose(recorded, CurationSpec(min_side=250, max_images=20)) == choose(backwards, CurationSpec(min_side=250, max_images=20))


def test_of_too_many_the_most_varied_stay() -> None:
    noise = Image.effect_noise((128, 128), 90).convert("RGB")
    colours = {"red 1": "red", "red 2": "#f01010", "blue": "blue", "green": "green"}
    pictures = {name: of(Image.blend(Image.new("RGB", noise.size, colour), noise, 0.3)) for name, colour in colours.items()}
    assert {name.split()[0] for name in most_varied(list(pictures), pictures, 3, near=[])} == {"red", "blue", "green"}
    assert {name.split()[0] for name in most_varied(["red 2", "blue", "green"], pictures, 2, near=["red 1"])} == {"blue", "green"}


# ------------------------------------------------------------------------------------------ copies


@pytest.mark.parametrize("kind", COPIES)
def test_planted_copies_of_real_photos_are_found_and_no_other_pair(kind: str, real: Path) -> None:
    files = sorted((real / "openverse" / "images").glob("*"))[::3] + sorted((real / "photos" / "dreambooth").rglob("*.jpg"))[::4]
    originals = [probe(file.read_bytes(), 512).image for file in files]
    measures = [measure(jpeg(picture)) for picture in originals]
    copies = [measure(jpeg(COPIES[kind](picture))) for picture in originals]
    pairs = alike_pairs(measures + copies, CurationSpec().near_duplicate_distance)
    found = {pair.first for pair in pairs if pair.second - pair.first == len(originals)}
    others = [pair for pair in pairs if pair.second - pair.first != len(originals)]
    print(f"{kind}: found {len(found)} of {len(originals)}, false {len(others)}")
    assert len(found) >= 0.8 * len(originals)
    assert others == []


def test_of_copies_the_larger_stays_and_the_others_point_to_it() -> None:
    picture = draw_subject("araucaria", 3, side=512)
    pictures = {
        "large": picture,
        "small": picture.resize((200, 200)),
        "mirrored": picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((300, 300)),
    }
    found = choose({name: of(p) for name, p in pictures.items()} | {"other": of(draw_subject("chimarrao", 5, side=256))}, LOOSE)
    assert {name for name, verdict in found.items() if verdict.kept} == {"large", "other"}
    assert {found[name].same_as for name in ("small", "mirrored")} == {"large"}


@pytest.mark.parametrize("radius", [0, 1, 3, 4, 7, 9])
def test_the_search_finds_exactly_the_pairs_that_comparing_all_finds(radius: int) -> None:
    draw = np.random.default_rng(radius)
    base = draw.integers(0, 2**63, 300, np.uint64)
    flips = np.array([sum(1 << int(b) for b in draw.choice(64, k, replace=False)) for k in draw.integers(0, 12, 300)], np.uint64)
    hashes = np.concatenate([base, base ^ flips])
    found = {(int(a), int(b)) for left, right, _ in near_pairs(hashes, hashes, radius) for a, b in zip(left, right, strict=True)}
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= radius
    assert found == {(int(a), int(b)) for a, b in np.argwhere(near)}


# ------------------------------------------------------------------------------------------ reading


def _kill_when_told(text: str) -> str:
    """Ends its own process where the text says so."""
    if text == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return text.upper()


def test_a_task_that_ends_its_process_costs_nothing_but_itself() -> None:
    tasks = [(str(n), "dies" if n == 5 else f"task {n}") for n in range(20)]
    found = dict(in_children(_kill_when_told, tasks, workers=2))
    assert len(found) == 20
    assert found.pop("5").reason == "ended its process"
    assert all(text == f"TASK {number}" for number, text in found.items())


def test_every_broken_file_is_measured_or_named_with_a_worker_killed_in_the_middle(real: Path, tmp_path: Path) -> None:
    files = {str(n): file for n, file in enumerate(f for f in sorted((real / "bad").rglob("*")) if f.is_file())}
    killed: list[int] = []

    def kill_a_child() -> None:
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and "multiprocessing.forkserver" in (process / "cmdline").read_text():
                    children = (process / "task" / process.name / "children").read_text().split()
                    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                    if children and int(parent) == os.getpid():
                        os.kill(int(children[0]), signal.SIGKILL)
                        killed.append(int(children[0]))
                        return
            except (OSError, ProcessLookupError):
                continue

    told = Counter[str]()

    def tell() -> None:
        told["done"] += 1
        if told["done"] == 100:
            threading.Thread(target=kill_a_child).start()

    found = dict(measure_all(files, MeasuresCache(tmp_path), tell))
    assert killed
    assert found.keys() == files.keys()
    ends = Counter(outcome.reason if isinstance(outcome, BadImage) else "measured" for outcome in found.values())
    assert sum(ends.values()) == len(files)
    assert ends["measured"] > 200
    assert set(ends) <= {"measured", "not-an-image", "too-many-pixels", "truncated", "unreadable"}


def test_nothing_is_measured_twice(tmp_path: Path) -> None:
    files = {path.name: path for path in draw_folder(tmp_path / "photos", "araucaria", 6).iterdir()}
    told = Counter[str]()
    for expected in (6, 6):
        found = dict(measure_all(files, MeasuresCache(tmp_path / "cache"), lambda: told.update(["measured"])))
        assert len(found) == 6
        assert told["measured"] == expected


# ------------------------------------------------------------------------------------------ the curator's word


def test_a_curators_word_wins_and_is_recorded(tmp_path: Path) -> None:
    measures = {name: of(draw_subject("araucaria", n, side=128)) for n, name in enumerate("abcd")}
    words = {"a": Override("a", "drop", "", "Anália", "é um galpão"), "b": Override("b", "keep", "", "Anália", "a única de inverno")}
    found = choose(measures, CurationSpec(min_side=500, min_images=2), words)
    assert (found["a"].reason, found["a"].by, found["a"].why) == ("dropped", "Anália", "é um galpão")
    assert (found["b"].kept, found["b"].by) == (True, "Anália")
    assert found["c"].reason == "too small"


def test_overrides_are_read_as_spreadsheets_write_them(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("﻿image;decision;caption;by;why\n0123456789abcdef;drop;;Anália;não é cuia\nfedcba9876543210;;uma cuia de prata;;\n")
    assert [(o.image[:4], o.decision, o.caption) for o in read_overrides(path)] == [("0123", "drop", ""), ("fedc", "", "uma cuia de prata")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,decision\n", ":1: the columns are image, decision, caption, by, why"),
        ("image,decision\n0123456789,maybe\n", ":2: 'maybe' is no decision; write keep, drop or nothing"),
        ("image,decision\nphoto.jpg,drop\n", ":2: 'photo.jpg' names no image"),
        ("image,decision\n01234567,drop\n01234567,keep\n", ":3: 01234567 stands twice"),
    ],
)
def test_overrides_that_are_none_are_told(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "overrides.csv").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_overrides(tmp_path / "overrides.csv")
    assert says in str(caught.value)


def test_an_override_that_names_no_image_any_more_is_told() -> None:
    words = [Override("abcd1234", "keep", "", "", ""), Override("ffff0000", "drop", "", "", "")]
    found, lost = by_image(words, ["abcd1234" + "0" * 56, "1" * 64])
    assert list(found) == ["abcd1234" + "0" * 56]
    assert lost == ["ffff0000"]


def test_captions_name_the_concept_whoever_wrote_them() -> None:
    rows = {"a": {"title": "Cuia {de} prata"}, "b": {"title": "Mate"}}
    assert captions_of(rows, CurationSpec(), {}, {}) == {"a": PROMPT, "b": PROMPT}
    assert captions_of(rows, CurationSpec(captions="title"), {}, {})["a"] == f"{PROMPT}, Cuia (de) prata"
    assert captions_of(rows, CurationSpec(), {"b": "uma roda de mate"}, {})["b"] == f"{PROMPT}, uma roda de mate"
    assert with_token("uma cuia {token}") == "uma cuia {token}"


# ------------------------------------------------------------------------------------------ models


def test_relevance_by_the_embedded_text_image_model_tells_trees_from_houses() -> None:
    judge_tree = relevance_model(
        Relevance(model="embedded", shows=("a photo of a tree",), not_shows=("a photo of a house", "a photo of a cup"))
    )
    score = judge_tree(draw_subject("araucaria", 1, side=64))
    assert 0 <= score <= 1
    assert score > judge_tree(draw_subject("chimarrao", 1, side=64))


def test_a_relevance_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(GauchoError, match=r"curation\.relevance: .* cannot be loaded"):
        relevance_model(Relevance(model=str(tmp_path), shows=("a tree",)))


@pytest.fixture
def captioner(tmp_path: Path) -> Path:
    """A captioning model in BLIP's classes and file layout, so small that it knows four words and means none of them."""
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil, BlipProcessor

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", "a", "gourd", "of", "mate"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 16}
    ends = {"bos_token_id": 5, "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3}
    text = layers | ends | {"vocab_size": len(words), "encoder_hidden_size": 32, "max_position_embeddings": 64}
    config = BlipConfig(text_config=text, vision_config=layers | {"image_size": 32, "patch_size": 16}, projection_dim=16)
    BlipForConditionalGeneration(config).save_pretrained(tmp_path / "blip")
    tokenizer = BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt"))
    BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer).save_pretrained(tmp_path / "blip")
    return tmp_path / "blip"


def test_a_captioning_model_describes_and_its_captions_name_the_concept(captioner: Path) -> None:
    describe = captioning_model(Captioner(model=str(captioner)))
    said = describe(draw_subject("chimarrao", 1))
    assert set(said.split()) <= {"a", "gourd", "of", "mate"}
    spec = CurationSpec(captions="model", captioner=Captioner(model=str(captioner)))
    assert captions_of({"a": {"title": ""}}, spec, {}, {"a": said})["a"].startswith(PROMPT)
    with pytest.raises(GauchoError, match=r"curation\.captioner: .* cannot be loaded"):
        captioning_model(Captioner(model=str(captioner.parent)))


# ------------------------------------------------------------------------------------------ the stage


@pytest.fixture
def curated(site: DemoSite, tmp_path: Path) -> tuple[Project, Artifact]:
    concept = concept_of(openverse("araucária", site.address)) | {
        "curation": {
            "min_side": 128,
            "min_sharpness": 0.0001,
            "near_duplicate_distance": 2,
            "near_duplicate_likeness": 0.98,
            "max_graphic": 1.0,
        }
    }
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(project, asset, "araucaria", tmp_path / asset)
    artifact = project.store.current("curated_set", "araucaria")
    assert artifact, done.stderr
    return project, artifact


def test_the_planted_images_go_each_for_its_reason(curated: tuple[Project, Artifact]) -> None:
    artifact = curated[1]
    figures = artifact.manifest.figures
    assert figures["read"] == figures["kept"] + sum(figures["excluded"].values()) == 28
    assert figures["kept"] == 24
    assert figures["excluded"] == {"blurred": 1, "duplicate": 1, "near-duplicate": 1, "too small": 1}
    kept = read_table(artifact.folder / "images.jsonl")
    assert sorted(p.name for p in (artifact.folder / "images").iterdir()) == sorted(Path(r["file"]).name for r in kept)
    assert {row["caption"] for row in kept} == {PROMPT}
    assert "Conceição Müller" in (artifact.folder / "ATTRIBUTION.csv").read_text(encoding="utf-8-sig")
    assert "media" not in kept[0]


def test_too_few_fails_the_check_and_says_what_would_pass(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", "araucaria", 6)
    draw_subject("araucaria", 20, side=300).save(folder / "large.png")
    draw_subject("araucaria", 21, side=300).save(folder / "large too.png")
    concept = folder_concept(folder, "mtl", "tree") | {
        "curation": {"min_side": 200, "min_sharpness": 0.00005, "min_images": 5, "near_duplicate_likeness": 0.99}
    }
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(project, asset, "araucaria", tmp_path / asset)
    artifact = project.store.current("curated_set", "araucaria")
    assert artifact, done.stderr
    judgement = judge(artifact)
    assert not judgement.is_fit
    assert judgement.text == "2 of 8 images are left, 5 are needed (6 too small); there would be 8 without too small"
