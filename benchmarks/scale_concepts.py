"""What a deployment costs that has nothing to do: seconds and memory for 10, 100 and 1,000 concepts of which everything stands.

`python benchmarks/scale_concepts.py [COUNT ...]` prints a line for each count: `gaucho status`, `gaucho run`, and a tick of the sensor that
looks for edits. As its last line, the figures as JSON; `ratio` is what a concept costs at the largest count, beyond what an empty project
costs, over what it costs at the one before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from memory import peak_memory

sys.path.insert(0, str(Path(__file__).parents[1]))

from gaucho_pipeline.assets.table import ALL, CONCEPT_ASSETS, GALLERY_SITE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import SMALL, draw_folder, folder_concept
from gaucho_pipeline_tests.standing import stand

COUNTS = (1, 10, 100, 1_000)
_TICK = """
import time, dagster as dg
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.runner import get_instance
from gaucho_pipeline.project.project import Project
project = Project.from_environment()
defs = build_defs(project)
with get_instance(project) as instance:
    sensor, cursor = defs.resolve_sensor_def("edited_concepts"), None
    for number in range(2):
        context = dg.build_sensor_context(instance, cursor=cursor, resources=dict(defs.resources or {}), definitions=defs)
        started = time.monotonic()
        result = sensor.evaluate_tick(context)
        cursor, seconds = result.cursor, time.monotonic() - started
print(len(result.run_requests or ()), seconds)
"""


def main() -> None:
    rows: dict[int, dict[str, float]] = {}
    for count in [int(word) for word in sys.argv[1:]] or COUNTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _make(folder, count)
            rows[count] = row = {"status": 0.0, "run": 0.0, "tick": 0.0, "mb": 0.0}
            for command in ("status", "run"):
                row[command], memory = _timed(folder, [sys.executable, "-m", "gaucho_pipeline.cli", command])
                row["mb"] = max(row["mb"], memory)
            row["tick"] = _tick(folder)
        text = f"status {row['status']:5.2f} s, run {row['run']:5.2f} s, tick {row['tick']:5.2f} s, {row['mb']:4.0f} MB"
        print(f"{count:>6} concepts: {text}", flush=True)
    print(json.dumps({"counts": rows, "ratio": _ratio(rows)}))


def _ratio(rows: dict[int, dict[str, float]]) -> float | None:
    """What a concept costs at the most, over what it costs at the second most."""
    if len(rows) < 3:
        return None
    least, *_, fewer, most = sorted(rows)
    per = [(rows[count]["run"] - rows[least]["run"]) / (count - least) for count in (most, fewer)]
    return round(per[0] / per[1], 2)


def _make(folder: Path, count: int) -> None:
    draw_folder(folder / "photos", "araucaria", 2)
    concepts = {f"c{number:04d}": folder_concept(folder / "photos", f"tk{number:04d}", "tree") for number in range(count)}
    (folder / "concepts.yaml").write_text(yaml.safe_dump({"defaults": SMALL, "concepts": concepts}, allow_unicode=True))
    project = Project(folder / "concepts.yaml", folder / "data")
    for slug in project.slugs:
        for asset in CONCEPT_ASSETS:
            stand(project, asset.name, slug)
    stand(project, GALLERY_SITE.name, ALL)


def _timed(folder: Path, command: list[str]) -> tuple[float, float]:
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    with peak_memory(process.pid) as memory:
        assert process.wait() == 0
    return round(time.monotonic() - started, 2), round(memory["peak_mb"])


def _tick(folder: Path) -> float:
    """Seconds of a tick at which nothing is found."""
    done = subprocess.run([sys.executable, "-c", _TICK], cwd=folder, capture_output=True, text=True, check=True)
    requests, seconds = done.stdout.split()[-2:]
    assert requests == "0"
    return round(float(seconds), 2)


if __name__ == "__main__":
    main()
