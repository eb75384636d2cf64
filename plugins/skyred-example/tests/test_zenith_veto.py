from types import SimpleNamespace

import astropy.units as u
import pytest

from skyred import SkipObservation
from skyred_example import ZenithVeto

DATASET = object()


def observation(zenith):
    return SimpleNamespace(
        tmid="mid-run", get_pointing_altaz=lambda time: SimpleNamespace(zen=zenith * u.deg)
    )


@pytest.mark.parametrize("zenith", [0, 30, 50])
def test_a_run_up_to_the_limit_goes_through_as_it_is(zenith):
    assert ZenithVeto().make(DATASET, observation(zenith)) is DATASET


def test_a_run_above_the_limit_is_skipped_with_both_angles_in_the_reason():
    with pytest.raises(SkipObservation) as skip:
        ZenithVeto(zenith_max="40 deg").make(DATASET, observation(41.26))
    assert skip.value.reason == "zenith angle 41.3 deg is above 40.0 deg"


def test_the_limit_may_be_in_any_unit_of_angle():
    assert ZenithVeto(zenith_max="2400 arcmin") == ZenithVeto(zenith_max="40 deg")


@pytest.mark.parametrize("wrong", ["40 m", "91 deg", "high"])
def test_a_limit_that_is_none_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match="zenith_max"):
        ZenithVeto(zenith_max=wrong)
