"""Datasets read back completely, including parts that gammapy does not write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets

import small_datasets as small
from skyred.interfaces import FitRange
from skyred.result.dataset_files import read_datasets, write_datasets

MAKERS = [small.map_dataset, small.map_on_off, small.spectrum_dataset, small.spectrum_on_off]
MAPS = ("counts", "counts_off", "background", "acceptance", "acceptance_off", "exposure")


def round_trip(folder: Path, *datasets: Any) -> Any:
    write_datasets(folder, Datasets(list(datasets)))
    return read_datasets(folder / "datasets.yaml")


@pytest.mark.parametrize("make", MAKERS)
def test_counts_masks_and_irfs_read_back(tmp_path: Path, make: Any) -> None:
    dataset = make()
    (read,) = round_trip(tmp_path, dataset)
    assert read.name == dataset.name
    assert type(read) is type(dataset)
    for name in MAPS:
        value = getattr(dataset, name, None)
        if value is not None:
            np.testing.assert_array_equal(getattr(read, name).data, value.data)
    np.testing.assert_array_equal(read.mask_safe.data, dataset.mask_safe.data)
    assert read.mask_safe.data.dtype == bool
    np.testing.assert_array_equal(read.gti.table["START"], dataset.gti.table["START"])


@pytest.mark.parametrize("make", MAKERS)
def test_fit_range_reads_back(tmp_path: Path, make: Any) -> None:
    dataset = make()
    FitRange(energy=dataset.counts.geom.axes["energy"].edges[[1, 2]]).apply(dataset)
    (read,) = round_trip(tmp_path, dataset)
    np.testing.assert_array_equal(read.mask.data, dataset.mask.data)
    assert read.stat_sum() == pytest.approx(dataset.stat_sum(), rel=1e-6)


@pytest.mark.parametrize("make", MAKERS)
def test_livetime_reads_back(tmp_path: Path, make: Any) -> None:
    spectrum = make()
    spectrum.exposure.meta = {"livetime": 1581.73675841 * u.s}
    (read,) = round_trip(tmp_path, spectrum)
    assert read.exposure.meta["livetime"].to_value("s") == 1581.73675841


def test_gammapy_reads_the_files(tmp_path: Path) -> None:
    round_trip(tmp_path, small.map_dataset(), small.spectrum_on_off(), small.flux_points())
    read = Datasets.read(tmp_path / "datasets.yaml")
    assert read.names == ["map", "on-off", "points"]


def test_names_that_are_invalid_for_files_read_back(tmp_path: Path) -> None:
    # the FACT spectrum of the joint Crab has such a name
    name = "[" + "20131003093, " * 120 + "]"
    (read,) = round_trip(tmp_path, small.spectrum_on_off(name))
    assert read.name == name


@pytest.mark.parametrize("make", MAKERS)
def test_missing_mask_is_none_without_warnings(
    tmp_path: Path, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (read,) = round_trip(tmp_path, make())
    assert read.mask_fit is None
    assert caplog.messages == []
