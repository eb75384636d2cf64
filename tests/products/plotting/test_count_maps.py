"""The overview of counts maps."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

import small_datasets as small
from skyred.products.plotting.count_maps import draw_count_maps


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_maximum_of_a_map_without_counts_is_0():
    datasets = [small.map_dataset(name) for name in ("empty", "crab")]
    datasets[0].counts.data[...] = 0
    ax = draw_count_maps(datasets)
    assert [image.get_array().max() for image in ax.images] == [0, pytest.approx(1)]
    titles = [label.get_text() for label in ax.texts]
    assert titles[0].startswith("empty\n")
    assert titles[0].endswith(", max 0")
    assert not titles[1].endswith(", max 0")
