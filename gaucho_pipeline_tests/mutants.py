"""`make mutants`: sabotages of the product, one line each, and whether the tests notice. Prints what survived, and exits 1 if any did.

`mutants.json` lists them: the file, what stands there once, what is put in its place, and the tests that must notice. Each is tried in a
copy of the project, so that the project itself is never touched. `python -m gaucho_pipeline_tests.mutants [WORD ...]` tries those whose
file or text holds a word. `make mutants RANDOM=40 SEED=7` tries forty that are drawn at random instead (`random_mutants.py`), each against
the tests of its own module, and exits 1 if fewer than nine of ten are noticed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from gaucho_pipeline_tests.random_mutants import draw_mutants, tests_of

ROOT = Path(__file__).parents[1]
SECONDS = 600
"""A sabotage that makes the tests hang is noticed, too."""


def main(words: list[str]) -> int:
    if count := int(os.environ.get("RANDOM_MUTANTS") or 0):
        return _try_random(count, int(os.environ.get("SEED") or 0))
    mutants = json.loads((Path(__file__).parent / "mutants.json").read_text(encoding="utf-8"))
    chosen = [m for m in mutants if not words or any(word in f"{m['file']} {m['old']} {m['new']}" for word in words)]
    wrong = [m for m in chosen if (ROOT / m["file"]).read_text(encoding="utf-8").count(m["old"]) != 1]
    for mutant in wrong:
        print(f"does not stand there once: {mutant['file']}: {mutant['old']}")
    if wrong:
        return 1
    sabotages = [_chosen(mutant) for mutant in chosen]
    survived = _try_all(sabotages, sorted({test for each in sabotages for test in each.tests}))
    return 1 if survived is None or survived else 0


def _try_random(count: int, seed: int) -> int:
    sabotages = [Sabotage(str(m), m.file, m.text(), tuple(tests_of(m.file))) for m in draw_mutants(count, seed)]
    survived = _try_all(sabotages, ())
    return 1 if survived is None or len(survived) > count / 10 else 0


@dataclass(frozen=True)
class Sabotage:
    """A file's text with a mistake in it, and the tests that must notice."""

    name: str
    file: Path
    text: str
    tests: tuple[str, ...]


def _chosen(mutant: dict[str, str]) -> Sabotage:
    file = ROOT / mutant["file"]
    text = file.read_text(encoding="utf-8").replace(mutant["old"], mutant["new"])
    return Sabotage(f"{mutant['file']}: {mutant['old']} → {mutant['new']}", file, text, tuple(mutant["tests"]))


def _try_all(sabotages: Sequence[Sabotage], tests: Sequence[str]) -> list[Sabotage] | None:
    """Tries each in a copy; the ones that survived. None if these tests do not pass on the project as it is."""
    with tempfile.TemporaryDirectory(prefix="gaucho-mutants-") as place:
        copies = Queue[Path]()
        for number in range(os.cpu_count() or 1):
            copies.put(_copy(Path(place) / str(number)))
        if tests:
            print(f"{len(sabotages)} sabotages; first the {len(tests)} tests that must notice them, on the project as it is", flush=True)
            if not _passes(copies.queue[0], tests, "-n2", "--dist=loadfile"):
                print("these do not pass as it is, so they cannot tell anything")
                return None
        with ThreadPoolExecutor(copies.qsize()) as pool:
            survived = [each for each, noticed in pool.map(lambda each: _try(each, copies), sabotages) if not noticed]
    print(f"{len(sabotages)} sabotages, {len(sabotages) - len(survived)} noticed, {len(survived)} survived")
    for each in survived:
        print(f"survived: {each.name}")
    return survived


def _copy(place: Path) -> Path:
    """The project as it is in the working tree, beside the real input where that is."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (place / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / "project" / name)
    if (shared := ROOT.parent / "shared").is_dir():
        (place / "shared").symlink_to(shared)
    return place / "project"


def _try(sabotage: Sabotage, copies: Queue[Path]) -> tuple[Sabotage, bool]:
    copy, started = copies.get(), time.monotonic()
    file = copy / sabotage.file.relative_to(ROOT)
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(sabotage.text, encoding="utf-8")
        noticed = not _passes(copy, sabotage.tests, "-n0", "-x")
    finally:
        file.write_text(before, encoding="utf-8")
        copies.put(copy)
    mark = "noticed " if noticed else "SURVIVED"
    print(f"{mark} {time.monotonic() - started:5.1f} s  {sabotage.name}", flush=True)
    return sabotage, noticed


def _passes(copy: Path, tests: Sequence[str], *options: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        print(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
