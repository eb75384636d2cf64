"""Damages to DL3 archives, each with the expected report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table, vstack

from fault_injection.archive_damage import Archive, Damage, find, find_largest_cell, flip


def _card(kind: str, key: str, value: Any) -> Callable[[Archive, int, int], object]:
    def change(hdu: Any) -> None:
        if value is None:
            del hdu.header[key]
        else:
            hdu.header[key] = value

    return lambda archive, run, _: archive.hdu(run, kind, change)


def _column(
    kind: str, name: str, change: Callable[[Any], object]
) -> Callable[[Archive, int, int], object]:
    """Change a column in place, or replace it by the returned values."""

    def edit(hdu: Any) -> None:
        new_values = change(hdu.data[name])
        if new_values is not None:
            hdu.data[name] = new_values

    return lambda archive, run, _: archive.hdu(run, kind, edit)


def _unit(kind: str, names: str, unit: str) -> Callable[[Archive, int, int], object]:
    def edit(hdu: Any) -> None:
        for name in names.split():
            hdu.columns[name].unit = unit

    return lambda archive, run, _: archive.hdu(run, kind, edit)


def _flipped(kind: str, name: str, bit: int) -> Callable[[Archive, int, int], object]:
    return _column(kind, name, lambda cube: flip(cube[0], find_largest_cell(cube[0]), bit))


def _rows(kind: str, change: Callable[[Any], Any]) -> Callable[[Archive, int, int], object]:
    def edit(hdu: Any) -> None:
        units = {column.name: column.unit for column in hdu.columns}
        hdu.data = change(hdu.data)
        for name, unit in units.items():
            hdu.columns[name].unit = unit

    return lambda archive, run, _: archive.hdu(run, kind, edit)


def _set(array: Any, selection: Any, value: float) -> None:
    array[selection] = value


def _hdu_row(name: str, value: Callable[[Table, int, int], Any], kind: str = "events") -> Any:
    """Change a cell of the HDU index."""

    def apply(archive: Archive, run: int, other_run: int) -> None:
        def edit(table: Table) -> Table:
            is_row = (table["OBS_ID"] == run) & (np.char.strip(table["HDU_TYPE"]) == kind)
            table[name][is_row] = value(table, run, other_run)
            return table

        archive.index("hdu", edit)

    return apply


def _file_of(table: Table, _: int, other_run: int) -> Any:
    return table["FILE_NAME"][table["OBS_ID"] == other_run][0]


def _index_rows(index_name: str, change: Callable[[Table, int], Table]) -> Any:
    return lambda archive, run, _: archive.index(index_name, lambda table: change(table, run))


def _doubled(table: Table, run: int) -> Table:
    return vstack([table, table[table["OBS_ID"] == run][:1]])


def _obs_cell(name: str, add: float) -> Any:
    def edit(table: Table, run: int) -> Table:
        table[name][table["OBS_ID"] == run] += add
        return table

    return _index_rows("obs", edit)


def _link_out(archive: Archive, run: int, _: int) -> None:
    target = archive.folder.parent / f"outside-{archive.folder.name}.fits.gz"
    shutil.move(archive.path(run), target)
    (archive.folder / "data" / f"sim_crab_obs_id_{run}.fits.gz").symlink_to(target)


def _without(name: str) -> Callable[[Archive, int, int], object]:
    return lambda archive, run, _: archive.hdus(run, lambda hdus: hdus.remove(find(hdus, name)))


def _swap(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


def _crc(packed: bytes) -> bytes:
    return packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]


def _twice(data: Any) -> Any:
    return np.concatenate([data, data[:5]]).view(type(data))


def _twice_renumbered(data: Any) -> Any:
    again = data[:40].copy()
    again["EVENT_ID"] += 10**9
    return np.concatenate([data, again]).view(type(data))


def _migrated(by: float) -> Callable[[Archive, int, int], object]:
    """Stretch MIGRA, and keep the integral."""

    def edit(hdu: Any) -> None:
        for name in ("MIGRA_LO", "MIGRA_HI"):
            hdu.data[name] *= by
        hdu.data["MATRIX"] /= by

    return lambda archive, run, _: archive.hdu(run, "edisp", edit)


def _halve_deadc(events: Any) -> None:
    events.header["DEADC"] = 0.5
    del events.header["LIVETIME"], events.header["ONTIME"]


def _halve_good_time(archive: Archive, run: int, other_run: int) -> None:
    _column("gti", "STOP", lambda x: x - 60)(archive, run, other_run)
    for key in ("LIVETIME", "ONTIME"):
        _card("events", key, None)(archive, run, other_run)


def _cut_dispersion(archive: Archive, run: int, _: int) -> None:
    def edit(hdu: Any) -> None:
        table = Table(hdu.data)
        n_cut = int((table["ENERG_LO"][0] < 2 * table["ENERG_LO"][0, 0]).sum())
        for name in ("ENERG_LO", "ENERG_HI", "MATRIX"):
            table[name] = table[name][..., n_cut:]
        units = {column.name: column.unit for column in hdu.columns}
        hdu.data = fits.table_to_hdu(table).data
        for name, unit in units.items():
            hdu.columns[name].unit = unit

    archive.hdu(run, "edisp", edit)


def _cut_area_and_dispersion(archive: Archive, run: int, other_run: int) -> None:
    """Remove energies of the dispersion, where the area becomes zero."""
    _cut_dispersion(archive, run, other_run)

    def edit(hdu: Any) -> None:
        low = hdu.data["ENERG_LO"][0]
        hdu.data["EFFAREA"][..., low < 2 * low[0]] = 0

    archive.hdu(run, "aeff", edit)


def _two_intervals(data: Any) -> Any:
    both = np.concatenate([data, data]).view(type(data))
    middle = (data["START"][0] + data["STOP"][0]) / 2
    both["STOP"][0], both["START"][1] = middle + 30, middle
    return both


FILES = [
    Damage("the file is missing", lambda a, run, _: a.path(run).unlink(), "missing"),
    Damage("the file is empty", lambda a, run, _: a.pack(run, lambda _: b""), "empty"),
    Damage("no FITS file", lambda a, run, _: a.pack(run, lambda _: b"<html>"), "not a FITS"),
    Damage("gzip cut short", lambda a, run, _: a.pack(run, lambda b: b[: len(b) // 2]), "gzip"),
    Damage("gzip: wrong CRC", lambda a, run, _: a.pack(run, _crc), "CRC"),
    Damage("gzip: wrong length", lambda a, run, _: a.pack(run, lambda b: b[:-1] + b"\1"), "gzip"),
    Damage("garbage after gzip", lambda a, run, _: a.pack(run, lambda b: b + b"xyz"), "gzip"),
    Damage("FITS cut short", lambda a, run, _: a.unpacked(run, lambda b: b[:-5760]),
           "truncated", "bkg"),
    Damage("header cut", lambda a, run, _: a.unpacked(
        run, lambda b: _swap(b, b"XTENSION= 'BINTABLE'", b"XTENSXON= 'BINTABLE'")), ""),
    Damage("a bit of the events flipped under a checksum", lambda a, run, _: a.unpacked(
        run, lambda b: b[:20_000] + bytes([b[20_000] ^ 4]) + b[20_001:]), "DATASUM", "events"),
    Damage("header changed under a checksum", lambda a, run, _: a.unpacked(
        run, lambda b: _swap(b, b"DEC_PNT =", b"DEC_PNT_=")), "CHECKSUM", "events"),
]  # fmt: skip
HDUS = [
    *(Damage(f"no {kind}", _without(kind), "missing", kind)
      for kind in ("events", "gti", "aeff", "edisp", "psf", "bkg")),
    Damage("another run's OBS_ID", _card("events", "OBS_ID", 77), "OBS_ID is 77", "events"),
    Damage("no OBS_ID", _card("events", "OBS_ID", None), "OBS_ID", "events"),
    Damage("pointing moved by 1 deg", _card("events", "DEC_PNT", 23.6), "pointing", "events"),
    Damage("no pointing", _card("events", "RA_PNT", None), "pointing", "events"),
    Damage("DEADC = 0", _card("events", "DEADC", 0.0), "DEADC", "events"),
    Damage("DEADC = 1.3", _card("events", "DEADC", 1.3), "DEADC", "events"),
    Damage("no DEADC", _card("events", "DEADC", None), "DEADC", "events"),
    Damage("no LIVETIME", _card("events", "LIVETIME", None), "LIVETIME", "events",
           severity="warning"),
    Damage("no ONTIME", _card("events", "ONTIME", None), "ONTIME", "events", severity="warning"),
    Damage("DEADC = 0.5 without LIVETIME and ONTIME", lambda archive, run, _: archive.hdu(
        run, "events", _halve_deadc), "DEADC", "events"),
    Damage("LIVETIME above ONTIME", _card("events", "LIVETIME", 9e3), "LIVETIME", "events"),
    Damage("TIMEUNIT in days, times in seconds", _card("events", "TIMEUNIT", "d"), "TIMEUNIT",
           "events"),
    Damage("TIMEUNIT of no time", _card("gti", "TIMEUNIT", "m"), "TIMEUNIT", "gti"),
    Damage("FOVALIGN of no frame", _card("bkg", "FOVALIGN", "NOPE"), "FOVALIGN", "bkg"),
    Damage("no time reference", _card("gti", "MJDREFI", None), "MJDREFI", "gti"),
    Damage("another time reference", _card("gti", "MJDREFI", 51910), "MJDREFI", "gti"),
]  # fmt: skip
EVENTS = [
    Damage("an empty event list", _rows("events", lambda data: data[:0]), "no events", "events"),
    Damage("energies NaN", _column("events", "ENERGY", lambda x: _set(x, np.s_[:9], np.nan)),
           "9 of", "events"),
    Damage("positions NaN", _column("events", "RA", lambda x: _set(x, np.s_[:9], np.nan)),
           "RA is not finite", "events"),
    Damage("energies below 0", _column("events", "ENERGY", lambda x: _set(x, np.s_[:9], -1)),
           "ENERGY of 9", "events"),
    Damage("DEC of 100 deg", _column("events", "DEC", lambda x: _set(x, np.s_[:3], 100)),
           "DEC of 3", "events"),
    Damage("ENERGY in GeV", _unit("events", "ENERGY", "GeV"), "'GeV'", "events"),
    Damage("ENERGY in erg", _unit("events", "ENERGY", "erg"), "'erg'", "events"),
    Damage("ENERGY in s", _unit("events", "ENERGY", "s"), "unit 's'", "events"),
    Damage("events twice", _rows("events", _twice), "twice", "events"),
    Damage("events twice under new numbers", _rows("events", _twice_renumbered),
           "same RA, DEC and ENERGY", "events"),
    Damage("an event lost", _rows("events", lambda data: data[1:]), "in the index", "events",
           severity="warning"),
    Damage("a third of the events lost", _rows("events", lambda data: data[len(data) // 3 :]),
           "in the index", "events"),
    Damage("all events of one energy", _column("events", "ENERGY", lambda x: x * 0 + 2),
           "same ENERGY", "events"),
    Damage("a tenth of the events of one energy",
           _column("events", "ENERGY", lambda x: _set(x, np.s_[::10], 1.5)), "same ENERGY",
           "events"),
    Damage("events 4 deg away", _column("events", "DEC", lambda x: x + 4), "from the pointing",
           "events"),
    Damage("all events at one place", lambda a, run, _: a.hdu(run, "events", lambda hdu: (
        hdu.data["RA"].fill(83.6), hdu.data["DEC"].fill(22.0))), "same position", "events"),
    Damage("events elsewhere", _column("events", "DEC", lambda x: x - 12), "from the pointing",
           "events"),
    Damage("a clock that is 1 h late", _column("events", "TIME", lambda x: x + 3600),
           "outside the good time", "events"),
]  # fmt: skip
TIMES = [
    Damage("no good time", _rows("gti", lambda data: data[:0]), "no rows", "gti"),
    Damage("good time reversed", _column("gti", "STOP", lambda x: x - 1e6), "before STOP", "gti"),
    Damage("good time twice", _rows("gti", _two_intervals), "overlap", "gti"),
    Damage("half of the good time", _column("gti", "STOP", lambda x: x - 60), "ONTIME", "gti"),
    Damage("half of the good time without LIVETIME and ONTIME", _halve_good_time, "ONTIME", "gti"),
    Damage("good time NaN", _column("gti", "STOP", lambda x: x * np.nan), "finite", "gti"),
]  # fmt: skip
IRFS = [
    *(Damage(f"{kind} all {value}", _column(kind, name, lambda x, v=value: x * 0 + v),
             "finite" if np.isnan(value) else "zero or negative", kind)
      for kind, name in (("aeff", "EFFAREA"), ("edisp", "MATRIX"), ("psf", "RPSF"), ("bkg", "BKG"))
      for value in (0.0, np.nan)),
    *(Damage(f"aeff: bit {bit} flipped", _flipped("aeff", "EFFAREA", bit), "flipped bit", "aeff")
      for bit in (22, 23, 24, 26)),
    Damage("aeff: exponent bit 30 flipped", _flipped("aeff", "EFFAREA", 30), "", "aeff"),
    Damage("edisp: bit 23 flipped", _flipped("edisp", "MATRIX", 23), "flipped bit", "edisp"),
    Damage("psf: bit 23 flipped", _flipped("psf", "RPSF", 23), "flipped bit", "psf"),
    Damage("bkg: bit 23 flipped", _flipped("bkg", "BKG", 23), "flipped bit", "bkg"),
    Damage("edisp twice as large", _column("edisp", "MATRIX", lambda x: x * 2), "integrates",
           "edisp", severity="warning"),
    Damage("psf twice as large", _column("psf", "RPSF", lambda x: x * 2), "integrates", "psf"),
    Damage("edisp: one energy is nothing",
           _column("edisp", "MATRIX", lambda x: _set(x, np.s_[..., x.shape[-1] // 2], 0)),
           "is zero", "edisp"),
    Damage("edisp 15 % too large", _column("edisp", "MATRIX", lambda x: x * 1.15), "integrates",
           "edisp", severity="warning"),
    Damage("psf 15 % too large", _column("psf", "RPSF", lambda x: x * 1.15), "integrates", "psf"),
    Damage("edisp: MIGRA twice as large", _migrated(2.0), "MIGRA", "edisp"),
    Damage("edisp: MIGRA shifted by 30 bins",
           _column("edisp", "MATRIX", lambda x: np.roll(x, 30, axis=2)), "MIGRA", "edisp"),
    *(Damage(f"{kind}: THETA in {unit}", _unit(kind, "THETA_LO THETA_HI", unit), "THETA",
             kind)
      for kind in ("aeff", "edisp", "psf") for unit in ("rad", "arcmin")),
    Damage("edisp: offsets of a third of the area's", lambda a, run, _: a.hdu(
        run, "edisp", lambda hdu: [hdu.data[name].__imul__(1 / 3) for name in (
            "THETA_LO", "THETA_HI")]), "that of the effective area", "edisp"),
    *(Damage(f"{kind}: ENERG in erg", _unit(kind, "ENERG_LO ENERG_HI", "erg"), "ENERG", kind)
      for kind in ("edisp", "psf")),
    Damage("aeff: ENERG in erg", _unit("aeff", "ENERG_LO ENERG_HI", "erg"), "'erg'", "aeff"),
    Damage("edisp: ENERG in GeV", _unit("edisp", "ENERG_LO ENERG_HI", "GeV"),
           "that of the effective area", "edisp"),
    Damage("edisp: ENERG begins at twice the energy of the area", _cut_dispersion,
           "of the counts of an E^-2 spectrum are at other energies", "edisp"),
    Damage("edisp: ENERG begins where the area is not zero", _cut_area_and_dispersion,
           "that of the effective area", "edisp", severity="warning"),
    Damage("aeff: an offset is nothing", _column("aeff", "EFFAREA",
           lambda x: _set(x, np.s_[:, 1], 0)), "is zero", "aeff"),
    Damage("aeff: the inner offsets are nothing", _column("aeff", "EFFAREA",
           lambda x: _set(x, np.s_[:, :2], 0)), "is zero", "aeff"),
    Damage("aeff: an offset of twice the area", _column("aeff", "EFFAREA",
           lambda x: _set(x, np.s_[:, 1], 2 * x[:, 1])), "neighbouring offsets", "aeff"),
    Damage("aeff: an offset of a tenth of the area", _column("aeff", "EFFAREA",
           lambda x: _set(x, np.s_[:, 1], x[:, 1] / 10)), "at the offset", "aeff"),
    Damage("aeff: offsets reversed", _column("aeff", "EFFAREA", lambda x: x[:, ::-1].copy()),
           "reversed", "aeff"),
    Damage("aeff: the upper energies are nothing", _column("aeff", "EFFAREA",
           lambda x: _set(x, np.s_[..., x.shape[-1] // 2 :], 0)), "zero above", "aeff"),
    Damage("bkg: eight times as large", _column("bkg", "BKG", lambda x: x * 8), "predicts", "bkg"),
    Damage("bkg: half of the camera is nothing", _column("bkg", "BKG",
           lambda x: _set(x, np.s_[:, :, x.shape[2] // 2 :], 0)), "half", "bkg"),
    Damage("bkg: a quarter of the camera is nothing", _column("bkg", "BKG", lambda x: _set(
        x, np.s_[:, x.shape[1] // 2 :, x.shape[2] // 2 :], 0)), "half", "bkg"),
    Damage("aeff in cm2", _unit("aeff", "EFFAREA", "cm2"), "'cm2'", "aeff"),
    Damage("aeff in TeV", _unit("aeff", "EFFAREA", "TeV"), "unit 'TeV'", "aeff"),
    Damage("bkg per TeV", _unit("bkg", "BKG", "TeV-1 s-1 sr-1"), "predicts", "bkg"),
    Damage("an axis that falls", _column("aeff", "ENERG_LO", lambda x: x[:, ::-1].copy()),
           "not strictly increasing", "aeff"),
]  # fmt: skip
INDEXES = [
    Damage("another run's events", _hdu_row("FILE_NAME", _file_of), "also assigns", "events",
           both_runs=True),
    Damage("another run's area", _hdu_row("FILE_NAME", _file_of, "aeff"), "also assigns", "aeff",
           both_runs=True),
    Damage("events row twice", _index_rows("hdu", _doubled), "2 rows", "events"),
    Damage("no GTI row", _index_rows("hdu", lambda t, run: t[
        ~((t["OBS_ID"] == run) & (np.char.strip(t["HDU_TYPE"]) == "gti"))]), "no gti",
        file=False),
    Damage("no rows", _index_rows("hdu", lambda t, run: t[t["OBS_ID"] != run]), "no rows",
           file=False),
    Damage("run twice", _index_rows("obs", _doubled), "more than once", file=False),
    Damage("..", _hdu_row("FILE_DIR", lambda *_: "../data"), "outside", "events"),
    Damage("an absolute path", _hdu_row("FILE_DIR", lambda *_: "/etc"), "outside", "events"),
    Damage("a variable", _hdu_row("FILE_DIR", lambda *_: "$HOME"), "variable", "events"),
    Damage("~", _hdu_row("FILE_DIR", lambda *_: "~"), "not expanded", "events"),
    Damage("a link that leaves", _link_out, "link", "events"),
    Damage("another pointing", _obs_cell("DEC_PNT", 0.2), "pointing", "events"),
    Damage("another DEADC", _obs_cell("DEADC", -0.1), "DEADC", "events"),
    Damage("another start", _obs_cell("TSTART", 500.0), "TSTART", "events"),
    Damage("a wrong name", _hdu_row("HDU_NAME", lambda *_: "AREA", "aeff"), "missing"),
]  # fmt: skip
DAMAGES = [*FILES, *HDUS, *EVENTS, *TIMES, *IRFS, *INDEXES]
