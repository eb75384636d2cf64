"""Rates learnt from simulated runs, compared with the true rates."""

import pickle
from copy import copy

import attrs
import numpy as np
import pytest
from acceptance_truth import Truth, event_list, run
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


def maker(model, **options):
    bins = {"radial": 8, "3d": 4}[model]
    return Acceptance(model=model, offset_bins=bins, **RANGE, **options)


def tally_of(maker, runs):
    tallies = (
        Tally.from_observation(maker.camera, observation, 50, maker.exclude, None)
        for observation in runs
    )
    return sum(tallies, Tally.empty(maker.camera))


def expected(truth, camera, exposure):
    """Return the true counts in each bin, by integration."""
    truth = attrs.evolve(truth, slope=0.0) if camera.radial else truth
    spectrum = truth.rate * truth.spectrum(camera.energy)
    field = truth.on_field(camera) / camera.solid_angle() * exposure
    return spectrum.reshape(-1, *[1] * field.ndim) * field


@pytest.mark.parametrize("exclude", [[], [SOURCE]], ids=["everywhere", "outside a region"])
@pytest.mark.parametrize("model", ["radial", "3d"])
def test_learnt_rates_agree_with_the_true_ones_within_errors(model, exclude, tilted, runs):
    acceptance = maker(model, exclude=exclude)
    tally = tally_of(acceptance, runs)
    true = expected(tilted, acceptance.camera, tally.exposure)
    enough = true > 5
    total = ((tally.counts - true)[enough] ** 2 / true[enough]).sum()
    # fixed seeds; probability of 1 in 1000 on each side
    assert 1e-3 < chi2.sf(total, enough.sum()) < 1 - 1e-3
    assert tally.counts.sum() == pytest.approx(true.sum(), abs=3.5 * np.sqrt(true.sum()))


def test_excluded_source_has_no_effect(runs):
    acceptance = maker("radial", exclude=[SOURCE])
    source = SkyCoord(83.63, 22.01, unit="deg")
    sky = source.directional_offset_by(np.arange(500) * u.deg, np.linspace(0, 0.45, 500) * u.deg)
    bright = event_list(sky, np.full(500, 2.0), runs[0].tstart + np.arange(500) * u.s)
    both = vstack([runs[0].events.table, bright.table], metadata_conflicts="silent")
    with_source = copy(runs[0])
    with_source._events = EventList(both)
    assert len(with_source.events.table) == len(runs[0].events.table) + 500
    assert np.array_equal(
        tally_of(acceptance, [with_source]).counts, tally_of(acceptance, runs[:1]).counts
    )


def test_rates_are_interpolated_between_zenith_bins():
    truth = Truth(rate=3e-3, zenith_power=1.0)
    steep = SkyCoord(83.63, -10.0, unit="deg")
    low = SkyCoord(83.63, 30.0, unit="deg")
    runs = [
        run(truth, number, pointing=steep if number < 2 else low, hours=0.5) for number in range(4)
    ]
    angles = [zenith_angle(observation) for observation in runs]
    assert max(angles[:2]) < 40 < min(angles[2:])
    acceptance = maker("radial", zenith_edges=["0 deg", "40 deg", "70 deg"], zenith="interpolate")
    learnt = acceptance.prepare(runs)
    for zenith in (np.mean(angles[:2]), np.mean(angles[2:]), 38.0):
        rate = learnt.irf(zenith).evaluate(energy=2 * u.TeV, offset=0.8 * u.deg)
        true = truth.at_zenith(zenith) * 2.0**-truth.index * truth.shape(0.8, 0)
        # about 600 counts in each neighbouring bin: 4 % are one standard deviation
        assert rate.to_value("s-1 MeV-1 sr-1") == pytest.approx(true, rel=0.12)
    nearest = attrs.evolve(learnt, zenith="nearest")
    assert np.array_equal(nearest.irf(41).data, nearest.irf(60).data)
    assert not np.array_equal(learnt.irf(41).data, learnt.irf(60).data)


def test_learnt_rates_are_reproducible_and_can_be_pickled(runs):
    acceptance = maker("radial")
    learnt = acceptance.prepare(runs)
    assert learnt == acceptance.prepare(iter(runs)) == pickle.loads(pickle.dumps(learnt))
    assert learnt.digest() == acceptance.prepare(runs).digest()
    assert not learnt.rates.flags.writeable


def test_digest_depends_on_the_runs(runs):
    acceptance = maker("radial")
    assert acceptance.prepare(runs).digest() != acceptance.prepare(runs[:3]).digest()
