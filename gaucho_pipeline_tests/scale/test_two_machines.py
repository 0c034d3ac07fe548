"""Two working folders, one database and one object store are one deployment: the second reuses all that the first has made."""

from __future__ import annotations

from pathlib import Path

from gaucho_pipeline_tests.programs import gaucho, states
from gaucho_pipeline_tests.scale.machines import begin, machine
from gaucho_pipeline_tests.scale.postgres import PostgresServer
from gaucho_pipeline_tests.store.test_remote import bucket as bucket
from gaucho_pipeline_tests.store.test_remote import server as server


def run(folder: Path, database: str, *slugs: str) -> list[str]:
    """Runs concepts on a machine; what was made or cached, a word for each asset."""
    with begin(folder, "run", *slugs, "--jobs", "1", GAUCHO_DATABASE=database) as process:
        output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    lines = [line.split() for line in output.splitlines() if line.startswith("  ")]
    return [words[1] for words in lines if len(words) > 1 and words[1] in ("made", "cached")]


def test_the_second_machine_makes_nothing_again_and_each_goes_on_from_the_other(
    postgres: PostgresServer, bucket: str, tmp_path: Path
) -> None:
    database = postgres.new_database("machines")
    one, two = (machine(tmp_path / name, tmp_path / "photos", "dagster.postgres.yaml") for name in ("one", "two"))
    assert run(one, database, "chimarrao") == ["made"] * 6
    assert run(two, database, "chimarrao") == ["cached"] * 6
    assert run(two, database, "araucaria") == ["made"] * 6
    assert run(one, database) == ["cached"] * 6
    for folder in (one, two):
        assert {state for row in states(folder).values() for state in row.values()} == {"fresh"}
        assert gaucho(folder, "fsck").returncode == 0
