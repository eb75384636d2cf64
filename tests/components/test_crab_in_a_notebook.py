"""The notebook view of the Crab result, compared with plain gammapy."""

from typing import Any

import pytest

import plain_gammapy
import small_datasets as small
from html_parser import parse_html
from skyred import Result


@pytest.mark.data
def test_datasets_show_counts_background_livetime_and_energies(
    crab: Any, plain_reduction: plain_gammapy.Reduced
) -> None:
    row = parse_html(crab.result).row("hess", heading="Dataset")
    dataset = plain_reduction.dataset
    assert row[1] == "MapDataset"
    assert int(row[2]) == dataset.counts.data[dataset.mask_safe.data].sum()
    # gammapy's fit of the norms agrees with skyred's to 2e-4
    background = dataset.background.data[dataset.mask_safe.data].sum()
    assert float(row[3]) == pytest.approx(background, rel=2e-4)
    livetime = dataset.exposure.meta["livetime"].to_value("h")
    assert row[4] == f"{livetime:.2f} h"
    assert row[5] == "1.00 TeV to 10.0 TeV"
    assert row[6] == f"{dataset.mask_safe.data.sum()} of {dataset.counts.data.size}"


@pytest.mark.data
def test_flux_points_and_fit_are_shown_with_their_units(crab: Any) -> None:
    page = parse_html(crab.result)
    headings = [table[0] for table in page.tables]
    assert any("dnde [1 / (TeV s cm2)]" in heading for heading in headings)
    assert page.row("crab.spectral.amplitude")[3] == "1 / (TeV s cm2)"


@pytest.mark.data
def test_plots_have_the_names_of_the_files(crab: Any) -> None:
    names = {path.stem for path in (crab.folder / "plots").iterdir()}
    assert set(crab.result.plot) == names
    assert {"counts-hess", "flux-points", "residuals", "residuals-spectrum"} <= names


def test_all_types_of_datasets_are_displayed() -> None:
    on_off, points = small.spectrum_on_off(), small.flux_points()
    masked = small.spectrum_dataset("masked")
    masked.mask_safe.data[...] = False
    page = parse_html(
        Result(datasets=[small.map_dataset(), small.map_on_off(), on_off, points, masked])
    )
    row = page.row(on_off.name, heading="Dataset")
    mask = on_off.mask.data
    assert row[1] == "SpectrumDatasetOnOff"
    assert row[2] == f"{on_off.counts.data[mask].sum():.0f}"
    assert row[3] == f"{(on_off.alpha.data * on_off.counts_off.data)[mask].sum():.1f}"
    assert page.row(points.name, heading="Dataset") == [points.name, "FluxPointsDataset", *[""] * 5]
    assert page.row("masked", heading="Dataset")[5:] == [
        "",
        f"0 of {masked.counts.data.size}",
    ]
