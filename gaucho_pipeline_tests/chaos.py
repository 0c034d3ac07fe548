"""`make chaos`: kills, power cuts, full disks and flipped bytes while a chain is made, and whether it ends as if it had been left alone.

`KILLS=100 SEED=7 make chaos`. Each round starts something that people or services start (the command line, the web UI with its daemon and
a run of it) and ends it in one of the ways in which machines end things. In the end the chain is run undisturbed: its versions are those
of a chain that always was, `gaucho fsck` must find nothing, no place in a pool may be held, and no process may be left.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from gaucho_pipeline.assets.table import ALL, GALLERY_SITE
from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.programs import EVERY_CONCEPTS, gaucho
from gaucho_pipeline_tests.web_ui import launch, served, start_folder

_SKIPPED = (".staging", ".requests", ".dagster", ".asked", ".quarantine", ".partitions.json", ".seen")
_LONGEST = 30.0
_DISK = "96m"


def main() -> None:
    kills, seed = int(os.environ.get("KILLS", "25")), int(os.environ.get("SEED", "1"))
    draw, ways, started = random.Random(seed), Counter[str](), time.monotonic()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, _small_disk(Path(name) / "disturbed") as has_disk:
        calm, disturbed = Path(name) / "calm", Path(name) / "disturbed"
        for folder in (calm, disturbed):
            folder.mkdir(exist_ok=True)
            start_folder(folder, epochs=12, validation_steps=2)
        gaucho(calm, "run", DAGSTER_HOME=str(calm))
        rounds: list[tuple[str, Callable[[Path, random.Random], None]]] = [
            ("kill of the command line", _kill_command), ("kill of a stage", _kill_stage), ("power cut", _power_cut),
            ("kill of the web UI's run", _kill_worker), ("power cut of the web UI", _power_cut_of_ui), ("flipped byte", _flip),
        ]  # fmt: skip
        rounds += [("full disk", _fill_disk)] if has_disk else []
        for number in range(kills):
            way, act = rounds[number % len(rounds)]
            with contextlib.suppress(subprocess.TimeoutExpired):
                act(disturbed, draw)
            ways[way] += 1
            print(f"{number + 1}/{kills} {way}, {(number + 1) / (time.monotonic() - started) * 60:.1f} a minute", flush=True)
        failures = _examine(calm, disturbed)
    for way, count in sorted(ways.items()):
        print(f"{way:<28} {count:>4}")
    if not has_disk:
        print("full disk: not tried, because no small disk can be mounted here")
    print(f"seed {seed}, {time.monotonic() - started:.0f} s: {'; '.join(failures) or 'it ended as if it had been left alone'}")
    sys.exit(1 if failures else 0)


def _examine(calm: Path, disturbed: Path) -> list[str]:
    """What is not as it would be, had nothing happened."""
    gaucho(disturbed, "fsck", "--repair", check=False, DAGSTER_HOME=str(disturbed))
    ended = gaucho(disturbed, "run", check=False, DAGSTER_HOME=str(disturbed))
    failures = [] if ended.returncode == 0 else [f"the last run failed: {ended.stderr.strip().splitlines()[-1]}"]
    one, other = (_versions(folder) for folder in (calm, disturbed))
    failures += [f"{key} is another" for key in one if one[key] != other.get(key)]
    checked = gaucho(disturbed, "fsck", check=False, DAGSTER_HOME=str(disturbed))
    failures += [f"fsck: {line}" for line in checked.stdout.splitlines()]
    os.environ["DAGSTER_HOME"] = str(disturbed)
    with get_instance(Project(disturbed / "concepts.yaml", disturbed / "data")) as instance:
        held = instance.event_log_storage.get_concurrency_info("gpu").pending_steps
        failures += [f"{len(held)} places in the pool are held"] if held else []
    left = [each for each in _processes(disturbed) if each.pid != os.getpid()]
    return failures + [f"process {each.pid} is left: {' '.join(each.cmdline())[:90]}" for each in left]


def _versions(folder: Path) -> dict[tuple[str, str], str]:
    project, found = Project(folder / "concepts.yaml", folder / "data"), dict[tuple[str, str], str]()
    for slug in project.slugs:
        for asset in EVERY_CONCEPTS:
            if artifact := project.store.current(asset.name, slug):
                found[asset.name, slug] = artifact.manifest.data_version
    site = project.store.current(GALLERY_SITE.name, ALL)
    return found | ({(GALLERY_SITE.name, ALL): site.manifest.data_version} if site else {})


# ------------------------------------------------------------------------------------------ ways to end things


def _begin(folder: Path, draw: random.Random) -> subprocess.Popen[bytes]:
    """The command line at work; something is always left to make."""
    _spoil(folder, draw)
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "run", "--jobs", str(draw.choice((1, 2)))]
    own = os.environ | {"DAGSTER_HOME": str(folder)}
    process = subprocess.Popen(command, cwd=folder, env=own, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(draw.uniform(1, _LONGEST))
    return process


def _spoil(folder: Path, draw: random.Random) -> None:
    """Removes an artifact or two, as if they had never been made."""
    made = [path for asset in EVERY_CONCEPTS for path in (folder / "data" / asset.name).glob("*") if path.is_dir()]
    for path in draw.sample(made, min(len(made), draw.randint(1, 2))):
        shutil.rmtree(path)


def _kill_all(processes: list[psutil.Process]) -> None:
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGSTOP)  # all at once, as the light goes out
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return []


def _kill_command(folder: Path, draw: random.Random) -> None:
    process = _begin(folder, draw)
    process.kill()
    process.wait()
    _until_gone(folder)


def _kill_stage(folder: Path, draw: random.Random) -> None:
    process = _begin(folder, draw)
    stages = [each for each in _processes(folder) if "gaucho_pipeline.processes.launch" in " ".join(each.cmdline())]
    _kill_all(stages[:1])
    process.wait(300)


def _power_cut(folder: Path, draw: random.Random) -> None:
    process = _begin(folder, draw)
    _kill_all(_family(process.pid))
    process.wait()
    _until_gone(folder)


def _kill_worker(folder: Path, draw: random.Random) -> None:
    _spoil(folder, draw)
    with served(folder) as (process, port):
        for slug in ("chimarrao", "araucaria"):
            launch(port, slug, *(name for asset in EVERY_CONCEPTS for name in (asset.spec_name, asset.name)))
        time.sleep(draw.uniform(5, _LONGEST))
        workers = [each for each in _family(process.pid) if each.children() and "multiprocessing" in " ".join(each.cmdline())]
        _kill_all(workers[:1])
        time.sleep(draw.uniform(0, 5))
    _until_gone(folder)


def _power_cut_of_ui(folder: Path, draw: random.Random) -> None:
    _spoil(folder, draw)
    with served(folder) as (process, port):
        launch(port, "chimarrao", *(name for asset in EVERY_CONCEPTS for name in (asset.spec_name, asset.name)))
        time.sleep(draw.uniform(5, _LONGEST))
        _kill_all(_family(process.pid))
    _until_gone(folder)


def _flip(folder: Path, draw: random.Random) -> None:
    """One bit in some file of the data folder; it is found, or costs nothing that counts."""
    files = [path for path in (folder / "data").rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size]
    files = [path for path in files if not any(part in _SKIPPED for part in path.relative_to(folder / "data").parts)]
    for path in draw.sample(files, min(3, len(files))):
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
    gaucho(folder, "fsck", "--repair", check=False, DAGSTER_HOME=str(folder))
    gaucho(folder, "run", check=False, DAGSTER_HOME=str(folder))


def _fill_disk(folder: Path, draw: random.Random) -> None:
    """The disk is full for a while."""
    filler = folder / "filler"
    _spoil(folder, draw)
    free = shutil.disk_usage(folder).free
    with filler.open("wb") as file, contextlib.suppress(OSError):
        for _ in range(max(0, free // 2**20 - draw.randint(0, 3))):
            file.write(bytes(2**20))
    gaucho(folder, "run", check=False, DAGSTER_HOME=str(folder))
    filler.unlink()


def _processes(folder: Path) -> Iterator[psutil.Process]:
    """What works on a folder."""
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in " ".join(each.cmdline()) or each.cwd() == str(folder):
                yield each


def _until_gone(folder: Path) -> None:
    """Stage programs notice within a second that their parent is gone."""
    deadline = time.monotonic() + 60
    while list(_processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A disk that can be filled, where one may be mounted."""
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "chaos", str(folder)], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


if __name__ == "__main__":
    main()
