"""Comparison of flux points with gammapy's estimator, column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

import plain_gammapy
import skyred

EDGES = [1, 2, 5, 10] * u.TeV
STATISTICS = ("stat", "stat_null", "ts", "stat_scan")
EXACT = ("e_ref", "e_min", "e_max", "ref_dnde", "ref_flux", "ref_eflux", "counts", "success")


def precise_fit() -> Fit:
    """Return a gammapy fit with a tighter tolerance.

    By default, MIGRAD stops up to 0.05 sigma from the minimum, which changes norms, errors and
    the range of the scan by more than 0.1 %.
    """
    return Fit(optimize_opts={"tol": 1e-4}, confidence_opts={"backend": "scipy"})


def flux_points_by_gammapy(
    datasets: Datasets, source: str, energy_edges: u.Quantity, **options: Any
) -> FluxPoints:
    """Estimate flux points with gammapy, on copies of the datasets."""
    copies = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    copies.models = datasets.models.copy()
    options = {"fit": precise_fit(), **options}
    estimator = FluxPointsEstimator(source=source, energy_edges=energy_edges, **options)
    return estimator.run(copies)


def table(points: FluxPoints) -> dict[str, np.ndarray]:
    """Return the columns as arrays in SI units, with a row for each energy."""
    rows = points.to_table(sed_type="likelihood")
    columns = {name: np.asarray(rows[name].quantity.si.value if rows[name].unit else rows[name])
             for name in rows.colnames}  # fmt: skip
    return {name: value.reshape(len(rows), -1) for name, value in columns.items()}


def assert_same_points(
    actual: FluxPoints, reference: FluxPoints, skip: tuple[str, ...] = (), **tolerances: float
) -> None:
    """Check that all columns of two estimates agree.

    Statistics may differ by 1e-2, since only their differences matter, and other floats by 1e-3
    relative to gammapy's, or 1e-2 for the sensitivity. All other columns must be equal.

    Parameters
    ----------
    actual : FluxPoints
        Estimate by skyred.
    reference : FluxPoints
        Estimate by gammapy.
    skip : tuple of str
        Columns that are not compared.
    **tolerances : float
        Other tolerances, by column: absolute for statistics, relative otherwise.
    """
    columns, expected = table(actual), table(reference)
    assert columns.keys() == expected.keys()
    for name in expected.keys() - set(skip):
        if name in EXACT and expected[name].dtype.kind == "f":
            # skyred's energies are in the requested unit, gammapy's in the unit of the axis
            assert columns[name] == pytest.approx(expected[name], rel=1e-12), name
            continue
        if name in EXACT or expected[name].dtype.kind in "bOU":
            assert columns[name].tolist() == expected[name].tolist(), name
            continue
        default = {"norm_sensitivity": 1e-2}.get(name, 1e-3)
        tolerance = (
            {"rel": 1e-6, "abs": 1e-2} if name in STATISTICS else {"rel": default, "abs": 1e-9}
        )
        if name in tolerances:
            tolerance["abs" if name in STATISTICS else "rel"] = tolerances[name]
        assert columns[name] == pytest.approx(expected[name], nan_ok=True, **tolerance), name
    assert actual.meta == reference.meta
    assert actual.gti is None or (actual.gti.table == reference.gti.table).all()


def assert_agrees_with_gammapy(
    datasets: Datasets, source: str, energy_edges: u.Quantity = EDGES, **options: Any
) -> FluxPoints:
    """Estimate flux points with skyred and gammapy, compare them, and return skyred's."""
    actual = skyred.flux_points(datasets, source, energy_edges, **options)
    assert_same_points(actual, flux_points_by_gammapy(datasets, source, energy_edges, **options))
    return actual


def sources() -> Models:
    """Return models of two overlapping sources and the background of `plain_gammapy.simulate`."""
    steep = PowerLawSpectralModel(index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1")
    hard = PowerLawSpectralModel(index=2.0, amplitude="2e-11 cm-2 s-1 TeV-1")
    point = PointSpatialModel(lon_0="83.651 deg", lat_0="22.03 deg", frame="icrs")
    wide = GaussianSpatialModel(lon_0="83.5 deg", lat_0="21.95 deg", sigma="0.12 deg", frame="icrs")
    return Models([
        SkyModel(spectral_model=steep, spatial_model=point, name="steep"),
        SkyModel(spectral_model=hard, spatial_model=wide, name="hard"),
        FoVBackgroundModel(dataset_name="sim"),
    ])  # fmt: skip


def simulated_map(models: Models | None = None) -> Datasets:
    """Return a map that is simulated with `sources()`, and assign these or other models."""
    dataset: MapDataset = plain_gammapy.simulate(sources())
    datasets = Datasets([dataset])
    datasets.models = models if models is not None else sources()
    return datasets


def crab_spectra(runs: tuple[int, ...] = plain_gammapy.RUNS) -> Datasets:
    """Return the H.E.S.S. spectra of the Crab nebula, with a power law as model."""
    folder = plain_gammapy.archive().parent / "joint-crab" / "spectra" / "hess"
    spectra = [
        SpectrumDatasetOnOff.read(folder / f"pha_obs{run}.fits", name=f"run-{run}") for run in runs
    ]
    datasets = Datasets(spectra)
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4.5e-11 cm-2 s-1 TeV-1")
    datasets.models = [SkyModel(spectral_model=spectral, name="crab")]
    return datasets
