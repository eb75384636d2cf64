"""The Galactic centre in the first CTA data challenge, compared with plain gammapy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    SkyModel,
)

from skyred import Orchestrator, Pipeline

EXAMPLE = Path(__file__).parents[2] / "examples" / "cta-galactic-centre.yaml"
INDEX = Path(os.environ.get("GAMMAPY_DATA", "?")) / "cta-1dc" / "index" / "gps"
RUNS = [110380, 111140, 111159]
EDGES = [0.1, 0.4, 1.6, 10] * u.TeV
OFFSET_MAX = 2.5 * u.deg
pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not INDEX.is_dir(), reason="needs cta-1dc in GAMMAPY_DATA"),
]


@pytest.fixture(scope="module")
def orchestrator() -> Orchestrator:
    orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLE))
    orchestrator.run_until("estimate")
    return orchestrator


@pytest.fixture(scope="module")
def gammapy_stack() -> MapDataset:
    """Return the runs stacked with plain gammapy."""
    energy = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=10)
    energy_true = MapAxis.from_energy_bounds("0.03 TeV", "30 TeV", nbin=15, name="energy_true")
    centre = SkyCoord(0, 0, unit="deg", frame="galactic")
    geom = WcsGeom.create(skydir=centre, width=(6, 5), binsz=0.05, frame="galactic", axes=[energy])
    stacked = MapDataset.create(geom, energy_axis_true=energy_true, name="cta")
    mask = SafeMaskMaker(methods=["offset-max"], offset_max=OFFSET_MAX)
    for observation in DataStore.from_dir(INDEX).get_observations(RUNS):
        pointing = observation.get_pointing_icrs(observation.tmid)
        cutout = stacked.cutout(pointing, width=2 * OFFSET_MAX, name=f"run-{observation.obs_id}")
        stacked.stack(mask.run(MapDatasetMaker().run(cutout, observation), observation))
    return stacked


def models() -> Models:
    """Return the models of the example at the start of the fit, built with plain gammapy."""
    spatial = PointSpatialModel(lon_0="-0.05 deg", lat_0="-0.05 deg", frame="galactic")
    spectral = ExpCutoffPowerLawSpectralModel(
        index=2, amplitude="3e-12 cm-2 s-1 TeV-1", reference="1 TeV", lambda_="0.1 TeV-1"
    )
    source = SkyModel(spatial_model=spatial, spectral_model=spectral, name="gc")
    return Models([source, FoVBackgroundModel(dataset_name="cta")])


def test_stack_agrees_with_gammapy(orchestrator: Orchestrator, gammapy_stack: MapDataset) -> None:
    (dataset,) = orchestrator.datasets
    assert dataset.counts.data.sum() > 0
    np.testing.assert_array_equal(dataset.counts.data, gammapy_stack.counts.data)
    np.testing.assert_array_equal(dataset.mask_safe.data, gammapy_stack.mask_safe.data)
    np.testing.assert_allclose(
        dataset.gti.time_sum.to_value("s"), gammapy_stack.gti.time_sum.to_value("s"), rtol=1e-9
    )
    for actual, expected in (
        (dataset.background, gammapy_stack.background),
        (dataset.exposure, gammapy_stack.exposure),
        (dataset.psf.psf_map, gammapy_stack.psf.psf_map),
        (dataset.edisp.edisp_map, gammapy_stack.edisp.edisp_map),
    ):
        atol = 1e-6 * np.abs(expected.data).max()
        np.testing.assert_allclose(actual.data, expected.data, rtol=1e-6, atol=atol)


def test_fit_is_as_good_as_that_of_gammapy(
    orchestrator: Orchestrator, gammapy_stack: MapDataset
) -> None:
    fit = orchestrator.fit_result
    assert fit is not None
    assert fit.success
    datasets = Datasets([gammapy_stack.copy(name="cta")])
    datasets.models = models()
    gammapy_fit = Fit().run(datasets)
    assert fit.stat <= gammapy_fit.total_stat + 0.01
    # the same statistic at the same values; gammapy looks up the IRFs at the fitted position when
    # the models are set again
    datasets.models.parameters.value = orchestrator.datasets.models.parameters.value
    datasets.models = datasets.models
    assert fit.stat == pytest.approx(datasets.stat_sum(), rel=1e-8)


def test_flux_points_agree_with_gammapy(
    orchestrator: Orchestrator, gammapy_stack: MapDataset
) -> None:
    points = orchestrator.estimates["flux-points"].flux
    assert isinstance(points, FluxPoints)
    datasets = Datasets([gammapy_stack.copy(name="cta")])
    datasets.models = orchestrator.datasets.models.copy()
    expected = FluxPointsEstimator(source="gc", energy_edges=EDGES).run(datasets)
    for name in ("norm", "norm_err", "ts", "npred"):
        np.testing.assert_allclose(
            getattr(points, name).data, getattr(expected, name).data, rtol=1e-3, err_msg=name
        )
