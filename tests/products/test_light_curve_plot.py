"""The plot of a light curve."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from astropy import units as u
from gammapy.estimators import FluxPoints
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap, TimeMapAxis
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

from skyred.products.light_curve_plot import draw_light_curve
from skyred.products.plotting.images import write_png


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


@pytest.mark.parametrize("n_bins", [1, 8, 30])
def test_light_curve_is_at_least_2_inches_high(n_bins: int, tmp_path: Path):
    ax = draw_light_curve(create_light_curve(n_bins), [None] * n_bins, "crab")
    write_png(ax.figure, tmp_path / "plot.png")
    assert ax.get_window_extent().height / ax.figure.dpi > 2
    legend = ax.get_legend()
    assert len(legend.get_texts()) == n_bins
    assert legend.get_window_extent().y1 < ax.figure.bbox.y1
