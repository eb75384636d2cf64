"""Converted configurations of asgardpy give the results of plain gammapy in asgardpy's steps.

asgardpy 0.5.3 requires gammapy 1, so that it cannot be run here. The expected results are those of
the gammapy calls in its source code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import (
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from regions import CircleSkyRegion

from flux_points_comparison import precise_fit
from gammapy_analysis import check_datasets, check_tables
from skyred.conversion import convert

CONFIGURATIONS = Path(__file__).parent / "configurations" / "asgardpy"
RUNS = [23523, 23526, 23559, 23592]
CRAB = SkyCoord("83.633 deg", "22.014 deg")
COLUMNS = ["e_ref", "dnde", "dnde_err", "dnde_ul"]


def circle(radius: float) -> CircleSkyRegion:
    """Return a circle around the Crab with a radius in degrees."""
    return CircleSkyRegion(CRAB, radius * u.deg)


def exclusion(radius: float) -> Any:
    """Return an exclusion mask of a circle around the Crab, as asgardpy creates it."""
    geom = WcsGeom.create(skydir=CRAB, npix=(120, 120), binsz=0.05, frame="icrs", proj="TAN")
    return ~geom.region_mask([circle(radius)])


def observations(runs: list[int]) -> Any:
    """Return observations of the H.E.S.S. data."""
    return DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1").get_observations(runs)


def set_fit_range(datasets: Datasets, low: str, high: str) -> None:
    """Set the fit masks, as asgardpy does."""
    for dataset in datasets:
        geom = dataset.counts.geom
        dataset.mask_fit = geom.energy_mask(u.Quantity(low), u.Quantity(high))


@pytest.mark.slow
@pytest.mark.data("hess-dl3-dr1")
def test_spectrum_has_the_same_results() -> None:
    conversion = convert(CONFIGURATIONS / "spectrum.yaml")
    assert not [setting for setting in conversion.skipped if setting.changes_results]
    result = conversion.pipeline().run()

    energy = MapAxis.from_energy_bounds("0.5 TeV", "30 TeV", 8, per_decade=True)
    true = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", 16, per_decade=True, name="energy_true")
    geom = RegionGeom.create(circle(0.11), axes=[energy])
    makers = [
        SpectrumDatasetMaker(
            containment_correction=True, selection=["counts", "exposure", "edisp"]
        ),
        ReflectedRegionsBackgroundMaker(
            region_finder=ReflectedRegionsFinder(min_distance="0.2 rad"),
            exclusion_mask=exclusion(0.3),
        ),
    ]
    datasets = DatasetsMaker(makers, stack_datasets=False).run(
        SpectrumDataset.create(geom, energy_axis_true=true), observations(RUNS)
    )
    for dataset in datasets:
        dataset.mask_safe = dataset.counts.geom.energy_mask(
            0.75 * u.TeV, 18 * u.TeV, round_to_edge=True
        )
    expected = Datasets([datasets.stack_reduce(name="HESS")])
    set_fit_range(expected, "0.7 TeV", "20 TeV")
    check_datasets(result, expected)
    _check_flux_points(result, expected, "HESS", ["0.7 TeV", "20 TeV", 4])


@pytest.mark.slow
@pytest.mark.data("hess-dl3-dr1")
def test_maps_with_a_catalogue_have_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _create_catalogue(tmp_path, monkeypatch)
    conversion = convert(CONFIGURATIONS / "maps.yaml")
    assert not [setting for setting in conversion.skipped if setting.changes_results]
    result = conversion.pipeline().run()
    assert result.models.names == ["Crab", "3FHL-J0535.0+2204", "HESS-bkg"]

    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3, per_decade=True)
    geom = WcsGeom.create(skydir=CRAB, width=3, binsz=0.05, proj="TAN", frame="icrs", axes=[energy])
    mask = ~geom.to_image().region_mask([circle(0.4), CircleSkyRegion(NEIGHBOUR, 0.3 * u.deg)])
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["offset-max"], offset_max="2 deg"),
        FoVBackgroundMaker(method="fit", exclusion_mask=mask),
    ]
    datasets = DatasetsMaker(makers, stack_datasets=False).run(
        MapDataset.create(geom, binsz_irf=0.5), observations(RUNS[:3])
    )
    expected = Datasets([datasets.stack_reduce("HESS")])
    set_fit_range(expected, "1 TeV", "10.1 TeV")
    check_datasets(result, expected)
    # gammapy's fits of the norm stop up to 0.04 sigma from the minimum, 2 % in the last bin
    _check_flux_points(result, expected, "HESS", ["1 TeV", "10 TeV", 3], rtol=2e-2)


@pytest.mark.slow
@pytest.mark.data("joint-crab")
def test_ogip_files_have_the_same_results() -> None:
    conversion = convert(CONFIGURATIONS / "ogip.yaml")
    assert not [setting for setting in conversion.skipped if setting.changes_results]
    result = conversion.pipeline().run()
    folder = "$GAMMAPY_DATA/joint-crab/spectra"
    names = {
        "HESS-1": "hess/pha_obs23523.fits",
        "HESS-2": "hess/pha_obs23526.fits",
        "MAGIC-1": "magic/pha_obs5029747.fits",
        "MAGIC-2": "magic/pha_obs5029748.fits",
    }
    expected = Datasets(
        [SpectrumDatasetOnOff.read(f"{folder}/{path}", name=name) for name, path in names.items()]
    )
    set_fit_range(expected, "100 GeV", "20 TeV")
    for dataset in expected:
        actual = result.datasets[dataset.name]
        np.testing.assert_array_equal(actual.counts.data, dataset.counts.data)
        np.testing.assert_array_equal(actual.mask.data, dataset.mask.data)
    hess = Datasets([dataset for dataset in expected if dataset.name.startswith("HESS")])
    _check_flux_points(result, hess, "HESS", ["1 TeV", "10 TeV", 3])


NEIGHBOUR = SkyCoord("83.75 deg", "22.07 deg")


def _create_catalogue(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create a catalogue of one source next to the Crab, in a folder with links to the data."""
    import os

    from catalog_files import write_3fhl

    for path in Path(os.environ["GAMMAPY_DATA"]).iterdir():
        (folder / path.name).symlink_to(path)
    catalog = folder / "catalogs" / "fermi" / "gll_psch_v13.fit.gz"
    catalog.parent.mkdir(parents=True)
    write_3fhl(catalog, ["3FHL J0535.0+2204"], SkyCoord([NEIGHBOUR]))
    monkeypatch.setenv("GAMMAPY_DATA", str(folder))


def _check_flux_points(
    result: Any, expected: Datasets, name: str, bounds: list[Any], rtol: float = 2e-3
) -> None:
    """Compare flux points with gammapy's, for the same models at the same values."""
    models = result.models.copy()
    for model in models:
        if model.datasets_names is not None:
            model.datasets_names = [expected.names[0]]
    expected.models = models
    edges = MapAxis.from_energy_bounds(*bounds, per_decade=True).edges
    points = FluxPointsEstimator(
        energy_edges=edges, source="Crab", selection_optional=["ul"], fit=precise_fit()
    ).run(expected)
    table = result.estimates[f"flux-points-{name}"].table()
    check_tables(table, points.to_table(sed_type="dnde"), COLUMNS, rtol)
