"""The plots of spectra: content and labels."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.maps import RegionGeom, RegionNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from matplotlib.axes import Axes
from regions import CircleSkyRegion, PointSkyRegion, SkyRegion

import small_datasets as small
from skyred.products.plotting import dataset_plot_functions


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def on_off() -> SpectrumDatasetOnOff:
    dataset = small.spectrum_on_off("crab")
    dataset.mask_safe.data[0] = False
    return dataset


def set_off_regions(dataset: SpectrumDatasetOnOff, *regions: SkyRegion) -> None:
    geom = RegionGeom.from_regions(list(regions), axes=dataset.counts.geom.axes)
    dataset.counts_off = RegionNDMap.from_geom(geom, data=dataset.counts_off.data)
    dataset.meta_table = Table({"RA_PNT": [[83.633]], "DEC_PNT": [[22.514]]})


def artists_by_label(ax: Axes) -> dict[str, object]:
    return dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))


def test_counts_background_and_excess_are_drawn_by_energy(on_off):
    ax = dataset_plot_functions(on_off)["counts"]()
    artists = artists_by_label(ax)
    counts, off = on_off.counts.data.ravel(), on_off.counts_off.data.ravel()
    np.testing.assert_array_equal(artists["counts"].get_data().values, counts)
    np.testing.assert_allclose(artists["background"].get_data().values, off / 4)
    np.testing.assert_allclose(artists["excess"][0].get_ydata(), counts - off / 4)
    segments = artists["excess"][2][0].get_segments()
    errors = [(high - low) / 2 for (_, low), (_, high) in segments]
    np.testing.assert_allclose(errors, np.sqrt(counts + off / 16))
    assert ax.get_xlabel() == "Energy [TeV]"
    assert ax.get_ylabel() == "Counts per bin"
    assert ax.get_title() == "crab, 1 TeV to 10 TeV"


def test_bins_outside_the_mask_are_grey(on_off):
    ax = dataset_plot_functions(on_off)["counts"]()
    box = artists_by_label(ax)["not used"].get_bbox()
    np.testing.assert_allclose([box.x0, box.x1], small.ENERGY.edges.to_value("TeV")[:2])


def test_model_is_drawn_if_present(on_off):
    assert "predicted excess" not in artists_by_label(dataset_plot_functions(on_off)["counts"]())
    on_off.models = SkyModel(PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), name="crab")
    artists = artists_by_label(dataset_plot_functions(on_off)["counts"]())
    expected = on_off.npred_signal().data.ravel()
    np.testing.assert_allclose(artists["predicted excess"].get_data().values, expected)


def test_spectrum_without_off_counts_is_drawn():
    dataset = small.spectrum_dataset("plain")
    artists = artists_by_label(dataset_plot_functions(dataset)["counts"]())
    expected = dataset.background.data.ravel()
    np.testing.assert_allclose(artists["background"].get_data().values, expected)
    dataset.background = None
    assert "excess" not in artists_by_label(dataset_plot_functions(dataset)["counts"]())
    assert list(dataset_plot_functions(dataset)) == ["counts"]


def test_regions_and_pointing_are_drawn_on_the_sky(on_off):
    radius = on_off.counts.geom.region.radius
    centres = [SkyCoord(83.633, 23.014, unit="deg"), SkyCoord(83.1, 22.5, unit="deg")]
    set_off_regions(on_off, *(CircleSkyRegion(centre, radius) for centre in centres))
    ax = dataset_plot_functions(on_off)["regions"]()
    assert set(artists_by_label(ax)) == {"on region", "off regions", "pointing"}
    wcs = ax.wcs
    circles = [path.vertices[:-1] for circles in ax.collections for path in circles.get_paths()]
    for vertices, expected in zip(circles, [small.centre(), *centres], strict=True):
        separations = wcs.pixel_to_world(*vertices.T).separation(expected).deg
        np.testing.assert_allclose(separations, radius.to_value("deg"), rtol=1e-3)
    pointing = artists_by_label(ax)["pointing"].get_xydata()[0]
    assert wcs.pixel_to_world(*pointing).dec.deg == pytest.approx(22.514)
    low, high = ax.get_xlim()
    assert all(low < vertices.min() and vertices[:, 0].max() < high for vertices in circles)
    assert ax.get_xlabel() == "Right ascension [deg]"


def test_point_regions_are_drawn_as_markers():
    dataset = small.spectrum_on_off("crab", region="icrs;point(83.633, 22.014)")
    set_off_regions(dataset, PointSkyRegion(SkyCoord(83.633, 22.8, unit="deg")))
    ax = dataset_plot_functions(dataset)["regions"]()
    assert len(ax.patches) == 0
    assert set(artists_by_label(ax)) == {"on region", "off regions", "pointing"}


def test_off_counts_from_the_on_region_have_no_plot_of_regions(on_off):
    # phase-background counts them in the on region, at other phases
    assert list(dataset_plot_functions(on_off)) == ["counts"]
