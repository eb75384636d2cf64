"""Spectra in OGIP format as they occur, beside plain gammapy and exact values."""

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
def pha(tmp_path: Path) -> Path:
    dataset = small.spectrum_on_off("run7")
    dataset.exposure.meta = {"livetime": 100 * small.u.s}
    dataset.write(tmp_path / "pha.fits", format="ogip")
    return tmp_path / "pha.fits"


def change(path: Path, edit: Callable[[fits.Header, dict[str, Any]], None]) -> None:
    """Edit the header and the columns of a spectrum; a column that is removed has no card left."""
    with fits.open(path, memmap=False) as hdus:
        hdu = hdus["SPECTRUM"]
        columns = {name: np.array(hdu.data[name]) for name in hdu.columns.names}
        header = hdu.header.copy(strip=True)
        edit(header, columns)
        table = [
            fits.Column(name=name, array=values, format="K" if values.dtype.kind in "ib" else "D")
            for name, values in columns.items()
        ]
        new = fits.BinTableHDU.from_columns(table, header=header, name="SPECTRUM")
        others = [extra.copy() for extra in hdus if extra.name not in ("PRIMARY", "SPECTRUM")]
        fits.HDUList([fits.PrimaryHDU(), new, *others]).writeto(path, overwrite=True)


def predict(dataset: SpectrumDatasetOnOff) -> Any:
    dataset.models = [SOURCE.copy(name="s")]
    return dataset.npred_signal().data.ravel()


def convert_to_kev(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus[1:]:
            for name in {"E_MIN", "E_MAX", "ENERG_LO", "ENERG_HI"} & set(hdu.columns.names):
                hdu.data[name] *= 1e9
                hdu.columns[name].unit = "keV"


@pytest.mark.parametrize("unit", ["TeV", "keV"])
def test_files_of_gammapy_are_read_as_by_gammapy(unit: str, pha: Path) -> None:
    for path in pha.parent.glob("pha*.fits") if unit == "keV" else ():
        convert_to_kev(path)
    read, plain = read_ogip(pha, "x"), SpectrumDatasetOnOff.read(pha)
    assert read.counts.geom.axes["energy"].unit == unit
    for name in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "mask_safe"):
        np.testing.assert_array_equal(getattr(read, name).data, getattr(plain, name).data)
    np.testing.assert_allclose(predict(read), predict(plain), rtol=1e-9)
    assert read.stat_sum() == pytest.approx(plain.stat_sum(), rel=1e-9)
    assert read.counts.geom.region == plain.counts.geom.region


def test_area_scaling_scales_source_and_background(pha: Path) -> None:
    plain = read_ogip(pha, "plain")

    def scale_area(header: fits.Header, columns: dict[str, Any]) -> None:
        columns.pop("AREASCAL", None)
        header["AREASCAL"] = 0.5

    change(pha, scale_area)
    read = read_ogip(pha, "read")
    np.testing.assert_allclose(predict(read), 0.5 * predict(plain), rtol=1e-6)
    np.testing.assert_allclose(read.alpha.data, 0.5 * plain.alpha.data, rtol=1e-6)


def test_area_scaling_by_channel_scales_each_channel(pha: Path) -> None:
    plain, scale = read_ogip(pha, "plain"), np.array([0.5, 1, 0.8])
    change(pha, lambda header, columns: columns.update(AREASCAL=scale))
    read = read_ogip(pha, "read")
    np.testing.assert_allclose(predict(read), scale * predict(plain), rtol=1e-6)
    np.testing.assert_allclose(read.alpha.data.ravel(), scale * plain.alpha.data.ravel(), rtol=1e-6)


def test_longer_exposure_of_the_background_is_honoured(pha: Path) -> None:
    plain = read_ogip(pha, "plain")
    change(pha.with_name("pha_bkg.fits"), lambda header, columns: header.update(EXPOSURE=400.0))
    read = read_ogip(pha, "read")
    np.testing.assert_allclose(read.alpha.data, plain.alpha.data / 4, rtol=1e-9)
    np.testing.assert_array_equal(read.counts_off.data, plain.counts_off.data)


def test_scaling_of_the_background_in_the_header(pha: Path) -> None:
    def move(value: float) -> Any:
        def edit(header: fits.Header, columns: dict[str, Any]) -> None:
            del columns["BACKSCAL"]
            header["BACKSCAL"] = value

        return edit

    change(pha, move(2.0))
    change(pha.with_name("pha_bkg.fits"), move(8.0))
    np.testing.assert_allclose(read_ogip(pha, "read").alpha.data, 0.25, rtol=1e-9)


