"""Events of a run from the inspected bytes, whose table is only created if it is used."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import EventList
from gammapy.maps import MapCoord

from skyred.likelihood.frames import rotation_between
from skyred.run.worker.gadf_tables import GadfTable
from skyred.run.worker.part_states import EventsState

if TYPE_CHECKING:
    from skyred.inspection.structure import StoredHdu
    from skyred.inspection.tables import Table


MARGIN = 1e-5  # of energies, for rounding of float32, also in a conversion of units


class InspectedEvents(EventList):  # type: ignore[misc]
    """An `EventList` that needs no astropy table to count its events.

    Creating the table takes longer than counting the events on a map.

    Parameters
    ----------
    table : astropy.table.Table
        The table. It is passed by gammapy for a selection of events.
    meta : object, optional
        The metadata.
    """

    _hdu: StoredHdu
    _columns: GadfTable
    _events: EventList | None
    state: EventsState | None = None  # once the table is created

    def __init__(self, table: Any, meta: Any = None) -> None:
        self._events = EventList(table, meta)

    @classmethod
    def read(cls, hdu: StoredHdu, table: Table | None) -> EventList:
        """Return the events of an HDU.

        Parameters
        ----------
        hdu : StoredHdu
            The HDU.
        table : Table, optional
            Its table, as read by the inspection.

        Returns
        -------
        gammapy.data.EventList
            The events.
        """
        columns = None if table is None else _read_plain_columns(table)
        if columns is None:
            return _read(hdu)
        events = cls.__new__(cls)
        events._hdu, events._columns, events._events = hdu, columns, None
        return events

    @property
    def table(self) -> Any:
        """The table of the events, as gammapy reads it."""
        return self._loaded.table

    @table.setter
    def table(self, table: Any) -> None:
        self._loaded.table = table

    @property
    def meta(self) -> Any:
        """The metadata of the events."""
        return self._loaded.meta

    @meta.setter
    def meta(self, meta: Any) -> None:
        self._loaded.meta = meta

    @property
    def _loaded(self) -> EventList:
        if self._events is None:
            self._events = _read(self._hdu)
            self.state = EventsState.read(self)
        return self._events

    @property
    def radec(self) -> SkyCoord:
        """The reconstructed positions in ICRS."""
        if self._events is not None:  # its table may have been changed
            return self._events.radec
        ra, dec = (self._columns[name].quantity for name in ("RA", "DEC"))
        return SkyCoord(ra, dec, unit="deg", frame="icrs")

    @property
    def pointing_radec(self) -> SkyCoord:
        """The pointing in ICRS."""
        if self._events is not None:
            return self._events.pointing_radec
        lon, lat = (self._columns.meta[key] for key in ("RA_PNT", "DEC_PNT"))
        return SkyCoord(lon, lat, unit="deg", frame="icrs")

    @property
    def energy(self) -> u.Quantity:
        """The reconstructed energies."""
        if self._events is not None:
            return self._events.energy
        return self._columns["ENERGY"].quantity

    def map_coord(self, geom: Any) -> MapCoord:
        """Return the coordinates of the events for a geometry.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry.

        Returns
        -------
        gammapy.maps.MapCoord
            The coordinates.
        """
        if self._events is not None or geom.axes.names not in ([], ["energy"]):
            return super().map_coord(geom)
        return self._find_coordinates(geom, slice(None))

    def map_coord_in_range(self, geom: Any) -> MapCoord | None:
        """Return the coordinates of the events with energies on the axis of a geometry.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry, with the axis ``energy``.

        Returns
        -------
        gammapy.maps.MapCoord or None
            The coordinates; None if the events have been loaded, because a maker may have changed
            them.
        """
        if self._events is not None:
            return None
        axis = geom.axes["energy"]
        energy, edges = self._columns["ENERGY"].quantity.to_value(axis.unit), axis.edges.value
        is_in_range = (energy > edges[0] * (1 - MARGIN)) & (energy < edges[-1] * (1 + MARGIN))
        return self._find_coordinates(geom, np.flatnonzero(is_in_range))

    def _find_coordinates(self, geom: Any, rows: Any) -> MapCoord:
        coordinates = self._positions(geom.frame, rows)
        for axis in geom.axes:
            coordinates[axis.name] = self._columns["ENERGY"].quantity[rows].to(axis.unit)
        return MapCoord.create(coordinates, frame=geom.frame)

    def _positions(self, frame: str, rows: Any) -> dict[str, Any]:
        """Return positions, as longitudes and latitudes in deg unless no rotation is needed."""
        matrix = _find_rotation(frame)
        ra, dec = (self._columns[name].quantity[rows] for name in ("RA", "DEC"))
        is_double = ra.dtype.itemsize == dec.dtype.itemsize == 8
        if matrix is None:
            if is_double:
                return {"lon": ra.to_value("deg") % 360, "lat": dec.to_value("deg")}
            return {"skycoord": SkyCoord(ra, dec, unit="deg", frame="icrs")}
        if is_double:
            lon, lat = ra.to_value("rad"), dec.to_value("rad")
        else:  # converted to rad in the type of the file, as by astropy: rounding shifts events
            position = SkyCoord(ra, dec, unit="deg", frame="icrs").data
            lon, lat = (
                angle.to_value("rad").astype(float) for angle in (position.lon, position.lat)
            )
        cos_lat = np.cos(lat)
        x, y, z = matrix @ np.stack([cos_lat * np.cos(lon), cos_lat * np.sin(lon), np.sin(lat)])
        return {
            "lon": np.degrees(np.arctan2(y, x)) % 360,
            "lat": np.degrees(np.arctan2(z, np.hypot(x, y))),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return EventList, (self.table, self.meta)


@cache
def _find_rotation(frame: str) -> Any:
    return rotation_between("icrs", frame)


def _read(hdu: StoredHdu) -> EventList:
    from gammapy.data.io import EventListReader

    return EventListReader.from_gadf_hdu(hdu.open())


def _read_plain_columns(table: Table) -> GadfTable | None:
    """Return the columns; None unless directions and energies are finite, unscaled, with units."""
    columns = GadfTable(table)
    for name, physical_type in (("RA", "angle"), ("DEC", "angle"), ("ENERGY", "energy")):
        if name not in columns.colnames or not table.is_plain(name):
            return None
        column = columns[name]
        if (
            column.unit is None
            or u.Unit(column.unit).physical_type != physical_type
            or column.data.ndim != 1
            or not np.isfinite(column.data).all()
        ):
            return None
    return columns if "TIME" in columns.colnames else None
