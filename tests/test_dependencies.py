"""The constraints files agree with the versions that the pyproject.toml files declare."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(ROOT.glob("plugins/*/pyproject.toml"))


def read_project(path: Path) -> dict:
    return tomllib.loads(path.read_text("utf-8"))["project"]


def read_pins(file_name: str) -> dict[str, Version]:
    lines = (ROOT / file_name).read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {name: Version(version) for name, version in pins}


def parse_requirements(specifiers: list[str]) -> list[Requirement]:
    """Parse requirements, and leave out skyred itself; names become canonical."""
    requirements = [Requirement(specifier) for specifier in specifiers]
    for requirement in requirements:
        requirement.name = canonicalize_name(requirement.name)
    return [requirement for requirement in requirements if requirement.name != "skyred"]


PROJECT = read_project(ROOT / "pyproject.toml")
EXTRAS = PROJECT["optional-dependencies"]
RUNTIME = parse_requirements(
    PROJECT["dependencies"]
    + EXTRAS["notebook"]
    + [specifier for path in PLUGINS for specifier in read_project(path)["dependencies"]]
)
OPTIONAL = parse_requirements(
    [specifier for extra in ("test", "docs", "all") for specifier in EXTRAS[extra]]
)


@pytest.mark.parametrize("requirement", RUNTIME, ids=str)
def test_lowest_pins_are_the_declared_lower_bounds(requirement: Requirement) -> None:
    [bound] = [Version(spec.version) for spec in requirement.specifier if spec.operator == ">="]
    assert read_pins("constraints-lowest.txt")[requirement.name] == bound


@pytest.mark.parametrize("requirement", RUNTIME + OPTIONAL, ids=str)
def test_newest_pins_are_within_the_declared_ranges(requirement: Requirement) -> None:
    assert read_pins("constraints.txt")[requirement.name] in requirement.specifier


@pytest.mark.parametrize("file_name", ["constraints.txt", "constraints-lowest.txt"])
def test_pins_have_canonical_names(file_name: str) -> None:
    pins = read_pins(file_name)
    assert list(pins) == [canonicalize_name(pin) for pin in pins]
