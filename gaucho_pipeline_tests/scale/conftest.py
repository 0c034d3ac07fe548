"""A PostgreSQL server and an S3 server of the tests' own, below temporary folders, on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gaucho_pipeline_tests.scale.postgres import BINARIES, PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    pytest.importorskip("dagster_postgres", reason="gaucho-pipeline[postgres] is not installed")
    if not BINARIES:
        pytest.skip("no PostgreSQL server is installed (Debian: apt install postgresql)")
    server = PostgresServer()
    server.start()
    yield server
    server.remove()
