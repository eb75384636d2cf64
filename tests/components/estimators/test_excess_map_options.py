"""Options of the estimator `excess-map`, compared with gammapy's `ExcessMapEstimator`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff
from gammapy.estimators import ExcessMapEstimator, FluxMaps
from gammapy.maps import Map
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

import small_datasets as small
from skyred import Pipeline
from skyred.components.estimators.excess import OPTIONAL_COLUMNS, ExcessProduct
from skyred.components.gammapy import ExcessMap
from skyred.errors import ConfigError, FieldError, ModelError, OldNameWarning

OPTIONS = {
    "n_sigma": 2.0,
    "n_sigma_ul": 3.0,
    "n_sigma_sensitivity": 4.0,
    "apply_threshold_sensitivity": True,
    "gamma_min_sensitivity": 30.0,
    "bkg_syst_fraction_sensitivity": 20.0,
}
CASH_COLUMNS = ["errn-errp", "ul", "sensitivity"]
CASH_MAPS = ["errn", "errp", "ul", "sensitivity"]
RADIUS = 0.1 * u.deg
CONFIG = """
data:
  hess:
    archive: $GAMMAPY_DATA/hess-dl3-dr1
    geometry: {kind: map, center: [83.6 deg, 22 deg], width: 1 deg,
      energy: {min: 1 TeV, max: 10 TeV, bins: 1}, energy_true: {min: 1 TeV, max: 9 TeV, bins: 4}}
    make: [{kind: map}]
    stack: {kind: sum}
