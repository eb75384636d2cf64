"""The how-to on folders of DL3 files: its YAML, run on six files, agrees with gammapy."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from gammapy.data import DataStore
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

from skyred import Pipeline, Result

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-folder.md"
RUNS = (47802, 47803, 47804, 47827, 47828, 47829)

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Run the YAML of the page in a folder with links to six files, and return the result."""
    if not (data := Path(os.environ.get("GAMMAPY_DATA", "?"), "hess-dl3-dr1", "data")).is_dir():
        pytest.skip("needs $GAMMAPY_DATA/hess-dl3-dr1")
    folder = tmp_path_factory.mktemp("own")
    (folder / "my-runs").mkdir()
    for run in RUNS:
        path = data / f"hess_dl3_dr1_obs_id_{run:06d}.fits.gz"
        (folder / "my-runs" / path.name).symlink_to(path.resolve())
    match = re.search(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert match is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return Pipeline.from_yaml(match[1]).run(folder / "out")


def test_all_runs_are_reduced_to_the_counts_of_gammapy(result: Result) -> None:
    from gammapy.datasets import MapDataset
    from gammapy.makers import MapDatasetMaker, SafeMaskMaker

    (dataset,) = result.datasets
    assert [outcome.status for outcome in result.outcomes] == ["reduced"] * len(RUNS)
    store = DataStore.from_dir(Path(os.environ["GAMMAPY_DATA"], "hess-dl3-dr1"))
    axis = dataset.exposure.geom.axes["energy_true"]
    empty = MapDataset.create(dataset.counts.geom, energy_axis_true=axis, name="plain")
    stacked = empty.copy(name="stacked")
    safe_mask = SafeMaskMaker(methods=["offset-max", "aeff-max"], offset_max="2.5 deg")
    for observation in store.get_observations(list(RUNS)):
        center = observation.get_pointing_icrs(observation.tmid)
        target = empty.cutout(position=center, width="5 deg")
        stacked.stack(safe_mask.run(MapDatasetMaker().run(target, observation), observation))
    np.testing.assert_array_equal(dataset.counts.data, stacked.counts.data)
    np.testing.assert_array_equal(dataset.mask_safe.data, stacked.mask_safe.data)
    np.testing.assert_allclose(dataset.exposure.data, stacked.exposure.data, rtol=1e-6)


def test_spectrum_agrees_with_the_fit_of_gammapy(result: Result) -> None:
    (dataset,) = result.datasets
    dataset = dataset.copy(name="plain")
    source = SkyModel(
        PowerLawSpectralModel(index=3, amplitude="3e-12 cm-2 s-1 TeV-1", reference="1 TeV"),
        PointSpatialModel(lon_0="329.717 deg", lat_0="-30.226 deg", frame="icrs"),
        name="pks-2155",
    )
    dataset.models = Models([source, FoVBackgroundModel(dataset_name="plain")])
    # without limits, the first steps of MIGRAD leave the map
    for name in ("lon_0", "lat_0"):
        parameter = source.spatial_model.parameters[name]
        parameter.min, parameter.max = parameter.value - 0.1, parameter.value + 0.1
    assert Fit().run([dataset]).success
    spectral = result.models["pks-2155"].spectral_model
    for name in ("index", "amplitude"):
        actual, expected = spectral.parameters[name], source.spectral_model.parameters[name]
        # MIGRAD stops within a few percent of the error
        assert abs(actual.value - expected.value) < 0.05 * actual.error
    points = result.estimates["flux-points"].flux.to_table(sed_type="dnde")
    assert len(points) == 4
    assert np.all(points["sqrt_ts"][:3] > 2)


def test_map_shows_the_source_at_its_position(result: Result) -> None:
    significance = result.estimates["significance-map"].maps.sqrt_ts
    index = np.unravel_index(np.nanargmax(significance.data), significance.data.shape)
    peak = significance.geom.to_image().pix_to_coord(index[:0:-1])
    assert significance.data[index] > 5
    assert abs(peak[0].value - 329.717) * np.cos(np.radians(30.2)) < 0.1
    assert abs(peak[1].value + 30.226) < 0.1
    assert (result.folder / "plots" / "significance-map.png").is_file()  # type: ignore[operator]
