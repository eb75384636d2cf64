"""The conformance checks of the fitter."""

import pytest

from skyred.testing import parametrize_with_checks
from skyred_emcee import Emcee

pytestmark = pytest.mark.filterwarnings("error")


# short chains are sufficient, because the checks take their precision into account
@parametrize_with_checks([Emcee(length=10, walkers=20, steps=2000)])
def test_fitter_passes_the_checks(check):
    check()
