"""Frames of model positions: those that do not depend on time are accepted."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets
from gammapy.modeling.models import Models, PointSpatialModel, PowerLawSpectralModel, SkyModel

from skyred import Pipeline
from skyred.errors import ConfigError

DATA = """
data:
  sim:
    archive: sim:crab
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [1 deg, 1 deg]
      energy: {min: 1 TeV, max: 10 TeV, bins: 2}
      energy_true: {min: 1 TeV, max: 10 TeV, bins: 2}
    make: [{kind: map}]
    stack: {kind: sum}
model:
"""
SOURCE = "  - {kind: source, name: crab, spectral: {type: pl}, spatial: SPATIAL}\n"
SPATIAL = "{type: point, lon_0: 1 deg, lat_0: 2 deg, frame: FRAME}"
VALID = ("icrs", "fk5", "galactic", "supergalactic")
INVALID = {
    "fk4": "positions in the frame 'fk4' depend on time",
    "gcrs": "positions in the frame 'gcrs' depend on time",
    "altaz": "'altaz' is not a frame with fixed positions on the sky",
    "FK5": "'FK5' is not a frame with fixed positions on the sky",
    "junk": "'junk' is not a frame with fixed positions on the sky",
}


def configuration(kind: str, frame: str, folder: Path) -> str:
    if kind == "source":
        return DATA + SOURCE.replace("SPATIAL", SPATIAL.replace("FRAME", frame))
    spatial = PointSpatialModel(lon_0="1 deg", lat_0="2 deg", frame="icrs")
    model = SkyModel(spatial_model=spatial, spectral_model=PowerLawSpectralModel(), name="crab")
    content = Models([model]).to_yaml().replace("frame: icrs", f"frame: {frame}")
    content = content[: content.index("metadata:")]
    if kind == "gammapy":
        return f"{DATA}  - kind: gammapy\n{textwrap.indent(content, '    ')}"
    (folder / "models.yaml").write_text(content, encoding="utf-8")
    return DATA + f"  - {{kind: file, path: {folder}/models.yaml}}\n"


@pytest.mark.parametrize("kind", ["source", "gammapy", "file"])
@pytest.mark.parametrize("frame", VALID)
def test_position_agrees_with_astropy(kind: str, frame: str, tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(configuration(kind, frame, tmp_path))
    (model,) = pipeline.model[0].build(Datasets())
    expected = SkyCoord(1, 2, unit="deg", frame=frame)
    assert model.position.icrs.separation(expected.icrs).to_value("arcsec") < 1e-6
    assert model.spatial_model.frame == frame


@pytest.mark.parametrize("kind", ["source", "gammapy", "file"])
@pytest.mark.parametrize("frame", INVALID)
def test_other_frames_are_rejected(kind: str, frame: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        Pipeline.from_yaml(configuration(kind, frame, tmp_path))
    assert f"{INVALID[frame]}; expected icrs, fk5, galactic" in str(raised.value)
