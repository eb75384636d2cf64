"""Flux points of single datasets, compared with gammapy run on each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import flux_points_comparison as comparison
import small_datasets as small
from skyred import FluxPointsByDataset
from skyred.errors import ModelError, SkyredWarning
from skyred.scripting import Script

EDGES = [0.1, 1, 10, 100] * u.TeV
MIDDLE = [1, 10] * u.TeV


def instruments() -> Datasets:
    """Return spectra with known and with measured background, the second above 2 TeV only."""
    second = small.spectrum_on_off("magic", seed=8).slice_by_energy(2 * u.TeV, 10 * u.TeV, "magic")
    datasets = Datasets([small.spectrum_dataset("hess"), second])
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    datasets.models = [SkyModel(spectral_model=spectral, name="crab")]
    return datasets


def test_flux_points_of_each_dataset_agree_with_gammapy() -> None:
    datasets = instruments()
    product = FluxPointsByDataset(source="crab", energy_edges=EDGES).estimate(datasets, None)
    assert list(product.fluxes) == ["hess", "magic"]
    for name, flux in product.fluxes.items():
        single = Datasets([datasets[name]])
        edges = single[0].counts.geom.axes["energy"].edges[[0, -1]].to("TeV")
        expected = comparison.flux_points_by_gammapy(
            single, "crab", edges, selection_optional=["errn-errp", "ul", "scan", "sensitivity"]
        )
        comparison.assert_same_points(flux, expected)


def test_product_is_read_as_it_was_written(tmp_path: Path) -> None:
    datasets = instruments()
    product = FluxPointsByDataset(source="crab", energy_edges=EDGES).estimate(datasets, None)
    files = product.write(tmp_path)
    assert [path.name for path in files] == [
        f"flux-points-by-dataset{end}" for end in (".ecsv", "-1.fits", "-2.fits")
    ]
    copy = type(product).read(tmp_path, product.name, datasets.models)
    table, expected = copy.table(), product.table()
    assert list(table["dataset"]) == list(expected["dataset"]) == ["hess", "magic"]
    np.testing.assert_allclose(table["dnde"], expected["dnde"], rtol=1e-12)
    labels = product.plot().get_legend_handles_labels()[1]
    assert {"hess", "magic", "fitted model"} <= set(labels)


def test_exported_script_estimates_the_same_flux_points(tmp_path: Path) -> None:
    estimator = FluxPointsByDataset(source="crab", energy_edges=EDGES, columns=["ul"])
    script = Script()
    estimator.write_script(script)
    script.function("estimate(datasets, folder)", "Estimate the flux points.")
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(script.text(["Flux points."]), variables)
    variables["estimate"](instruments(), tmp_path)
    product = estimator.estimate(instruments(), None)
    for number, flux in enumerate(product.fluxes.values(), 1):
        expected = FluxPoints.read(tmp_path / f"flux-points-by-dataset-{number}.fits")
        np.testing.assert_allclose(flux.norm.data, expected.norm.data, rtol=2e-3)
        np.testing.assert_allclose(flux.norm_ul.data, expected.norm_ul.data, rtol=2e-3)


def test_datasets_without_a_bin_are_left_out_with_a_warning() -> None:
    estimator = FluxPointsByDataset(source="crab", energy_edges=[0.9, 1.9] * u.TeV)
    with pytest.warns(SkyredWarning, match="'magic': no bin is within its energy axis"):
        product = estimator.estimate(instruments(), None)
    assert list(product.fluxes) == ["hess"]


@pytest.mark.filterwarnings("ignore::skyred.errors.SkyredWarning")
def test_estimate_without_any_bin_raises_an_error() -> None:
    with pytest.raises(ModelError, match="no dataset has flux points"):
        FluxPointsByDataset(source="crab", energy_edges=[20, 30] * u.TeV).estimate(
            instruments(), None
        )
