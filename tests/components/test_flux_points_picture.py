"""The plot of flux points shows fluxes, limits and models of either sign."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.maps import RegionNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import skyred
import small_datasets as small
from skyred.products.plotting.flux_points import draw_flux_points

UNIT = "erg cm-2 s-1"


@pytest.fixture(autouse=True)
def close_figures() -> Any:
    yield
    plt.close("all")


def flux_points(on: list[int], amplitude: float = 1e-12, ul: bool = False) -> FluxPoints:
    """Return flux points from three on counts, with 20 off counts and alpha = 1 in each bin."""
    dataset = small.spectrum_on_off()
    dataset.counts.data = np.reshape(on, (3, 1, 1)).astype(float)
    dataset.counts_off.data = np.full((3, 1, 1), 20.0)
    dataset.acceptance.data = dataset.acceptance_off.data = np.ones((3, 1, 1))
    datasets = Datasets([dataset])
    spectral = PowerLawSpectralModel(amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1"))
    datasets.models = [SkyModel(spectral, name="crab")]
    columns = ["ul"] if ul else []
    return skyred.flux_points(datasets, "crab", small.ENERGY.edges, selection_optional=columns)


def is_visible(ax: Any, values: Any) -> bool:
    low, high = ax.get_ylim()
    return bool(np.all((values > low) & (values < high)))


def test_positive_fluxes_are_on_a_logarithmic_axis() -> None:
    ax = draw_flux_points(flux_points([90, 80, 70]), None, "crab")
    assert ax.get_yscale() == "log"
    assert ax.get_title() == "crab"


def test_negative_fluxes_and_their_errors_are_visible() -> None:
    flux = flux_points([5, 30, 8])
    ax = draw_flux_points(flux, None, "crab")
    assert ax.get_yscale() == "linear"
    values, errors = (
        flux_map.to_unit(UNIT).data.ravel() for flux_map in (flux.e2dnde, flux.e2dnde_err)
    )
    assert np.any(values < 0)
    assert is_visible(ax, np.concatenate([values - errors, values + errors]))
    np.testing.assert_allclose(u.Quantity(ax.lines[0].get_ydata()).value, values)


def test_fluxes_that_span_decades_have_a_symlog_axis() -> None:
    flux = flux_points([90000, 30, 8])
    ax = draw_flux_points(flux, None, "crab")
    assert ax.get_yscale() == "symlog"
    assert is_visible(ax, flux.e2dnde.to_unit(UNIT).data.ravel())


def test_negative_limit_is_visible() -> None:
    flux = flux_points([1, 30, 8], ul=True)
    limits = flux.e2dnde_ul.to_unit(UNIT).data.ravel()
    assert limits[0] < 0
    ax = draw_flux_points(flux, None, "crab")
    assert ax.get_yscale() == "linear"
    assert is_visible(ax, limits[flux.is_ul.data.ravel()])


def test_negative_model_is_visible() -> None:
    flux = flux_points([22, 24, 26], ul=True)
    assert np.all(flux.e2dnde_ul.data > 0)
    spectral = PowerLawSpectralModel(amplitude="-1e-12 cm-2 s-1 TeV-1")
    ax = draw_flux_points(flux, spectral, "crab")
    assert ax.get_yscale() == "linear"
    model = (spectral(2 * u.TeV) * (2 * u.TeV) ** 2).to_value(UNIT)
    assert is_visible(ax, np.array([model]))


def test_limit_without_a_flux_is_drawn() -> None:
    flux = flux_points([22, 24, 26], ul=True)
    norm = flux.norm.data.copy()
    norm[1] = np.nan
    maps = {name: getattr(flux, name) for name in ("norm_err", "norm_ul", "sqrt_ts", "ts")}
    maps["norm"] = RegionNDMap.from_geom(flux.geom, data=norm)
    without_flux = FluxPoints.from_maps(maps, "likelihood", flux.reference_model)
    ax = draw_flux_points(without_flux, None, "crab")
    values = u.Quantity(ax.lines[0].get_ydata()).value
    np.testing.assert_allclose(values[1], flux.e2dnde_ul.to_unit(UNIT).data.ravel()[1])
