"""Licences of base models: what is known of well-known ones, what a folder says of itself, and that nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.rights.model_licenses import UNKNOWN, license_of


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("embedded", "the package's own"),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", "CreativeML OpenRAIL-M"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "CreativeML OpenRAIL++-M"),
        ("stabilityai/stable-diffusion-3.5-medium", "Stability AI Community"),
        ("black-forest-labs/FLUX.1-dev", "FLUX Non-Commercial"),
        ("black-forest-labs/FLUX.1-schnell", "Apache-2.0"),
        ("black-forest-labs/FLUX.2-klein-base-4B", "Apache-2.0"),
        ("black-forest-labs/FLUX.2-klein-base-9B", "FLUX Non-Commercial"),
        ("Tongyi-MAI/Z-Image", "Apache-2.0"),
        ("Qwen/Qwen-Image", "Apache-2.0"),
        ("Qwen/Qwen-Image-2.1", "Qwen Research"),
        ("somebody/a-model", "not known"),
    ],
)
def test_a_well_known_models_licence_is_reported(model: str, name: str) -> None:
    assert license_of(model).name == name


def test_what_must_not_be_sold_says_so() -> None:
    assert "must not be used commercially" in str(license_of("black-forest-labs/FLUX.1-dev"))


def test_a_folder_says_it_itself_or_it_is_not_known(tmp_path: Path) -> None:
    assert license_of(str(tmp_path)) == UNKNOWN
    for text, name in (
        ("---\nlicense: openrail\ntags: [a]\n---\n# Modelo", "openrail"),
        ("---\nlicense: other\nlicense_name: da casa\n---\n", "da casa"),
        ("---\n- a list\n---\n", UNKNOWN.name),
        ("---\nlicense: [\n---\n", UNKNOWN.name),
        ("# no head", UNKNOWN.name),
    ):
        (tmp_path / "README.md").write_text(text, encoding="utf-8")
        assert license_of(str(tmp_path)).name == name
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\n---")
    assert license_of(str(tmp_path)) == UNKNOWN
