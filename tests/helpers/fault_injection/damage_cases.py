"""Kinds of damage to DL3 archives, with the expected reports."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table, vstack

from fault_injection.archive_damage import Archive, Damage, find_hdu, find_largest_cell, flip_bit


def _set_card(hdu_type: str, key: str, value: Any) -> Callable[[Archive, int, int], object]:
    def change(hdu: Any) -> None:
        if value is None:
            del hdu.header[key]
        else:
            hdu.header[key] = value

    return lambda archive, run, _: archive.change_hdu(run, hdu_type, change)


def _edit_column(
    hdu_type: str, name: str, change: Callable[[Any], object]
) -> Callable[[Archive, int, int], object]:
    """Change a column: `change` edits its values in place, or returns new ones."""

    def edit(hdu: Any) -> None:
        new_values = change(hdu.data[name])
        if new_values is not None:
            hdu.data[name] = new_values

    return lambda archive, run, _: archive.change_hdu(run, hdu_type, edit)


def _set_unit(hdu_type: str, names: str, unit: str) -> Callable[[Archive, int, int], object]:
    def edit(hdu: Any) -> None:
        for name in names.split():
            hdu.columns[name].unit = unit

    return lambda archive, run, _: archive.change_hdu(run, hdu_type, edit)


def _flip_bit(hdu_type: str, name: str, bit: int) -> Callable[[Archive, int, int], object]:
    return _edit_column(
        hdu_type, name, lambda cube: flip_bit(cube[0], find_largest_cell(cube[0]), bit)
    )


def _edit_rows(
    hdu_type: str, change: Callable[[Any], Any]
) -> Callable[[Archive, int, int], object]:
    def edit(hdu: Any) -> None:
        units = {column.name: column.unit for column in hdu.columns}
        hdu.data = change(hdu.data)
        for name, unit in units.items():
            hdu.columns[name].unit = unit

    return lambda archive, run, _: archive.change_hdu(run, hdu_type, edit)


def _assign(array: Any, selection: Any, value: float) -> None:
    array[selection] = value


def _set_in_hdu_index(
    name: str, value: Callable[[Table, int, int], Any], hdu_type: str = "events"
) -> Any:
    """Set a cell in the row of an HDU of the run in the HDU index."""

    def apply(archive: Archive, run: int, other_run: int) -> None:
        def edit(table: Table) -> Table:
            is_row = (table["OBS_ID"] == run) & (np.char.strip(table["HDU_TYPE"]) == hdu_type)
            table[name][is_row] = value(table, run, other_run)
            return table

        archive.change_index("hdu", edit)

    return apply


def _file_of_other_run(table: Table, _: int, other_run: int) -> Any:
    return table["FILE_NAME"][table["OBS_ID"] == other_run][0]


def _edit_index(index_name: str, change: Callable[[Table, int], Table]) -> Any:
    return lambda archive, run, _: archive.change_index(
        index_name, lambda table: change(table, run)
    )


def _duplicate_row(table: Table, run: int) -> Table:
    return vstack([table, table[table["OBS_ID"] == run][:1]])


def _shift_in_obs_index(name: str, shift: float) -> Any:
    def edit(table: Table, run: int) -> Table:
        table[name][table["OBS_ID"] == run] += shift
        return table

    return _edit_index("obs", edit)


def _replace_by_link(archive: Archive, run: int, _: int) -> None:
    target = archive.folder.parent / f"outside-{archive.folder.name}.fits.gz"
    shutil.move(archive.path(run), target)
    (archive.folder / "data" / f"sim_crab_obs_id_{run}.fits.gz").symlink_to(target)


def _remove_hdu(hdu_type: str) -> Callable[[Archive, int, int], object]:
    return lambda archive, run, _: archive.change_hdus(
        run, lambda hdus: hdus.remove(find_hdu(hdus, hdu_type))
    )


def _replace_bytes(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


def _corrupt_crc(compressed: bytes) -> bytes:
    return compressed[:-8] + bytes([compressed[-8] ^ 1]) + compressed[-7:]


def _duplicate_events(data: Any) -> Any:
    return np.concatenate([data, data[:5]]).view(type(data))


def _duplicate_renumbered(data: Any) -> Any:
    duplicates = data[:40].copy()
    duplicates["EVENT_ID"] += 10**9
    return np.concatenate([data, duplicates]).view(type(data))


def _stretch_migra(factor: float) -> Callable[[Archive, int, int], object]:
    """Stretch the MIGRA axis, and keep the integral over it."""

    def edit(hdu: Any) -> None:
        for name in ("MIGRA_LO", "MIGRA_HI"):
            hdu.data[name] *= factor
        hdu.data["MATRIX"] /= factor

    return lambda archive, run, _: archive.change_hdu(run, "edisp", edit)


def _halve_deadc(events: Any) -> None:
    events.header["DEADC"] = 0.5
    del events.header["LIVETIME"], events.header["ONTIME"]


def _halve_good_time(archive: Archive, run: int, other_run: int) -> None:
    _edit_column("gti", "STOP", lambda x: x - 60)(archive, run, other_run)
    for key in ("LIVETIME", "ONTIME"):
        _set_card("events", key, None)(archive, run, other_run)


def _cut_dispersion(archive: Archive, run: int, _: int, factor: float = 2) -> None:
    def edit(hdu: Any) -> None:
        table = Table(hdu.data)
        n_cut = int((table["ENERG_LO"][0] < factor * table["ENERG_LO"][0, 0]).sum())
        for name in ("ENERG_LO", "ENERG_HI", "MATRIX"):
            table[name] = table[name][..., n_cut:]
        units = {column.name: column.unit for column in hdu.columns}
        hdu.data = fits.table_to_hdu(table).data
        for name, unit in units.items():
            hdu.columns[name].unit = unit

    archive.change_hdu(run, "edisp", edit)


def _cut_area_and_dispersion(archive: Archive, run: int, other_run: int) -> None:
    """Remove low energies of the dispersion, and set the effective area to zero there."""
    factor = 1.5  # below the median energy of the events
    _cut_dispersion(archive, run, other_run, factor)

    def edit(hdu: Any) -> None:
        low = hdu.data["ENERG_LO"][0]
        hdu.data["EFFAREA"][..., low < factor * low[0]] = 0

    archive.change_hdu(run, "aeff", edit)


def _overlapping_intervals(data: Any) -> Any:
    both = np.concatenate([data, data]).view(type(data))
    middle = (data["START"][0] + data["STOP"][0]) / 2
    both["STOP"][0], both["START"][1] = middle + 30, middle
    return both


FILES = [
    Damage("the file is missing", lambda a, run, _: a.path(run).unlink(), "missing"),
    Damage("the file is empty", lambda a, run, _: a.change_file(run, lambda _: b""), "empty"),
    Damage("not a FITS file", lambda a, run, _: a.change_file(run, lambda _: b"<html>"),
           "not a FITS"),
    Damage("gzip cut short", lambda a, run, _: a.change_file(run, lambda b: b[: len(b) // 2]),
           "gzip"),
    Damage("gzip: wrong CRC", lambda a, run, _: a.change_file(run, _corrupt_crc), "CRC"),
    Damage("gzip: wrong length", lambda a, run, _: a.change_file(run, lambda b: b[:-1] + b"\1"),
           "gzip"),
    Damage("garbage after gzip", lambda a, run, _: a.change_file(run, lambda b: b + b"xyz"),
           "gzip"),
    Damage("FITS cut short", lambda a, run, _: a.change_content(run, lambda b: b[:-5760]),
           "truncated", "bkg"),
    Damage("misspelt XTENSION", lambda a, run, _: a.change_content(
        run, lambda b: _replace_bytes(b, b"XTENSION= 'BINTABLE'", b"XTENSXON= 'BINTABLE'")), ""),
    Damage("a bit of the events flipped under a checksum", lambda a, run, _: a.change_content(
        run, lambda b: b[:20_000] + bytes([b[20_000] ^ 4]) + b[20_001:]), "DATASUM", "events"),
    Damage("header changed under a checksum", lambda a, run, _: a.change_content(
        run, lambda b: _replace_bytes(b, b"DEC_PNT =", b"DEC_PNT_=")), "CHECKSUM", "events"),
]  # fmt: skip
HDUS = [
    *(Damage(f"no {hdu_type}", _remove_hdu(hdu_type), "missing", hdu_type)
      for hdu_type in ("events", "gti", "aeff", "edisp", "psf", "bkg")),
    Damage("another run's OBS_ID", _set_card("events", "OBS_ID", 77), "OBS_ID is 77", "events"),
    Damage("no OBS_ID", _set_card("events", "OBS_ID", None), "OBS_ID", "events"),
    Damage("pointing moved by 1 deg", _set_card("events", "DEC_PNT", 23.6), "pointing", "events"),
    Damage("no pointing", _set_card("events", "RA_PNT", None), "pointing", "events"),
    Damage("DEADC = 0", _set_card("events", "DEADC", 0.0), "DEADC", "events"),
    Damage("DEADC = 1.3", _set_card("events", "DEADC", 1.3), "DEADC", "events"),
    Damage("no DEADC", _set_card("events", "DEADC", None), "DEADC", "events"),
    Damage("no LIVETIME", _set_card("events", "LIVETIME", None), "LIVETIME", "events",
           severity="warning"),
    Damage("no ONTIME", _set_card("events", "ONTIME", None), "ONTIME", "events",
           severity="warning"),
    Damage("DEADC = 0.5 without LIVETIME and ONTIME", lambda archive, run, _: archive.change_hdu(
        run, "events", _halve_deadc), "DEADC", "events"),
    Damage("LIVETIME above ONTIME", _set_card("events", "LIVETIME", 9e3), "LIVETIME", "events"),
    Damage("TIMEUNIT in days, times in seconds", _set_card("events", "TIMEUNIT", "d"), "TIMEUNIT",
           "events"),
    Damage("TIMEUNIT is not a unit of time", _set_card("gti", "TIMEUNIT", "m"), "TIMEUNIT", "gti"),
    Damage("FOVALIGN is not a frame", _set_card("bkg", "FOVALIGN", "NOPE"), "FOVALIGN", "bkg"),
    Damage("no time reference", _set_card("gti", "MJDREFI", None), "MJDREFI", "gti"),
    Damage("another time reference", _set_card("gti", "MJDREFI", 51910), "MJDREFI", "gti"),
]  # fmt: skip
EVENTS = [
    Damage("an empty event list", _edit_rows("events", lambda data: data[:0]), "no events",
           "events"),
    Damage("NaN energies",
           _edit_column("events", "ENERGY", lambda x: _assign(x, np.s_[:9], np.nan)),
           "9 of", "events"),
    Damage("NaN positions", _edit_column("events", "RA", lambda x: _assign(x, np.s_[:9], np.nan)),
           "RA is not finite", "events"),
    Damage("negative energies",
           _edit_column("events", "ENERGY", lambda x: _assign(x, np.s_[:9], -1)),
           "ENERGY is out of range for 9", "events"),
    Damage("DEC of 100 deg", _edit_column("events", "DEC", lambda x: _assign(x, np.s_[:3], 100)),
           "DEC is out of range for 3", "events"),
    Damage("ENERGY in GeV", _set_unit("events", "ENERGY", "GeV"), "'GeV'", "events"),
    Damage("ENERGY in erg", _set_unit("events", "ENERGY", "erg"), "'erg'", "events"),
    Damage("ENERGY in s", _set_unit("events", "ENERGY", "s"), "unit 's'", "events"),
    Damage("events twice", _edit_rows("events", _duplicate_events), "are duplicates",
           "events"),
    Damage("events twice under new numbers", _edit_rows("events", _duplicate_renumbered),
           "same RA, DEC and ENERGY", "events"),
    Damage("one event missing", _edit_rows("events", lambda data: data[1:]),
           "in the index", "events", severity="warning"),
    Damage("a third of the events missing",
           _edit_rows("events", lambda data: data[len(data) // 3 :]), "in the index", "events"),
    Damage("all events of one energy", _edit_column("events", "ENERGY", lambda x: x * 0 + 2),
           "same ENERGY", "events"),
    Damage("a tenth of the events of one energy",
           _edit_column("events", "ENERGY", lambda x: _assign(x, np.s_[::10], 1.5)), "same ENERGY",
           "events"),
    Damage("events 4 deg away", _edit_column("events", "DEC", lambda x: x + 4), "from the pointing",
           "events"),
    Damage("all events at one position", lambda a, run, _: a.change_hdu(run, "events", lambda hdu: (
        hdu.data["RA"].fill(83.6), hdu.data["DEC"].fill(22.0))), "same position", "events"),
    Damage("events 12 deg away", _edit_column("events", "DEC", lambda x: x - 12),
           "from the pointing",
           "events"),
    Damage("a clock that is 1 h late", _edit_column("events", "TIME", lambda x: x + 3600),
           "outside the good time", "events"),
]  # fmt: skip
TIMES = [
    Damage("no good time", _edit_rows("gti", lambda data: data[:0]), "no rows", "gti"),
    Damage("reversed good time", _edit_column("gti", "STOP", lambda x: x - 1e6), "before STOP",
           "gti"),
    Damage("good time twice", _edit_rows("gti", _overlapping_intervals), "overlap", "gti"),
    Damage("half of the good time", _edit_column("gti", "STOP", lambda x: x - 60), "ONTIME", "gti"),
    Damage("half of the good time without LIVETIME and ONTIME", _halve_good_time, "ONTIME", "gti"),
    Damage("NaN good time", _edit_column("gti", "STOP", lambda x: x * np.nan), "finite", "gti"),
]  # fmt: skip
IRFS = [
    *(Damage(f"{hdu_type} all {value}", _edit_column(hdu_type, name, lambda x, v=value: x * 0 + v),
             "finite" if np.isnan(value) else "zero or negative", hdu_type)
      for hdu_type, name in (
          ("aeff", "EFFAREA"), ("edisp", "MATRIX"), ("psf", "RPSF"), ("bkg", "BKG"))
      for value in (0.0, np.nan)),
    *(Damage(f"aeff: bit {bit} flipped", _flip_bit("aeff", "EFFAREA", bit), "flipped bit", "aeff")
      for bit in (22, 23, 24, 26)),
    Damage("aeff: exponent bit 30 flipped", _flip_bit("aeff", "EFFAREA", 30), "", "aeff"),
    Damage("edisp: bit 23 flipped", _flip_bit("edisp", "MATRIX", 23), "flipped bit", "edisp"),
    Damage("psf: bit 23 flipped", _flip_bit("psf", "RPSF", 23), "flipped bit", "psf"),
    Damage("bkg: bit 23 flipped", _flip_bit("bkg", "BKG", 23), "flipped bit", "bkg"),
    Damage("edisp twice as large", _edit_column("edisp", "MATRIX", lambda x: x * 2), "integrates",
           "edisp", severity="warning"),
    Damage("psf twice as large", _edit_column("psf", "RPSF", lambda x: x * 2), "integrates", "psf"),
    Damage("edisp: zero at one energy",
           _edit_column("edisp", "MATRIX", lambda x: _assign(x, np.s_[..., x.shape[-1] // 2], 0)),
           "is zero", "edisp"),
    Damage("edisp 15 % too large", _edit_column("edisp", "MATRIX", lambda x: x * 1.15),
           "integrates",
           "edisp", severity="warning"),
    Damage("psf 15 % too large", _edit_column("psf", "RPSF", lambda x: x * 1.15), "integrates",
           "psf"),
    Damage("edisp: MIGRA twice as large", _stretch_migra(2.0), "MIGRA", "edisp"),
    Damage("edisp: MIGRA shifted by 30 bins",
           _edit_column("edisp", "MATRIX", lambda x: np.roll(x, 30, axis=2)), "MIGRA", "edisp"),
    *(Damage(f"{hdu_type}: THETA in {unit}", _set_unit(hdu_type, "THETA_LO THETA_HI", unit),
             "THETA", hdu_type)
      for hdu_type in ("aeff", "edisp", "psf") for unit in ("rad", "arcmin")),
    Damage("edisp: offsets a third of those of aeff", lambda a, run, _: a.change_hdu(
        run, "edisp", lambda hdu: [hdu.data[name].__imul__(1 / 3) for name in (
            "THETA_LO", "THETA_HI")]), "that of the effective area", "edisp"),
    *(Damage(f"{hdu_type}: ENERG in erg", _set_unit(hdu_type, "ENERG_LO ENERG_HI", "erg"),
             "ENERG", hdu_type)
      for hdu_type in ("edisp", "psf")),
    Damage("aeff: ENERG in erg", _set_unit("aeff", "ENERG_LO ENERG_HI", "erg"), "'erg'", "aeff"),
    Damage("edisp: ENERG in GeV", _set_unit("edisp", "ENERG_LO ENERG_HI", "GeV"),
           "that of the effective area", "edisp"),
    Damage("edisp: ENERG begins at twice the energy of the area", _cut_dispersion,
           "of the counts of an E^-2 spectrum are at other energies", "edisp"),
    Damage("edisp: ENERG begins where the area becomes positive", _cut_area_and_dispersion,
           "that of the effective area", "edisp", severity="warning"),
    Damage("aeff: zero at one offset", _edit_column("aeff", "EFFAREA",
           lambda x: _assign(x, np.s_[:, 1], 0)), "is zero", "aeff"),
    Damage("aeff: zero at the inner offsets", _edit_column("aeff", "EFFAREA",
           lambda x: _assign(x, np.s_[:, :2], 0)), "is zero", "aeff"),
    Damage("aeff: twice as large at one offset", _edit_column("aeff", "EFFAREA",
           lambda x: _assign(x, np.s_[:, 1], 2 * x[:, 1])), "neighbouring offsets", "aeff"),
    Damage("aeff: a tenth at one offset", _edit_column("aeff", "EFFAREA",
           lambda x: _assign(x, np.s_[:, 1], x[:, 1] / 10)), "at the offset", "aeff"),
    Damage("aeff: offsets reversed", _edit_column("aeff", "EFFAREA", lambda x: x[:, ::-1].copy()),
           "reversed", "aeff"),
    Damage("aeff: zero at high energies", _edit_column("aeff", "EFFAREA",
           lambda x: _assign(x, np.s_[..., x.shape[-1] // 2 :], 0)), "zero above", "aeff"),
    Damage("bkg: eight times as large", _edit_column("bkg", "BKG", lambda x: x * 8), "predicts",
           "bkg"),
    Damage("bkg: zero in half of the camera", _edit_column("bkg", "BKG",
           lambda x: _assign(x, np.s_[:, :, x.shape[2] // 2 :], 0)), "half", "bkg"),
    Damage("bkg: zero in a quarter of the camera", _edit_column("bkg", "BKG", lambda x: _assign(
        x, np.s_[:, x.shape[1] // 2 :, x.shape[2] // 2 :], 0)), "half", "bkg"),
    Damage("aeff in cm2", _set_unit("aeff", "EFFAREA", "cm2"), "'cm2'", "aeff"),
    Damage("aeff in TeV", _set_unit("aeff", "EFFAREA", "TeV"), "unit 'TeV'", "aeff"),
    Damage("bkg per TeV", _set_unit("bkg", "BKG", "TeV-1 s-1 sr-1"), "predicts", "bkg"),
    Damage("a decreasing axis", _edit_column("aeff", "ENERG_LO", lambda x: x[:, ::-1].copy()),
           "not strictly increasing", "aeff"),
]  # fmt: skip
INDEXES = [
    Damage("another run's events", _set_in_hdu_index("FILE_NAME", _file_of_other_run),
           "also assigns", "events",
           both_runs=True),
    Damage("another run's area", _set_in_hdu_index("FILE_NAME", _file_of_other_run, "aeff"),
           "also assigns", "aeff",
           both_runs=True),
    Damage("events row twice", _edit_index("hdu", _duplicate_row), "2 rows", "events"),
    Damage("no GTI row", _edit_index("hdu", lambda t, run: t[
        ~((t["OBS_ID"] == run) & (np.char.strip(t["HDU_TYPE"]) == "gti"))]),
        "no row with HDU_TYPE gti", names_file=False),
    Damage("no rows", _edit_index("hdu", lambda t, run: t[t["OBS_ID"] != run]), "no rows",
           names_file=False),
    Damage("run twice", _edit_index("obs", _duplicate_row), "more than once", names_file=False),
    Damage("..", _set_in_hdu_index("FILE_DIR", lambda *_: "../data"), "outside", "events"),
    Damage("an absolute path", _set_in_hdu_index("FILE_DIR", lambda *_: "/etc"), "outside",
           "events"),
    Damage("a variable", _set_in_hdu_index("FILE_DIR", lambda *_: "$HOME"), "variable", "events"),
    Damage("~", _set_in_hdu_index("FILE_DIR", lambda *_: "~"), "not expanded", "events"),
    Damage("a link to outside the archive", _replace_by_link, "link", "events"),
    Damage("another pointing", _shift_in_obs_index("DEC_PNT", 0.2), "pointing", "events"),
    Damage("another DEADC", _shift_in_obs_index("DEADC", -0.1), "DEADC", "events"),
    Damage("another start", _shift_in_obs_index("TSTART", 500.0), "TSTART", "events"),
    Damage("a wrong HDU name", _set_in_hdu_index("HDU_NAME", lambda *_: "AREA", "aeff"), "missing"),
]  # fmt: skip
DAMAGE_CASES = [*FILES, *HDUS, *EVENTS, *TIMES, *IRFS, *INDEXES]
