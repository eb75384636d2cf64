"""Pipes and devices in a configuration are rejected and not opened."""

import os
from pathlib import Path

import pytest

from skyred import Pipeline
from skyred.errors import ConfigError
from skyred.fields import Regions
from skyred.fields.options import Location

CONFIG = """
data:
  toy:
    archive: sim:crab
    geometry:
      kind: map
      center: [83.63 deg, 22.01 deg]
      width: 2 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 4}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 10}
    make: [{kind: map}]
    stack: {kind: sum}
model: []
"""


@pytest.mark.parametrize("name", ["pipe.reg", "pipe.fits"])
def test_pipe_as_regions_is_rejected(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)  # opening it for reading would block
    (problem,) = Regions((Location(tmp_path / name),)).problems("exclude")
    assert "expected a regular file" in str(problem)


def test_pipe_as_configuration_is_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match="pipe or a device"):
        Pipeline.from_yaml(tmp_path / "pipe.yaml")


@pytest.mark.parametrize(
    ("original", "replacement", "option"),
    [
        ("archive: sim:crab", "archive: PIPE", "archive"),
        ("make: [{kind: map}]", "make: [{kind: map}, {kind: fov-background, exclude: PIPE.reg}]",
         "exclude"),
        ("model: []", "model: [{kind: file, path: PIPE}]", "path"),
        ("model: []", "model: [{kind: catalog, catalog: gamma-cat, file: PIPE}]", "file"),
    ],
)  # fmt: skip
def test_pipe_in_a_configuration_is_never_opened(
    tmp_path: Path, original: str, replacement: str, option: str
) -> None:
    for name in ("pipe", "pipe.reg"):
        os.mkfifo(tmp_path / name)
    content = CONFIG.replace(original, replacement.replace("PIPE", str(tmp_path / "pipe")))
    with pytest.raises(ConfigError, match=rf"{option}.*is a pipe or a device"):
        Pipeline.from_yaml(content)
