"""The background map of a run, compared with the true background projected by gammapy."""

from copy import copy

import numpy as np
import pytest
from acceptance_truth import BOX, run
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


def dataset_of(observation):
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
def test_background_from_exact_counts_agrees_to_a_percent(model, bins, tilted, runs):
    """Compare without noise, so that only binning and interpolation cause differences."""
    truth = evolve(tilted, slope=0.0) if model == "radial" else tilted
    maker = Acceptance(**OPTIONS | {"model": model, "offset_bins": bins})
    camera = maker.camera
    field = truth.on_field(camera) * 3600
    spectrum = truth.rate * truth.spectrum(camera.energy)
    counts = spectrum.reshape(-1, *[1] * field.ndim) * field
    tally = Tally(counts, camera.solid_angle() * 3600, 3600.0, 2400.0, 1)
    learnt = EstimatedAcceptance(
        **OPTIONS | {"model": model, "offset_bins": bins},
        bins=[0],
        cos_zeniths=[0.66],
        rates=[rates(camera, tally, 1, "it")],
        failures={},
    )
    background_map = learnt.make(dataset_of(runs[0]), runs[0]).background
    true = true_background(truth, runs[0], background_map.geom)
    by_energy = background_map.data.sum(axis=(1, 2)) / true.sum(axis=(1, 2))
    assert by_energy == pytest.approx(1, abs=0.01)
    assert background_map.data == pytest.approx(true, rel=0.06)  # per pixel: bins of half a degree


def test_background_from_poisson_counts_agrees_within_errors(tilted, runs):
    learnt = Acceptance(**OPTIONS).prepare(runs)
    background_map = learnt.make(dataset_of(runs[1]), runs[1]).background
    true = true_background(tilted, runs[1], background_map.geom)
    # from 14,000 events above 1 TeV
    assert background_map.data.sum() == pytest.approx(true.sum(), rel=0.03)
    north, south = background_map.data[:, 15:].sum(), background_map.data[:, :15].sum()
    assert north / south == pytest.approx(true[:, 15:].sum() / true[:, :15].sum(), rel=0.05)
    assert abs(true[:, 15:].sum() / true[:, :15].sum() - 1) > 0.1  # the slope is significant


def test_dead_time_reduces_the_background(tilted, runs):
    half_dead = run(tilted, 0, dead=0.5, hours=0.5)
    learnt = Acceptance(**OPTIONS | {"model": "radial"}).prepare(runs)
    full, half = (
        learnt.make(dataset_of(observation), observation).background
        for observation in (runs[0], half_dead)
    )
    assert half.data.sum() == pytest.approx(full.data.sum() * 0.5 / 0.9, rel=1e-6)
    # the same rates are learnt from a run with 50 % dead time
    alone = Acceptance(**OPTIONS | {"model": "radial"}).prepare([half_dead])
    assert alone.rates[0, 0].mean() == pytest.approx(learnt.rates[0, 0].mean(), rel=0.1)


def test_alignment_with_the_horizon_is_independent_of_the_events_header(runs):
    """gammapy flips the background of old H.E.S.S. files, depending on two cards of the events."""
    old_format = copy(runs[0])
    old_format._meta = runs[0].meta.model_copy()
    old_format._meta.optional = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}
    learnt = Acceptance(**OPTIONS).prepare(runs)
    expected, flipped = (
        learnt.make(dataset_of(observation), observation).background
        for observation in (runs[0], old_format)
    )
    assert np.array_equal(expected.data, flipped.data)


def test_zenith_angle_outside_all_bins_is_skipped_with_the_reason(runs):
    learnt = Acceptance(**OPTIONS, zenith_edges=["0 deg", "40 deg"]).prepare(runs)
    with pytest.raises(
        SkipObservation, match=r"zenith angle .* is outside all bins \(0.0 deg to 40.0"
    ):
        learnt.make(dataset_of(runs[0]), runs[0])


def test_dataset_with_models_is_refused(runs):
    learnt = Acceptance(**OPTIONS | {"model": "radial"}).prepare(runs)
    dataset = dataset_of(runs[0])
    dataset.models = FoVBackgroundModel(dataset_name="run")
    with pytest.raises(ValueError, match="put acceptance before fov-background"):
        learnt.make(dataset, runs[0])


def test_true_background_covers_more_than_the_model():
    assert Acceptance(**OPTIONS).offset_max.to_value("deg") < BOX
