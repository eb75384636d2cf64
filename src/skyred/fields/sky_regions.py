"""Regions of the sky, as they were written; and the maps that are True outside them.

Importing `regions` takes a second, so region objects are built on demand: building a component
does not.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FieldError, FileError, Problem
from skyred.fields.canonical import exact_key
from skyred.fields.options import Location
from skyred.fields.spec import FieldSpec, declare
from skyred.inspection.map_headers import check_fits_file

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom, WcsNDMap
    from regions import Region


@attrs.frozen
class Regions:
    """Regions of the sky, as they were written: DS9 texts, or files that hold regions or masks.

    Parameters
    ----------
    sources : tuple of str
        Region texts such as ``icrs; circle(83.63, 22.14, 0.2)``, and `Location` of ``.reg`` files
        or of FITS mask maps.
    """

    sources: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Location, ...]:
        """The files among them."""
        return tuple(source for source in self.sources if isinstance(source, Location))

    @property
    def masks(self) -> tuple[Location, ...]:
        """The files that hold mask maps (FITS)."""
        return tuple(name for name in self.files if not name.lower().endswith(".reg"))

    def build(self) -> list[Region]:
        """Give the regions of all texts and region files; raises `FieldError` if one holds none."""
        return [region for source in self.sources for region in _build(source, self.masks)]

    def outside(self, geom: WcsGeom) -> WcsNDMap:
        """Give the map that is True outside all of them, on a geometry.

        What a mask map does not cover is outside.

        Raises
        ------
        FieldError
            If a source holds no region.
        FileError
            If a mask map is damaged, or would run code if it were read.
        """
        from gammapy.maps import Map

        image = geom.to_image()
        outside = np.ones(image.data_shape, dtype=bool)
        if inside := self.build():
            outside &= image.region_mask(inside, inside=False).data
        for place in self.masks:
            outside &= _mask_map(place).interp_to_geom(image, fill_value=1).data.astype(bool)
        return Map.from_geom(geom, data=np.broadcast_to(outside, geom.data_shape).copy())

    def problems(self, name: str) -> Iterable[Problem]:
        """Name what cannot be read among them, as a problem of the option that holds them.

        For `check`: gammapy takes regions that it cannot read for none at all.
        """
        try:
            self.build()
            for place in self.masks:
                _mask_map(place)
        except FieldError as error:
            yield error.problem.with_prefix(name)
        except (OSError, ValueError, FileError) as error:
            yield Problem((name,), f"cannot be read: {error}", "expected regions or a map")

    def __bool__(self) -> bool:
        return bool(self.sources)


def _build(source: str, masks: tuple[Location, ...]) -> list[Region]:
    from regions import Regions as RegionList

    if source in masks:
        return []
    text = source
    if isinstance(source, Location):
        text = source.path().read_text(encoding="utf-8")
    try:
        with warnings.catch_warnings():
            # the parser skips what it does not know, with a warning: an exclusion would be lost
            warnings.simplefilter("error")
            found = list(RegionList.parse(text, format="ds9"))
    except Exception as error:  # the parser raises whatever its parts raise
        raise FieldError(f"{str(source)!r} is no DS9 region: {error}", _REGION) from None
    if not found:
        raise FieldError(f"{str(source)!r} holds no region at all", _REGION)
    return found


_REGION = "expected a DS9 region such as 'icrs; circle(83.63, 22.14, 0.2)', or a .reg or FITS file"
_EXCLUSION = (
    "Where sources are: DS9 regions, .reg files, or FITS mask maps (0 where excluded; "
    "what a mask map does not cover is not excluded)."
)
_FILES = (".reg", ".fits", ".fits.gz", ".fit")


def exclusion() -> Any:
    """Declare where sources are: `Regions`, none by default."""
    return regions((), doc=_EXCLUSION)


def regions(default: Any = (), *, doc: str) -> Any:
    """Declare regions, held as `Regions`: DS9 texts, ``.reg`` files, mask maps, region objects."""
    spec = FieldSpec(
        type_name="regions of the sky",
        doc=doc,
        parse=_parse_regions,
        key=lambda value: exact_key(value.sources),
        plain=lambda value: [str(source) for source in value.sources],
    )
    return declare(spec, default)


def _parse_regions(value: Any) -> Regions:
    if isinstance(value, Regions):
        return value
    items = [value] if isinstance(value, (str, Location)) or hasattr(value, "serialize") else value
    try:
        return Regions(tuple(_source(item) for item in items))
    except TypeError:
        raise FieldError(f"is {value!r}", _REGION) from None


def _source(item: Any) -> str:
    if hasattr(item, "serialize"):  # a region object of the regions package
        lines = str(item.serialize(format="ds9", precision=12)).split("\n")
        return "; ".join(line for line in lines if line and not line.startswith(("#", "global")))
    if isinstance(item, Location) or hasattr(item, "__fspath__"):
        return Location(item)
    if not isinstance(item, str) or not item.strip():
        raise FieldError(f"{item!r} is no region", _REGION)
    text = " ".join(item.split())
    if text.lower().endswith(_FILES):
        return Location(text)
    if "(" not in text:
        raise FieldError(f"{text!r} is neither a region nor a region file", _REGION)
    return text


def _mask_map(place: Location) -> WcsNDMap:
    """Read a mask map, or take it as it was read for another run if the file is the same still."""
    state = place.path().stat()
    return _read_mask(place.path(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _read_mask(path: Path, changed: int, size: int) -> WcsNDMap:
    from gammapy.maps import Map

    check_fits_file(path)
    mask = Map.read(path)
    if not mask.geom.is_image:
        mask = mask.reduce_over_axes()
    mask.data = mask.data.astype(bool)
    return mask
