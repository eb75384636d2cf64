"""The overview of counts spectra: ticks of energies, names, and spectra without counts."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from gammapy.datasets import SpectrumDataset
from gammapy.maps import MapAxis, RegionGeom

from skyred.products.plotting.images import write_png
from skyred.products.plotting.spectra_overview import draw_spectra


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def create_spectrum(low: float, high: float, name: str = "crab") -> SpectrumDataset:
    axis = MapAxis.from_energy_bounds(low, high, nbin=3, unit="TeV")
    geom = RegionGeom.create("icrs;circle(83.6, 22, 0.1)", axes=[axis])
    dataset = SpectrumDataset.create(
        geom, energy_axis_true=axis.copy(name="energy_true"), name=name
    )
    dataset.counts.data += 3
    return dataset


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.1, 100, ["0.1", "1", "10", "100"]),
        (2, 8, ["2", "5"]),
        (0.3, 3, ["0.5", "1", "2"]),
        (2.1, 4.5, ["3", "4"]),
        (1e-4, 1e4, ["10⁻⁴", "0.01", "1", "100", "10⁴"]),
    ],
)
def test_ticks_have_labels_at_the_energies(low: float, high: float, labels: list[str]):
    ax = draw_spectra([create_spectrum(low, high)])
    assert [label.get_text() for label in ax.get_xticklabels()] == labels
    energies = [float(label.translate(str.maketrans("⁴⁻", "4-")).replace("10-4", "1e-4")
                      .replace("104", "1e4")) for label in labels]  # fmt: skip
    expected = np.log(np.array(energies) / low) / np.log(high / low)
    np.testing.assert_allclose(ax.get_xticks(), expected, atol=1e-6)


def test_labels_of_neighbouring_panels_do_not_touch(tmp_path: Path):
    ax = draw_spectra([create_spectrum(0.01, 100, name) for name in ("a", "b", "c", "d")])
    write_png(ax.figure, tmp_path / "plot.png")
    labels = [label for label in ax.get_xticklabels() if label.get_text()]
    assert [label.get_text() for label in labels] == [*(["0.01", "0.1", "1", "10"] * 2), "100"]
    boxes = [label.get_window_extent() for label in labels]
    for left, right in itertools.pairwise(boxes):
        assert left.x1 < right.x0


def test_names_with_dollar_signs_are_drawn_as_they_are(tmp_path: Path):
    name = r"a_$\b$"
    ax = draw_spectra([create_spectrum(1, 10, name), create_spectrum(1, 10, "b")])
    write_png(ax.figure, tmp_path / "plot.png")
    assert ax.texts[0].get_text() == name
    assert not ax.texts[0].get_parse_math()


def test_spectra_without_counts_are_drawn(tmp_path: Path):
    datasets = [create_spectrum(1, 10, name) for name in ("a", "b")]
    for dataset in datasets:
        dataset.counts.data[...] = 0
    ax = draw_spectra(datasets)
    write_png(ax.figure, tmp_path / "plot.png")
    labels = ax.get_legend_handles_labels()[1]
    assert "counts" in labels
    assert "excess" not in labels
