"""The plots of spectra: content and labels."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import FK4, FK5, SkyCoord
from astropy.table import Table
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.maps import RegionGeom, RegionNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from matplotlib.axes import Axes
from regions import CircleSkyRegion, PointSkyRegion, SkyRegion

import small_datasets as small
from skyred.products.plotting import dataset_plot_functions, overview_plot_functions
from skyred.products.plotting.images import write_png
from skyred.products.plotting.region_shapes import pixel_centres


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


def test_circles_in_a_frame_with_an_equinox_are_drawn_at_their_position(on_off):
    frame = FK5(equinox="J1975")
    centres = [SkyCoord(83.3, dec, unit="deg", frame=frame) for dec in (21.6, 22.6)]
    circles = [CircleSkyRegion(centre, on_off.counts.geom.region.radius) for centre in centres]
    set_off_regions(on_off, *circles)
    ax = dataset_plot_functions(on_off)["regions"]()
    paths = ax.collections[1].get_paths()
    for circle, path in zip(circles, paths, strict=True):
        expected = circle.to_pixel(ax.wcs).center.xy
        np.testing.assert_allclose(path.vertices[:-1].mean(axis=0), expected, atol=1e-3)


def test_centres_in_several_frames_are_those_of_the_pixel_regions():
    wcs = small.image_geom(proj="TAN").wcs
    frames = [FK5(equinox="J1975"), "icrs", FK5(equinox="J2000"), "galactic",
              FK5(equinox="J1975"), FK4(equinox="B1950", obstime="J1980")]  # fmt: skip
    circles = [CircleSkyRegion(SkyCoord(83 + 0.1 * index, 22, unit="deg").transform_to(frame),
                               0.1 * u.deg) for index, frame in enumerate(frames)]  # fmt: skip
    expected = [circle.to_pixel(wcs).center.xy for circle in circles]
    np.testing.assert_allclose(pixel_centres(circles, wcs), expected, atol=1e-6)


def dataset_at(ra: float, dec: float, name: str) -> SpectrumDatasetOnOff:
    dataset = small.spectrum_on_off(name, region=f"icrs;circle({ra}, {dec}, 0.1)")
    centre = SkyCoord(ra, dec, unit="deg")
    off = [centre.directional_offset_by(angle * u.deg, 1 * u.deg) for angle in (0, 90, 180)]
    set_off_regions(dataset, *(CircleSkyRegion(position, 0.1 * u.deg) for position in off))
    dataset.meta_table = Table({"RA_PNT": [[ra]], "DEC_PNT": [[dec + 0.5]]})
    return dataset


@pytest.mark.parametrize("distant_position", [(49.0, 41.0), (329.7, -30.2), (263.6, -22.0)])
def test_distant_datasets_have_panels_that_contain_their_regions(distant_position, tmp_path):
    datasets = [dataset_at(83.6, 22.0, "crab"), dataset_at(83.7, 22.4, "crab-2"),
                dataset_at(*distant_position, "other")]  # fmt: skip
    ax = overview_plot_functions(datasets, "spectrum")["datasets-regions"]()
    write_png(ax.figure, tmp_path / "regions.png")
    titles = [label.get_text() for label in ax.texts]
    assert titles[0].startswith("2 datasets\nRA 84.")
    assert titles[1].startswith("other\nRA ")
    assert len(set(artists_by_label(ax))) == 3
    left, right = (0, 1), (1.08, 2.08)  # the panels along x
    for index, (low, high) in enumerate((left, right)):
        circles = ax.collections[2 * index : 2 * index + 2]
        to_data = circles[0].get_transform() - ax.transData
        on, off = (
            [to_data.transform(path.vertices[:-1]) for path in circle.get_paths()]
            for circle in circles
        )
        assert len(off) == 3 * len(on) == (6, 3)[index]
        vertices = np.concatenate(on + off)
        assert low < vertices[:, 0].min() < vertices[:, 0].max() < high
        assert 0 < vertices[:, 1].min() < vertices[:, 1].max() < 1
        size = np.ptp(on[0], axis=0)
        assert (size > 0.05).all()  # visible
        # 1 deg between on and off regions, in units of the diameter of 0.2 deg
        distance = np.linalg.norm(off[0].mean(axis=0) - on[0].mean(axis=0))
        assert distance / size[0] == pytest.approx(5, rel=1e-3)


@pytest.mark.parametrize("pointing", [(np.nan, np.nan), (83.6, np.nan), (263.6, -22), (40, 60)])
def test_invalid_and_distant_pointings_do_not_affect_the_limits(pointing):
    dataset = dataset_at(83.6, 22.0, "crab")
    expected = dataset_plot_functions(dataset)["regions"]()
    dataset.meta_table = Table({name: [[value]] for name, value in
                                zip(("RA_PNT", "DEC_PNT"), pointing, strict=True)})  # fmt: skip
    ax = dataset_plot_functions(dataset)["regions"]()
    assert set(artists_by_label(ax)) == {"on region", "off regions"}
    np.testing.assert_allclose(ax.get_xlim(), expected.get_xlim())


@pytest.mark.parametrize("prefix", ["counts", "regions"])
def test_titles_are_not_mathematical_text(prefix, tmp_path):
    dataset = dataset_at(83.6, 22.0, r"a_$\b$")
    ax = dataset_plot_functions(dataset)[prefix]()
    write_png(ax.figure, tmp_path / "plot.png")
    assert ax.get_title().startswith(r"a_$\b$")


def test_point_regions_are_drawn_as_markers():
    dataset = small.spectrum_on_off("crab", region="icrs;point(83.633, 22.014)")
    set_off_regions(dataset, PointSkyRegion(SkyCoord(83.633, 22.8, unit="deg")))
    ax = dataset_plot_functions(dataset)["regions"]()
    assert len(ax.patches) == 0
    assert set(artists_by_label(ax)) == {"on region", "off regions", "pointing"}


def test_several_on_regions_are_drawn():
    dataset = small.spectrum_on_off("crab")
    centres = [SkyCoord(83.633, dec, unit="deg") for dec in (22.014, 22.5)]
    geom = RegionGeom.from_regions(
        [CircleSkyRegion(centre, 0.1 * u.deg) for centre in centres], axes=dataset.counts.geom.axes
    )
    dataset.counts = RegionNDMap.from_geom(geom, data=dataset.counts.data)
    set_off_regions(dataset, CircleSkyRegion(SkyCoord(83.633, 23, unit="deg"), 0.1 * u.deg))
    ax = dataset_plot_functions(dataset)["regions"]()
    on_circles = ax.collections[0].get_paths()
    for path, centre in zip(on_circles, centres, strict=True):
        separation = ax.wcs.pixel_to_world(*path.vertices[:-1].mean(axis=0)).separation(centre)
        assert separation.deg < 1e-3


def test_off_counts_from_the_on_region_have_no_plot_of_regions(on_off):
    # phase-background counts them in the on region, at other phases
    assert list(dataset_plot_functions(on_off)) == ["counts"]
