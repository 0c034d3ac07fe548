"""`gaucho run --log-json`: whatever is told is JSON, a line for each line, the stages' own among them."""

from __future__ import annotations

import io
import json
from pathlib import Path

from gaucho_pipeline.processes.json_log import JsonLines
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho_process


def test_lines_become_objects_however_they_come() -> None:
    stream = io.StringIO()
    lines = JsonLines(stream, "err", concept="araucaria")
    lines.write("meas")
    lines.write("uring: 1/2\n\n\x1b[1maraucária\x1b[0m\nhalf")
    lines.write("1/2\r2/2")
    lines.end()
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["text"] for each in found] == ["measuring: 1/2", "araucária", "half1/2", "2/2"]
    assert found[0]["stream"] == "err"
    assert found[0]["concept"] == "araucaria"
    assert found[0]["time"].endswith("+00:00")


def test_a_run_and_its_stages_tell_json_side_by_side_too(tmp_path: Path) -> None:
    concepts = {slug: folder_concept(draw_folder(tmp_path / slug, slug, 4), slug[:3] + "x", "cup") for slug in ("araucaria", "chimarrao")}
    write_concepts(tmp_path / "concepts.yaml", concepts)
    one = gaucho_process(tmp_path, "run", "araucaria", "--select", "curated_set", "--log-json")
    lines = [json.loads(line) for line in (one.stdout + one.stderr).splitlines()]
    assert any(line.get("asset") == "curated_set" and line["text"].startswith("measuring") for line in lines)
    assert any(line["text"].startswith("curated_set     made") for line in lines)
    both = gaucho_process(tmp_path, "run", "--select", "curated_set", "--force", "--jobs", "2", "--log-json")
    texts = [json.loads(line)["text"] for line in (both.stdout + both.stderr).splitlines()]
    assert "chimarrao" in texts
    assert not any('{"time"' in text for text in texts)
