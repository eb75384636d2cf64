"""Tables of flux points, from gammapy and as in papers, against gammapy and exact values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from gammapy.datasets import FluxPointsDataset
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import small_datasets as small
from skyred.errors import FileError
from skyred.result.flux_point_tables import read_flux_points

FLUX = u.Unit("cm-2 s-1 TeV-1")
# bins with gaps, and reference energies that are not their centres, as in many papers
ENERGY = [0.5, 1.2, 5] * u.TeV
EDGES = [0.4, 1, 4] * u.TeV, [0.7, 2, 8] * u.TeV
DNDE = [4e-11, 1e-11, 3e-13] * FLUX


def write_csv(folder: Path, content: str) -> Path:
    path = folder / "points.csv"
    path.write_text(content)
    return path


def chi2(energy: Any, flux: Any, error: Any) -> float:
    model = PowerLawSpectralModel(index=2.3, amplitude=1e-11 * FLUX)
    return float((((flux - model(energy)) / error).to_value("") ** 2).sum())


def stat_sum(dataset: FluxPointsDataset) -> float:
    spectrum = PowerLawSpectralModel(index=2.3, amplitude=1e-11 * FLUX)
    dataset.models = [SkyModel(spectrum, name="source")]
    return float(dataset.stat_sum())


@pytest.mark.parametrize("sed_type", ["dnde", "e2dnde", "likelihood", "flux", "eflux"])
@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_statistic_of_tables_written_by_gammapy_agrees_with_gammapy(
    sed_type: str, suffix: str, tmp_path: Path
) -> None:
    table = small.flux_points().data.to_table(sed_type="dnde")
    edges = np.geomspace(0.5, 50, len(table) + 1) * u.TeV
    table["e_min"], table["e_max"] = edges[:-1], edges[1:]
    table["e_ref"] = np.sqrt(edges[:-1] * edges[1:])
    points = FluxPoints.from_table(table, sed_type="dnde")
    path = tmp_path / f"points.{suffix}"
    points.write(path, sed_type=sed_type)
    gammapy_dataset = FluxPointsDataset(data=points)
    assert stat_sum(read_flux_points(path, "points")) == pytest.approx(
        stat_sum(gammapy_dataset), rel=1e-9
    )


def test_masks_of_a_dataset_written_by_gammapy_are_kept(tmp_path: Path) -> None:
    dataset = small.flux_points()
    dataset.mask_fit = dataset.data.energy_ref.reshape(dataset.mask_safe.shape) < 3 * u.TeV
    dataset.write(tmp_path / "points.fits")
    loaded = read_flux_points(tmp_path / "points.fits", "points")
    np.testing.assert_array_equal(loaded.mask_fit, dataset.mask_fit)
    assert stat_sum(loaded) == pytest.approx(stat_sum(dataset), rel=1e-9)


def test_fluxes_are_compared_at_the_reference_energies_of_the_table(tmp_path: Path) -> None:
    table = QTable({"e_ref": ENERGY, "e_min": EDGES[0], "e_max": EDGES[1], "dnde": DNDE})
    table["dnde_err"] = 0.1 * DNDE
    table.write(tmp_path / "points.ecsv")
    expected = chi2(ENERGY, DNDE, 0.1 * DNDE)
    loaded = read_flux_points(tmp_path / "points.ecsv", "points")
    assert stat_sum(loaded) == pytest.approx(expected, rel=1e-9)
    # the same fluxes as norms relative to a reference flux
    table["norm"], table["norm_err"] = [2.0, 1, 0.5], [0.2, 0.1, 0.05]
    table["ref_dnde"] = DNDE / table["norm"]
    table["ref_flux"] = np.ones(3) / u.cm**2 / u.s
    table["ref_eflux"] = np.ones(3) * u.TeV / u.cm**2 / u.s
    table.remove_columns(["dnde", "dnde_err"])
    table.write(tmp_path / "norms.fits")
    loaded = read_flux_points(tmp_path / "norms.fits", "points")
    assert stat_sum(loaded) == pytest.approx(expected, rel=1e-9)


def test_csv_with_units_in_column_names_and_unsorted_rows_is_read(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path,
        "e_ref [GeV],dnde (m-2 s-1 TeV-1),dnde_errn [m-2 s-1 TeV-1],dnde_errp [m-2 s-1 TeV-1]\n"
        "1200,1e-7,1e-8,2e-8\n500,4e-7,4e-8,4e-8\n5000,3e-9,3e-10,5e-10\n",
    )
    expected = chi2(ENERGY, DNDE, [4e-12, 1.5e-12, 4e-14] * FLUX)
    assert stat_sum(read_flux_points(path, "points")) == pytest.approx(expected, rel=1e-9)


def test_upper_limits_are_not_fitted(tmp_path: Path) -> None:
    table = QTable({"e_ref": ENERGY, "dnde": DNDE, "dnde_err": 0.1 * DNDE, "dnde_ul": 2 * DNDE})
    table["dnde"][2] = table["dnde_err"][2] = np.nan * FLUX
    table.write(tmp_path / "points.ecsv")
    loaded = read_flux_points(tmp_path / "points.ecsv", "points")
    assert loaded.data.is_ul.data.ravel().tolist() == [False, False, True]
    expected = chi2(ENERGY[:2], DNDE[:2], 0.1 * DNDE[:2])
    assert stat_sum(loaded) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("e_ref [TeV],dnde_err\n1,1\n", "no flux column"),
        ("dnde [cm-2 s-1 TeV-1]\n1\n", "no column 'e_ref'"),
        (
            "e_ref,dnde,dnde_err\n1,1,1\n",
            "the column 'e_ref' has no unit; expected a unit such as TeV",
        ),
        (
            "e_ref [TeV],dnde [cm-2 s-1],dnde_err [cm-2 s-1]\n1,1,1\n",
            "'dnde' has the unit '1 / .*expected a unit such as cm-2 s-1 TeV-1",
        ),
        ("e_ref [TeV],dnde [cm-2 s-1 TeV-1]\n1,1\n", "has no errors of 'dnde'"),
        (
            "e_ref [TeV],dnde [cm-2 s-1 TeV-1],dnde_err [cm-2 s-1 TeV-1]\n1,nan,nan\n",
            "no point with a finite 'dnde'",
        ),
        (
            "e_min [TeV],e_max [TeV],flux [cm-2 s-1],flux_err [cm-2 s-1]\n1,2,1,1\n3,4,1,1\n",
            "have gaps",
        ),
    ],
)
def test_missing_or_invalid_content_is_reported(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=message):
        read_flux_points(write_csv(tmp_path, content), "points")
