"""Variants of DL3 archives, as other instruments and tools write them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from fault_injection.archive_damage import Archive, find_hdu

Apply = Callable[[Archive], object]
# cards that describe the columns and the size of a table
LAYOUT = (
    "TTYPE", "TFORM", "TUNIT", "TDISP", "TDIM", "TNULL", "TSCAL", "TZERO", "NAXIS", "PCOUNT",
    "GCOUNT", "TFIELDS", "BITPIX", "XTENSION", "EXTNAME",
)  # fmt: skip
OPTIONAL_CARDS = (
    "TELESCOP", "INSTRUME", "OBJECT", "RA_OBJ", "DEC_OBJ", "DATE-OBS", "TIME-OBS", "DATE-END",
    "TIME-END", "CREATOR", "EQUINOX", "RADECSYS", "ORIGIN", "OBSERVER", "EV_CLASS", "ALT_PNT",
    "AZ_PNT", "HDUDOC", "HDUVERS", "HDUCLASS", "TELLIST", "N_TELS", "OBS_MODE", "TIMEREF",
)  # fmt: skip
TIMES = ("events", "gti")


def change_runs(change: Callable[[Any], object]) -> Apply:
    """Return a function that changes the HDUs of all runs."""
    return lambda archive: [archive.change_hdus(run, change) for run in archive.runs]


def set_cards(hdu_types: Iterable[str], **cards: Any) -> Apply:
    """Return a function that sets header cards, or removes those that are None."""

    def change(hdus: fits.HDUList) -> None:
        for hdu_type in hdu_types:
            header = find_hdu(hdus, hdu_type).header
            for key, value in cards.items():
                if value is None:
                    header.remove(key, ignore_missing=True)
                else:
                    header[key] = value(header[key]) if callable(value) else value

    return change_runs(change)


def columns_of(hdu: Any) -> list[fits.Column]:
    return [
        fits.Column(c.name, c.format, unit=c.unit, array=hdu.data[c.name], dim=c.dim)
        for c in hdu.columns
    ]


def replace_columns(hdus: fits.HDUList, hdu_type: str, columns: list[fits.Column]) -> None:
    """Replace the table of an HDU, and keep the other cards of its header."""
    hdu = find_hdu(hdus, hdu_type)
    table = fits.BinTableHDU.from_columns(columns, name=hdu.name)
    for card in hdu.header.cards:
        if card.keyword and not card.keyword.startswith((*LAYOUT, "COMMENT", "HISTORY")):
            table.header[card.keyword] = card.value
    hdus[hdus.index(hdu)] = table


def change_column(
    hdu_type: str,
    name: str,
    *,
    fits_format: str = "",
    unit: str | None = None,
    scale: float = 1,
    new_name: str = "",
) -> Apply:
    """Return a function that changes the type, unit and name of a column, and scales its values."""

    def change(hdus: fits.HDUList) -> None:
        columns = columns_of(find_hdu(hdus, hdu_type))
        index = [column.name for column in columns].index(name)
        old = columns[index]
        columns[index] = fits.Column(
            new_name or name,
            fits_format or old.format,
            unit=old.unit if unit is None else unit,
            array=np.asarray(old.array) * scale if scale != 1 else old.array,
            dim=old.dim,
        )
        replace_columns(hdus, hdu_type, columns)

    return change_runs(change)


def convert_times(unit: str) -> Apply:
    """Store the times of the columns and cards in a unit; those of the index remain in seconds."""
    scale = u.s.to(unit)

    def apply(archive: Archive) -> None:
        for hdu_type, names in {"events": ("TIME",), "gti": ("START", "STOP")}.items():
            for name in names:
                change_column(hdu_type, name, unit=unit, scale=scale, fits_format="D")(archive)
            set_cards((hdu_type,), TIMEUNIT=unit)(archive)
        set_cards(TIMES, **{key: lambda value: value * scale for key in ("TSTART", "TSTOP")})(
            archive
        )

    return apply


def reverse_columns(hdu_type: str) -> Apply:
    return change_runs(
        lambda hdus: replace_columns(hdus, hdu_type, columns_of(find_hdu(hdus, hdu_type))[::-1])
    )


def add_columns(hdus: fits.HDUList) -> None:
    """Add event columns of all types."""
    events = find_hdu(hdus, "events")
    n_events = len(events.data)
    lists = [np.ones(i % 3 + 1, "f4") for i in range(n_events)]
    columns = [
        fits.Column("TELMASK", "12X", array=np.ones((n_events, 12), bool)),
        fits.Column("NAME", "A7", array=np.array(["a"] * n_events)),
        fits.Column("FLAG", "L", array=np.ones(n_events, bool)),
        fits.Column("VECTOR", "3E", array=np.ones((n_events, 3))),
        fits.Column("LISTS", "PE()", array=np.array(lists, dtype=object)),
        fits.Column("MULTIP", "I", null=-1, array=np.full(n_events, -1)),
        fits.Column("UNSIGNED", "I", bzero=32768, array=np.ones(n_events, "u2")),
        fits.Column("COMPLEX", "C", array=np.ones(n_events, "c8")),
    ]
    replace_columns(hdus, "events", columns_of(events) + columns)


def add_hdus(hdus: fits.HDUList) -> None:
    """Add images, compressed and without names, and other tables."""
    image = np.arange(400, dtype="f4").reshape(20, 20)
    hdus.insert(1, fits.ImageHDU(image, name="PREVIEW"))
    hdus += [fits.CompImageHDU(image, name="SKY"), fits.ImageHDU(image), fits.ImageHDU(image)]
    hdus += [fits.BinTableHDU(Table({"A": [1, 2]}), name=name) for name in ("POINTING", "TEL_1")]


def rename_hdus(archive: Archive, rename: Callable[[str], str]) -> None:
    """Rename the events and the good time intervals, in the files and in the index."""

    def change(hdus: fits.HDUList) -> None:
        for hdu_type in TIMES:
            hdu = find_hdu(hdus, hdu_type)
            hdu.header["EXTNAME"] = rename(hdu.name)

    def change_index(table: Table) -> Table:
        names = [str(name).strip() for name in table["HDU_NAME"]]
        table["HDU_NAME"] = [rename(n) if n in ("EVENTS", "GTI") else n for n in names]
        return table

    change_runs(change)(archive)
    archive.change_index("hdu", change_index)


def change_text(*names: str, change: Callable[[str], str]) -> Apply:
    """Return a function that changes text columns of the HDU index."""

    def change_index(table: Table) -> Table:
        for name in names:
            table[name] = [change(str(value).strip()) for value in table[name]]
        return table

    return lambda archive: archive.change_index("hdu", change_index)


def set_column(index: str, name: str, values: Callable[[Table], Any]) -> Apply:
    """Return a function that sets a column of an index."""

    def change_index(table: Table) -> Table:
        table[name] = values(table)
        return table

    return lambda archive: archive.change_index(index, change_index)


def add_row_of_unknown_type(archive: Archive) -> None:
    """Add a row of a type that gammapy does not read, for an HDU that is not in the file."""

    def change_index(table: Table) -> Table:
        row = {name: table[0][name] for name in table.colnames}
        table.add_row({**row, "HDU_TYPE": "dl2", "HDU_CLASS": "dl2", "HDU_NAME": "DL2"})
        return table

    archive.change_index("hdu", change_index)


def mask_columns(table: Table) -> Table:
    table = Table(table, masked=True)
    for name in ("ZEN_PNT", "OBJECT", "N_TELS", "ONTIME", "LIVETIME", "EVENT_COUNT"):
        if name in table.colnames:
            table[name].mask[:] = True
    return table


def set_large_id(archive: Archive) -> None:
    """Set an identifier with more digits than a float can represent."""
    obs_id = 20_240_101_000_000_123
    set_cards(("events", "gti"), OBS_ID=obs_id)(archive)
    change_runs(
        lambda hdus: [
            hdu.header.update(OBS_ID=obs_id) for hdu in hdus[1:] if "OBS_ID" in hdu.header
        ]
    )(archive)
    for index in ("hdu", "obs"):
        set_column(index, "OBS_ID", lambda table: np.full(len(table), obs_id))(archive)


def store_ids_as_text(archive: Archive) -> None:
    for index in ("hdu", "obs"):
        set_column(index, "OBS_ID", lambda table: [str(obs_id) for obs_id in table["OBS_ID"]])(
            archive
        )


def decompress(archive: Archive) -> None:
    """Replace all files with uncompressed ones, without .gz in their names."""
    change_text("FILE_NAME", change=lambda name: name.removesuffix(".gz"))(archive)
    for path in list(archive.folder.rglob("*.fits.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()


def decompress_under_same_name(archive: Archive) -> None:
    for path in archive.folder.glob("data/*.fits.gz"):
        path.write_bytes(gzip.decompress(path.read_bytes()))


def split_files(archive: Archive) -> None:
    """Store the events, the good time intervals and the IRFs in separate files."""
    parts = {"events": ("EVENTS",), "gti": ("GTI",)}
    for run in archive.runs:
        path = archive.path(run)
        with fits.open(path) as hdus:
            hdus.readall()
            names = [hdu.name for hdu in hdus[1:]]
            parts["irf"] = tuple(name for name in names if name not in ("EVENTS", "GTI"))
            for part, part_names in parts.items():
                copies = [hdus[name].copy() for name in part_names]
                for hdu in copies:  # astropy would keep the checksums of the original headers
                    hdu.header.remove("CHECKSUM", ignore_missing=True)
                fits.HDUList([fits.PrimaryHDU(), *copies]).writeto(
                    archive.folder / "data" / f"{part}_{run}.fits"
                )
        path.unlink()

    def change_index(table: Table) -> Table:
        hdu_types = [str(hdu_type).strip() for hdu_type in table["HDU_TYPE"]]
        table["FILE_NAME"] = [
            f"{hdu_type if hdu_type in TIMES else 'irf'}_{run}.fits"
            for hdu_type, run in zip(hdu_types, table["OBS_ID"], strict=True)
        ]
        return table

    archive.change_index("hdu", change_index)


def empty_table(hdu_type: str) -> Apply:
    def change(hdus: fits.HDUList) -> None:
        columns = columns_of(find_hdu(hdus, hdu_type))
        replace_columns(
            hdus, hdu_type, [fits.Column(c.name, c.format, unit=c.unit) for c in columns]
        )

    return change_runs(change)


VALID_VARIANTS: dict[str, Apply] = {
    "only the required cards": set_cards(("events",), **dict.fromkeys(OPTIONAL_CARDS)),
    "no class cards": change_runs(
        lambda hdus: [
            hdu.header.remove(key, ignore_missing=True)
            for hdu in hdus[1:]
            for key in ("HDUCLASS", "HDUDOC", "HDUVERS", "HDUCLAS3")
        ]
    ),
    "TIMESYS in lower case": set_cards(TIMES, TIMESYS="tt"),
    "TIMESYS is UTC": set_cards(TIMES, TIMESYS="UTC"),
    "no TIMESYS": set_cards(TIMES, TIMESYS=None),
    "TIMEUNIT with blanks": set_cards(TIMES, TIMEUNIT=" s "),
    "TIMEUNIT is second": set_cards(TIMES, TIMEUNIT="second"),
    "times in days": convert_times("d"),
    "times in minutes": convert_times("min"),
    "no TIMEUNIT": set_cards(TIMES, TIMEUNIT=None),
    "MJDREFI as float": set_cards(TIMES, MJDREFI=float),
    "MJDREFI as text": set_cards(TIMES, MJDREFI=str),
    "RA_PNT as text": set_cards(("events",), RA_PNT=str),
    "OBS_ID as text": set_cards(("events",), OBS_ID=str),
    "TELESCOP is blank": set_cards(("events",), TELESCOP=""),
    "OBS_MODE is WOBBLE": set_cards(("events",), OBS_MODE="WOBBLE"),
    **{f"columns of {hdu_type} reversed": reverse_columns(hdu_type)
       for hdu_type in ("events", "gti", "aeff", "edisp", "psf", "bkg")},
    "ENERGY in GeV": change_column("events", "ENERGY", unit="GeV", scale=1e3),
    "ENERGY in double": change_column("events", "ENERGY", fits_format="D"),
    "RA in rad": change_column("events", "RA", unit="rad", scale=np.pi / 180, fits_format="D"),
    "EVENT_ID in 32 bits": change_column("events", "EVENT_ID", fits_format="J"),
    "TIME without unit": change_column("events", "TIME", unit=""),
    "effective area in cm2": change_column("aeff", "EFFAREA", unit="cm2", scale=1e4),
    "effective area in m**2": change_column("aeff", "EFFAREA", unit="m**2"),
    "energy axis in GeV": lambda archive: [
        change_column("aeff", name, unit="GeV", scale=1e3)(archive)
        for name in ("ENERG_LO", "ENERG_HI")
    ],
    "more columns": change_runs(add_columns),
    "more HDUs": change_runs(add_hdus),
    "long card": set_cards(("events",), LONGCARD="x" * 300),
    "HDU names in lower case": lambda archive: rename_hdus(archive, str.lower),
    "other HDU names": lambda archive: rename_hdus(archive, lambda name: f"{name}_V2"),
    "index with blanks": change_text("HDU_TYPE", "HDU_CLASS", "HDU_NAME", "FILE_NAME",
                                     change=lambda value: f"{value}   "),
    "index with other case": change_text("HDU_NAME", change=str.lower),
    "index with ./data/": change_text("FILE_DIR", change=lambda _: "./data/"),
    "unknown type": add_row_of_unknown_type,
    "index of identifiers": lambda archive: archive.change_index(
        "obs", lambda table: table[["OBS_ID"]]
    ),
    "masked columns": lambda archive: archive.change_index("obs", mask_columns),
    "index with vectors": set_column("obs", "TELS", lambda table: np.ones((len(table), 4))),
    "index in days": set_column("obs", "TSTART", lambda table: table["TSTART"].quantity.to("d")),
    "index in rad": set_column(
        "obs", "RA_PNT", lambda table: np.deg2rad(np.asarray(table["RA_PNT"])) * u.rad
    ),
    "large identifier": set_large_id,
    "identifiers as text": store_ids_as_text,
    "uncompressed": decompress,
    "uncompressed with the name of gzip": decompress_under_same_name,
    "separate files": split_files,
}  # fmt: skip

# functions, each with a part of the expected message
INVALID_VARIANTS: dict[str, tuple[Apply, str]] = {
    "MJDREF only": (
        set_cards(TIMES, MJDREFI=None, MJDREFF=None, MJDREF=51544.0),
        "has no time reference (MJDREFI, MJDREFF)",
    ),
    "no MJDREFF": (set_cards(TIMES, MJDREFF=None), "has no time reference (MJDREFF)"),
    "TIMEUNIT is S": (set_cards(TIMES, TIMEUNIT="S"), "TIMEUNIT is 'S'; expected a unit of time"),
    "no location": (
        set_cards(("events",), GEOLON=None, ALTITUDE=None),
        "no observatory location (GEOLON, ALTITUDE or GEOALT)",
    ),
    "tev": (change_column("events", "ENERGY", unit="tev"), "has the unit 'tev'"),
    "degree": (
        change_column("events", "RA", unit="degree"),
        "has the unit 'degree', which is not a FITS unit; expected a unit such as 'deg'",
    ),
    "column in lower case": (
        change_column("events", "ENERGY", new_name="energy"),
        "the column name 'energy' is not in upper case; expected 'ENERGY'",
    ),
    "ENERGY without unit": (change_column("events", "ENERGY", unit=""), "ENERGY has no unit"),
    "empty good time": (empty_table("gti"), "has no rows; expected at least one good time"),
    "energies that are not numbers": (
        change_column("events", "ENERGY", scale=float("nan")),
        "not finite",
    ),
    "two HDUs with the same name": (
        change_runs(lambda hdus: hdus.append(hdus["EVENTS"].copy())),
        "has the same name as an earlier HDU",
    ),
}


def read_index(folder: Path) -> tuple[Table, Table]:
    """Read the HDU index and the observation index of an archive, compressed or not."""
    tables = [Table.read(next(folder.glob(f"{name}-index.fits*"))) for name in ("hdu", "obs")]
    tables[0].meta["BASE_DIR"] = str(folder)
    return tables[0], tables[1]