estimate: [{kind: excess-map, columns: [ul, alpha], spectral: {type: pl-norm}}]
"""


def cutout(dataset: MapDataset) -> MapDataset:
    """Return 5 x 5 pixels: errors and limits need a root search in each."""
    return dataset.cutout(dataset.counts.geom.center_skydir, width="0.25 deg", name="sim")


@pytest.fixture(scope="module")
def known_background() -> MapDataset:
    return cutout(small.map_dataset("sim"))


@pytest.fixture(scope="module")
def on_off() -> MapDatasetOnOff:
    """Return a map with off counts, and acceptances that vary over the map."""
    dataset = cutout(small.map_dataset("sim"))
    acceptance = dataset.background * 2.0
    acceptance_off = dataset.background * 10.0
    lon = np.linspace(1, 2, acceptance.data.shape[2])
    acceptance_off.data *= lon
    counts_off = Map.from_geom(
        dataset.counts.geom,
        data=np.random.default_rng(3).poisson(acceptance_off.data / 2).astype(float),
    )
    return MapDatasetOnOff(
        counts=dataset.counts,
        counts_off=counts_off,
        acceptance=acceptance,
        acceptance_off=acceptance_off,
        exposure=dataset.exposure,
        psf=dataset.psf,
        edisp=dataset.edisp,
        mask_safe=dataset.mask_safe,
        gti=dataset.gti,
        name="sim",
    )


def run_gammapy(dataset: MapDataset, **options: Any) -> FluxMaps:
    energy = dataset.counts.geom.axes["energy"].edges
    options.setdefault("energy_edges", energy[[0, -1]])
    spectral = PowerLawSpectralModel(index=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ExcessMapEstimator(RADIUS, spectral_model=spectral, **options).run(dataset)


def estimate(dataset: MapDataset, **options: Any) -> ExcessProduct:
    estimator = ExcessMap(correlation_radius=RADIUS, spectral={"type": "pl", "index": 3}, **options)
    return estimator.estimate(Datasets([dataset]), None)


def assert_maps_agree(actual: FluxMaps, expected: FluxMaps, names: list[str]) -> None:
    for name in names:
        values, expected_values = getattr(actual, name), getattr(expected, name)
        assert values.unit == expected_values.unit
        assert np.isfinite(values.data).any(), name
        # tolerance of gammapy's root finding
        np.testing.assert_allclose(
            values.data, expected_values.data, rtol=1e-3, atol=1e-7, err_msg=name
        )


class TestKnownBackground:
    def test_all_options_agree_with_gammapy(self, known_background: MapDataset) -> None:
        product = estimate(known_background, columns=CASH_COLUMNS, **OPTIONS)
        expected = run_gammapy(known_background, selection_optional=CASH_COLUMNS, **OPTIONS)
        names = ["npred_excess", "sqrt_ts", "norm", "norm_err"]
        assert_maps_agree(product.maps, expected, names + [f"norm_{name}" for name in CASH_MAPS])
        assert_maps_agree(product.maps, expected, [f"flux_{name}" for name in CASH_MAPS])
        assert (product.maps.n_sigma, product.maps.n_sigma_ul) == (2, 3)
        assert product.maps.meta == expected.meta

    def test_residuals_agree_with_gammapy(self) -> None:
        datasets = Datasets([small.map_dataset("sim")])
        spectral = PowerLawSpectralModel(index=2.5, amplitude="1e-11 cm-2 s-1 TeV-1")
        position = datasets[0].counts.geom.center_skydir
        spatial = PointSpatialModel(lon_0=position.ra, lat_0=position.dec, frame="icrs")
        datasets.models = [
            SkyModel(spectral, spatial, name="crab"),
            FoVBackgroundModel(dataset_name="sim"),
        ]
        datasets.models["sim-bkg"].parameters["norm"].value = 0.9
        expected = run_gammapy(datasets[0])
        estimator = ExcessMap(
            correlation_radius=RADIUS, spectral={"type": "pl", "index": 3}, subtract_sources=True
        )
        product = estimator.estimate(datasets, None)
        assert_maps_agree(product.maps, expected, ["npred_excess", "sqrt_ts", "norm"])
        with_source = estimator.evolve(subtract_sources=False).estimate(datasets, None)
        difference = with_source.maps.npred_excess.data - product.maps.npred_excess.data
        assert difference.max() > 1

    @pytest.mark.parametrize("name", ["gamma_min_sensitivity", "bkg_syst_fraction_sensitivity"])
    def test_lower_limits_of_the_sensitivity_have_an_effect(
        self, known_background: MapDataset, name: str
    ) -> None:
        options = OPTIONS | {name: 3 * OPTIONS[name]}
        first, second = (
            estimate(known_background, columns=["sensitivity"], **values).maps.norm_sensitivity.data
            for values in (OPTIONS, options)
        )
        assert np.all(second >= first)
        assert np.any(second > first)

    def test_each_energy_bin_has_a_map_if_energies_are_not_summed(
        self, known_background: MapDataset
    ) -> None:
        edges = known_background.counts.geom.axes["energy"].edges
        product = estimate(known_background, sum_over_energy_groups=False)
        expected = run_gammapy(known_background, energy_edges=edges)
        assert_maps_agree(product.maps, expected, ["sqrt_ts", "norm", "norm_err"])
        assert len(product.table()) == len(edges) - 1
        # gammapy's option has no effect: there is always one bin
        for value in (False, True):
            maps = run_gammapy(known_background, energy_edges=None, sum_over_energy_groups=value)
            assert maps.geom.axes["energy"].nbin == 1

    def test_columns_of_off_counts_are_rejected(self, known_background: MapDataset) -> None:
        with pytest.raises(ModelError, match="alpha need off counts, which the data do not have"):
            estimate(known_background, columns=["alpha"])

    def test_negative_spectrum_is_rejected(self, known_background: MapDataset) -> None:
        estimator = ExcessMap(spectral={"type": "pl", "amplitude": "-1e-12 cm-2 s-1 TeV-1"})
        with pytest.raises(ModelError, match="is negative at some energies; expected a positive"):
            estimator.estimate(Datasets([known_background]), None)


class TestOffCounts:
    def test_all_columns_agree_with_gammapy(self, on_off: MapDatasetOnOff) -> None:
        product = estimate(on_off, columns=OPTIONAL_COLUMNS, **OPTIONS)
        expected = run_gammapy(on_off, selection_optional=list(OPTIONAL_COLUMNS), **OPTIONS)
        names = ["sqrt_ts", "norm", "alpha", "acceptance_on", "acceptance_off"]
        assert_maps_agree(product.maps, expected, names + [f"norm_{name}" for name in CASH_MAPS])

    def test_all_maps_are_read_back_with_units_and_labels(
        self, on_off: MapDatasetOnOff, tmp_path: Path
    ) -> None:
        product = estimate(on_off, columns=OPTIONAL_COLUMNS, **OPTIONS)
        product.write(tmp_path)
        loaded = ExcessProduct.read(tmp_path, "excess-map", None)
        names = ["alpha", "acceptance_on", "acceptance_off"]
        names += [f"norm_{name}" for name in CASH_MAPS]
        assert_maps_agree(loaded.maps, product.maps, names)
        assert set(product.maps.available_quantities) <= set(loaded.maps.available_quantities)
        assert OPTIONS.items() <= loaded.maps.meta.items() | {("apply_threshold_sensitivity", True)}
        table = loaded.table()
        assert table["flux_ul"].unit == u.Unit("cm-2 s-1")
        assert table["alpha"].unit == u.dimensionless_unscaled
        assert all(table[name].description for name in table.colnames)
        assert table["flux_ul"][0] > table["flux"][0]
        plots = loaded.plot_functions()
        labels = {suffix: plots[suffix]().figure.axes[-1].get_ylabel() for suffix in plots}
        assert labels["-ul"] == "Upper limit of the flux [s⁻¹ cm⁻²]"
        assert labels["-alpha"] == "Alpha"


def test_columns_and_spectra_are_checked_before_data_are_read() -> None:
    with pytest.raises(ConfigError) as error:
        Pipeline.from_yaml(CONFIG)
    assert "estimate[0].columns: alpha need off counts" in str(error.value)
    assert "pl-norm is a factor, not a flux" in str(error.value)
    valid = CONFIG.replace("pl-norm", "pl").replace("[{kind: map}]", "[{kind: map}, RING]")
    ring = "{kind: ring-background, r_in: 0.2 deg, width: 0.1 deg}"
    Pipeline.from_yaml(valid.replace("RING", ring))


def test_old_option_names_the_new_one() -> None:
    with (
        pytest.warns(OldNameWarning, match="'errors' of ExcessMap is now called 'columns'"),
        pytest.raises(FieldError, match="columns"),
    ):
        ExcessMap(errors=True)
