"""Files of datasets: all data are read back, including those that gammapy does not write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset

import small_datasets as small
from fits_comparison import metadata_are_last
from skyred.interfaces import FitRange
from skyred.result.dataset_files import read_datasets, write_datasets

FACTORIES = [small.map_dataset, small.map_on_off, small.spectrum_dataset, small.spectrum_on_off]
MAPS = ("counts", "counts_off", "background", "acceptance", "acceptance_off", "exposure")


def write_and_read(folder: Path, *datasets: Any) -> Any:
    write_datasets(folder, Datasets(list(datasets)))
    return read_datasets(folder / "datasets.yaml")


@pytest.mark.parametrize("create", FACTORIES)
def test_counts_masks_and_exposure_are_read_back(tmp_path: Path, create: Any) -> None:
    dataset = create()
    (loaded,) = write_and_read(tmp_path, dataset)
    assert loaded.name == dataset.name
    assert type(loaded) is type(dataset)
    for name in MAPS:
        value = getattr(dataset, name, None)
        if value is not None:
            np.testing.assert_array_equal(getattr(loaded, name).data, value.data)
    np.testing.assert_array_equal(loaded.mask_safe.data, dataset.mask_safe.data)
    assert loaded.mask_safe.data.dtype == bool
    np.testing.assert_array_equal(loaded.gti.table["START"], dataset.gti.table["START"])


@pytest.mark.parametrize("create", FACTORIES)
def test_fit_range_is_read_back(tmp_path: Path, create: Any) -> None:
    dataset = create()
    FitRange(energy=dataset.counts.geom.axes["energy"].edges[[1, 2]]).apply(dataset)
    (loaded,) = write_and_read(tmp_path, dataset)
    np.testing.assert_array_equal(loaded.mask.data, dataset.mask.data)
    assert loaded.stat_sum() == pytest.approx(dataset.stat_sum(), rel=1e-6)


@pytest.mark.parametrize("create", FACTORIES)
def test_livetime_is_read_back(tmp_path: Path, create: Any) -> None:
    dataset = create()
    dataset.exposure.meta = {"livetime": 1581.73675841 * u.s}
    (loaded,) = write_and_read(tmp_path, dataset)
    assert loaded.exposure.meta["livetime"].to_value("s") == 1581.73675841


def cards_without_times(header: fits.Header) -> list[tuple[Any, ...]]:
    """Return the cards, without creation time, checksum and the comments of checksums."""
    ignored = ("CREATED", "CHECKSUM")
    cards = [card for card in header.cards if card.keyword not in ignored]
    cards = [tuple(card) if card.keyword != "DATASUM" else tuple(card)[:2] for card in cards]
    return cards if metadata_are_last() else sorted(cards, key=str)


@pytest.mark.parametrize("create", FACTORIES)
def test_files_have_the_hdus_of_gammapy(tmp_path: Path, create: Any) -> None:
    dataset = create()
    dataset.exposure.meta = {"livetime": 1581.73675841 * u.s}
    dataset.mask_fit = dataset.mask_safe
    dataset.meta_table = Table({"OBS_ID": [[1, 2]], "TELESCOP": [["HESS", "HESS"]]})
    write_datasets(tmp_path, Datasets([dataset]))
    (path,) = tmp_path.glob("*.fits")
    expected = dataset.to_hdulist()
    expected["EXPOSURE"].header["LIVETIME"] = (1581.73675841, "[s] livetime")
    expected.writeto(tmp_path / "expected.fits", checksum=True)
    with (
        fits.open(path, checksum=True) as hdulist,
        fits.open(tmp_path / "expected.fits") as expected_hdulist,
    ):
        assert [hdu.name for hdu in hdulist] == [hdu.name for hdu in expected_hdulist]
        for hdu, expected_hdu in zip(hdulist, expected_hdulist, strict=True):
            assert cards_without_times(hdu.header) == cards_without_times(expected_hdu.header)
            assert hdu.verify_checksum() == hdu.verify_datasum() == 1


@pytest.mark.parametrize("create", [*FACTORIES, small.flux_points])
def test_checksums_are_valid_after_datasets_were_read_changed_and_written(
    tmp_path: Path, create: Any
) -> None:
    dataset = create()
    dataset.meta_table = Table({"OBS_ID": [1, 2], "TELESCOP": ["MAGIC-I+II", "HESS"]})[1:]
    # gammapy writes flux points without checksums of some HDUs
    valid = (1, 2) if create is small.flux_points else (1,)
    for generation in range(3):
        folder = tmp_path / str(generation)
        folder.mkdir()
        write_datasets(folder, Datasets([dataset]))
        (dataset,) = read_datasets(folder / "datasets.yaml", lazy=False)
        for path in folder.glob("*.fits"):
            with fits.open(path, checksum=True) as hdulist:  # warns of an invalid checksum
                for hdu in hdulist:
                    cards = list(hdu.header)
                    assert cards.count("CHECKSUM") == cards.count("DATASUM") <= 1
                    assert hdu.verify_checksum() in valid
                    assert hdu.verify_datasum() in valid
        if isinstance(dataset, MapDataset) and not isinstance(dataset, SpectrumDataset):
            assert dataset.meta_table["OBS_ID"].tolist() == [2 + generation]
            dataset.meta_table["OBS_ID"] += 1


def test_table_with_metadata_that_fits_cannot_store_is_written(tmp_path: Path) -> None:
    dataset = small.map_dataset()
    dataset.meta_table = Table({"OBS_ID": [1]}, meta={"ZEN": float("nan"), "A": 1})
    with pytest.warns(UserWarning, match="Attribute `ZEN`"):
        write_datasets(tmp_path, Datasets([dataset]))
    (path,) = tmp_path.glob("*.fits")
    loaded = Table.read(path, hdu="META_TABLE")
    assert loaded["OBS_ID"].tolist() == [1]
    assert loaded.meta["A"] == 1
    assert "ZEN" not in loaded.meta


def test_files_are_read_by_gammapy(tmp_path: Path) -> None:
    write_and_read(tmp_path, small.map_dataset(), small.spectrum_on_off(), small.flux_points())
    loaded = Datasets.read(tmp_path / "datasets.yaml")
    assert loaded.names == ["map", "on-off", "points"]


def test_dataset_names_that_are_invalid_as_file_names_are_read_back(tmp_path: Path) -> None:
    # gammapy names the FACT spectrum in its joint-crab data after the list of its runs
    name = "[" + "20131003093, " * 120 + "]"
    (loaded,) = write_and_read(tmp_path, small.spectrum_on_off(name))
    assert loaded.name == name


@pytest.mark.parametrize("create", FACTORIES)
def test_missing_fit_mask_is_read_as_none_without_log_messages(
    tmp_path: Path, create: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (loaded,) = write_and_read(tmp_path, create())
    assert loaded.mask_fit is None
    assert caplog.messages == []
