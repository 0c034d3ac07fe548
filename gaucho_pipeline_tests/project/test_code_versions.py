"""A code version says what is made of an input: fixed small inputs through each stage, held against what is recorded for that version.

Exact for crawl and curation, within 0.5 % for losses, the requests for pictures. What fails here would have made users' artifacts
something else in silence, or all of them again; the message says what to do.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from gaucho_pipeline.assets.table import ASSETS, CONCEPT_ASSETS
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.sequence import SEQUENCE_CODE_VERSIONS
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.evaluation.__main__ import run as evaluate
from gaucho_pipeline.families.base import Sampling
from gaucho_pipeline.families.embedded import Embedded
from gaucho_pipeline.families.parts import WholePipeline
from gaucho_pipeline.families.stable_diffusion import StableDiffusion
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.gallery.generation import Drawer, Settings
from gaucho_pipeline.gallery.samples import samples_of
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.sequence.registry import SEQUENCE_METHODS
from gaucho_pipeline.sources.commons import CommonsSpec
from gaucho_pipeline.sources.registry import SourceSpec
from gaucho_pipeline.stage.reporter import Reporter
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Manifest, Provenance
from gaucho_pipeline.training.loop import Trainer
from gaucho_pipeline.training.preparing import ConceptImages, Places, prepare
from gaucho_pipeline_tests.drawing_stories import drawing_of
from gaucho_pipeline_tests.evaluating import drawn, stand_until_evaluation
from gaucho_pipeline_tests.programs import run_stage
from gaucho_pipeline_tests.recording import FOLDER, VARIABLE, differences, hold
from gaucho_pipeline_tests.replay import send_json, serving
from gaucho_pipeline_tests.samples import train_image
from gaucho_pipeline_tests.sequence.test_animatediff import new_motion_adapter
from gaucho_pipeline_tests.standing import METRICS
from gaucho_pipeline_tests.tiny_models import new_family

TABLE = "gaucho_pipeline/assets/table.py (or of the one source, by code_version in its keys)"

SETTINGS = Settings(("1", "1"), None, ("cpu", "torch.float32", None), "", 25, 6.0, "DDIMScheduler", "unet", 512)


def ppm(picture: Image.Image) -> bytes:
    """A picture whose bytes are the same with every version of every library."""
    rgb = picture.convert("RGB")
    return b"P6 %d %d 255\n" % rgb.size + rgb.tobytes()


# ------------------------------------------------------------------------------------------ specifications

WHOLE = """\
concepts:
  chimarrao:
    name: {pt: Chimarrão, en: Mate}
    token: chmrr
    class_noun: drink
    crawl:
      sources:
        - commons: {category: Guampa}
        - inaturalist: {taxon: Ilex paraguariensis}
        - openverse: {query: chimarrão}
        - folder: {path: photos, license: cc-by-4.0, author: João, source: acervo}
        - urls: {addresses: [https://museu.example/1.jpg], license: cc0, author: João, source: acervo}
    curation:
      relevance: {model: embedded, positive_prompts: [a cup]}
      captions: model
      captioner: {model: ./blip}
    sequence: {stories: [roda_de_chimarrao]}
  minimal:
    token: mnml
    class_noun: tree
    crawl:
      sources:
        - openverse: {query: araucária}
"""


def test_specifications_resolve_to_what_they_did(tmp_path: Path) -> None:
    """A new key without its absent value, or another default, shows here before it makes anything stale."""
    (tmp_path / "concepts.yaml").write_text(WHOLE, encoding="utf-8")
    loaded = load_concepts(tmp_path / "concepts.yaml")
    for asset in CONCEPT_ASSETS:
        asked = {slug: concept.for_family(Embedded) for slug, concept in loaded.concepts.items() if concept.has(asset.part)}
        resolved = {slug: concept.resolved_spec(asset.part) for slug, concept in asked.items()}
        text = json.dumps(resolved, ensure_ascii=False).replace(str(tmp_path), "HERE")
        version = f"{asset.code_version}+{Embedded.code_version}" if asset.on_base_model else asset.code_version
        hold(f"{asset.part}_spec", version, json.loads(text), TABLE)


# ------------------------------------------------------------------------------------------ crawl


class RecordedWeb:
    """Small answers of each kind of API, and pictures, on loopback."""

    address = ""

    def __call__(self, handler: QuietHandler) -> None:
        path = handler.path.partition("?")[0]
        if path == "/w/api.php":
            send_json(handler, self.commons())
        elif path == "/sparql":
            row = {"image": {"value": "http://commons.wikimedia.org/wiki/Special:FilePath/Cuia%2040.jpg"}}
            send_json(handler, {"results": {"bindings": [row]}})
        elif path == "/files/w/api.php":
            send_json(handler, {"batchcomplete": True, "query": {"pages": [self.file(40, License="cc0", Artist="Ana")]}})
        elif path == "/v1/taxa":
            send_json(handler, {"results": [{"id": 7, "name": "Ilex paraguariensis", "rank": "species", "is_active": True}]})
        elif path == "/v1/observations":
            send_json(handler, self.observations())
        elif path == "/v1/images/":
            send_json(handler, self.openverse())
        elif path == "/wp-json/tainacan/v2/collection/7/items":
            send_json(handler, {"items": [self.item(12, "Domínio público"), self.item(13, "Uso interno")]})
        elif path == "/iiif.json":
            send_json(handler, self.manifest())
        elif path == "/v1/occurrence/search":
            send_json(handler, {"endOfRecords": True, "results": [self.occurrence()]})
        elif path.startswith("/media/"):
            number = int(path.rpartition("/")[2].partition(".")[0])
            handler.send(200, "image/x-portable-pixmap", ppm(draw_subject("chimarrao", number, side=64)))
        else:
            handler.send(404, "text/plain", b"")

    def commons(self) -> dict[str, Any]:
        page = self.file
        free = {"License": "cc-by-sa-3.0", "LicenseShortName": "CC BY-SA 3.0", "Artist": "<a href='x'>João  Araújo</a>"}
        pages = [
            page(1, **free, Restrictions="personality", ObjectName="Cuia <b>de prata</b>"),
            page(2, License="pd", Credit="Museu Júlio de Castilhos"),
            page(3, **(free | {"License": "cc-by-nc-2.0", "LicenseShortName": "CC BY-NC 2.0"})),
            page(4, **free, Categories="Parque Farroupilha|Cuias"),
        ]
        return {"batchcomplete": True, "query": {"pages": pages, "searchinfo": {"totalhits": 4}}}

    def file(self, number: int, **metadata: str) -> dict[str, Any]:
        info = {"thumburl": f"{self.address}/media/{number}.ppm", "mime": "image/jpeg", "sha1": f"{number:040x}", "user": "Uploader"}
        info |= {"descriptionurl": f"https://commons.wikimedia.org/wiki/File:{number}"}
        told = {name: {"value": value} for name, value in metadata.items()}
        return {"pageid": number, "ns": 6, "title": f"File:Cuia {number}.jpg", "imageinfo": [info | {"extmetadata": told}]}

    def observations(self) -> dict[str, Any]:
        photos = [
            {"id": number, "url": f"{self.address}/media/{number}.ppm", "license_code": code}
            for number, code in ((5, "cc-by"), (6, None), (8, "cc0"))
        ]
        observation = {"id": 70, "quality_grade": "research", "uri": "https://www.inaturalist.org/observations/70", "photos": photos}
        observation |= {"user": {"login": "ana", "name": "Ana Müller"}, "taxon": {"name": "Ilex paraguariensis"}, "location": "-30,-51"}
        return {"total_results": 1, "results": [observation]}

    def item(self, number: int, rights: str) -> dict[str, Any]:
        metadata = {"direitos": {"name": "Direitos", "value": rights, "value_as_string": rights}}
        address = f'<a href="x"><img src="{self.address}/media/{number}.ppm"></a>'
        return {
            "id": number, "title": f"Cuia {number}", "status": "publish", "document_type": "attachment", "metadata": metadata,
            "document_as_html": address, "url": "https://museu.example/cuia", "document_mimetype": "image/jpeg",
        }  # fmt: skip

    def manifest(self) -> dict[str, Any]:
        image = {"id": f"{self.address}/media/14.ppm", "type": "Image", "width": 64, "height": 64}
        canvas = {"id": "https://museu.example/canvas/1", "type": "Canvas", "items": [{"items": [{"body": image}]}]}
        return {
            "id": "https://museu.example/manifest", "type": "Manifest", "label": {"pt": ["Cuia"]}, "items": [canvas],
            "rights": "http://creativecommons.org/licenses/by/4.0/", "requiredStatement": {"value": {"pt": ["Museu X"]}},
        }  # fmt: skip

    def occurrence(self) -> dict[str, Any]:
        media = {"type": "StillImage", "identifier": f"{self.address}/media/15.ppm", "license": "CC0", "creator": "Ana"}
        return {"key": 15, "basisOfRecord": "PRESERVED_SPECIMEN", "species": "Ilex paraguariensis", "media": [media]}

    def openverse(self) -> dict[str, Any]:
        def record(number: int, license_: str, version: str) -> dict[str, Any]:
            url = f"https://creativecommons.org/licenses/{license_}/{version}/"
            return {
                "id": f"ov-{number}", "title": f"Chimarrão nº {number}", "creator": "Conceição",
                "url": f"{self.address}/media/{number}.ppm",
                "foreign_landing_url": f"https://flickr.example/{number}", "license": license_, "license_version": version,
                "license_url": url,
                "tags": [{"name": "mate"}],
            }  # fmt: skip

        results = [record(9, "by", "2.0"), record(10, "by-nd", "2.0"), record(11, "by-sa", "4.0"), {"id": "ov-12"}]
        return {"result_count": 4, "page_count": 1, "results": results}


def test_the_crawl_makes_of_the_same_answers_what_it_did(tmp_path: Path) -> None:
    web = RecordedWeb()
    (tmp_path / "photos").mkdir()
    for number in (20, 21):
        (tmp_path / "photos" / f"{number}.ppm").write_bytes(ppm(draw_subject("chimarrao", number, side=64)))
    with serving(web) as server:
        web.address = server.address
        sources = [
            {"commons": {"search": "cuia", "endpoint": f"{server.address}/w/api.php"}},
            {"wikidata": {
                "query": "SELECT ?image WHERE {}", "endpoint": f"{server.address}/sparql",
                "items_endpoint": f"{server.address}/w/api.php", "files_endpoint": f"{server.address}/files/w/api.php",
            }},
            {"inaturalist": {"taxon": "Ilex paraguariensis", "endpoint": f"{server.address}/v1"}},
            {"openverse": {"query": "chimarrão", "endpoint": f"{server.address}/v1/images/"}},
            {"gbif": {"taxon_key": 7, "endpoint": f"{server.address}/v1"}},
            {"tainacan": {"site": server.address, "collection": 7, "rights": {"field": "direitos"}, "holder": "Museu X"}},
            {"iiif": {"manifest": f"{server.address}/iiif.json"}},
            {"folder": {"path": "photos", "license": "cc-by-4.0", "author": "João Araújo", "source": "acervo"}},
            {"urls": {"addresses": [f"{server.address}/media/30.ppm"], "license": "cc0", "author": "João", "source": "acervo"}},
        ]  # fmt: skip
        crawl = {"sources": sources, "max_images": 12, "exclude": ["Parque Farroupilha"], "media_hosts": ["127.0.0.1"]}
        value = {"concepts": {"chimarrao": {"token": "dnc", "class_noun": "cup", "crawl": crawl}}}
        (tmp_path / "concepts.yaml").write_text(json.dumps(value), encoding="utf-8")
        project = Project(tmp_path / "concepts.yaml", tmp_path / "data")
        done = run_stage(project, "raw_crawl", "chimarrao", tmp_path / "request")
        artifact = project.store.current("raw_crawl", "chimarrao")
        assert artifact, done.stderr
        names = ("images", "refused", "failed", "gone")
        tables = {name: read_table(artifact.folder / f"{name}.jsonl") for name in names}
        tables["attribution"] = (artifact.folder / "ATTRIBUTION.csv").read_text(encoding="utf-8-sig").splitlines()
        text = json.dumps(tables, ensure_ascii=False).replace(server.address, "http://HOST").replace(str(tmp_path), "HERE")
        for row in tables["images"]:  # keys of declared addresses are hashes of them, and ports differ
            if (kind := row["key"].partition(":")[0]) in ("urls", "gbif"):
                text = text.replace(row["key"], f"{kind}:HASH")
    result = json.loads(text)
    kinds = {row["origin"].partition(":")[0] for row in result["images"]}
    assert kinds == set(SourceSpec.model_fields), "every kind of source is recorded"
    hold("crawl", ASSETS["raw_crawl"].code_version, result, TABLE)


# ------------------------------------------------------------------------------------------ curation


def curation_input() -> dict[str, bytes]:
    good = {f"good {index}": draw_subject("chimarrao", index, side=256) for index in range(4)}
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (256, 256, 3), np.uint8))
    first = good["good 0"]
    framed = Image.new("RGB", (256, 256), "white")
    framed.paste(first.resize((120, 120)), (68, 68))
    bordered = Image.new("RGB", (280, 256), "black")
    bordered.paste(draw_subject("chimarrao", 11, side=256), (12, 0))
    found = good | {
        "mirrored copy": first.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "small": draw_subject("chimarrao", 8, side=64),
        "long": noise.resize((1200, 200)),
        "framed": framed,
        "bordered": bordered,
        "dark": first.point(lambda v: v // 40),
        "bright": Image.blend(first, Image.new("RGB", first.size, "white"), 0.97),
        "blurred": draw_subject("chimarrao", 9, side=256).filter(ImageFilter.GaussianBlur(12)),
        "grey": draw_subject("chimarrao", 10, side=256).convert("L"),
        "flat": Image.new("RGB", (256, 256), (90, 120, 70)),
    }
    return {name: ppm(picture) for name, picture in found.items()} | {"cut off": ppm(noise)[:5000], "no image": b"P6 nothing"}


def test_curation_makes_of_the_same_images_what_it_did(tmp_path: Path) -> None:
    curation = {
        "min_side": 128, "min_sharpness": 0.0001, "max_graphic": 1.0, "near_duplicate_distance": 2, "near_duplicate_correlation": 0.98,
        "allow_monochrome": False, "captions": "title", "max_images": 5, "min_images": 2,
    }  # fmt: skip
    folder = {"path": "photos", "license": "cc-by-4.0", "author": "João Araújo", "source": "acervo"}
    concept = {"token": "dnc", "class_noun": "cup", "crawl": {"sources": [{"folder": folder}]}, "curation": curation}
    (tmp_path / "concepts.yaml").write_text(json.dumps({"concepts": {"chimarrao": concept}}), encoding="utf-8")
    (tmp_path / "photos").mkdir()
    for name, content in curation_input().items():
        (tmp_path / "photos" / f"{name}.ppm").write_bytes(content)
    project = Project(tmp_path / "concepts.yaml", tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        done = run_stage(project, asset, "chimarrao", tmp_path / asset)
    artifact = project.store.current("curated_set", "chimarrao")
    assert artifact, done.stderr
    kept = read_table(artifact.folder / "images.jsonl")
    for row in kept:
        with Image.open(artifact.folder / row["file"]) as image:
            row["pixels"] = [*image.size, hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()[:16]]
    result = {"kept": kept, "excluded": read_table(artifact.folder / "excluded.jsonl")}
    reasons = {row["reason"] for row in result["excluded"]}
    assert len(reasons) >= 9, reasons
    hold("curation", ASSETS["curated_set"].code_version, result, TABLE)


# ------------------------------------------------------------------------------------------ training, gallery


def test_training_on_the_same_images_loses_what_it_did(tmp_path: Path) -> None:
    rows = []
    for index in range(5):
        draw_subject("araucaria", index, side=128).save(tmp_path / f"{index}.png")
        caption = f"a photo of {{token}} {{class_noun}}, pinheiro {index}"
        rows.append(train_image(index, file=f"{index}.png", caption=caption, pixels=str(index)))
    base = base_models.load("embedded", None, torch.device("cpu"))
    spec = TrainingSpec(rank=4, learning_rate=1e-3, batch_size=2, max_steps=3, validation_steps=1, random_flip=True, crops=2)
    spec = spec.for_family(StableDiffusion)
    images = ConceptImages(ConceptWords("mtl", "tree"), tmp_path, rows[:4], rows[4:])
    encoded, _ = prepare(base, spec, [images], Places(tmp_path / "class_images"), Reporter(None))
    trainer = Trainer(base, spec, encoded)
    first = [trainer.objective.loss(trainer.objective.examples(step)).sum().item() for step in range(3)]
    trainer.run(tmp_path / "training.pt", Reporter(None))
    result = {
        "loss_of_steps": first,
        "validation_loss": [row.validation for row in trainer.state.curve],
        "best": trainer.state.best_step,
    }
    hold("training", ASSETS["checkpoint"].code_version, result, "gaucho_pipeline/assets/table.py", relative=0.005)


def test_the_gallery_asks_for_the_same_pictures_as_it_did(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    class Asked(StableDiffusion):
        def __init__(self) -> None:
            self.pipeline = SimpleNamespace(components={}, vae=SimpleNamespace(dtype=torch.float32))
            self.parts, self.encoded = WholePipeline(self.pipeline), {}

        def read(self, prompts: Sequence[str], sampling: Sampling) -> None:
            """Prompts are seen when they are denoised."""

        def denoise(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> torch.Tensor:
            keys = {"num_inference_steps": sampling.num_inference_steps, "height": sampling.side, "width": sampling.side}
            told = {"prompt": list(prompts), "guidance_scale": sampling.guidance_scale}
            asked.append(keys | told | {"negative_prompt": [sampling.negative_prompt] * len(prompts), "seeds": list(seeds)})
            return torch.zeros(len(prompts), 1)

        def decode(self, latents: torch.Tensor) -> list[Any]:
            return [Image.new("RGB", (8, 8))] * len(latents)

    specs = GallerySpec(), GallerySpec(prompts=("{token} by {class_noun}",), seeds=tuple(range(10)), negative_prompt="text")
    for number, spec in enumerate(specs):
        resolved = spec.resolved(None)
        list(Drawer(Asked(), resolved, SETTINGS, tmp_path / str(number)).draw(samples_of(resolved, ConceptWords("mtl", "tree"))))
    hold("gallery", ASSETS["sample_gallery"].code_version, asked, "gaucho_pipeline/assets/table.py")


def test_an_evaluation_says_of_the_same_pictures_what_it_did(tmp_path: Path) -> None:
    project = stand_until_evaluation(tmp_path, drawn("araucaria", 20, 4), drawn("chimarrao", 20, 4))
    (tmp_path / "staging").mkdir()
    metrics = evaluate(project.request("evaluation", "araucaria"), tmp_path / "staging", Reporter(None)).metrics
    values = metrics.model_dump(mode="json")
    hold("evaluation", ASSETS["evaluation"].code_version, values, "gaucho_pipeline/assets/table.py", relative=0.005)


# ------------------------------------------------------------------------------------------ sequence


@pytest.mark.parametrize("method", SEQUENCE_METHODS)
def test_a_story_is_drawn_as_it_was(method: str, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"method": method, "drift": 0.2}
    name = "WanPipeline" if method == "video" else "StableDiffusionPipeline"
    if method == "animatediff":
        keys["motion_adapter"] = {"model": str(new_motion_adapter(tmp_path / "motion"))}
    family = base_models.load("embedded", None, torch.device("cpu")).family if method == "storyboard" else new_family(name)
    drawing = drawing_of(family, tmp_path, **keys)
    opened = SEQUENCE_METHODS[method].open(family, drawing.spec)
    frames = SEQUENCE_METHODS[method].draw(replace(drawing, family=opened))
    means = [np.asarray(frame, float).mean(axis=(0, 1)).round(2).tolist() for frame in frames]
    version = f"{ASSETS['sample_sequence'].code_version}+{SEQUENCE_CODE_VERSIONS[method]}"
    hold(f"sequence/{method}", version, means, "gaucho_pipeline/assets/table.py, or of gaucho_pipeline/sequence/base.py", relative=0.01)


# ------------------------------------------------------------------------------------------ what stands on disk


@pytest.mark.parametrize("asset", ASSETS)
def test_manifests_that_stand_can_still_be_read(asset: str) -> None:
    """Metrics that come later have defaults: else every artifact on disk would be made again. A recorded manifest is never changed."""
    path = FOLDER / "manifest" / f"{asset}.json"
    if os.environ.get(VARIABLE) and not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(new_manifest(asset).model_dump_json(indent=1) + "\n", encoding="utf-8")
    manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    assert (manifest.asset, type(manifest.metrics)) == (asset, type(METRICS[asset]))


def new_manifest(asset: str) -> Manifest:
    provenance = Provenance(spec_version="s", spec={"min_images": 4}, inputs={}, code_version=ASSETS[asset].code_version)
    moment = "2026-11-25T12:00:00+00:00"
    return Manifest(
        asset=asset, concept="araucaria", fingerprint="f", data_version="d", provenance=provenance, made_at=moment, seconds=1,
        metrics=METRICS[asset],
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ the recording itself


def test_another_result_under_the_same_version_is_reported_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gaucho_pipeline_tests import recording

    monkeypatch.setattr(recording, "FOLDER", tmp_path / "recorded")
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(pytest.fail.Exception, match="nothing is recorded for code version 1"):
        hold("x", "1", {"a": 1}, "assets.py")
    monkeypatch.setenv(VARIABLE, "1")
    hold("x", "1", {"a": 1}, "assets.py")
    with pytest.raises(pytest.fail.Exception, match=r"a: 1 was recorded, 2 is given\n.*raise the code version in assets\.py"):
        hold("x", "1", {"a": 2}, "assets.py")
    hold("x", "2", {"a": 2}, "assets.py")
    monkeypatch.delenv(VARIABLE)
    hold("x", "2", {"a": 2}, "assets.py")


def test_a_code_change_that_moves_a_result_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(CommonsSpec, "code_version", "2")
    with pytest.raises(pytest.fail.Exception, match=r"commons\.code_version is new"):
        test_specifications_resolve_to_what_they_did(tmp_path)


def test_differences_are_named_by_their_place() -> None:
    assert differences({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.01}]}, 0.02) == []
    assert differences({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.1}], "c": 1}, 0.02) == [
        "a[1].b: 2.0 was recorded, 2.1 is given",
        "c is new",
    ]


def test_a_manifest_of_more_metrics_than_are_known_can_be_read() -> None:
    value = json.loads((FOLDER / "manifest" / "checkpoint.json").read_text(encoding="utf-8"))
    value["metrics"]["of_a_later_version"] = 1
    assert Artifact(Path(), Manifest.model_validate(value)).asset.name == "checkpoint"
