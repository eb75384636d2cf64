"""What a notebook shows of the Crab: the numbers of plain gammapy."""

from typing import Any

import pytest

import plain_gammapy as plain
import small_datasets as small
from html_reading import read
from skyred import Result


@pytest.mark.data
def test_datasets_show_counts_background_livetime_and_energies(
    crab: Any, reduced: plain.Reduced
) -> None:
    shown = read(crab.result).row("hess", of="Dataset")
    dataset = reduced.dataset
    assert shown[1] == "MapDataset"
    assert int(shown[2]) == dataset.counts.data[dataset.mask_safe.data].sum()
    # the norms of the runs are ours, the exact optimum: 2e-4
    background = dataset.background.data[dataset.mask_safe.data].sum()
    assert float(shown[3]) == pytest.approx(background, rel=2e-4)
    livetime = dataset.exposure.meta["livetime"].to_value("h")
    assert shown[4] == f"{livetime:.2f} h"
    assert shown[5] == "1.00 TeV to 10.0 TeV"
    assert shown[6] == f"{dataset.mask_safe.data.sum()} of {dataset.counts.data.size}"


@pytest.mark.data
def test_flux_points_and_fit_are_shown_with_their_units(crab: Any) -> None:
    shown = read(crab.result)
    headings = [table[0] for table in shown.tables]
    assert any("dnde [1 / (TeV s cm2)]" in heading for heading in headings)
    assert shown.row("crab.spectral.amplitude")[3] == "1 / (TeV s cm2)"


@pytest.mark.data
def test_the_pictures_have_the_names_of_the_files(crab: Any) -> None:
    files = {path.stem for path in (crab.folder / "plots").iterdir()}
    assert set(crab.result.plot) == files
    assert {"counts-hess", "flux-points", "residuals", "residuals-spectrum"} <= files


def test_datasets_of_every_type_are_shown() -> None:
    on_off, points = small.spectrum_on_off(), small.flux_points()
    nothing = small.spectrum_dataset("nothing")
    nothing.mask_safe.data[...] = False
    shown = read(
        Result(datasets=[small.map_dataset(), small.map_on_off(), on_off, points, nothing])
    )
    row = shown.row(on_off.name, of="Dataset")
    inside = on_off.mask.data
    assert row[1] == "SpectrumDatasetOnOff"
    assert row[2] == f"{on_off.counts.data[inside].sum():.0f}"
    assert row[3] == f"{(on_off.alpha.data * on_off.counts_off.data)[inside].sum():.1f}"
    assert shown.row(points.name, of="Dataset") == [points.name, "FluxPointsDataset", *[""] * 5]
    assert shown.row("nothing", of="Dataset")[5:] == ["", f"0 of {nothing.counts.data.size}"]
