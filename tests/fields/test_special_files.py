"""Pipes and devices as files of a configuration: refused, never opened."""

import os
from pathlib import Path

import pytest

from skyred import Pipeline
from skyred.errors import ConfigError
from skyred.fields import Regions
from skyred.fields.options import Location


@pytest.mark.parametrize("name", ["pipe.reg", "pipe.fits"])
def test_pipe_as_regions_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)  # opening it for reading would block
    (problem,) = Regions((Location(tmp_path / name),)).problems("exclude")
    assert "not a regular file" in str(problem)


def test_pipe_as_configuration_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match="pipe or a device"):
        Pipeline.from_yaml(tmp_path / "pipe.yaml")
