"""The residual map by energy: gammapy's numbers, its file, and the slider of a notebook."""

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
def dataset(simulated: MapDataset, truth: Models) -> MapDataset:
    copy = simulated.copy(name="sim")
    copy.models = truth.copy()
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
    plain = ExcessMapEstimator("0.15 deg", energy_edges=edges, selection_optional=[]).run(dataset)
    assert product.by_energy.data.shape == dataset.counts.data.shape
    # our prediction is summed in one map first: float32
    np.testing.assert_allclose(product.by_energy.data, plain.sqrt_ts.data, rtol=1e-4, atol=1e-4)
    assert product.by_energy.geom.axes["energy"].edges.to_value("TeV") == pytest.approx(
        edges.to_value("TeV")
    )


def test_files_read_back(product: ResidualsProduct, tmp_path: Path) -> None:
    assert [path.name for path in product.write(tmp_path)] == [
        "residuals.fits", "residuals.by-energy.fits", "residuals.ecsv",
    ]  # fmt: skip
    again = ResidualsProduct.read(tmp_path, "residuals", None)
    np.testing.assert_array_equal(again.by_energy.data, product.by_energy.data)
    assert again.by_energy.geom == product.by_energy.geom
    assert Map.read(tmp_path / "residuals.by-energy.fits").geom.axes["energy"].unit == "TeV"


@pytest.fixture
def widgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Yield the displayed widgets."""
    interaction = pytest.importorskip("ipywidgets.widgets.interaction")
    displayed: list[Any] = []
    monkeypatch.setattr(interaction, "display", displayed.append)
    yield displayed
    plt.close("all")


@pytest.mark.parametrize("index", [1, 2])
def test_slider_selects_the_energy_bin(
    product: ResidualsProduct, widgets: list[Any], monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    drawn: list[Any] = []
    _, earlier = plt.subplots()
    monkeypatch.setattr(plt, "show", lambda: drawn.append(plt.gcf()) or plt.close("all"))
    product.plot_interactive()
    slider = widgets[0].children[0]
    assert slider.options[0].startswith("1.00 TeV")
    slider.value = slider.options[index]
    for figure, expected_index in zip(drawn, (0, index), strict=True):
        image = figure.axes[0].images[0]
        np.testing.assert_array_equal(image.get_array(), product.by_energy.data[expected_index])
        assert image.get_cmap().name == "RdBu_r"
        assert image.get_clim() == (-5, 5)
        assert "significance" in figure.axes[1].get_ylabel()
        assert earlier not in figure.axes


def test_missing_ipywidgets_is_reported_with_the_install_command(
    product: ResidualsProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("ipywidgets")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if "Path" in repr(f)])
    with pytest.raises(ModuleNotFoundError, match=r"pip install skyred\[notebook\]"):
        product.plot_interactive()
