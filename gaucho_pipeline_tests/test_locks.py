"""The lists of hashes that `make setup HASHES=1` installs by: they name what constraints.txt names, for every machine, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ("all-but-torch.txt", "torch.txt", "for-tests.txt")
ONLY_THERE = {"colorama", "pywin32", "pyreadline3", "brotlicffi", "pypydispatcher", "httpx2-jsfetch", "toml", "setuptools"}
"""Packages that other systems need, or other interpreters: constraints.txt is of this one."""


def locked(name: str) -> dict[str, tuple[Version, list[str]]]:
    """The version and the hashes of each package."""
    text = (ROOT / "locks" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        requirement = Requirement(line.partition(" --hash=")[0].strip())
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        found[canonicalize_name(requirement.name)] = (Version(pin.version), re.findall(r"--hash=sha256:([0-9a-f]{64})(?= |$)", line))
    return found


def constraints() -> dict[str, Version]:
    lines = (line.partition("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    return {canonicalize_name(name): Version(version) for name, _, version in lines}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_the_version_of_the_constraints(name: str) -> None:
    pinned = constraints()
    for package, (version, hashes) in locked(name).items():
        assert hashes, package
        assert package in pinned or package in ONLY_THERE or package.startswith(("nvidia-", "cuda-", "triton")), package
        assert pinned.get(package, version) == version, package


def test_everything_that_the_project_and_its_tests_need_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {canonicalize_name(Requirement(text).name) for text in (*project["dependencies"], *project["optional-dependencies"]["dev"])}
    builds = {
        canonicalize_name(Requirement(text).name)
        for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    }
    assert needed | builds <= locked("all-but-torch.txt").keys() | locked("torch.txt").keys()
    assert builds <= locked("all-but-torch.txt").keys()
    assert locked("for-tests.txt").keys() == {"open-clip-torch"}
    assert "torch" not in locked("all-but-torch.txt")


def test_hashes_are_of_files_for_linux_macos_and_windows() -> None:
    """Of what is compiled there is a file for each system and Python: five systems, three versions."""
    for package in ("numpy", "pillow", "pandas", "scipy"):
        assert len(locked("all-but-torch.txt")[package][1]) >= 15, package
    assert len(locked("torch.txt")["torch"][1]) >= 9


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_is_named(name: str) -> None:
    assert "://" not in (ROOT / "locks" / name).read_text(encoding="utf-8")
    assert "--index" not in (ROOT / "locks" / name).read_text(encoding="utf-8")
