"""Reduction and fit of archives of MAGIC, VERITAS and FACT, compared with plain gammapy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.units import Quantity
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import ReflectedRegionsBackgroundMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

import plain_gammapy
from skyred import Pipeline

# the radius of the on region in deg, and the energy range of the fit
ARCHIVES = {
    "magic": (0.1414213, "0.08 TeV", "30 TeV"),
    "veritas": (0.1, "0.15 TeV", "30 TeV"),
    "fact": (0.17320508, "0.4 TeV", "30 TeV"),
}
CONFIGURATION = """
data:
  crab:
    archive: {folder}
    irfs: point-like
    select: [{{kind: observation-ids, ids: {ids}}}]
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.63308, 22.0145, {radius})"
      energy: {{min: 0.01 TeV, max: 100 TeV, bins: 20}}
      energy_true: {{min: 0.01 TeV, max: 100 TeV, bins: 40}}
    make:
      - {{kind: spectrum}}
      - {{kind: reflected-regions}}
    stack: {{kind: keep}}
    fit_range: {{energy: [{low}, {high}]}}
model:
  - kind: source
    name: crab
    spectral: {{type: pl, index: 2.5, amplitude: 4e-11 cm-2 s-1 TeV-1, reference: 1 TeV}}
fit: {{kind: newton}}
"""


def reduce_with_gammapy(store: DataStore, ids: list[int], name: str) -> Datasets:
    radius, low, high = ARCHIVES[name]
    energy = MapAxis.from_energy_bounds("0.01 TeV", "100 TeV", nbin=20)
    energy_true = MapAxis.from_energy_bounds("0.01 TeV", "100 TeV", nbin=40, name="energy_true")
    position = SkyCoord(83.63308, 22.0145, unit="deg")
    region = CircleSkyRegion(position, radius * position.ra.unit)
    template = SpectrumDataset.create(
        RegionGeom.create(region, axes=[energy]), energy_axis_true=energy_true
    )
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"])
    background_maker = ReflectedRegionsBackgroundMaker()
    datasets = Datasets()
    for observation in store.get_observations(ids, required_irf=["aeff", "edisp"]):
        dataset = maker.run(template.copy(name=str(observation.obs_id)), observation)
        dataset = background_maker.run(dataset, observation)
        dataset.mask_fit = dataset.counts.geom.energy_mask(Quantity(low), Quantity(high))
        datasets.append(dataset)
    return datasets


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ARCHIVES)
def test_counts_exposure_and_fit_agree_with_gammapy(name: str) -> None:
    folder = plain_gammapy.joint_crab_archive(name)
    if not folder.is_dir():
        pytest.skip("needs $JOINT_CRAB_DL3: the event lists of Nigro et al. 2019")
    store = DataStore.from_dir(folder)
    ids = [int(obs_id) for obs_id in store.obs_table["OBS_ID"][:3]]
    radius, low, high = ARCHIVES[name]
    configuration = CONFIGURATION.format(folder=folder, ids=ids, radius=radius, low=low, high=high)
    result = Pipeline.from_yaml(configuration).run()
    plain_datasets = reduce_with_gammapy(store, ids, name)
    for dataset, expected in zip(result.datasets, plain_datasets, strict=True):
        assert np.array_equal(dataset.counts.data, expected.counts.data)
        assert np.array_equal(dataset.counts_off.data, expected.counts_off.data)
        np.testing.assert_allclose(dataset.exposure.data, expected.exposure.data, rtol=1e-6)
    model = PowerLawSpectralModel(index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1", reference="1 TeV")
    plain_datasets.models = [SkyModel(model, name="crab")]
    Fit().run(plain_datasets)
    assert result.fit.success
    assert result.fit.stat <= plain_datasets.stat_sum() + 0.01
