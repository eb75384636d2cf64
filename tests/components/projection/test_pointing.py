"""The pointing of a run is computed once, and again if the run changes."""

import copy

import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import FixedPointingInfo, Observation

from random_irfs import create_irf, create_observation
from skyred.components.projection.pointing import RunValues, find_background, find_pointing

CRAB, M31 = SkyCoord(83.6, 22, unit="deg"), SkyCoord(10, 20, unit="deg")


class EqualRuns(Observation):
    """Runs that are equal if they have the same identifier, and cannot be hashed."""

    def __eq__(self, run):
        return self.obs_id == run.obs_id

    __hash__ = None


def test_pointing_is_that_of_gammapy_and_computed_once():
    observation = create_observation(CRAB)
    position = find_pointing(observation)
    assert position.separation(observation.get_pointing_icrs(observation.tmid)).arcsec == 0
    assert find_pointing(observation) is position


def test_changed_pointing_is_used():
    observation = create_observation(CRAB)
    find_pointing(observation)
    observation._pointing = FixedPointingInfo(fixed_icrs=M31)
    assert find_pointing(observation).separation(M31).arcsec == 0
    observation.pointing._fixed_icrs = CRAB
    assert find_pointing(observation).separation(CRAB).arcsec == 0


def test_runs_need_not_be_hashable():
    observation = create_observation(CRAB)
    observation.__class__ = EqualRuns
    assert find_pointing(observation).separation(CRAB).arcsec == 0


class OwnPointing(Observation):
    """Runs whose pointing is not that of the headers."""

    def get_pointing_icrs(self, time):
        return M31


class Proxy:
    """Runs that look up everything in another object."""

    def __init__(self, observation):
        self._observation = observation

    def __getattr__(self, name):
        return getattr(self._observation, name)


def test_pointing_of_a_plugin_is_used():
    observation = create_observation(CRAB)
    observation.__class__ = OwnPointing
    assert find_pointing(observation).separation(M31).arcsec == 0
    assert find_pointing(Proxy(observation)).separation(M31).arcsec == 0
    assert find_pointing(Proxy(create_observation(CRAB))).separation(CRAB).arcsec == 0


class Header:
    """Metadata in memory that gammapy has not converted."""

    def __init__(self, **cards):
        self.header = cards


@pytest.mark.parametrize("live_fraction", [1, 0.9, 0.123456789])
def test_live_time_is_that_of_gammapy(live_fraction):
    observation = create_observation(CRAB)
    observation._meta.deadtime_fraction = 1 - live_fraction
    expected = observation.observation_live_time_duration
    assert RunValues.read(observation).livetime == expected
    vars(observation).update({"__meta_hdu": Header(DEADC=live_fraction)})
    del vars(observation)["_meta"]
    assert RunValues.read(observation).livetime == expected
    assert RunValues.read(observation).ontime == observation.observation_time_duration


def test_dead_time_that_a_maker_changed_is_used():
    observation = create_observation(CRAB)
    vars(observation).update({"__meta_hdu": Header(DEADC=0.9)})
    observation._meta.deadtime_fraction = 0.5
    assert RunValues.read(observation).livetime == observation.observation_time_duration * 0.5


@pytest.mark.parametrize("creator", ["SASH FITS::EventListWriter", "gammapy"])
@pytest.mark.parametrize("version", ["0.2", "0.3", None])
def test_alignment_of_the_background_is_that_of_gammapy(creator, version):
    cards = {"CREATOR": creator, "HDUVERS": version, "DEADC": 1}
    background = create_irf("bkg_3d")
    observation, expected = create_observation(CRAB), create_observation(CRAB)
    observation._bkg, expected._bkg = background, copy.copy(background)
    expected._meta.optional = cards
    del vars(observation)["_meta"]
    vars(observation).update({"__meta_hdu": Header(**cards)})
    assert find_background(observation) is background
    assert background.fov_alignment == expected.bkg.fov_alignment


def test_run_without_background_has_none():
    observation = create_observation(CRAB)
    assert find_background(observation) is None
    del vars(observation)["_meta"]
    vars(observation).update({"__meta_hdu": Header(DEADC=1)})
    assert find_background(observation) is None
