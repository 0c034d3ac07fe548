"""The data folder looked after: what is damaged is named and made again, what is needed stays, what must go goes and does not come back."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from filelock import FileLock

from gaucho_pipeline.assets.table import ALL
from gaucho_pipeline.concepts.concept import RetentionSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.files.writing import umask
from gaucho_pipeline.orchestration import history
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.runner import Runner, get_instance
from gaucho_pipeline.project.approvals import approve, read_approvals
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.reporter import SilentReporter
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline.store.store import ForgottenError, GauchoError, Store
from gaucho_pipeline.upkeep import fsck
from gaucho_pipeline.upkeep.collecting import find_waste, remove
from gaucho_pipeline.upkeep.forgetting import forget
from gaucho_pipeline.upkeep.renaming import rename
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import CONCEPT_NAMES, EVERY_CONCEPTS, content_of, gaucho, made, states
from gaucho_pipeline_tests.standing import edit, stand, two_concepts

EVERYTHING = RetentionSpec(keep=1, days=0)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A concept of which all was really made."""
    folder = tmp_path_factory.mktemp("chain")
    write_concepts(folder / "concepts.yaml", {"chimarrao": folder_concept(draw_folder(folder / "photos", "chimarrao", 6), "dnc", "cup")})
    gaucho(folder, "run")
    return folder


@pytest.fixture
def folder(chain: Path, tmp_path: Path) -> Iterator[Path]:
    """It, to be damaged: afterwards it is as it was."""
    shutil.copytree(chain, tmp_path / "whole", symlinks=True)
    yield chain
    shutil.rmtree(chain)
    shutil.copytree(tmp_path / "whole", chain, symlinks=True)


def opened(folder: Path) -> Project:
    return Project(folder / "concepts.yaml", folder / "data")


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file, as a disk does."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# ------------------------------------------------------------------------------------------ fsck


def test_all_is_well_with_what_was_just_made(folder: Path) -> None:
    done = gaucho(folder, "fsck")
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("", "all is well")


def files_of(folder: Path) -> list[Path]:
    """Every file of the data folder that is ours and not empty, but for locks and requests, which are written again by each run."""
    skipped = (".requests", ".staging", ".dagster", ".asked", ".partitions.json", ".seen")
    paths = [path for path in sorted((folder / "data").rglob("*")) if path.is_file() and not path.is_symlink() and path.stat().st_size]
    real = [path for path in paths if not any(part in skipped for part in path.relative_to(folder / "data").parts)]
    return [path for path in real if "current" not in path.relative_to(folder / "data").parts and path.suffix not in (".lock",)]


def test_a_flipped_bit_in_any_file_is_named_by_its_file(folder: Path) -> None:
    project, kinds = opened(folder), dict[tuple[str, str], Path]()
    for path in files_of(folder):
        parts = path.relative_to(folder / "data").parts
        kinds.setdefault((parts[0], path.suffix), path)  # one of each kind
    assert {kind for kind, _ in kinds} >= {*CONCEPT_NAMES, "gallery_site", "blobs", ".posteriors", ".pictures"}
    for path in kinds.values():
        good = path.read_bytes()
        flip(path)
        if path.name not in ("measures.sqlite-shm", "measures.sqlite-wal") and path.parent.name != ".measures":
            damaged = [damage.path for damage in fsck.examine(project, SilentReporter(None))]
            assert path in damaged, path
        path.write_bytes(good)
        os.utime(path)
    assert fsck.examine(project, SilentReporter(None)) == []


