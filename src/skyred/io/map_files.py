"""Maps in FITS files: the bytes that gammapy writes, encoded many times as fast.

gammapy and astropy spend most of the time on the tables of the axes, and on the verification of
headers. Maps without a fast encoding, such as maps of regions, are encoded by gammapy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.io.fits_encoding import (
    CARD_SIZE,
    encode_extension,
    encode_hdu,
    encode_with_astropy,
    format_card,
    write_hdus,
)
from skyred.io.table_encoding import encode_columns, format_unit

if TYPE_CHECKING:
    from gammapy.maps import Map, MapAxis, WcsGeom
    from numpy.typing import NDArray

# other names, such as "ENERGY", have columns that differ from the header of gammapy
AXIS_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
BITPIX = {"i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}


def write_map(path: Path, sky_map: Map) -> None:
    """Write a map, as `Map.write` does; an existing file is replaced.

    Parameters
    ----------
    path : Path
        The FITS file.
    sky_map : gammapy.maps.Map
        The map.
    """
    is_supported = _is_supported(sky_map)
    write_hdus(
        path, encode_map(sky_map) if is_supported else encode_with_astropy(sky_map.to_hdulist())
    )


def write_maps(path: Path, maps: Mapping[str, Map]) -> None:
    """Write maps, as `Maps.write` does; an existing file is replaced.

    Parameters
    ----------
    path : Path
        The FITS file.
    maps : mapping of str to Map
        The maps by name.
    """
    from astropy.io import fits

    primary = encode_with_astropy([fits.PrimaryHDU()])
    write_hdus(path, chain(primary, encode_maps(maps, "BANDS")))


def encode_maps(maps: Mapping[str, Map], hdu_bands: str | None = None) -> Iterator[bytes]:
    """Encode maps as extensions.

    Parameters
    ----------
    maps : mapping of str to Map
        The maps by name.
    hdu_bands : str, optional
        The name of the tables of the axes; by default the name of the map with ``_BANDS``.

    Yields
    ------
    bytes
        Each HDU.
    """
    for name, sky_map in maps.items():
        yield from encode_map(sky_map, name, hdu_bands)


def encode_map(
    sky_map: Map,
    name: str = "PRIMARY",
    hdu_bands: str | None = None,
    cards: Sequence[str] = (),
    map_cards: Sequence[str] = (),
    checksum: bool = False,
) -> Iterator[bytes]:
    """Encode a map and the table of its axes.

    Parameters
    ----------
    sky_map : gammapy.maps.Map
        The map.
    name : str
        The name of the HDU with the map.
    hdu_bands : str, optional
        The name of the HDU with the table of the axes; by default that of the map with ``_BANDS``.
    cards : sequence of str
        Further cards of both headers.
    map_cards : sequence of str
        Further cards of the header of the map.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Yields
    ------
    bytes
        The HDU of the map, and that of the table if the map has axes.
    """
    name = name.upper()
    hdu_bands = (hdu_bands or f"{name}_BANDS").upper()
    if not _is_supported(sky_map):
        map_hdu, *tables = sky_map.to_hdulist(hdu=name, hdu_bands=hdu_bands)[1:]
        yield encode_extension(map_hdu, [*cards, *map_cards], checksum)
        yield from (encode_extension(table, cards, checksum) for table in tables)
        return
    data = sky_map.data.astype(int) if sky_map.is_mask else sky_map.data
    axes = list(sky_map.geom.axes)
    header = [
        *_format_image_structure(data, name == "PRIMARY", bool(axes)),
        *_format_geom(sky_map.geom),
        *([format_card("BANDSHDU", hdu_bands)] if axes else []),
        *([] if name == "PRIMARY" else [format_card("EXTNAME", name, "extension name")]),
        format_card("META", _format_meta(sky_map.meta)),
        format_card("BUNIT", str(format_unit(sky_map.unit))),
        *cards,
        *map_cards,
    ]
    yield encode_hdu(header, _to_big_endian(data), checksum)
    if axes:
        extension = format_card("EXTNAME", hdu_bands, "extension name")
        table_cards = [*_format_axes(axes), extension, *cards]
        yield encode_columns(_create_columns(axes), _format_units(axes), table_cards, checksum)


def _is_supported(sky_map: Map) -> bool:
    """Return whether the fast encoding supports a map."""
    from gammapy.maps import WcsGeom, WcsNDMap

    if type(sky_map) is not WcsNDMap or type(sky_map.geom) is not WcsGeom:
        return False
    geom, data = sky_map.geom, sky_map.data
    return bool(
        _axes_are_supported(geom.axes)
        and geom.is_regular
        and not geom.wcs.has_distortion
        and type(data) is np.ndarray
        and data.size
        and data.shape == geom.data_shape
        and (sky_map.is_mask or data.dtype.str[1:] in BITPIX)
        and format_unit(sky_map.unit) is not None
    )


def _axes_are_supported(axes: Sequence[MapAxis]) -> bool:
    from gammapy.maps import MapAxis

    if not all(type(axis) is MapAxis and AXIS_NAME.fullmatch(axis.name) for axis in axes):
        return False
    names = ["CHANNEL", *chain.from_iterable(_column_names(axis) for axis in axes)]
    return len(set(names)) == len(names) and all(
        axis.node_type in ("edges", "center")
        and axis.edges.dtype == np.float64
        and format_unit(axis.unit)
        for axis in axes
    )


def _format_image_structure(data: NDArray[Any], is_primary: bool, extend: bool) -> list[str]:
    sizes = [format_card(f"NAXIS{n}", size) for n, size in enumerate(data.shape[::-1], start=1)]
    cards = [
        format_card("BITPIX", BITPIX[data.dtype.str[1:]], "array data type"),
        format_card("NAXIS", data.ndim, "number of array dimensions"),
        *sizes,
    ]
    if is_primary:
        start = format_card("SIMPLE", True, "conforms to FITS standard")
        return [start, *cards, *([format_card("EXTEND", True)] if extend else [])]
    return [
        format_card("XTENSION", "IMAGE", "Image extension"),
        *cards,
        format_card("PCOUNT", 0, "number of parameters"),
        format_card("GCOUNT", 1, "number of groups"),
    ]


def _format_geom(geom: WcsGeom) -> list[str]:
    from astropy.wcs import WCSHDO_P14, WCSHDO_safe

    header = geom.wcs.wcs.to_header(relax=WCSHDO_safe | WCSHDO_P14)  # as `WCS.to_header`
    cards = [header[start : start + CARD_SIZE] for start in range(0, len(header), CARD_SIZE)]
    shape = ",".join(str(size) for size in geom.data_shape[::-1])
    return [
        *(card for card in cards if card.strip() and not card.startswith("COMMENT")),
        *_format_axes(geom.axes),
        format_card("WCSSHAPE", f"({shape})"),
    ]


def _format_axes(axes: Iterable[MapAxis]) -> list[str]:
    cards = []
    for number, axis in enumerate(axes, start=1):
        names = _column_names(axis)
        columns = names[0] if axis.node_type == "center" else ",".join(names[1:])
        cards.append(format_card(f"AXCOLS{number}", columns))
        cards.append(format_card(f"INTERP{number}", axis.interp))
    return cards


def _column_names(axis: MapAxis) -> tuple[str, str, str]:
    """Return the names of the columns with centres, lower and upper edges of an axis."""
    name = axis.name.upper()
    return (name, "E_MIN", "E_MAX") if name == "ENERGY" else (name, f"{name}_MIN", f"{name}_MAX")


def _create_columns(axes: Sequence[MapAxis]) -> dict[str, NDArray[Any]]:
    """Return the columns of the table of axes, with one row for each bin."""
    grids = [
        np.meshgrid(*(getattr(axis, name).value for axis in axes))
        for name in ("center", "edges_min", "edges_max")
    ]
    columns = {"CHANNEL": np.arange(grids[0][0].size)}
    for axis, *values in zip(axes, *grids, strict=True):
        columns |= zip(_column_names(axis), map(np.ravel, values), strict=True)
    return columns


def _format_units(axes: Sequence[MapAxis]) -> dict[str, str]:
    return {name: str(format_unit(axis.unit)) for axis in axes for name in _column_names(axis)}


def _format_meta(meta: Mapping[str, Any]) -> str:
    from gammapy.utils.types import JsonQuantityEncoder

    return json.dumps(meta, cls=JsonQuantityEncoder)


def _to_big_endian(data: NDArray[Any]) -> bytes:
    return data.astype(data.dtype.newbyteorder(">")).tobytes()
