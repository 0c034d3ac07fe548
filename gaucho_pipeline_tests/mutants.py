"""`make mutants`: sabotages of the product, one line each, and whether the tests notice. Prints what survived, and exits 1 if any did.

`mutants.json` lists them: the file, what stands there once, what is put in its place, and the tests that must notice. Each is tried in a
copy of the project, so that the project itself is never touched. `python -m gaucho_pipeline_tests.mutants [WORD ...]` tries those whose
file or text holds a word.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).parents[1]
SECONDS = 600
"""A sabotage that makes the tests hang is noticed, too."""


def main(words: list[str]) -> int:
    mutants = json.loads((Path(__file__).parent / "mutants.json").read_text(encoding="utf-8"))
    chosen = [m for m in mutants if not words or any(word in f"{m['file']} {m['old']} {m['new']}" for word in words)]
    wrong = [m for m in chosen if (ROOT / m["file"]).read_text(encoding="utf-8").count(m["old"]) != 1]
    for mutant in wrong:
        print(f"does not stand there once: {mutant['file']}: {mutant['old']}")
    if wrong:
        return 1
    with tempfile.TemporaryDirectory(prefix="gaucho-mutants-") as place:
        copies = Queue[Path]()
        for number in range(os.cpu_count() or 1):
            copies.put(_copy(Path(place) / str(number)))
        first = copies.queue[0]
        tests = sorted({test for m in chosen for test in m["tests"]})
        print(f"{len(chosen)} sabotages; first the {len(tests)} tests that must notice them, on the project as it is", flush=True)
        if not _passes(first, tests, "-n2", "--dist=loadfile"):
            print("these do not pass as it is, so they cannot tell anything")
            return 1
        with ThreadPoolExecutor(copies.qsize()) as pool:
            survived = [mutant for mutant, noticed in pool.map(lambda m: _try(m, copies), chosen) if not noticed]
    print(f"{len(chosen)} sabotages, {len(chosen) - len(survived)} noticed, {len(survived)} survived")
    for mutant in survived:
        print(f"survived: {mutant['file']}: {mutant['old']} → {mutant['new']}")
    return 1 if survived else 0


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


def _try(mutant: dict[str, object], copies: Queue[Path]) -> tuple[dict[str, object], bool]:
    copy, started = copies.get(), time.monotonic()
    file = copy / str(mutant["file"])
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(before.replace(str(mutant["old"]), str(mutant["new"])), encoding="utf-8")
        noticed = not _passes(copy, list(mutant["tests"]), "-n0", "-x")  # type: ignore[call-overload]
    finally:
        file.write_text(before, encoding="utf-8")
        copies.put(copy)
    mark = "noticed " if noticed else "SURVIVED"
    print(f"{mark} {time.monotonic() - started:5.1f} s  {mutant['file']}: {mutant['old']} → {mutant['new']}", flush=True)
    return mutant, noticed


def _passes(copy: Path, tests: list[str], *options: str) -> bool:
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