def test_rates_are_converted_to_counts(pha: Path) -> None:
    plain = read_ogip(pha, "plain")

    def to_rates(header: fits.Header, columns: dict[str, Any]) -> None:
        columns["RATE"] = (columns.pop("COUNTS") / header["EXPOSURE"]).astype("f4")

    change(pha, to_rates)
    np.testing.assert_array_equal(read_ogip(pha, "read").counts.data, plain.counts.data)
    change(pha, lambda header, columns: columns.update(RATE=columns["RATE"] * 1.01))
    with pytest.raises(FileError, match="is not a whole number"):
        read_ogip(pha, "read")


def test_channels_may_start_at_1_and_energies_be_in_the_response(pha: Path) -> None:
    dataset = read_ogip(pha, "plain")
    plain, redistribution = predict(dataset), dataset.edisp.edisp_map.data[:, :, 0, 0]
    with fits.open(pha, mode="update") as hdus:
        del hdus["EBOUNDS"]
    rmf = pha.with_name("pha_rmf.fits")
    with fits.open(rmf, mode="update") as hdus:
        matrix = hdus["MATRIX"]
        # arrays of fixed length, as some software writes them
        rows = len(matrix.data)
        columns = [matrix.columns[name] for name in ("ENERG_LO", "ENERG_HI")]
        for name, value in (("N_GRP", 1), ("F_CHAN", 1), ("N_CHAN", 3)):
            columns.append(fits.Column(name, "J", array=np.full(rows, value)))
        columns.append(fits.Column("MATRIX", "3D", array=redistribution))
        new = fits.BinTableHDU.from_columns(columns)
        new.header["TLMIN4"], new.name = 1, "SPECRESP MATRIX"
        hdus["EBOUNDS"].data["CHANNEL"] += 1
        hdus[hdus.index_of("MATRIX")] = new
    np.testing.assert_allclose(predict(read_ogip(pha, "read")), plain, rtol=1e-6)
    with fits.open(rmf, mode="update") as hdus:
        hdus["SPECRESP MATRIX"].header["TLMIN4"] = 3
    with pytest.raises(FileError, match="check TLMIN of F_CHAN"):
        read_ogip(pha, "read")


def test_files_in_the_working_folder_are_not_used(
    pha: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # gammapy prefers a file of the same name in the working folder
    expected = read_ogip(pha, "plain").exposure.data
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with fits.open(tmp_path / "pha_arf.fits") as hdus:
        hdus["SPECRESP"].data["SPECRESP"] *= 10
        hdus.writeto("pha_arf.fits")
    np.testing.assert_array_equal(read_ogip(pha, "read").exposure.data, expected)


def test_files_in_other_folders_need_permission(pha: Path, tmp_path: Path) -> None:
    (tmp_path / "irfs").mkdir()
    folder = tmp_path / "spectra"
    folder.mkdir()
    for path in tmp_path.glob("pha*.fits"):
        path.rename(tmp_path / ("irfs" if "arf" in path.name else "spectra") / path.name)
    change(
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
        (lambda header, columns: header.update(BACKFILE="none"), "BACKFILE.*, which wstat needs"),
        (lambda header, columns: header.remove("ANCRFILE"), "no effective area file"),
    ],
)
def test_missing_key_or_column_is_named(edit: Any, message: str, pha: Path) -> None:
    change(pha, edit)
    with pytest.raises(FileError, match=message):
        read_ogip(pha, "x")


@pytest.mark.parametrize(
    ("suffix", "hdu", "card", "message"),
    [
        ("arf", "SPECRESP", "TUNIT1", "ENERG_LO of SPECRESP has no unit; expected an energy"),
        ("arf", "SPECRESP", "TUNIT3", "SPECRESP has the unit None; expected an area"),
        ("rmf", "MATRIX", "TUNIT2", "ENERG_HI of MATRIX has no unit"),
    ],
)
def test_missing_unit_is_named(suffix: str, hdu: str, card: str, message: str, pha: Path) -> None:
    with fits.open(pha.with_name(f"pha_{suffix}.fits"), mode="update") as hdus:
        del hdus[hdu].header[card]
    with pytest.raises(FileError, match=message):
        read_ogip(pha, "x")
