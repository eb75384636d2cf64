"""Rates estimated from simulated runs, compared with the true rates."""

import pickle
from copy import copy

import attrs
import numpy as np
import pytest
from acceptance_truth import Truth, event_list, simulate_run
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import vstack
from gammapy.data import EventList
from scipy.stats import chi2

from skyred_acceptance import Acceptance
from skyred_acceptance.maker import zenith_angle
from skyred_acceptance.tally import Tally

SOURCE = "icrs; circle(83.63, 22.01, 0.5)"
RANGE = {"energy": ["0.9 TeV", "12 TeV"], "energy_bins": 6, "offset_max": "2.4 deg"}


def create_maker(model, **options):
    bins = {"radial": 8, "3d": 4}[model]
    return Acceptance(model=model, offset_bins=bins, **RANGE, **options)


def sum_tallies(maker, runs):
    tallies = (
        Tally.from_observation(maker.camera, observation, 50, maker.exclude, None)
        for observation in runs
    )
    return sum(tallies, Tally.empty(maker.camera))


def true_counts(truth, camera, exposure):
    """Return the true counts in each bin, by integration."""
    truth = attrs.evolve(truth, slope=0.0) if camera.radial else truth
    spectrum = truth.rate * truth.spectrum(camera.energy)
    effective_exposure = truth.integrate_shape(camera) / camera.solid_angle() * exposure
    return spectrum.reshape(-1, *[1] * exposure.ndim) * effective_exposure


@pytest.mark.parametrize("exclude", [[], [SOURCE]], ids=["everywhere", "outside a region"])
@pytest.mark.parametrize("model", ["radial", "3d"])
def test_estimated_rates_agree_with_true_rates_within_errors(model, exclude, truth, runs):
    maker = create_maker(model, exclude=exclude)
    tally = sum_tallies(maker, runs)
    expected = true_counts(truth, maker.camera, tally.exposure)
    is_used = expected > 5
    total = ((tally.counts - expected)[is_used] ** 2 / expected[is_used]).sum()
    # the seeds are fixed; the probability is 1 in 1000 on each side
    assert 1e-3 < chi2.sf(total, is_used.sum()) < 1 - 1e-3
    assert tally.counts.sum() == pytest.approx(expected.sum(), abs=3.5 * np.sqrt(expected.sum()))


def test_excluded_source_has_no_effect(runs):
    maker = create_maker("radial", exclude=[SOURCE])
    source = SkyCoord(83.63, 22.01, unit="deg")
    sky = source.directional_offset_by(np.arange(500) * u.deg, np.linspace(0, 0.45, 500) * u.deg)
    source_events = event_list(sky, np.full(500, 2.0), runs[0].tstart + np.arange(500) * u.s)
    tables = [runs[0].events.table, source_events.table]
    run_with_source = copy(runs[0])
    run_with_source._events = EventList(vstack(tables, metadata_conflicts="silent"))
    assert len(run_with_source.events.table) == len(runs[0].events.table) + 500
    counts, expected = (sum_tallies(maker, [run]).counts for run in (run_with_source, runs[0]))
    assert np.array_equal(counts, expected)


def test_rates_are_interpolated_between_zenith_bins():
    truth = Truth(rate=3e-3, zenith_power=1.0)
    pointings = [SkyCoord(83.63, dec, unit="deg") for dec in (-10.0, -10.0, 30.0, 30.0)]
    runs = [
        simulate_run(truth, obs_id, pointing, hours=0.5)
        for obs_id, pointing in enumerate(pointings)
    ]
    angles = [zenith_angle(observation) for observation in runs]
    assert max(angles[:2]) < 40 < min(angles[2:])
    edges = ["0 deg", "40 deg", "70 deg"]
    maker = create_maker("radial", zenith_edges=edges, zenith="interpolate").prepare(runs)
    for zenith in (np.mean(angles[:2]), np.mean(angles[2:]), 38.0):
        rate = maker.irf(zenith).evaluate(energy=2 * u.TeV, offset=0.8 * u.deg)
        expected = truth.rate_at_zenith(zenith) * 2.0**-truth.index * truth.shape(0.8, 0)
        # 3 sigma, for about 600 counts in each of the two bins
        assert rate.to_value("s-1 MeV-1 sr-1") == pytest.approx(expected, rel=0.12)
    nearest_maker = attrs.evolve(maker, zenith="nearest")
    assert np.array_equal(nearest_maker.irf(41).data, nearest_maker.irf(60).data)
    assert not np.array_equal(maker.irf(41).data, maker.irf(60).data)


def test_estimated_rates_are_reproducible_and_can_be_pickled(runs):
    maker = create_maker("radial")
    prepared_maker = maker.prepare(runs)
    assert prepared_maker == maker.prepare(iter(runs))
    assert prepared_maker == pickle.loads(pickle.dumps(prepared_maker))
    assert prepared_maker.digest() == maker.prepare(runs).digest()
    assert not prepared_maker.rates.flags.writeable


def test_digest_depends_on_the_runs(runs):
    maker = create_maker("radial")
    assert maker.prepare(runs).digest() != maker.prepare(runs[:3]).digest()
