"""Fields for regions of the sky and mask maps.

Importing `regions` takes a second, so region objects are built on demand, not when a component is
built.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FieldError, FileError, Problem, format_value
from skyred.fields.canonical import exact_key
from skyred.fields.mask_maps import outside_mask, read_mask
from skyred.fields.options import Location
from skyred.fields.region_checks import check_area, check_coverage, check_region
from skyred.fields.spec import FieldSpec, declare
from skyred.inspection.file_checks import check_regular_file

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom, WcsNDMap
    from regions import Region


@attrs.frozen
class Regions:
    """Regions of the sky: DS9 regions, or files with regions or masks.

    Parameters
    ----------
    sources : tuple of str
        DS9 regions such as ``icrs; circle(83.63, 22.14, 0.2)``, and `Location` objects for
        ``.reg`` files and FITS mask maps.
    """

    sources: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Location, ...]:
        """The sources that are files."""
        return tuple(source for source in self.sources if isinstance(source, Location))

    @property
    def masks(self) -> tuple[Location, ...]:
        """The sources that are FITS files with mask maps."""
        return tuple(name for name in self.files if not name.lower().endswith(".reg"))

    def build(self) -> list[Region]:
        """Build the regions of all DS9 strings and region files.

        Returns
        -------
        list of Region
            The regions, without mask maps.

        Raises
        ------
        FieldError
            If a source contains no valid region.
        """
        return [region for _, region in self.build_by_source()]

    def build_by_source(self) -> list[tuple[str, Region]]:
        """Build the regions, each with the DS9 string or region file that it comes from.

        Returns
        -------
        list of tuple of str and Region
            The sources and regions, without mask maps.

        Raises
        ------
        FieldError
            If a source contains no valid region.
        """
        return [
            (str(source), region)
            for source in self.sources
            for region in _build(source, self.masks)
        ]

    def outside(self, geom: WcsGeom) -> WcsNDMap:
        """Return the map that is True outside all regions and mask maps.

        A mask map with an energy axis is evaluated at the energies of the map. On a map without
        energies, or with a single bin, a pixel is excluded if it is excluded at any energy.

        Parameters
        ----------
        geom : WcsGeom
            The geometry of the map.

        Returns
        -------
        WcsNDMap
            The map of booleans; True also outside the area that a mask map covers.

        Raises
        ------
        FieldError
            If a source contains no valid region, or a region has no area, or is too small to
            contain a pixel centre.
        FileError
            If a mask map is damaged, or contains code that gammapy would run.
        """
        from gammapy.maps import Map

        image = geom.to_image()
        mask = np.ones(geom.data_shape, dtype=bool)
        if region_list := self.build():
            check_coverage(self, image.wcs)
            mask &= image.region_mask(region_list, inside=False).data
        for location in self.masks:
            mask &= outside_mask(read_mask(location), geom)
        return Map.from_geom(geom, data=mask)

    def problems(self, name: str, geom: WcsGeom | None = None) -> Iterable[Problem]:
        """Yield a problem if a region or mask map cannot be read, or has no effect.

        For use in `check`, because gammapy skips regions that it cannot parse, with only a warning.

        Parameters
        ----------
        name : str
            The name of the option with the regions.
        geom : WcsGeom, optional
            The geometry of a map. Each region must cover one of its pixels; without a map, each
            region must have an area.

        Yields
        ------
        Problem
            At most one.
        """
        try:
            for source, region in self.build_by_source():
                check_area(region, source)
            if geom is not None:
                check_coverage(self, geom.wcs)
            for location in self.masks:
                read_mask(location)
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
    content = source
    if isinstance(source, Location):
        check_regular_file(source.path())
        content = source.path().read_text(encoding="utf-8")
    try:
        with warnings.catch_warnings():
            # the parser skips unknown regions with a warning, so an exclusion would be ignored
            warnings.simplefilter("error")
            regions = list(RegionList.parse(content, format="ds9"))
    except Exception as error:  # the parser may raise anything
        reason = str(error).removesuffix(".").removesuffix(", skipping")
        raise FieldError(f"{str(source)!r} is not a DS9 region: {reason}", _EXPECTED) from None
    if not regions:
        raise FieldError(f"{str(source)!r} contains no regions", _EXPECTED)
    for region in regions:
        check_region(region, str(source))
    return regions


_EXPECTED = (
    "expected a DS9 region such as 'icrs; circle(83.63, 22.14, 0.2)', or a .reg or FITS file"
)
_EXCLUSION = (
    "Exclusion regions around sources: DS9 regions, .reg files, or FITS mask maps (0 where "
    "excluded; positions outside a mask map are not excluded; a mask map may have an energy axis)."
)
_FILES = (".reg", ".fits", ".fits.gz", ".fit")


def exclusion() -> Any:
    """Declare exclusion regions around sources, stored as `Regions`; none by default.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    return regions((), doc=_EXCLUSION)


def regions(default: Any = (), *, doc: str) -> Any:
    """Declare regions, stored as `Regions`.

    Values are DS9 strings, ``.reg`` files, mask maps and region objects, or a list of them.

    Parameters
    ----------
    default : sequence
        The default, no regions by default.
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
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
        raise FieldError(f"invalid value {format_value(value)}", _EXPECTED) from None


def _source(item: Any) -> str:
    if hasattr(item, "serialize"):  # a region object of the regions package
        try:
            lines = str(item.serialize(format="ds9", precision=12)).split("\n")
        except (ValueError, KeyError) as error:  # a compound region, or an unknown frame
            reason = f"DS9 has no frame {error}" if isinstance(error, KeyError) else error
            raise FieldError(
                f"{format_value(item)} cannot be written as a DS9 region: {reason}", _EXPECTED
            ) from None
        return "; ".join(line for line in lines if line and not line.startswith(("#", "global")))
    if isinstance(item, Location) or hasattr(item, "__fspath__"):
        return Location(item)
    if not isinstance(item, str) or not item.strip():
        raise FieldError(f"{format_value(item)} is not a region", _EXPECTED)
    source = " ".join(item.split())
    if source.lower().endswith(_FILES):
        return Location(source)
    if "(" not in source:
        raise FieldError(f"{source!r} is neither a region nor a region file", _EXPECTED)
    return source
