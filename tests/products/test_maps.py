"""The plot of named maps."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

import small_datasets as small
from skyred.products.maps import draw_main_map


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_energy_bin_with_the_maximum_is_drawn_if_another_one_has_no_values():
    counts = small.map_dataset().counts
    values = np.array([np.nan, 3, 7])[:, None, None] * np.ones(counts.data.shape)
    sqrt_ts = counts.copy(data=values, unit="")
    low, high = small.ENERGY.edges.to_value("TeV")[2:]
    ax = draw_main_map({"sqrt_ts": sqrt_ts}, "crab", None)
    assert ax.get_title() == f"crab, {low:.3g} TeV to {high:.3g} TeV"
    assert ax.images[0].get_array().max() == 7
