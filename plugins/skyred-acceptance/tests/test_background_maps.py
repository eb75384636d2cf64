"""The background map of a run, against the truth projected by plain gammapy."""

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

CHOSEN = {
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
    made = make_map_background_irf(
        pointing=observation.pointing,
        ontime=observation.observation_time_duration,
        bkg=truth.response(zenith_angle(observation)),
        geom=geom,
        time_start=observation.tstart,
        location=observation.observatory_earth_location,
    )
    return made.data * (1 - observation.observation_dead_time_fraction)


@pytest.mark.parametrize(("model", "bins"), [("radial", 10), ("3d", 6)])
def test_exact_counts_give_the_true_background_to_a_percent(model, bins, tilted, runs):
    """Without noise, what is left is what binning and gammapy's interpolation do."""
    truth = evolve(tilted, slope=0.0) if model == "radial" else tilted
    chosen = Acceptance(**CHOSEN | {"model": model, "offset_bins": bins})
    camera = chosen.camera
    field = truth.on_field(camera) * 3600
    spectrum = truth.rate * truth.spectrum(camera.energy)
    counts = spectrum.reshape(-1, *[1] * field.ndim) * field
    tally = Tally(counts, camera.solid_angle() * 3600, 3600.0, 2400.0, 1)
    learnt = EstimatedAcceptance(
        **CHOSEN | {"model": model, "offset_bins": bins},
        bins=[0],
        cos_zeniths=[0.66],
        rates=[rates(camera, tally, 1, "it")],
        failures={},
    )
    made = learnt.make(dataset_of(runs[0]), runs[0]).background
    true = true_background(truth, runs[0], made.geom)
    by_energy = made.data.sum(axis=(1, 2)) / true.sum(axis=(1, 2))
    assert by_energy == pytest.approx(1, abs=0.01)
    assert made.data == pytest.approx(true, rel=0.06)  # pixel by pixel: bins of half a degree


def test_noisy_counts_give_it_within_poisson_errors(tilted, runs):
    learnt = Acceptance(**CHOSEN).prepare(runs)
    made = learnt.make(dataset_of(runs[1]), runs[1]).background
    true = true_background(tilted, runs[1], made.geom)
    # 14,000 events above 1 TeV were learnt from
    assert made.data.sum() == pytest.approx(true.sum(), rel=0.03)
    north, south = made.data[:, 15:].sum(), made.data[:, :15].sum()
    assert north / south == pytest.approx(true[:, 15:].sum() / true[:, :15].sum(), rel=0.05)
    assert abs(true[:, 15:].sum() / true[:, :15].sum() - 1) > 0.1  # there is a slope to be found


def test_dead_time_counts_as_such(tilted, runs):
    other = run(tilted, 0, dead=0.5, hours=0.5)
    learnt = Acceptance(**CHOSEN | {"model": "radial"}).prepare(runs)
    full, half = (learnt.make(dataset_of(each), each).background for each in (runs[0], other))
    assert half.data.sum() == pytest.approx(full.data.sum() * 0.5 / 0.9, rel=1e-6)
    # and a run that was half dead teaches the same rates
    alone = Acceptance(**CHOSEN | {"model": "radial"}).prepare([other])
    assert alone.rates[0, 0].mean() == pytest.approx(learnt.rates[0, 0].mean(), rel=0.1)


def test_alignment_with_the_horizon_is_kept_whatever_the_files_say(runs):
    """gammapy turns the background of old H.E.S.S. files around, by two cards of the events."""
    told = copy(runs[0])
    told._meta = runs[0].meta.model_copy()
    told._meta.optional = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}
    learnt = Acceptance(**CHOSEN).prepare(runs)
    one, other = (learnt.make(dataset_of(each), each).background for each in (runs[0], told))
    assert np.array_equal(one.data, other.data)


def test_a_zenith_angle_in_no_bin_is_skipped_with_the_reason(runs):
    learnt = Acceptance(**CHOSEN, zenith_edges=["0 deg", "40 deg"]).prepare(runs)
    with pytest.raises(
        SkipObservation, match=r"zenith angle .* is outside all bins \(0.0 deg to 40.0"
    ):
        learnt.make(dataset_of(runs[0]), runs[0])


def test_a_dataset_with_models_is_refused(runs):
    learnt = Acceptance(**CHOSEN | {"model": "radial"}).prepare(runs)
    dataset = dataset_of(runs[0])
    dataset.models = FoVBackgroundModel(dataset_name="run")
    with pytest.raises(ValueError, match="put acceptance before fov-background"):
        learnt.make(dataset, runs[0])


def test_the_truth_reaches_beyond_the_model():
    assert Acceptance(**CHOSEN).offset_max.to_value("deg") < BOX
