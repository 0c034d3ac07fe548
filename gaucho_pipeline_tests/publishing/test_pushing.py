"""A concept on a model hub: a fake one on loopback, which is asked as the real one is by the hub's own library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gaucho_pipeline.project.approvals import approve
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.fake_hub import TOKEN, Hub, push
from gaucho_pipeline_tests.programs import gaucho
from gaucho_pipeline_tests.replay import serving


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("museu")
    write_concepts(folder / "concepts.yaml", {"cuia": folder_concept(draw_folder(folder / "photos", "chimarrao", 6), "dnc", "cup")})
    gaucho(folder, "run", "--select", "evaluation")
    return folder


@pytest.fixture
def hub() -> Iterator[tuple[Hub, str]]:
    made = Hub()
    with serving(made) as server:
        yield made, server.address


def test_what_nobody_has_approved_goes_nowhere(museum: Path, hub: tuple[Hub, str]) -> None:
    made, address = hub
    done = push(museum, address, "cuia", "museu/cuia", "--yes")
    assert (done.returncode, "nobody has approved it" in done.stderr, made.seen) == (1, True, [])


def test_it_asks_before_the_first_time_and_then_puts_weights_card_pictures_and_credits_there(museum: Path, hub: tuple[Hub, str]) -> None:
    made, address = hub
    approve(Project(museum / "concepts.yaml", museum / "data"), "cuia", "Ana")
    refused = push(museum, address, "cuia", "museu/cuia", said="n\n")
    assert (refused.returncode, "nothing was put there" in refused.stdout, made.made) == (0, True, [])
    done = push(museum, address, "cuia", "museu/cuia", said="y\n")
    assert done.returncode == 0, done.stderr
    assert made.made[0]["name"] == "cuia"
    assert {"cuia.safetensors", "README.md", "ATTRIBUTION.csv"} <= set(made.files)
    assert [name for name in made.files if name.startswith("pictures/")]
    assert not [name for name in made.files if "training" in name or "validation" in name]
    card = made.files["README.md"].decode()
    assert all(f"({name})" in card for name in made.files if name.startswith("pictures/"))
    assert b"Jo\xc3\xa3o Ara\xc3\xbajo" in made.files["ATTRIBUTION.csv"]
    assert set(made.seen) <= {f"Bearer {TOKEN}", ""}
    again = push(museum, address, "cuia", "museu/cuia")  # nobody is asked a second time
    assert again.returncode == 0, again.stderr
    kept = b"".join(path.read_bytes() for path in (museum / "data").glob(".*") if path.is_file())
    assert TOKEN.encode() not in kept + done.stdout.encode() + done.stderr.encode()


@pytest.mark.parametrize("name", ["cuia", "museu/cu ia", "../x"])
def test_a_name_that_no_hub_has_is_one_line(name: str, museum: Path, hub: tuple[Hub, str]) -> None:
    made, address = hub
    approve(Project(museum / "concepts.yaml", museum / "data"), "cuia", "Ana")
    done = push(museum, address, "cuia", name, "--yes")
    assert (done.returncode, len(done.stderr.strip().splitlines()), made.files) == (2, 1, {}), done.stderr


def test_a_hub_that_does_not_let_us_in_is_one_line(museum: Path, hub: tuple[Hub, str]) -> None:
    made, address = hub
    approve(Project(museum / "concepts.yaml", museum / "data"), "cuia", "Ana")
    made.status = 403
    done = push(museum, address, "cuia", "museu/other", "--yes")
    assert (done.returncode, "the hub did not take it" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
