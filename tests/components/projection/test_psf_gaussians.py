"""Sums of Gaussians of a PSF equal those of gammapy."""

import numpy as np
import pytest
from astropy import units as u
from gammapy.irf import EnergyDependentMultiGaussPSF
from gammapy.irf.psf.parametric import get_sigmas_and_norms
from gammapy.maps import MapAxis
from hypothesis import given, strategies as st

from skyred.components.projection.psf import _sum_gaussians

RADII = {
    "equal distances": np.linspace(0.005, 0.655, 66),
    "equal distances from 0": np.linspace(0, 2, 11),
    "logarithmic": np.geomspace(1e-3, 1, 20),
    "one": np.array([0.1]),
    "two": np.array([0.1, 0.3]),
}
widths = st.floats(1e-3, 3)


def assert_same_density(rad, **values):
    """Compare the density at radii in deg with that of gammapy."""
    parameters = {
        name: u.Quantity(np.full((1, 1, 1), value), "deg" if name.startswith("sigma") else "")
        for name, value in values.items()
    }
    parameters["scale"] = parameters["scale"] / u.deg**2
    center = u.Quantity(rad, "deg")
    with np.errstate(all="ignore"):
        expected = EnergyDependentMultiGaussPSF.evaluate_direct(center[:, None], **parameters)
    density = _sum_gaussians(center, *get_sigmas_and_norms(**parameters))
    # rounding errors grow with the square of the number of radii
    np.testing.assert_allclose(density, expected.to_value("deg-2"), rtol=1e-10, atol=1e-200)


@pytest.mark.parametrize("rad", RADII.values(), ids=RADII)
@given(
    sigma_1=widths, sigma_2=widths, sigma_3=widths,
    ampl_2=st.floats(0, 10), ampl_3=st.floats(0, 10), scale=st.floats(1e-3, 1e3),
)  # fmt: skip
def test_density_equals_that_of_gammapy(rad, **values):
    assert_same_density(rad, **values)


@pytest.mark.parametrize("rad", RADII.values(), ids=RADII)
def test_widths_and_amplitudes_of_zero_are_treated_as_by_gammapy(rad):
    parameters = {"sigma_1": 0.1, "sigma_2": 0.2, "sigma_3": 0.3, "ampl_2": 0.5, "ampl_3": 0.1}
    parameters["scale"] = 1
    for changes in ({"ampl_3": 0, "sigma_3": 0}, {"scale": 0}, {"ampl_2": 0, "ampl_3": 0}):
        assert_same_density(rad, **parameters | changes)


def test_bins_of_the_radius_of_a_map_have_equal_distances():
    axis = MapAxis.from_bounds(0, 0.66, 66, unit="deg", name="rad")
    assert np.allclose(np.diff(axis.center.value), 0.01, rtol=1e-9, atol=0)
