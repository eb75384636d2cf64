"""Invalid frames, latitudes, models and sizes of maps are reported before data are read."""

import re

import pytest

from skyred import Pipeline
from skyred.errors import ConfigError

CONFIG = """
data:
  toy:
    archive: sim:crab
    geometry:
      kind: map
      center: [83.63 deg, 22.01 deg]
      width: 2 deg
      bin_size: 0.02 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 4}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 10}
    make: [{kind: map}]
    stack: {kind: sum}
model:
  - kind: source
    name: crab
    spatial: {type: point, lon_0: 83.63 deg, lat_0: 22.01 deg, frame: icrs}
    spectral: {type: pl}
fit: {kind: minuit}
"""


def test_valid_configuration_is_accepted() -> None:
    assert Pipeline.from_yaml(CONFIG).model[0].name == "crab"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frame: icrs", "frame: nope", r"spatial\.frame: 'nope' is not a frame"),
        ("frame: icrs", "frame: altaz", r"spatial\.frame: 'altaz' is not a frame"),
        ("lat_0: 22.01 deg", "lat_0: 122.01 deg", r"lat_0: starts at 122\.01 deg, .*-90 to 90 deg"),
        ("22.01 deg]", "122.01 deg]", r"geometry\.center: has the latitude 122\.01"),
        ("type: pl}", "type: plaw}", r"spectral\.type: unknown spectral model 'plaw'"),
        ("bins: 4", "bins: 9223372036854775808", r"energy\.bins: .*from 1 to 10000"),
        ("bins: 4", "bins: 0", r"energy\.bins: .*from 1 to 10000"),
        ("max: 20 TeV, bins: 10", "max: 20 TeV, bins: 9000, per_decade: true", "at most 10000"),
        ("bin_size: 0.02 deg", "bin_size: 0.00001 deg", r"geometry: .*needs at least .*memory"),
        ("bin_size: 0.02 deg", "psf_bins: 2000000", r"psf_bins: "),
    ],
)
def test_invalid_value_is_rejected_before_data_are_read(old: str, new: str, message: str) -> None:
    assert old in CONFIG
    yaml_text = CONFIG.replace(old, new)
    with pytest.raises(ConfigError, match=message) as excinfo:
        Pipeline.from_yaml(yaml_text)
    assert re.search(r"\d+:\d+", str(excinfo.value))  # line and column
