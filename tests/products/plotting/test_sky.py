"""Sky maps with a colour bar."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

import small_datasets as small
from skyred.products.plotting import draw_map


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_power_of_ten_of_the_colour_bar_is_outside_the_map():
    image = small.map_dataset("crab").counts.sum_over_axes(keepdims=False) * 1e-12
    ax = draw_map(image, None, "Flux [s⁻¹ cm⁻²]")
    ax.figure.draw_without_rendering()
    offset = ax.images[-1].colorbar.ax.yaxis.get_offset_text()
    assert offset.get_text()
    assert offset.get_window_extent().x0 > ax.get_window_extent().x1
