"""The requirements that every component meets."""

from skyred.testing import parametrize_with_checks
from skyred_acceptance import Acceptance


@parametrize_with_checks(
    [Acceptance(energy=["0.6 TeV", "20 TeV"], energy_bins=2, offset_bins=2, min_counts=1)]
)
def test_the_maker_obeys_the_laws(check):
    check()
