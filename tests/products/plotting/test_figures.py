"""Legends of figures."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

from skyred.products.plotting import create_axes, draw_legend


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_legends_are_plain_text_with_each_label_once():
    ax = create_axes(6.4, 4.8)
    name = r"a_$\b$"
    for values in ([1, 2], [2, 3]):
        ax.plot(values, label=name)
    legend = draw_legend(ax, title=name)
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in legend.get_texts()] == [name]
    assert legend.get_title().get_text() == name
