"""The background map of a run, compared with the true background projected by gammapy."""

from copy import copy

import numpy as np
import pytest
from acceptance_truth import HALF_WIDTH, simulate_run
from attrs import evolve
from gammapy.datasets import MapDataset
from gammapy.makers.utils import make_map_background_irf
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel

from skyred import SkipObservation
from skyred_acceptance import Acceptance
from skyred_acceptance.maker import EstimatedAcceptance, zenith_angle
from skyred_acceptance.model import rates
from skyred_acceptance.tally import Tally

OPTIONS = {
    "model": "3d",
    "energy": ["0.9 TeV", "12 TeV"],
    "energy_bins": 6,
    "offset_max": "2.4 deg",
    "offset_bins": 4,
}


def empty_dataset(observation):
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    pointing = observation.pointing.fixed_icrs
    geom = WcsGeom.create(skydir=pointing, width=3, binsz=0.1, frame="icrs", axes=[energy])
    return MapDataset.create(geom, name="run")


def true_background(truth, observation, geom):
    background_map = make_map_background_irf(
        pointing=observation.pointing,
        ontime=observation.observation_time_duration,
        bkg=truth.response(zenith_angle(observation)),
        geom=geom,
        time_start=observation.tstart,
        location=observation.observatory_earth_location,
    )
    return background_map.data * (1 - observation.observation_dead_time_fraction)


@pytest.mark.parametrize(("model", "bins"), [("radial", 10), ("3d", 6)])
def test_background_from_exact_counts_agrees_to_a_percent(model, bins, truth, runs):
    """Compare without noise, so that only binning and interpolation cause differences."""
    truth = evolve(truth, slope=0.0) if model == "radial" else truth
    camera = Acceptance(**OPTIONS | {"model": model, "offset_bins": bins}).camera
    exposure = truth.integrate_shape(camera) * 3600
    spectrum = truth.rate * truth.spectrum(camera.energy)
    counts = spectrum.reshape(-1, *[1] * exposure.ndim) * exposure
    tally = Tally(counts, camera.solid_angle() * 3600, 3600.0, 2400.0, 1)
    maker = EstimatedAcceptance(
        **OPTIONS | {"model": model, "offset_bins": bins},
        bins=[0],
        cos_zeniths=[0.66],
        rates=[rates(camera, tally, 1, "all runs")],
        failures={},
    )
    background_map = maker.make(empty_dataset(runs[0]), runs[0]).background
    expected = true_background(truth, runs[0], background_map.geom)
    ratios = background_map.data.sum(axis=(1, 2)) / expected.sum(axis=(1, 2))
    assert ratios == pytest.approx(1, abs=0.01)
    # less exact in single pixels, because the bins of the model are half a degree wide
    assert background_map.data == pytest.approx(expected, rel=0.06)


def test_background_from_poisson_counts_agrees_within_errors(truth, runs):
    maker = Acceptance(**OPTIONS).prepare(runs)
    background_map = maker.make(empty_dataset(runs[1]), runs[1]).background
    expected = true_background(truth, runs[1], background_map.geom)
    # from 14,000 events above 1 TeV
    assert background_map.data.sum() == pytest.approx(expected.sum(), rel=0.03)
    north, south = background_map.data[:, 15:].sum(), background_map.data[:, :15].sum()
    expected_ratio = expected[:, 15:].sum() / expected[:, :15].sum()
    assert north / south == pytest.approx(expected_ratio, rel=0.05)
    assert abs(expected_ratio - 1) > 0.1  # the slope is significant


def test_dead_time_reduces_the_background(truth, runs):
    run = simulate_run(truth, 0, deadtime_fraction=0.5, hours=0.5)
    maker = Acceptance(**OPTIONS | {"model": "radial"}).prepare(runs)
    background, reduced_background = (
        maker.make(empty_dataset(observation), observation).background.data.sum()
        for observation in (runs[0], run)
    )
    assert reduced_background == pytest.approx(background * 0.5 / 0.9, rel=1e-6)
    # the same rates are estimated from the run with 50 % dead time
    other_maker = Acceptance(**OPTIONS | {"model": "radial"}).prepare([run])
    assert other_maker.rates[0, 0].mean() == pytest.approx(maker.rates[0, 0].mean(), rel=0.1)


def test_alignment_with_the_horizon_is_independent_of_the_events_header(runs):
    """Check that gammapy does not flip the background, as it does for old H.E.S.S. files."""
    old_run = copy(runs[0])
    old_run._meta = runs[0].meta.model_copy()
    old_run._meta.optional = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}
    maker = Acceptance(**OPTIONS).prepare(runs)
    expected, background_map = (
        maker.make(empty_dataset(observation), observation).background
        for observation in (runs[0], old_run)
    )
    assert np.array_equal(background_map.data, expected.data)


def test_run_outside_all_zenith_bins_is_skipped_and_the_reason_is_reported(runs):
    maker = Acceptance(**OPTIONS, zenith_edges=["0 deg", "40 deg"]).prepare(runs)
    message = r"zenith angle .* is outside all bins \(0.0 deg to 40.0"
    with pytest.raises(SkipObservation, match=message):
        maker.make(empty_dataset(runs[0]), runs[0])


def test_dataset_with_models_is_rejected(runs):
    maker = Acceptance(**OPTIONS | {"model": "radial"}).prepare(runs)
    dataset = empty_dataset(runs[0])
    dataset.models = FoVBackgroundModel(dataset_name="run")
    with pytest.raises(ValueError, match="put acceptance before fov-background"):
        maker.make(dataset, runs[0])


def test_true_background_covers_more_than_the_model():
    assert Acceptance(**OPTIONS).offset_max.to_value("deg") < HALF_WIDTH
