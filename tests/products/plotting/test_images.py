"""Images of figures: margins, labels of logarithmic axes, and labels that do not fit."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.ticker import LogFormatterSciNotation

from skyred.products.plotting import create_axes
from skyred.products.plotting.images import write_png
from skyred.products.plotting.log_labels import use_plain_log_labels


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_margins_are_in_units_of_the_font_size():
    ax = create_axes(6.4, 4.8)
    ax.figure.draw_without_rendering()
    left = ax.get_position().x0
    with plt.rc_context({"font.size": 20}):
        ax.figure.draw_without_rendering()
    assert ax.get_position().x0 == pytest.approx(2 * left)


def test_large_margins_leave_space_for_the_axes(tmp_path: Path):
    with plt.rc_context({"font.size": 60}):
        ax = create_axes(6.4, 4.8)
        write_png(ax.figure, tmp_path / "plot.png")
        ax = create_axes(3, 2, right=60, top=60)
        ax.figure.draw_without_rendering()
        assert ax.get_position().width == pytest.approx(0.2)
        assert ax.get_position().height == pytest.approx(0.2)


def test_labels_that_do_not_fit_get_larger_margins(tmp_path: Path):
    ax = create_axes(6.4, 4.8)
    ax.set_yticks([0, 1], ["a label that is wider than the margin", "b"])
    write_png(ax.figure, tmp_path / "plot.png")
    pixels = imread(tmp_path / "plot.png")
    assert (pixels[:, 0] == 1).all()  # the labels do not touch the edge
    assert ax.get_position().x0 > 0.3


def test_size_does_not_depend_on_the_layout(tmp_path: Path):
    for layout in ("constrained", "none"):
        figure, _ = plt.subplots(figsize=(3, 2), layout=layout)
        write_png(figure, tmp_path / "plot.png")
        assert imread(tmp_path / "plot.png").shape[:2] == (240, 360)


def test_labels_of_logarithmic_axes_are_those_of_matplotlib_as_plain_text():
    ax = create_axes(6.4, 4.8)
    ax.set_xscale("log")
    ax.set_xlim(2e-12, 9e-12)
    ax.set_yscale("symlog")
    ax.set_ylim(-200, 200)
    use_plain_log_labels(ax.figure)
    ax.figure.draw_without_rendering()
    x_labels = [label.get_text() for label in ax.get_xticklabels(minor=True)]
    assert "3×10⁻¹²" in x_labels
    y_labels = [label.get_text() for label in ax.get_yticklabels()]
    assert {"\N{MINUS SIGN}10²", "0", "10²"} <= set(y_labels)
    assert not any("$" in label for label in x_labels + y_labels)
    np.testing.assert_allclose(ax.get_ylim(), (-200, 200))


@pytest.mark.parametrize("scale", [{"base": 2}, {"base": 10}])
def test_labels_keep_the_base_of_the_axis(scale: dict[str, float]):
    ax = create_axes(6.4, 4.8)
    ax.set_xscale("log", **scale)
    ax.set_xlim(1, 1000)
    ax.figure.draw_without_rendering()
    expected = [label.get_text() for label in ax.get_xticklabels()]
    use_plain_log_labels(ax.figure)
    ax.figure.draw_without_rendering()
    labels = [label.get_text() for label in ax.get_xticklabels()]
    superscripts = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    for label, mathematical in zip(labels, expected, strict=True):
        base, power = str(scale["base"]), label.translate(superscripts)[len(str(scale["base"])) :]
        assert mathematical == rf"$\mathdefault{{{base}^{{{power}}}}}$"


def test_labels_keep_the_thresholds_of_a_formatter():
    ax = create_axes(6.4, 4.8)
    ax.set_xscale("log")
    ax.set_xlim(2, 300)
    formatter = LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(5, 5))
    ax.xaxis.set_minor_formatter(formatter)
    ax.figure.draw_without_rendering()
    is_labelled = [bool(label.get_text()) for label in ax.get_xticklabels(minor=True)]
    use_plain_log_labels(ax.figure)
    ax.figure.draw_without_rendering()
    labels = [label.get_text() for label in ax.get_xticklabels(minor=True)]
    assert [bool(label) for label in labels] == is_labelled
    assert any(is_labelled)
