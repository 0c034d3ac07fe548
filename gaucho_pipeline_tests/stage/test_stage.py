"""A stage program: killed in any stage it leaves nothing half-written, and what goes wrong is reported in one line."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.demo.site import demo_site
from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.failures import explain, is_disk_full, reports_failures
from gaucho_pipeline.stage.harness import StageResult, ensure
from gaucho_pipeline.stage.reporter import Progress, Reporter
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.store import Store
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import CONCEPT_NAMES, content_of, gaucho, kill_when, run_stage, stage_command, states
from gaucho_pipeline_tests.standing import stand

# how far each stage has come when it is killed: a sign of it in the data folder
SIGNS = {
    "raw_crawl": ".staging/raw_crawl/*/crawl",
    "curated_set": ".staging/curated_set/*/*/images/*.png",
    "checkpoint": ".staging/checkpoint/*/*/state/training.pt",
    "sample_gallery": ".staging/sample_gallery/*/*/.drawn/*/*.png",
    "evaluation": ".staging/evaluation/*/*/training/*.jpg",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A folder, its twin whose chain ran undisturbed, and the photos of both."""
    photos = draw_folder(tmp_path_factory.mktemp("photos"), "chimarrao", 6)
    folders = [tmp_path_factory.mktemp(name) for name in ("killed", "left_alone")]
    for folder in folders:
        write_concepts(folder / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    gaucho(folders[1], "run")
    return folders[0], folders[1], photos


@pytest.mark.parametrize("asset", CONCEPT_NAMES)
def test_killed_in_any_stage_it_ends_as_if_it_had_been_left_alone(asset: str, undisturbed: tuple[Path, Path, Path]) -> None:
    folder, twin, _ = undisturbed
    project, other = Project(folder / "concepts.yaml", folder / "data"), Project(twin / "concepts.yaml", twin / "data")
    command = stage_command(project, asset, "chimarrao", folder / "request")
    assert kill_when(command, lambda: any((folder / "data").glob(SIGNS[asset])))
    assert project.store.current(asset, "chimarrao") is None
    assert states(folder)["chimarrao"][asset] == "missing"
    gaucho(folder, "run", "--select", asset)
    again, left_alone = project.store.current(asset, "chimarrao"), other.store.current(asset, "chimarrao")
    assert again
    assert left_alone
    assert content_of(again.folder) == content_of(left_alone.folder)


def test_a_killed_crawl_fetches_no_finished_image_again(tmp_path: Path) -> None:
    with demo_site() as site:
        source = {"openverse": {"query": "chimarrão", "endpoint": f"{site.address}/v1/images/"}}
        concept: dict[str, object] = {"token": "dnc", "class_noun": "cup", "crawl": {"sources": [source]}}
        project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": concept}), tmp_path / "data")
        journal = tmp_path / "data" / ".fetched" / "chimarrao.jsonl"

        def half_way() -> bool:
            return journal.exists() and journal.read_text().count("sha256") >= 5

        assert kill_when(stage_command(project, "raw_crawl", "chimarrao", tmp_path / "request"), half_way)
        finished = sum(path.is_file() and path.name[0] != "." for path in (tmp_path / "data" / "blobs").rglob("*"))
        site.requested.clear()
        done = run_stage(project, "raw_crawl", "chimarrao", tmp_path / "request")
        asked = [path for path in site.requested if path.startswith("/media/")]
    artifact = project.store.current("raw_crawl", "chimarrao")
    assert artifact, done.stderr
    assert artifact.manifest.metrics.kept == 28
    assert len(asked) == 29 - finished


def test_a_full_disk_is_reported_in_one_line_and_nothing_half_written_stands(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(small)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        photos = draw_folder(tmp_path / "photos", "chimarrao", 20)
        project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")}), small)
        done = run_stage(project, "raw_crawl", "chimarrao", tmp_path / "request")
        assert done.returncode == 1
        assert "error: the disk is full" in done.stderr.splitlines()[-1], done.stderr
        assert project.store.current("raw_crawl", "chimarrao") is None
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_data_folder_that_cannot_be_written_is_reported_and_nothing_starts(tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", "chimarrao", 2)
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    (tmp_path / "data").write_text("a file where the folder should be")
    done = gaucho(tmp_path, "run", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "cannot be written" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"crawl": {"sources": [{"folder": {"path": "nowhere", "license": "pd", "author": "X", "source": "Y"}}]}},
            "folder.path: there is no folder",
        ),
        ({"crawl": {"sources": [{"folder": {"path": "empty", "license": "pd", "author": "X", "source": "Y"}}]}}, "holds no image"),
        ({"training": {"base_model": "./nowhere"}}, "training.base_model: "),
        ({"crawl": {"sources": [{"openverse": {"query": "chimarrão"}}]}}, "GAUCHO_CONTACT: api.openverse.org must know whom to write to"),
    ],
)
def test_what_the_file_names_and_is_not_there_is_reported_before_any_work_starts(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    photos = draw_folder(tmp_path / "photos", "chimarrao", 4)
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup") | change})
    done = gaucho(tmp_path, "run", check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_a_missing_concepts_file_is_reported(tmp_path: Path) -> None:
    done = gaucho(tmp_path, "status", check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        "there is no such file; go into the folder that has it, name it with --concepts, or begin one: gaucho init FOLDER"
    )


def test_too_few_images_stop_the_chain_before_training(tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", "chimarrao", 3)
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    done = gaucho(tmp_path, "run", check=False)
    assert done.returncode == 1
    assert "enough_images: 3 of 3 images are left, 4 are needed" in done.stderr
    again = gaucho(tmp_path, "run", check=False)
    assert again.returncode == 1
    assert "3 of 3 images are left, 4 are needed" in again.stderr
    assert states(tmp_path)["chimarrao"]["checkpoint"] == "missing"


def test_progress_gives_the_rate_and_the_time_left() -> None:
    progress = Progress(Reporter(None), "training", 100, "steps", 20)
    progress.advance(20)
    assert progress.line(10) == "training: 40/100 steps, 2.0 steps/s, 0:30 left"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "the disk is full"),
        (OSError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (OSError(37, "No locks available"), "the disk that holds the data folder cannot lock files"),
        (MemoryError(), "memory ran out"),
    ],
)
def test_errors_are_explained_in_a_line(error: BaseException, said: str) -> None:
    assert explain(error).startswith(said)


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_a_full_disk_is_found_behind_the_error_that_it_led_to_and_nowhere_else(link: str) -> None:
    error = RuntimeError("the file could not be written")
    assert not is_disk_full(error)
    setattr(error, link, OSError(28, "No space left on device"))
    assert is_disk_full(error)


def full_disks() -> list[BaseException]:
    """What those who write raise when there is no room, as they really do."""
    found: list[BaseException] = [OSError(28, "No space left on device"), GauchoError("x: database or disk is full; make room")]
    found.append(SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"))
    try:
        with open("/dev/full", "wb") as file:
            torch.save({"a": torch.zeros(1_000_000)}, file)
    except (RuntimeError, OSError) as error:
        found.append(error)
    return found


@pytest.mark.parametrize("number", range(4))
def test_a_full_disk_is_reported_as_one_whoever_raises_it(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), reports_failures(tmp_path / "error.json"):
        raise full_disks()[number]
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize("asset", ASSETS)
def test_memory_that_runs_out_names_what_takes_less_in_that_stage(asset: str) -> None:
    assert ASSETS[asset].memory_remedy in explain(MemoryError(), ASSETS[asset].memory_remedy)
    assert len({each.memory_remedy for each in ASSETS.values()}) == len(ASSETS)


def test_what_is_no_part_of_an_artifact_goes_once_it_is_published_and_not_before(tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", "chimarrao", 2)
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set"):
        stand(project, asset, "chimarrao")
    request = project.request("checkpoint", "chimarrao")
    metrics = stand(project, "checkpoint", "chimarrao").manifest.metrics

    def train(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
        (staging / "state").mkdir(exist_ok=True)
        (staging / "state" / "training.pt").write_text("x")
        return StageResult("v", metrics, leftovers=("state",))

    named = request.model_copy(update={"fingerprint": "one"})
    publish = Store.publish
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "publish", lambda *arguments: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            ensure(named, train, Reporter(None))
    staging = project.store.staging_folder("checkpoint", "chimarrao", "one")
    assert (staging / "state" / "training.pt").exists()
    assert publish is Store.publish
    artifact, _ = ensure(named, train, Reporter(None))
    assert not (artifact.folder / "state").exists()


def test_memory_that_runs_out_on_a_gpu_is_reported_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, reports_failures(tmp_path / "error.json"):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert ended.value.code == 1
    assert "memory ran out" in capsys.readouterr().err
    assert "memory ran out" in (tmp_path / "error.json").read_text()


def test_a_mistake_of_the_code_is_not_told_as_one_of_the_users(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), reports_failures(tmp_path / "error.json"):
        raise ZeroDivisionError


def test_what_a_killed_run_left_under_another_specification_is_not_taken_up(tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", "chimarrao", 2)
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")}), tmp_path / "data")
    for asset in ("raw_crawl", "curated_set", "checkpoint"):
        stand(project, asset, "chimarrao")
    request = project.request("sample_gallery", "chimarrao")
    seen: list[list[str]] = []

    def leave(request: StageRequest, staging: Path, reporter: Reporter) -> StageResult:
        seen.append([path.name for path in staging.iterdir()])
        (staging / "half").write_text("x")
        raise KeyboardInterrupt

    for fingerprint in ("one", "one", "two"):
        with pytest.raises(KeyboardInterrupt):
            ensure(request.model_copy(update={"fingerprint": fingerprint}), leave, Reporter(None))
    assert seen == [[], ["half"], []]


CHILD = """
import os, time
from gaucho_pipeline.processes.launch import die_with_parent
die_with_parent()
print(os.getpid(), flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), flush=True)
child.wait()
"""


def test_a_stage_ends_when_the_program_that_started_it_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline, "the child goes on"
        time.sleep(0.1)
