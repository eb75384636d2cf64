"""The plot of a counts spectrum."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

import small_datasets as small
from skyred.products.plotting.spectra import draw_counts_spectrum


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_background_far_above_the_counts_is_visible():
    dataset = small.spectrum_dataset()
    dataset.counts.data[...] = 1
    dataset.background.data[...] = 500
    ax = draw_counts_spectrum(dataset)
    low, high = ax.get_ylim()
    assert low < -500
    assert high > 500