def test_a_manifest_whose_code_version_alone_was_flipped_is_damaged_and_not_older(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    current = project.store.current("checkpoint", "araucaria")
    assert current
    path, code = current.folder / "manifest.json", current.manifest.provenance.code_version
    number = code.partition("+")[0]
    path.write_text(
        path.read_text(encoding="utf-8").replace(f'"code_version": "{code}"', f'"code_version": "{int(number) - 1}"'), encoding="utf-8"
    )
    assert path in [damage.path for damage in fsck.examine(project, SilentReporter(None))]


def test_a_flipped_bit_anywhere_in_a_manifest_is_named_by_the_manifest(tmp_path: Path) -> None:
    """Also in what was measured, in the moment, and in another file's digest, which would have that file blamed."""
    project = two_concepts(tmp_path)
    current = project.store.current("curated_set", "araucaria")
    assert current
    path = current.folder / "manifest.json"
    good = path.read_bytes()
    for place in range(0, len(good), max(1, len(good) // 60)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert [damage.path for damage in fsck.examine(project, SilentReporter(None)) if path.parent in damage.path.parents] == [path]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"fingerprint": 7}', b"\xff\xfe", None])
@pytest.mark.parametrize("name", ["manifest.json", "current.json"])
def test_a_damaged_file_of_our_own_costs_its_own_artifact(name: str, content: bytes | None, tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    current = project.store.current("checkpoint", "araucaria")
    assert current
    path = current.folder / name if name == "manifest.json" else current.folder.parent / name
    path.write_bytes(path.read_bytes()[:40] if content is None else content)
    assert path in [damage.path for damage in fsck.examine(project, SilentReporter(None))]
    found = states(tmp_path)
    assert found["araucaria"]["checkpoint"] == "missing"
    assert found["chimarrao"]["checkpoint"] == "fresh"


def test_what_is_damaged_is_put_aside_and_the_next_run_makes_the_same_again(folder: Path) -> None:
    project = opened(folder)
    before = {asset.name: content_of(project.store.current(asset.name, "chimarrao").folder) for asset in EVERY_CONCEPTS}  # type: ignore[union-attr]
    blob = next(path for path in (folder / "data" / "blobs").rglob("*") if path.is_file())
    weights = next((folder / "data" / "checkpoint").rglob("chimarrao.safetensors"))
    flip(blob)
    flip(weights)
    (weights.parent / "stranger.txt").write_text("x")
    done = gaucho(folder, "fsck", "--repair", check=False)
    assert done.returncode == 1
    for path in (blob, weights, weights.parent / "stranger.txt"):
        assert str(path) in done.stdout
    assert not blob.exists()
    assert list((folder / "data" / ".quarantine" / "checkpoint" / "chimarrao").iterdir())
    gaucho(folder, "run")
    assert gaucho(folder, "fsck").returncode == 0
    project = opened(folder)
    after = {asset.name: content_of(project.store.current(asset.name, "chimarrao").folder) for asset in EVERY_CONCEPTS}  # type: ignore[union-attr]
    assert after == before


def test_a_stage_fails_with_the_name_of_what_it_cannot_read_rightly_and_it_is_made_again(folder: Path) -> None:
    picture = next((folder / "data" / "curated_set").rglob("images/*.png"))
    flip(picture)
    edit(opened(folder), "chimarrao", "training", rank=2)
    done = gaucho(folder, "run", "chimarrao", "--select", "checkpoint", check=False)
    assert done.returncode == 1
    assert f"curated_set of chimarrao: images/{picture.name} is damaged; it was put aside" in done.stderr
    assert made(folder)[:2] == ["chimarrao/curated_set made", "chimarrao/checkpoint made"]


# ------------------------------------------------------------------------------------------ gc


def test_what_is_needed_stays_and_the_rest_goes(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    old = project.store.current("checkpoint", "araucaria")
    assert old
    edit(project, "araucaria", "training", rank=2)
    project = opened(tmp_path)
    new = stand(project, "checkpoint", "araucaria", data_version="2")
    gallery = project.store.current("sample_gallery", "araucaria")
    assert gallery  # drawn with the old checkpoint
    waste = [each.path for each in find_waste(project, EVERYTHING)]
    assert old.folder not in waste
    stand(project, "sample_gallery", "araucaria", data_version="2")
    stand(project, "evaluation", "araucaria", data_version="2")
    stand(project, "gallery_site", ALL, data_version="2")
    waste = [each.path for each in find_waste(project, EVERYTHING)]
    assert old.folder in waste
    assert gallery.folder in waste
    assert new.folder not in waste
    assert old.folder not in [each.path for each in find_waste(project, RetentionSpec(keep=1, days=30))]
    assert old.folder not in [each.path for each in find_waste(project, RetentionSpec(keep=2, days=0))]
    edit(project, "araucaria", "training", pinned=old.manifest.fingerprint)
    assert old.folder not in [each.path for each in find_waste(opened(tmp_path), EVERYTHING)]


def test_what_is_approved_or_read_by_a_stage_at_work_stays(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    old = project.store.current("sample_gallery", "araucaria")
    assert old
    approve(project, "araucaria", "Ana")
    for name in ("sample_gallery", "evaluation"):
        edit(project, "araucaria", "gallery", seeds=[9])
        project = opened(tmp_path)
        stand(project, name, "araucaria", data_version="2")
    stand(project, "gallery_site", ALL, data_version="2")
    assert old.folder not in [each.path for each in find_waste(project, EVERYTHING)]
    (tmp_path / "concepts.approvals.json").unlink()
    assert old.folder in [each.path for each in find_waste(project, EVERYTHING)]
    place = tmp_path / "data" / ".requests" / "evaluation" / "araucaria"
    place.mkdir(parents=True)
    (place / "request.json").write_text(json.dumps({"inputs": {"sample_gallery": str(old.folder)}}))
    with FileLock(tmp_path / "data" / ".staging" / "evaluation" / "araucaria" / ".lock"):
        assert old.folder not in [each.path for each in find_waste(project, EVERYTHING)]


def test_a_removed_concept_stays_until_it_is_asked_for(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    edit(project, "chimarrao", "curation", max_images=40)
    for asset in EVERY_CONCEPTS[1:]:
        stand(opened(tmp_path), asset.name, "chimarrao", data_version="2")
    value = yaml.safe_load(project.concepts_file.read_text(encoding="utf-8"))
    del value["concepts"]["chimarrao"]
    project.concepts_file.write_text(yaml.safe_dump(value), encoding="utf-8")
    project = opened(tmp_path)
    stand(project, "gallery_site", ALL, data_version="2")
    assert not any("chimarrao" in str(each.path) for each in find_waste(project, EVERYTHING))
    going = {each.path for each in find_waste(project, EVERYTHING, with_gone=True) if "chimarrao" in str(each.path)}
    assert {project.store.home(asset.name, "chimarrao") for asset in EVERY_CONCEPTS} <= going
    gaucho(tmp_path, "gc", "--removed")
    assert not list((tmp_path / "data").glob("*/chimarrao"))
    assert set(states(tmp_path)["araucaria"].values()) == {"fresh"}
    assert not gaucho(tmp_path, "fsck", check=False).stdout


def test_images_of_no_crawl_go_and_those_of_one_stay(folder: Path) -> None:
    project = opened(folder)
    orphan = project.store.blob_path(project.store.add_blob(b"of no crawl"))
    cache = next(path for path in (folder / "data" / ".pictures").rglob("*.png"))
    for path in (folder / "data").rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (time.time() - 90 * 86_400,) * 2)
    aside = project.store.quarantine(next((folder / "data" / "evaluation" / "chimarrao").glob("*/manifest.json")).parent.resolve())
    done = gaucho(folder, "gc", "--older-than", "30", "--dry-run")
    assert "would free" in done.stdout
    assert orphan.exists()
    gaucho(folder, "gc", "--older-than", "30")
    assert (orphan.exists(), cache.exists(), (aside / "manifest.json").exists()) == (False, False, True)  # it was put aside a moment ago
    assert gaucho(folder, "fsck", check=False).stdout.splitlines()[0].endswith("it is made again")
    assert made(folder)[0] == "chimarrao/evaluation made"
    with FileLock(folder / "data" / ".staging" / "raw_crawl" / "chimarrao" / ".lock"):
        assert "something is being crawled: images stay" in gaucho(folder, "gc", "--older-than", "0").stdout


def test_what_is_published_is_readable_as_the_umask_says(tmp_path: Path) -> None:
    artifact = two_concepts(tmp_path).store.current("checkpoint", "araucaria")
    assert artifact
    assert oct(artifact.folder.stat().st_mode & 0o777) == oct(0o777 & ~umask())
    assert {oct(path.stat().st_mode & 0o777) for path in artifact.folder.rglob("*") if path.is_file()} == {oct(0o666 & ~umask())}


@pytest.mark.parametrize("how", ["damaged", "put aside"])
def test_a_crawl_that_cannot_be_read_costs_no_image(how: str, folder: Path) -> None:
    project = opened(folder)
    crawl = project.store.current("raw_crawl", "chimarrao")
    assert crawl
    blobs = [path for path in (folder / "data" / "blobs").rglob("*") if path.is_file()]
    for path in blobs:
        os.utime(path, (0, 0))
    if how == "damaged":
        (crawl.folder / "manifest.json").write_text("{")
    else:
        project.store.quarantine(crawl.folder)
    gaucho(folder, "gc", "--older-than", "30")
    assert all(path.exists() for path in blobs)


def test_what_became_the_one_that_counts_meanwhile_stays(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    edit(project, "araucaria", "training", rank=2)
    stand(opened(tmp_path), "checkpoint", "araucaria", data_version="2")
    for name in ("sample_gallery", "evaluation"):
        stand(opened(tmp_path), name, "araucaria", data_version="2")
    stand(opened(tmp_path), "gallery_site", ALL, data_version="2")
    (waste,) = [each for each in find_waste(opened(tmp_path), EVERYTHING) if each.path.parents[1].name == "checkpoint"]
    old = project.store.find("checkpoint", "araucaria", waste.path.name)
    assert old
    project.store.set_current(old)
    remove(project.store, waste)
    assert waste.path.exists()


def test_old_runs_go_but_for_those_by_which_dagster_knows_what_is_fresh(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    with get_instance(project) as instance:
        runner = Runner(build_defs(project), instance)
        for _ in range(3):
            assert not runner.run("gallery_site", ALL, force=True).error
        assert not runner.run("curated_set", "araucaria", force=False).error
        later = time.time() + 5
        assert history.purge(instance, later, dry_run=True) == 2
        assert history.purge(instance, later) == 2
        assert history.purge(instance, time.time() - 3600) == 0
        left = {record.dagster_run.run_id for record in instance.get_run_records()}
        assert len(left) == 2
        files = {path.name.partition(".")[0] for path in project.store.root.rglob("history/runs/*.db*")} - {"index", "runs", ""}
        assert files <= left
        latest = instance.get_latest_materialization_event(dg.AssetKey("gallery_site"))
        assert latest


# ------------------------------------------------------------------------------------------ forget


def test_a_forgotten_image_leaves_everything_and_does_not_come_back(folder: Path) -> None:
    project = opened(folder)
    checkpoint = project.store.current("checkpoint", "chimarrao")
    assert checkpoint
    row = read_table(checkpoint.folder / "train.jsonl")[0]
    sha = row["sha256"]
    done = gaucho(folder, "forget", sha[:12], "--reason", "asked by the person")
    assert f"learned from it: checkpoint of chimarrao, made {checkpoint.manifest.made_at}" in done.stdout
    assert not project.store.blob_path(sha).exists()
    for path in (folder / "data").rglob("*"):
        assert sha[:16] not in path.name
    found = states(folder)["chimarrao"]
    assert (found["raw_crawl"], found["curated_set"]) == ("fresh", "missing")  # the rest of the crawl stands, also of what is gone upstream
    gaucho(folder, "run")
    assert gaucho(folder, "fsck").returncode == 0
    assert gaucho(folder, "forget", sha[:12]).returncode == 0  # as one that was killed is finished
    gaucho(folder, "run", "--select", "raw_crawl", "--force")
    gaucho(folder, "run")
    left = read_table(project.store.stable("raw_crawl", "chimarrao") / "images.jsonl")
    assert len(left) == 5
    assert sha not in {each["sha256"] for each in left}
    refused = read_table(project.store.stable("raw_crawl", "chimarrao") / "refused.jsonl")
    assert [each["reason"] for each in refused] == ["forgotten"]
    with pytest.raises(ForgottenError):
        Store(project.store.root, Forgotten(project.forgotten_file).sha256).add_blob(image_of(folder, sha))
    assert gaucho(folder, "fsck").returncode == 0


def image_of(folder: Path, sha: str) -> bytes:
    import hashlib

    return next(content for path in (folder / "photos").iterdir() if hashlib.sha256(content := path.read_bytes()).hexdigest() == sha)


def test_an_image_that_was_only_measured_with_leaves_the_checkpoint_which_stays(folder: Path) -> None:
    project = opened(folder)
    checkpoint = project.store.current("checkpoint", "chimarrao")
    assert checkpoint
    row = read_table(checkpoint.folder / "validation.jsonl")[0]
    done = forget(project, row["sha256"])
    assert done.learned_from == []
    after = opened(folder).store.current("checkpoint", "chimarrao")
    assert after
    assert after.manifest.data_version == checkpoint.manifest.data_version
    assert not (after.folder / row["file"]).exists()
    assert row["sha256"] not in {each["sha256"] for each in read_table(after.folder / "validation.jsonl")}
    assert after.damaged() == []


def test_nobody_in_particular_is_not_forgotten(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no image here is that"):
        forget(opened(folder), "0" * 16)
    (source,) = {row["source"] for row in read_table(opened(folder).store.stable("raw_crawl", "chimarrao") / "images.jsonl")}
    with pytest.raises(ConfigError, match="6 images are meant"):
        forget(opened(folder), source)
    with FileLock(folder / "data" / ".staging" / "checkpoint" / "chimarrao" / ".lock"):
        sha = read_table(opened(folder).store.stable("raw_crawl", "chimarrao") / "images.jsonl")[0]["sha256"]
        with pytest.raises(GauchoError, match="at work; wait for the end"):
            forget(opened(folder), sha)


def test_a_list_of_tombstones_that_is_broken_stops_the_crawl(folder: Path) -> None:
    (folder / "concepts.forgotten.json").write_text("[{]")
    done = gaucho(folder, "run", "--select", "raw_crawl", "--force", check=False)
    assert done.returncode == 1
    assert "it names images that must not come back" in done.stderr


# ------------------------------------------------------------------------------------------ rename


def test_a_renamed_concept_keeps_all_that_was_made_of_it(folder: Path) -> None:
    project = opened(folder)
    approve(project, "chimarrao", "Ana")
    before = {asset.name: project.store.current(asset.name, "chimarrao").manifest.data_version for asset in EVERY_CONCEPTS}  # type: ignore[union-attr]
    (folder / "concepts.yaml").write_text((folder / "concepts.yaml").read_text() + "# a comment that stays: chimarrao\n")
    samples = folder / "data" / ".samples" / "checkpoint" / "chimarrao"
    samples.mkdir(parents=True)
    (samples / "000001-00.png").write_bytes(b"a picture while it trained")
    done = gaucho(folder, "rename", "chimarrao", "mate")
    assert "chimarrao is mate now; 5 artifacts are kept" in done.stdout
    assert "# a comment that stays: chimarrao" in (folder / "concepts.yaml").read_text()
    project = opened(folder)
    assert project.slugs == ["mate"]
    assert {state.state: state.reasons for state in project.states("mate").values()} == {"fresh": ()}
    after = {asset.name: project.store.current(asset.name, "mate").manifest.data_version for asset in EVERY_CONCEPTS}  # type: ignore[union-attr]
    assert after == before
    assert list(read_approvals(project)) == ["mate"]
    assert (project.store.stable("checkpoint", "mate") / "mate.safetensors").exists()
    assert made(folder) == ["all concepts/gallery_site made"]
    assert not list((folder / "data").glob("*/chimarrao"))
    assert not samples.exists()
    assert gaucho(folder, "fsck").returncode == 0
    gaucho(folder, "generate", "mate", "a photo of {token} {class_noun}", "--out", "x.png")


def test_the_artifact_that_counts_is_the_same_one_after_a_rename(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    for version, count in (("2", 40), ("3", 41), ("4", 42)):
        edit(project, "chimarrao", "curation", max_images=count)
        stand(opened(tmp_path), "curated_set", "chimarrao", data_version=version)
    first = next(each for each in project.store.all("curated_set", "chimarrao") if each.manifest.data_version == "3")
    project.store.set_current(first)
    project.store.withdraw("evaluation", "chimarrao")
    rename(opened(tmp_path), "chimarrao", "mate")
    current = opened(tmp_path).store.current("curated_set", "mate")
    assert current
    assert current.manifest.data_version == "3"
    assert opened(tmp_path).store.current("evaluation", "mate") is None


def test_a_rename_makes_nothing_whole_that_is_damaged_and_loses_nothing(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    weights = next((tmp_path / "data" / "checkpoint" / "chimarrao").glob("*/weights.safetensors"))
    good = weights.read_bytes()
    flip(weights)
    with pytest.raises(GauchoError, match="is damaged; first run: gaucho fsck --repair"):
        rename(project, "chimarrao", "mate")
    weights.write_bytes(good)
    (weights.parent / "manifest.json").write_text("{")
    rename(opened(tmp_path), "chimarrao", "mate")
    assert list((tmp_path / "data" / ".quarantine" / "checkpoint" / "chimarrao").glob("*/weights.safetensors"))


def test_an_alias_is_renamed_once(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    text = project.concepts_file.read_text(encoding="utf-8")
    text = text.replace("  araucaria:\n", "  araucaria:\n    evaluation: &alike {look_alikes: {concepts: [chimarrao]}}\n", 1)
    value = yaml.safe_load(text)["concepts"]["chimarrao"] | {"token": "zzq"}
    lines = ("pampa:", *(f"  {line}" for line in yaml.safe_dump(value).splitlines()), "  evaluation: *alike")
    text = text.replace("defaults:", "".join(f"  {line}\n" for line in lines) + "defaults:", 1)
    project.concepts_file.write_text(text, encoding="utf-8")
    rename(opened(tmp_path), "chimarrao", "chimarrao_br")
    again = opened(tmp_path)
    alike = [spec.look_alikes for slug in ("araucaria", "pampa") if (spec := again.concept(slug).evaluation)]
    assert [each and each.concepts for each in alike] == [("chimarrao_br",)] * 2


def test_a_name_that_is_taken_or_is_none_is_refused(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    for new, text in (("araucaria", "already"), ("Mate!", "must be a slug")):
        with pytest.raises(ConfigError, match=text):
            rename(project, "chimarrao", new)
    with pytest.raises(ConfigError, match="there is no concept 'pampa'"):
        rename(project, "pampa", "mate")


def test_a_rename_that_was_killed_is_finished_by_the_same_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = two_concepts(tmp_path)
    moves = []

    def dies(self: Store, *arguments: object, **keys: object) -> object:
        moves.append(arguments)
        if len(moves) == 3:
            raise KeyboardInterrupt
        return real(self, *arguments, **keys)  # type: ignore[arg-type]

    real = Store.publish
    monkeypatch.setattr(Store, "publish", dies)
    with pytest.raises(KeyboardInterrupt):
        rename(project, "chimarrao", "mate")
    monkeypatch.undo()
    rename(opened(tmp_path), "chimarrao", "mate")
    assert set(states(tmp_path)["mate"].values()) == {"fresh"}
