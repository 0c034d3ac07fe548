"""How long a stage takes to begin: started as a program of its own, and forked from a stage server that has imported its libraries.

`python benchmarks/startup.py [CONCEPTS]` prints, for each asset, the seconds from its command to its end where the artifact exists already
and nothing is computed (median of three), and then `gaucho run` over ten concepts of five-step trainings both ways, each on a new data
folder. What libraries import only once they compute is in the second figure alone. The last line is JSON: `ratio` is the first way's
overhead over the second's, of all stages; `run_ratio` is that of the runs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from gaucho_pipeline.assets.table import CONCEPT_ASSETS, SAMPLE_SEQUENCE
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.processes import launch
from gaucho_pipeline.processes.stage_client import READY
from gaucho_pipeline.processes.stage_server import SWITCH_VARIABLE
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.stage.server import PROGRAM_ENVIRONMENT, stage_server

_STAGES = tuple(asset for asset in CONCEPT_ASSETS if asset != SAMPLE_SEQUENCE)
_TIMES = 3
_DEFAULTS = {
    "curation": {"min_side": 64, "min_sharpness": 0.0, "max_graphic": 1.0, "near_duplicate_correlation": 1.0},
    "training": {"target_modules": "attention", "rank": 4, "max_steps": 5, "validation_steps": 5, "validation_noises": 1, "crops": 1},
    "gallery": {"seeds": [1], "num_inference_steps": 2, "prompts": ["a photo of {token} {class_noun}"], "class_pictures": False},
}


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gaucho-startup-") as place:
        project = new_project(Path(place), count)
        runs = {switch: seconds_of_run(project, switch) for switch in ("0", "1")}
        own = seconds_of_stages(project, "0")
        with stage_server(os.environ) as folder:
            while not (Path(str(folder)) / READY).exists():
                time.sleep(0.1)
            forked = seconds_of_stages(project, "1")
    for name in own:
        print(f"{name:<15} own program {own[name]:5.2f} s   forked {forked[name]:5.2f} s")
    print(f"gaucho run, {count} concepts of five steps: own programs {runs['0']:.0f} s, forked {runs['1']:.0f} s")
    ratio, run_ratio = sum(own.values()) / sum(forked.values()), runs["0"] / runs["1"]
    print(json.dumps({"ratio": round(ratio, 2), "run_ratio": round(run_ratio, 2)}))


def new_project(place: Path, count: int) -> Project:
    """Concepts of six drawn pictures each."""
    concepts = {}
    for number in range(count):
        slug = f"concept_{number}"
        (place / slug).mkdir()
        for index in range(6):
            draw_subject("chimarrao", 6 * number + index, side=128).save(place / slug / f"{index}.png")
        source = {"folder": {"path": slug, "license": "cc0", "author": "benchmark", "source": "benchmark"}}
        concepts[slug] = {"token": f"sks{number}", "class_noun": "cup", "crawl": {"sources": [source]}}
    (place / "concepts.yaml").write_text(yaml.safe_dump({"defaults": _DEFAULTS, "concepts": concepts}), encoding="utf-8")
    return Project(place / "concepts.yaml", place / "data")


def seconds_of_run(project: Project, switch: str) -> float:
    """`gaucho run` over all concepts on a new data folder, which is the project's in the end."""
    data = project.store.root
    subprocess.run(["rm", "-rf", str(data)], check=True)
    command = [
        sys.executable,
        "-m",
        "gaucho_pipeline.cli",
        "--concepts",
        str(project.concepts_file),
        "--data",
        str(data),
        "run",
        "--jobs",
        "1",
    ]
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {SWITCH_VARIABLE: switch})
    return time.monotonic() - started


def seconds_of_stages(project: Project, switch: str) -> dict[str, float]:
    """The median seconds of each asset's program where its artifact exists already."""
    slug, found = project.slugs[0], {}
    for asset in _STAGES:
        request = project.concepts_file.parent / f"{asset.name}.json"
        request.write_text(project.request(asset.name, slug).model_dump_json(), encoding="utf-8")
        command = launch.command(asset.program, request, waits=asset.on_base_model)
        environment = os.environ | PROGRAM_ENVIRONMENT | {SWITCH_VARIABLE: switch}
        times = []
        for _ in range(_TIMES):
            started = time.monotonic()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            times.append(time.monotonic() - started)
        found[asset.name] = statistics.median(times)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
