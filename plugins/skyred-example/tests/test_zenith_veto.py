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
def test_run_up_to_the_limit_is_not_changed(zenith):
    assert ZenithVeto().make(DATASET, observation(zenith)) is DATASET


def test_run_above_the_limit_is_skipped_with_both_angles():
    with pytest.raises(SkipObservation) as skip:
        ZenithVeto(zenith_max="40 deg").make(DATASET, observation(41.26))
    assert skip.value.reason == "zenith angle 41.3 deg is above 40.0 deg"


def test_limit_can_be_in_any_unit_of_angle():
    assert ZenithVeto(zenith_max="2400 arcmin") == ZenithVeto(zenith_max="40 deg")


@pytest.mark.parametrize("invalid_limit", ["40 m", "91 deg", "high"])
def test_invalid_limit_is_rejected(invalid_limit):
    with pytest.raises(ValueError, match="zenith_max"):
        ZenithVeto(zenith_max=invalid_limit)
