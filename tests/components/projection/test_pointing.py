"""The pointing of a run is computed once, and again if the run changes."""

from astropy.coordinates import SkyCoord
from gammapy.data import FixedPointingInfo, Observation

from random_irfs import create_observation
from skyred.components.projection.pointing import find_pointing

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
