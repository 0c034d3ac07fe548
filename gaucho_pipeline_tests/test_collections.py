"""Two concepts taught in one adapter, from the concepts file to the published page: what is made, what is not, and whom it credits."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from safetensors.torch import load_file

from gaucho_pipeline.assets.metrics import CheckpointMetrics, CollectionMetrics
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.models.trained import Adapters, load_base
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.project.approvals import approve
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.provenance.verify import verify_file
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline_tests.conftest import SMALL, draw_folder, folder_concept
from gaucho_pipeline_tests.fake_hub import Hub, push
from gaucho_pipeline_tests.programs import gaucho, made
from gaucho_pipeline_tests.replay import serving

MEMBERS = ("araucaria", "chimarrao")
EVERYTHING_OF = ("checkpoint", "sample_gallery", "evaluation")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collection")
    concepts = {
        "araucaria": folder_concept(draw_folder(folder / "a", "araucaria", 5), "mtl", "tree"),
        "chimarrao": folder_concept(draw_folder(folder / "c", "chimarrao", 4), "dnc", "cup"),
    }
    concepts["chimarrao"]["crawl"]["sources"][0]["folder"]["author"] = "Bento Índio"  # type: ignore[index]
    value = {"defaults": SMALL, "concepts": concepts, "collections": {"rs": {"name": {"pt": "Coleção"}, "concepts": list(MEMBERS)}}}
    (folder / "concepts.yaml").write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    gaucho(folder, "run", "--jobs", "1")
    return folder


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Path:
    """The same in a place of its own."""
    whole = tmp_path / "own"
    shutil.copytree(made_once, whole, symlinks=True)
    return whole


def opened(folder: Path) -> Project:
    return Project(folder / "concepts.yaml", folder / "data")


def edit(folder: Path, change: Any) -> None:
    value = yaml.safe_load((folder / "concepts.yaml").read_text(encoding="utf-8"))
    change(value)
    (folder / "concepts.yaml").write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")


def stale(folder: Path) -> set[str]:
    project = opened(folder)
    found = {f"{slug}/{name}": state.state for slug in (*MEMBERS, "rs") for name, state in project.states(slug).items()}
    return {name for name, state in found.items() if state != "fresh"}


# ------------------------------------------------------------------------------------------ what is made


def test_one_training_makes_one_adapter_and_everything_of_each_concept(made_once: Path) -> None:
    project = opened(made_once)
    collection = project.artifact("collection", "rs")
    metrics = collection.manifest.metrics
    assert isinstance(metrics, CollectionMetrics)
    assert set(metrics.concepts) == {"mtl", "dnc"}
    weights = load_file(collection.folder / "adapter" / "pytorch_lora_weights.safetensors")
    for slug, token in zip(MEMBERS, ("mtl", "dnc"), strict=True):
        checkpoint = project.checkpoint(slug)
        own = load_file(checkpoint.folder / "adapter" / "pytorch_lora_weights.safetensors")
        assert own.keys() == weights.keys()
        assert all((own[name] == weights[name]).all() for name in own)
        assert checkpoint.manifest.metrics == metrics.concepts[token]
        assert isinstance(checkpoint.manifest.metrics, CheckpointMetrics)
        assert (checkpoint.folder / f"{slug}.safetensors").read_bytes() == (collection.folder / "rs.safetensors").read_bytes()
    assert stale(made_once) == set()


def test_with_nothing_changed_nothing_is_made(made_once: Path) -> None:
    assert made(made_once) == []


def test_each_concept_is_measured_on_its_own_images(made_once: Path) -> None:
    metrics: Any = opened(made_once).artifact("collection", "rs").manifest.metrics
    assert [(each.train_images, each.validation_images) for each in metrics.concepts.values()] == [(4, 1), (3, 1)]
    assert metrics.train_images == 7
    first, second = (each.validation_loss.base for each in metrics.concepts.values())
    assert first != second


def test_what_was_learned_from_others_is_credited_wherever_the_adapter_goes(made_once: Path) -> None:
    project = opened(made_once)
    authors = {"João Araújo", "Bento Índio"}
    places = [project.artifact("collection", "rs").folder, *(project.checkpoint(slug).folder for slug in MEMBERS)]
    places += [project.artifact("sample_gallery", slug).folder for slug in MEMBERS]
    for place in places:
        with (place / "ATTRIBUTION.csv").open(encoding="utf-8-sig", newline="") as file:
            assert {row["author"] for row in csv.DictReader(file)} == authors, place
    for place in places[:3]:
        card = (place / "README.md").read_text(encoding="utf-8")
        assert all(author in card for author in authors)
        assert "\n## Em português\n" in card
        assert ("um só arquivo, que desenha cada um" in card) == (place == places[0])


def test_a_picture_names_all_images_that_it_is_due_to(made_once: Path) -> None:
    picture = next((opened(made_once).artifact("sample_gallery", "araucaria").folder / "pictures").glob("*-tuned.png"))
    found = verify_file(picture, opened(made_once).store)
    assert {row.author for row in found.training_images} == {"João Araújo", "Bento Índio"}
    assert len(found.training_images) == 7


def test_the_page_has_the_table_the_file_and_the_credits(made_once: Path) -> None:
    site = opened(made_once).store.stable("gallery_site", "all")
    page = (site / "rs" / "index.html").read_text(encoding="utf-8")
    assert "Coleção" in page
    assert page.count('class="n own"') == 2
    assert {"rs.safetensors", "README.md", "ATTRIBUTION.csv", "en.html"} <= {path.name for path in (site / "rs").iterdir()}
    assert 'href="rs/index.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert "4 imagens de outros conceitos" not in (site / "araucaria" / "index.html").read_text(encoding="utf-8")
    assert "3 imagens de outros conceitos" in (site / "araucaria" / "index.html").read_text(encoding="utf-8")


def test_the_page_opens_with_a_pair_of_each_concept_and_says_that_they_were_generated(made_once: Path) -> None:
    folder = opened(made_once).store.stable("gallery_site", "all") / "rs"
    page = (folder / "index.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert [picture.split("/")[1] for picture in pictures] == ["araucaria", "araucaria", "chimarrao", "chimarrao"]
    assert all((folder / picture).is_file() for picture in pictures)
    assert page.index("foram geradas por um modelo") < page.index("<img") < page.index("<table")


# ------------------------------------------------------------------------------------------ what is made again, and what is not


def test_another_key_of_its_training_teaches_it_once_more_and_crawls_nothing(folder: Path) -> None:
    edit(folder, lambda value: value["collections"]["rs"].update(training={"epochs": 5}))
    expected = {"rs/collection", "rs/collection_evaluation", *(f"{slug}/{name}" for slug in MEMBERS for name in EVERYTHING_OF)}
    assert stale(folder) == expected
    assert {line.rpartition(" ")[0] for line in made(folder)} == {*expected, "all concepts/gallery_site"}
    assert stale(folder) == set()


def test_another_prompt_draws_one_gallery_and_teaches_nothing(folder: Path) -> None:
    edit(folder, lambda value: value["concepts"]["araucaria"].update(gallery={"prompts": ["a drawing of {token} {class_noun}"]}))
    done = {line.rpartition(" ")[0] for line in made(folder)}
    assert done == {"araucaria/sample_gallery", "araucaria/evaluation", "rs/collection_evaluation", "all concepts/gallery_site"}


def test_a_table_of_earlier_pictures_is_not_shown(folder: Path) -> None:
    project = opened(folder)
    assert set(project.collections_shown(project.shown())) == {"rs"}
    edit(folder, lambda value: value["concepts"]["araucaria"].update(gallery={"prompts": ["a drawing of {token} {class_noun}"]}))
    gaucho(folder, "run", "araucaria", "--select", "evaluation", "--jobs", "1")
    project = opened(folder)
    assert project.collections_shown(project.shown()) == {}


def test_an_image_more_of_one_teaches_the_collection_again(folder: Path) -> None:
    photos = folder / "more"
    draw_folder(photos, "chimarrao", 5)
    edit(folder, lambda value: value["concepts"]["chimarrao"]["crawl"]["sources"][0]["folder"].update(path=str(photos)))
    done = {line.rpartition(" ")[0] for line in made(folder)}
    assert {"chimarrao/raw_crawl", "chimarrao/curated_set", "rs/collection", "araucaria/checkpoint", "chimarrao/checkpoint"} <= done
    assert "araucaria/curated_set" not in done


def test_a_corrected_credit_teaches_nothing_again(folder: Path) -> None:
    edit(folder, lambda value: value["concepts"]["chimarrao"]["crawl"]["sources"][0]["folder"].update(author="Bento Guarani"))
    done = {line.rpartition(" ")[0] for line in made(folder)}
    assert "chimarrao/curated_set" in done
    assert not {"rs/collection", "chimarrao/checkpoint", "araucaria/checkpoint"} & done
    assert stale(folder) == set()


def test_a_corrected_credit_is_shown_and_handed_on_with_whatever_learned_from_the_image(folder: Path, tmp_path: Path) -> None:
    edit(folder, lambda value: value["concepts"]["chimarrao"]["crawl"]["sources"][0]["folder"].update(author="Bento Guarani"))
    gaucho(folder, "run", "--jobs", "1")
    for slug in MEMBERS:
        approve(opened(folder), slug, "Anália")
    gaucho(folder, "publish", str(tmp_path / "site"))
    gaucho(folder, "export", "araucaria", str(tmp_path / "exported"))
    gaucho(folder, "export", "rs", str(tmp_path / "exported-rs"))
    made_here = opened(folder).artifact("gallery_site").folder
    folders = [site / slug for site in (tmp_path / "site", made_here) for slug in (*MEMBERS, "rs")]
    for place in (*folders, tmp_path / "exported", tmp_path / "exported-rs"):
        for name in ("README.md", "ATTRIBUTION.csv"):
            text = (place / name).read_text(encoding="utf-8-sig")
            assert "Bento Guarani" in text, place / name
            assert "João Araújo" in text
            assert "Bento Índio" not in text


def test_a_collection_goes_to_a_hub_once_all_of_its_concepts_are_approved(folder: Path) -> None:
    made_there = Hub()
    with serving(made_there) as server:
        approve(opened(folder), "araucaria", "Anália")
        refused = push(folder, server.address, "rs", "museu/rs", "--yes")
        assert (refused.returncode, "chimarrao cannot be published: nobody has approved it" in refused.stderr, made_there.made) == (
            1,
            True,
            [],
        )
        approve(opened(folder), "chimarrao", "Anália")
        done = push(folder, server.address, "rs", "museu/rs", "--yes")
    assert done.returncode == 0, done.stderr
    weights = (opened(folder).artifact("collection", "rs").folder / "rs.safetensors").read_bytes()
    assert made_there.files["rs.safetensors"] == weights
    card, credited = (made_there.files[name].decode() for name in ("README.md", "ATTRIBUTION.csv"))
    assert all(author in text for author in ("João Araújo", "Bento Índio") for text in (card, credited))
    assert all(f"- **{words}**" in card for words in ("mtl tree", "dnc cup"))
    pictures = [name for name in made_there.files if name.endswith(".png")]
    assert {name.split("/")[0] for name in pictures} == set(MEMBERS)
    assert all(f"({name})" in card for name in pictures)
    assert set(made_there.files) == {"rs.safetensors", "README.md", "ATTRIBUTION.csv", *pictures}


def test_a_run_of_one_concept_teaches_the_collection_first_and_gathers_what_that_needs(folder: Path) -> None:
    shutil.rmtree(folder / "data")
    done = gaucho(folder, "run", "araucaria", "--select", "checkpoint", "--jobs", "1").stdout
    project = opened(folder)
    assert done.index("  collection") < done.index("  checkpoint")
    assert project.store.current("curated_set", "chimarrao")
    assert project.store.current("checkpoint", "chimarrao") is None


def test_a_set_that_cannot_be_learned_from_stops_the_collection_and_says_which(folder: Path) -> None:
    edit(folder, lambda value: value["concepts"]["chimarrao"].update(curation={"min_side": 5000, "min_images": 4}))
    done = gaucho(folder, "run", "--jobs", "1", check=False)
    assert done.returncode == 1
    assert "collection rs: of chimarrao there is no set to learn from" in done.stderr
    assert opened(folder).store.current("collection", "rs")


# ------------------------------------------------------------------------------------------ what is checked


def test_damaged_weights_of_a_collection_are_not_taken_for_a_checkpoint(folder: Path) -> None:
    project = opened(folder)
    path = project.artifact("collection", "rs").folder / "adapter" / "pytorch_lora_weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    done = gaucho(folder, "run", "araucaria", "--select", "checkpoint", "--force", "--jobs", "1", check=False)
    assert done.returncode == 1
    assert "pytorch_lora_weights.safetensors" in done.stderr


def test_a_collection_that_learned_from_other_images_is_refused_with_the_command(folder: Path) -> None:
    project = opened(folder)
    table = project.artifact("collection", "rs").folder / "train.jsonl"
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    rows[0]["caption"] = "another"
    manifest = project.artifact("collection", "rs").manifest
    with project.store.staging("collection", "rs", manifest.fingerprint) as staging:
        shutil.copytree(table.parent, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        (staging / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        project.store.publish(staging, manifest)
    done = gaucho(folder, "run", "araucaria", "--select", "checkpoint", "--force", "--jobs", "1", check=False)
    assert "rs was taught on other images of araucaria; run: gaucho run rs" in done.stderr


def test_two_concepts_of_one_collection_draw_with_one_adapter_and_not_with_twice_of_it(made_once: Path) -> None:
    project = opened(made_once)
    checkpoints = {slug: (project.checkpoint(slug).manifest, project.checkpoint(slug).folder) for slug in MEMBERS}
    loaded = load_base(checkpoints["araucaria"][0])
    adapters = Adapters(loaded.family, checkpoints)
    assert list(loaded.family.network.peft_config) == ["araucaria"]
    adapters.use({"araucaria": 1.0, "chimarrao": 0.5})
    layer = next(each for each in loaded.family.network.modules() if hasattr(each, "lora_A") and each.lora_A)
    assert layer.scaling["araucaria"] == layer.lora_alpha["araucaria"] / layer.r["araucaria"]


def test_a_collection_has_no_gallery_and_a_concept_no_collection(made_once: Path) -> None:
    project = opened(made_once)
    with pytest.raises(ConfigError, match="a collection has no gallery; its concepts have"):
        project.assets_of("rs", "sample_gallery")
    with pytest.raises(ConfigError, match="a concept has no collection"):
        project.assets_of("araucaria", "collection")


# ------------------------------------------------------------------------------------------ renamed, forgotten, packed, published


@pytest.mark.parametrize(("old", "new"), [("chimarrao", "mate"), ("rs", "acervo")])
def test_renamed_nothing_is_taught_again(old: str, new: str, folder: Path) -> None:
    gaucho(folder, "rename", old, new)
    project = opened(folder)
    slugs = [new if slug == old else slug for slug in (*MEMBERS, "rs")]
    found = {(slug, name): state.state for slug in slugs for name, state in project.states(slug).items()}
    assert {key for key, state in found.items() if state != "fresh"} <= {(slugs[-1], "collection_evaluation")}
    assert "collection      running" not in gaucho(folder, "run", "--jobs", "1").stdout
    assert gaucho(folder, "fsck").returncode == 0


def test_forgetting_an_image_names_the_collection_and_every_checkpoint_that_is_due_to_it(folder: Path) -> None:
    project = opened(folder)
    row = json.loads((project.artifact("collection", "rs").folder / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    done = gaucho(folder, "forget", row["sha256"], check=False)
    assert done.returncode == 0
    assert "collection of rs" in done.stdout
    assert all(f"checkpoint of {slug}" in done.stdout for slug in MEMBERS)
    assert "rs/collection" in stale(folder)


def test_a_collection_goes_to_another_machine_and_comes_back(folder: Path, tmp_path: Path) -> None:
    edit(folder, lambda value: value["collections"]["rs"].update(training={"epochs": 2}))
    work = tmp_path / "work"
    work.mkdir()
    gaucho(folder, "pack", "rs", "--out", str(work / "rs.tar"))
    with tarfile.open(work / "rs.tar") as tar:
        tar.extractall(work, filter="data")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GAUCHO") and name != "PYTHONPATH"}
    ended = subprocess.run([sys.executable, "run.py"], cwd=work, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "collection of rs: 2 concepts in one adapter" in gaucho(folder, "unpack", str(work / "done.tar")).stdout
    assert opened(folder).state("collection", "rs").state == "fresh"


def test_a_checkpoint_that_is_taken_from_a_collection_is_not_packed(folder: Path, tmp_path: Path) -> None:
    refused = gaucho(folder, "pack", "araucaria", "--out", str(tmp_path / "a.tar"), check=False)
    assert "araucaria is taught in the collection rs; run: gaucho pack rs" in refused.stderr


def test_its_page_is_published_once_all_of_its_concepts_are_approved(folder: Path, tmp_path: Path) -> None:
    approve(opened(folder), "araucaria", "Anália")
    done = gaucho(folder, "publish", str(tmp_path / "site"))
    assert not (tmp_path / "site" / "rs").exists()
    assert "araucaria: its weights stay here until chimarrao may go out, which they draw, too" in done.stderr
    assert list((tmp_path / "site").rglob("*.safetensors")) == []
    approve(opened(folder), "chimarrao", "Anália")
    gaucho(folder, "publish", str(tmp_path / "site"))
    assert {path.name for path in (tmp_path / "site").rglob("*.safetensors")} == {
        "rs.safetensors",
        "araucaria.safetensors",
        "chimarrao.safetensors",
    }
    row = json.loads((opened(folder).artifact("collection", "rs").folder / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    gaucho(folder, "forget", row["sha256"])
    gaucho(folder, "publish", str(tmp_path / "site"), check=False)
    assert not (tmp_path / "site" / "rs").exists()
    assert not (tmp_path / "site" / "araucaria").exists()


# ------------------------------------------------------------------------------------------ what one concept asks of the others


def refused(folder: Path, *arguments: str) -> str:
    done = gaucho(folder, *arguments, check=False)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_a_community_keeps_does_not_go_out_with_a_concept_that_was_taught_with_it(folder: Path, tmp_path: Path) -> None:
    for slug in MEMBERS:
        approve(opened(folder), slug, "Anália")
    community = {"who": "Povo Kaingang", "labels": ["https://localcontexts.org/label/tk-secret-sacred/"]}
    edit(folder, lambda value: value["concepts"]["araucaria"].update(community=community))
    assert "it was taught in one adapter with araucaria" in refused(folder, "publish", str(tmp_path / "site"), "chimarrao")
    edit(folder, lambda value: (value["concepts"].pop("araucaria"), value.pop("collections")))
    assert "which the concepts file does not have any more" in refused(folder, "publish", str(tmp_path / "site"), "chimarrao")
    assert not (tmp_path / "site").exists()


def test_a_consent_that_has_lapsed_draws_nothing_by_the_name_of_another(folder: Path) -> None:
    consent = {"who": "Anita", "date": "2024-01-31", "scope": "all", "review": "2025-01-31"}
    edit(folder, lambda value: value["concepts"]["araucaria"].update(subject="person", consent=consent))
    assert "it was to be asked for again by 2025-01-31" in refused(folder, "generate", "chimarrao", "a photo of mtl tree", "--out", "a.png")
    assert not (folder / "a.png").exists()


def test_a_picture_of_another_concept_of_the_adapter_says_of_it_that_it_is_of_the_past(folder: Path) -> None:
    edit(folder, lambda value: value["concepts"]["araucaria"].update(historical=True))
    gaucho(folder, "generate", "chimarrao", "a photo of mtl tree.", "--out", "past.png")
    gaucho(folder, "generate", "chimarrao", "a photo of dnc cup.", "--out", "now.png")
    said = [verify_file(folder / name, opened(folder).store).claims or {} for name in ("past.png", "now.png")]
    assert [each.get("imagined") for each in said] == [True, None]


# ------------------------------------------------------------------------------------------ what is not believed


@pytest.mark.parametrize(
    ("asset", "slug", "why"),
    [
        ("checkpoint", "araucaria", "is taught in the collection rs"),
        ("collection_evaluation", "rs", "is made here in no time"),
        ("curated_set", "araucaria", "is made here in no time"),
    ],
)
def test_what_is_packed_by_nobody_is_taken_in_from_nobody(asset: str, slug: str, why: str, folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "done.tar", "w", dereference=True) as tar:
        tar.add(opened(folder).artifact(asset, slug).folder, "artifact")
    assert why in refused(folder, "unpack", str(tmp_path / "done.tar"))


@pytest.mark.parametrize("change", ["pixels", "a stranger", "weights", "a link"])
def test_what_was_changed_or_added_after_it_was_approved_is_not_published(change: str, folder: Path, tmp_path: Path) -> None:
    project = opened(folder)
    for slug in MEMBERS:
        approve(project, slug, "Anália")
    gallery = project.artifact("sample_gallery", "araucaria").folder / "pictures"
    if change == "pixels":
        first = next(gallery.glob("*-tuned.png"))
        _replace(first, first.read_bytes() + b"x")
    elif change == "weights":
        weights = project.checkpoint("araucaria").folder / "araucaria.safetensors"
        _replace(weights, weights.read_bytes()[:-1] + b"x")
    elif change == "a link":
        (gallery / "zz.png").symlink_to("/etc/hostname")
    else:
        (gallery / "zz.png").write_bytes(b"x")
    assert "is not what was written there; run: gaucho fsck --repair" in refused(folder, "publish", str(tmp_path / "site"), "araucaria")
    assert not (tmp_path / "site").exists()


def _replace(path: Path, content: bytes) -> None:
    path.unlink()  # which may be one file with that of another artifact
    path.write_bytes(content)


def test_forgetting_an_image_empties_what_a_killed_training_of_the_collection_left(folder: Path) -> None:
    row = json.loads((opened(folder).artifact("collection", "rs").folder / "validation.jsonl").read_text(encoding="utf-8").splitlines()[0])
    shutil.rmtree(folder / "data" / "collection")
    for slug in ("rs", "gone"):
        left = folder / "data" / ".staging" / "collection" / slug / ("f" * 32) / "validation" / "mtl"
        left.mkdir(parents=True)
        (left / "a.png").write_bytes(b"x")
    gaucho(folder, "forget", row["sha256"], "--unread")
    assert list((folder / "data" / ".staging").rglob("a.png")) == []


def test_forgetting_names_the_hub_of_the_collection_and_the_pages_that_people_were_asked_by(folder: Path) -> None:
    (folder / "data" / ".pushed.json").write_text(json.dumps({"rs": ["museu/rs"]}), encoding="utf-8")
    gaucho(folder, "judge", "araucaria")
    row = json.loads(
        (opened(folder).artifact("curated_set", "araucaria").folder / "images.jsonl").read_text(encoding="utf-8").splitlines()[0]
    )
    said = gaucho(folder, "forget", row["sha256"]).stdout
    assert "rs was put on a hub, and may have learned from it: museu/rs" in said
    assert "people were asked about araucaria by a page that may show it" in said
    assert "about chimarrao" not in said


def test_an_image_that_was_forgotten_on_another_machine_is_not_learned_from(folder: Path) -> None:
    row = json.loads((opened(folder).artifact("collection", "rs").folder / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    Forgotten(opened(folder).forgotten_file).add(row["sha256"], [], "asked for")
    assert f"to take it out: gaucho forget {row['sha256']}" in refused(folder, "run", "rs", "--select", "collection", "--force")


# ------------------------------------------------------------------------------------------ in Dagster


def test_dagsters_graph_leads_from_sets_to_the_collection_to_the_checkpoints(made_once: Path) -> None:
    project = opened(made_once)
    graph = build_defs(project).resolve_asset_graph()

    def parents(asset: str, partition: str) -> set[tuple[str, str]]:
        found = set()
        for parent in graph.get(dg.AssetKey(asset)).parent_keys:
            mapping = graph.get_partition_mapping(dg.AssetKey(asset), parent)
            definition = graph.get(parent).partitions_def
            subset = graph.get(dg.AssetKey(asset)).partitions_def.subset_with_partition_keys([partition])
            wanted = mapping.get_upstream_mapped_partitions_result_for_partitions(
                subset, graph.get(dg.AssetKey(asset)).partitions_def, definition
            )
            found |= {(parent.to_user_string(), key) for key in wanted.partitions_subset.get_partition_keys()}
        return found

    assert parents("collection", "rs") >= {("curated_set", "araucaria"), ("curated_set", "chimarrao")}
    assert ("collection", "rs") in parents("checkpoint", "araucaria")
    assert parents("collection_evaluation", "rs") >= {("evaluation", "araucaria"), ("evaluation", "chimarrao")}


def test_in_dagster_a_collections_partition_makes_the_collection_and_asks_for_nothing_else(made_once: Path) -> None:
    project = opened(made_once)
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs(project, lambda: project).resolve_job_def("everything").execute_in_process(partition_key="rs", instance=instance)
        )
        assert result.success
        versions = {
            event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata.get("note")
            for event in result.get_asset_materialization_events()
            if event.asset_key
        }
    assert versions["collection"] is None
    assert versions["raw_crawl"] is not None
    assert versions["raw_crawl"].value == "not asked for"


def test_without_collections_there_is_nothing_of_them_in_dagster(tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    (tmp_path / "concepts.yaml").write_text(yaml.safe_dump({"concepts": {"araucaria": concept}}), encoding="utf-8")
    names = {key.to_user_string() for key in build_defs(opened(tmp_path)).resolve_asset_graph().get_all_asset_keys()}
    assert not {name for name in names if "collection" in name}
