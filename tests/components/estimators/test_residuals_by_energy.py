"""The residual map in energy bins: agreement with gammapy, its files, and the notebook slider."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import ExcessMapEstimator
from gammapy.maps import Map
from gammapy.modeling.models import Models

from skyred.components.estimators.residuals import ResidualsProduct
from skyred.components.gammapy import Residuals
from skyred.interfaces import Estimator


@pytest.fixture(scope="module")
def dataset(simulated_dataset: MapDataset, true_models: Models) -> MapDataset:
    copy = simulated_dataset.copy(name="sim")
    copy.models = true_models.copy()
    return copy


@pytest.fixture(scope="module")
def product(dataset: MapDataset) -> ResidualsProduct:
    estimator: Estimator = Residuals(correlation_radius="0.15 deg")
    residuals = estimator.estimate(Datasets([dataset]), None)
    assert isinstance(residuals, ResidualsProduct)
    return residuals


def test_significance_by_energy_agrees_with_gammapy(
    product: ResidualsProduct, dataset: MapDataset
) -> None:
    edges = dataset.counts.geom.axes["energy"].edges
    gammapy_maps = ExcessMapEstimator("0.15 deg", energy_edges=edges, selection_optional=[]).run(
        dataset
    )
    assert product.by_energy.data.shape == dataset.counts.data.shape
    # skyred first sums the prediction in a float32 map
    np.testing.assert_allclose(
        product.by_energy.data, gammapy_maps.sqrt_ts.data, rtol=1e-4, atol=1e-4
    )
    assert product.by_energy.geom.axes["energy"].edges.to_value("TeV") == pytest.approx(
        edges.to_value("TeV")
    )


def test_files_are_read_back(product: ResidualsProduct, tmp_path: Path) -> None:
    assert [path.name for path in product.write(tmp_path)] == [
        "residuals.fits", "residuals.by-energy.fits", "residuals.ecsv",
    ]  # fmt: skip
    loaded = ResidualsProduct.read(tmp_path, "residuals", None)
    np.testing.assert_array_equal(loaded.by_energy.data, product.by_energy.data)
    assert loaded.by_energy.geom == product.by_energy.geom
    assert Map.read(tmp_path / "residuals.by-energy.fits").geom.axes["energy"].unit == "TeV"


@pytest.fixture
def widgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Yield a list that collects the displayed widgets."""
    interaction = pytest.importorskip("ipywidgets.widgets.interaction")
    widgets: list[Any] = []
    monkeypatch.setattr(interaction, "display", widgets.append)
    yield widgets
    plt.close("all")


@pytest.mark.parametrize("index", [1, 2])
def test_slider_selects_the_energy_bin(
    product: ResidualsProduct, widgets: list[Any], monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    figures: list[Any] = []
    _, earlier_axes = plt.subplots()
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()) or plt.close("all"))
    product.plot_interactive()
    slider = widgets[0].children[0]
    assert slider.options[0].startswith("1.00 TeV")
    slider.value = slider.options[index]
    for figure, expected_index in zip(figures, (0, index), strict=True):
        image = figure.axes[0].images[0]
        np.testing.assert_array_equal(image.get_array(), product.by_energy.data[expected_index])
        assert image.get_cmap().name == "RdBu_r"
        assert image.get_clim() == (-5, 5)
        assert "significance" in figure.axes[1].get_ylabel()
        assert earlier_axes not in figure.axes


def test_missing_ipywidgets_are_reported_with_the_install_command(
    product: ResidualsProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("ipywidgets")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(
        sys, "meta_path", [finder for finder in sys.meta_path if "Path" in repr(finder)]
    )
    with pytest.raises(ModuleNotFoundError, match=r"pip install skyred\[notebook\]"):
        product.plot_interactive()
