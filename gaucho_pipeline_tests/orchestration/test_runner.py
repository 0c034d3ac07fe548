"""The history that the command line and the web UI share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gaucho_pipeline_tests.standing import two_concepts


def test_several_commands_that_begin_a_fresh_history_at_once_all_find_it_whole(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    command = [sys.executable, "-m", "gaucho_pipeline.cli", "--concepts", str(project.concepts_file), "--data", str(project.store.root)]
    options = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    several = [subprocess.Popen([*command, "gc", "--dry-run"], **options) for _unused in range(3)]
    said = [each.communicate()[0] for each in several]
    assert [each.returncode for each in several] == [0, 0, 0], said
    done = subprocess.run([*command, "gc", "--dry-run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "would free" in done.stdout) == (0, True), done.stderr
