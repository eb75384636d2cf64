"""The plot of a light curve."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy import units as u
from gammapy.estimators import FluxPoints
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap, TimeMapAxis
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

from skyred.likelihood.flux.variability import Variability
from skyred.products.light_curve_plot import draw_light_curve
from skyred.products.plotting.images import write_png

FROM_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def create_light_curve(n_bins: int) -> FluxPoints:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_bins)
    time = TimeMapAxis([0, 2] * u.h, [1, 3] * u.h, "2020-01-01T00:00:00")
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[energy, time])
    maps = {name: RegionNDMap.from_geom(geom, data=value, unit="")
            for name, value in (("norm", 1.3), ("norm_err", 0.2))}  # fmt: skip
    return FluxPoints(maps, SkyModel(PowerLawSpectralModel(), name="crab"))


def test_legend_has_the_variability_as_plain_text_and_is_not_hidden():
    flux = create_light_curve(1)
    label = str(Variability(0.75, 0.01, 2280.4, 7, 0.0))
    assert "$" not in label
    assert "χ² = 2280.4 / 7" in label
    ax = draw_light_curve(flux, [Variability(0.75, 0.01, 2280.4, 7, 0.0)], "crab")
    ax.figure.draw_without_rendering()
    (entry,) = ax.get_legend().get_texts()
    assert entry.get_text() == f"1 to 10 TeV: {label}"
    assert ax.yaxis.get_offset_text().get_text() == ""


def test_labels_of_the_flux_axis_are_divided_by_the_power_in_the_unit():
    flux = create_light_curve(1)
    ax = draw_light_curve(flux, [None], "crab")
    ax.figure.draw_without_rendering()
    power = int(ax.get_ylabel().split()[1][3:].translate(FROM_SUPERSCRIPTS))
    assert ax.get_ylabel().endswith(" s⁻¹ cm⁻²]")
    values = [float(label.get_text().replace("\N{MINUS SIGN}", "-")) * 10.0**power
              for label in ax.get_yticklabels()]  # fmt: skip
    np.testing.assert_allclose(values, ax.get_yticks(), rtol=1e-5, atol=1e-20)
    low, high = ax.get_ylim()
    assert low < flux.flux.data.min() < high < 100 * 10.0**power


@pytest.mark.parametrize("n_bins", [1, 8, 30])
def test_light_curve_is_at_least_2_inches_high(n_bins: int, tmp_path: Path):
    ax = draw_light_curve(create_light_curve(n_bins), [None] * n_bins, "crab")
    write_png(ax.figure, tmp_path / "plot.png")
    assert ax.get_window_extent().height / ax.figure.dpi > 2
    legend = ax.get_legend()
    assert len(legend.get_texts()) == n_bins
    assert legend.get_window_extent().y1 < ax.figure.bbox.y1
