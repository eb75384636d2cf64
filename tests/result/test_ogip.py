"""OGIP spectra in the variants that other software writes, against gammapy and exact values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import small_datasets as small
from skyred.errors import FileError
from skyred.result.ogip import read_ogip

SOURCE = SkyModel(PowerLawSpectralModel(index=2.1, amplitude="3e-12 cm-2 s-1 TeV-1"), name="s")


@pytest.fixture
def pha_path(tmp_path: Path) -> Path:
    """Write a spectrum with gammapy, and return its path."""
    dataset = small.spectrum_on_off("run7")
    dataset.exposure.meta = {"livetime": 100 * small.u.s}
    dataset.write(tmp_path / "pha.fits", format="ogip")
    return tmp_path / "pha.fits"


def edit_spectrum(path: Path, edit: Callable[[fits.Header, dict[str, Any]], None]) -> None:
    """Edit the header and the columns of a spectrum; cards of removed columns are removed too."""
    with fits.open(path, memmap=False) as hdus:
        hdu = hdus["SPECTRUM"]
        columns = {name: np.array(hdu.data[name]) for name in hdu.columns.names}
        header = hdu.header.copy(strip=True)
        edit(header, columns)
        table = [
            fits.Column(name=name, array=values, format="K" if values.dtype.kind in "ib" else "D")
            for name, values in columns.items()
        ]
        spectrum = fits.BinTableHDU.from_columns(table, header=header, name="SPECTRUM")
        other_hdus = [hdu.copy() for hdu in hdus if hdu.name not in ("PRIMARY", "SPECTRUM")]
        fits.HDUList([fits.PrimaryHDU(), spectrum, *other_hdus]).writeto(path, overwrite=True)


def predict_counts(dataset: SpectrumDatasetOnOff) -> Any:
    dataset.models = [SOURCE.copy(name="s")]
    return dataset.npred_signal().data.ravel()


def convert_energies_to_kev(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus[1:]:
            for name in {"E_MIN", "E_MAX", "ENERG_LO", "ENERG_HI"} & set(hdu.columns.names):
                hdu.data[name] *= 1e9
                hdu.columns[name].unit = "keV"


@pytest.mark.parametrize("unit", ["TeV", "keV"])
def test_files_written_by_gammapy_agree_with_gammapy(unit: str, pha_path: Path) -> None:
    for path in pha_path.parent.glob("pha*.fits") if unit == "keV" else ():
        convert_energies_to_kev(path)
    dataset, gammapy_dataset = read_ogip(pha_path, "x"), SpectrumDatasetOnOff.read(pha_path)
    assert dataset.counts.geom.axes["energy"].unit == unit
    for name in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe"):
        np.testing.assert_array_equal(
            getattr(dataset, name).data, getattr(gammapy_dataset, name).data
        )
    np.testing.assert_allclose(predict_counts(dataset), predict_counts(gammapy_dataset), rtol=1e-9)
    assert dataset.stat_sum() == pytest.approx(gammapy_dataset.stat_sum(), rel=1e-9)
    assert dataset.counts.geom.region == gammapy_dataset.counts.geom.region


def test_area_scaling_scales_source_and_background(pha_path: Path) -> None:
    original = read_ogip(pha_path, "plain")

    def scale_area(header: fits.Header, columns: dict[str, Any]) -> None:
        columns.pop("AREASCAL", None)
        header["AREASCAL"] = 0.5

    edit_spectrum(pha_path, scale_area)
    dataset = read_ogip(pha_path, "read")
    np.testing.assert_allclose(predict_counts(dataset), 0.5 * predict_counts(original), rtol=1e-6)
    np.testing.assert_allclose(dataset.alpha.data, 0.5 * original.alpha.data, rtol=1e-6)


def test_area_scaling_by_channel_scales_each_channel(pha_path: Path) -> None:
    original, scale = read_ogip(pha_path, "plain"), np.array([0.5, 1, 0.8])
    edit_spectrum(pha_path, lambda header, columns: columns.update(AREASCAL=scale))
    dataset = read_ogip(pha_path, "read")
    np.testing.assert_allclose(predict_counts(dataset), scale * predict_counts(original), rtol=1e-6)
    np.testing.assert_allclose(
        dataset.alpha.data.ravel(), scale * original.alpha.data.ravel(), rtol=1e-6
    )


def test_exposure_of_the_background_scales_alpha(pha_path: Path) -> None:
    original = read_ogip(pha_path, "plain")
    edit_spectrum(
        pha_path.with_name("pha_bkg.fits"), lambda header, columns: header.update(EXPOSURE=400.0)
    )
    dataset = read_ogip(pha_path, "read")
    np.testing.assert_allclose(dataset.alpha.data, original.alpha.data / 4, rtol=1e-9)
    np.testing.assert_array_equal(dataset.counts_off.data, original.counts_off.data)


def test_background_scaling_in_the_header_is_read(pha_path: Path) -> None:
    def move_to_header(value: float) -> Any:
        def edit(header: fits.Header, columns: dict[str, Any]) -> None:
            del columns["BACKSCAL"]
            header["BACKSCAL"] = value

        return edit

    edit_spectrum(pha_path, move_to_header(2.0))
    edit_spectrum(pha_path.with_name("pha_bkg.fits"), move_to_header(8.0))
    np.testing.assert_allclose(read_ogip(pha_path, "read").alpha.data, 0.25, rtol=1e-9)


def test_rates_are_converted_to_counts(pha_path: Path) -> None:
    original = read_ogip(pha_path, "plain")

    def convert_to_rates(header: fits.Header, columns: dict[str, Any]) -> None:
        columns["RATE"] = (columns.pop("COUNTS") / header["EXPOSURE"]).astype("f4")

    edit_spectrum(pha_path, convert_to_rates)
    np.testing.assert_array_equal(read_ogip(pha_path, "read").counts.data, original.counts.data)
    edit_spectrum(pha_path, lambda header, columns: columns.update(RATE=columns["RATE"] * 1.01))
    with pytest.raises(FileError, match="is not an integer"):
        read_ogip(pha_path, "read")


def test_channels_from_1_and_energies_in_the_rmf_file_are_read(pha_path: Path) -> None:
    dataset = read_ogip(pha_path, "plain")
    npred, redistribution = predict_counts(dataset), dataset.edisp.edisp_map.data[:, :, 0, 0]
    with fits.open(pha_path, mode="update") as hdus:
        del hdus["EBOUNDS"]
    rmf = pha_path.with_name("pha_rmf.fits")
    with fits.open(rmf, mode="update") as hdus:
        matrix = hdus["MATRIX"]
        # arrays of fixed length, which some software writes
        rows = len(matrix.data)
        columns = [matrix.columns[name] for name in ("ENERG_LO", "ENERG_HI")]
        for name, value in (("N_GRP", 1), ("F_CHAN", 1), ("N_CHAN", 3)):
            columns.append(fits.Column(name, "J", array=np.full(rows, value)))
        columns.append(fits.Column("MATRIX", "3D", array=redistribution))
        new_matrix = fits.BinTableHDU.from_columns(columns)
        new_matrix.header["TLMIN4"], new_matrix.name = 1, "SPECRESP MATRIX"
        hdus["EBOUNDS"].data["CHANNEL"] += 1
        hdus[hdus.index_of("MATRIX")] = new_matrix
    np.testing.assert_allclose(predict_counts(read_ogip(pha_path, "read")), npred, rtol=1e-6)
    with fits.open(rmf, mode="update") as hdus:
        hdus["SPECRESP MATRIX"].header["TLMIN4"] = 3
    with pytest.raises(FileError, match="check TLMIN of F_CHAN"):
        read_ogip(pha_path, "read")


def test_files_in_the_working_directory_are_not_used(
    pha_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # gammapy prefers a file of the same name in the working directory
    expected = read_ogip(pha_path, "plain").exposure.data
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    with fits.open(tmp_path / "pha_arf.fits") as hdus:
        hdus["SPECRESP"].data["SPECRESP"] *= 10
        hdus.writeto("pha_arf.fits")
    np.testing.assert_array_equal(read_ogip(pha_path, "read").exposure.data, expected)


def test_files_in_other_folders_need_allow_outside(pha_path: Path, tmp_path: Path) -> None:
    (tmp_path / "irfs").mkdir()
    folder = tmp_path / "spectra"
    folder.mkdir()
    for path in tmp_path.glob("pha*.fits"):
        path.rename(tmp_path / ("irfs" if "arf" in path.name else "spectra") / path.name)
    edit_spectrum(
        folder / "pha.fits", lambda header, columns: header.update(ANCRFILE="../irfs/pha_arf.fits")
    )
    with pytest.raises(FileError, match="allow_outside: true"):
        read_ogip(folder / "pha.fits", "x")
    assert read_ogip(folder / "pha.fits", "x", allow_outside=True).exposure is not None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda header, columns: header.remove("EXPOSURE"), "no card EXPOSURE"),
        (lambda header, columns: header.update(EXPOSURE=0.0), "EXPOSURE = 0.0; expected"),
        (lambda header, columns: columns.pop("COUNTS"), "no column COUNTS or RATE"),
        (lambda header, columns: columns.update(BACKSCAL=-columns["BACKSCAL"]), "BACKSCAL that"),
        (lambda header, columns: header.update(BACKFILE="none"), "BACKFILE.*cannot be fitted"),
        (lambda header, columns: header.remove("ANCRFILE"), "names no effective area file"),
    ],
)
def test_missing_or_invalid_card_or_column_is_reported(
    edit: Any, message: str, pha_path: Path
) -> None:
    edit_spectrum(pha_path, edit)
    with pytest.raises(FileError, match=message):
        read_ogip(pha_path, "x")


@pytest.mark.parametrize(
    ("suffix", "hdu", "card", "message"),
    [
        ("arf", "SPECRESP", "TUNIT1", "ENERG_LO of SPECRESP has no unit; expected an energy"),
        ("arf", "SPECRESP", "TUNIT3", "SPECRESP has the unit None; expected an area"),
        ("rmf", "MATRIX", "TUNIT2", "ENERG_HI of MATRIX has no unit"),
    ],
)
def test_missing_unit_is_reported(
    suffix: str, hdu: str, card: str, message: str, pha_path: Path
) -> None:
    with fits.open(pha_path.with_name(f"pha_{suffix}.fits"), mode="update") as hdus:
        del hdus[hdu].header[card]
    with pytest.raises(FileError, match=message):
        read_ogip(pha_path, "x")


def test_spectrum_without_background_file_cannot_be_fitted_by_gammapy_either(
    pha_path: Path,
) -> None:
    edit_spectrum(pha_path, lambda header, columns: header.update(BACKFILE="none"))
    with pytest.raises(
        FileError, match=r"its statistic, wstat, needs the off counts; set the card"
    ):
        read_ogip(pha_path, "x")
    with pytest.raises(FileNotFoundError, match="none"):
        SpectrumDatasetOnOff.read(pha_path)
    edit_spectrum(pha_path, lambda header, columns: header.remove("BACKFILE"))
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute"):
        SpectrumDatasetOnOff.read(pha_path).stat_sum()


@pytest.mark.parametrize("card", ["HDUCLAS4", ""])
@pytest.mark.parametrize(
    ("column_format", "error"), [("3D", "cannot reshape array of size 6"), ("PD()", "numeric type")]
)
def test_file_with_several_spectra_is_rejected(
    card: str, column_format: str, error: str, pha_path: Path
) -> None:
    """Type II files have a spectrum in each row, and the names of other files in columns."""
    with fits.open(pha_path, memmap=False) as hdus:
        header = hdus["SPECTRUM"].header.copy(strip=True)
        counts = np.array(hdus["SPECTRUM"].data["COUNTS"])
        for name in ("BACKFILE", "ANCRFILE", "RESPFILE"):
            header.remove(name, ignore_missing=True)
        if card:
            header[card] = "TYPE:II"
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column(name="SPEC_NUM", array=[1, 2], format="J"),
                fits.Column(name="COUNTS", array=[counts, counts], format=column_format),
            ],
            header=header,
            name="SPECTRUM",
        )
        others = [extra.copy() for extra in hdus if extra.name not in ("PRIMARY", "SPECTRUM")]
        fits.HDUList([fits.PrimaryHDU(), table, *others]).writeto(pha_path, overwrite=True)
    with pytest.raises(FileError, match=r"has 2 spectra in one table \(type II\), which gammapy"):
        read_ogip(pha_path, "x")
    with pytest.raises((ValueError, TypeError), match=error):
        SpectrumDatasetOnOff.read(pha_path)


@pytest.mark.parametrize("card", ["HDUCLAS3", "HDUCLAS4"])
def test_single_spectrum_labelled_as_type_ii_is_rejected(card: str, pha_path: Path) -> None:
    edit_spectrum(pha_path, lambda header, columns: header.update({card: "TYPE:II"}))
    with pytest.raises(FileError, match=f"has {card} = 'TYPE:II' .* set the card to 'TYPE:I'"):
        read_ogip(pha_path, "x")
