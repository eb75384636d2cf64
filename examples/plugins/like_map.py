"""The geometry `like-map`: the pixels and energies of a map in a FITS file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skyred import (
    EnergyAxis,
    Geometry,
    Location,
    Problem,
    SkipObservation,
    component,
    hookimpl,
    largest_offset,
    nested_object,
    option,
)

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsGeom


@component
class LikeMap(Geometry):
    """The pixels and energies of a map, such as the counts of another instrument."""

    kind = "like-map"
    dataset_type = "map"
    file: Location = option(type=Location, doc="FITS file with a map.")
    energy_true: EnergyAxis = nested_object(EnergyAxis, doc="True energy.")

    def check(self, pipeline: Any) -> Iterable[Problem]:
        """Check the axes of the map."""
        expected = "expected a FITS image with a WCS and the axis 'energy'"
        try:
            axes = self.read_geom().axes.names
        except Exception as error:  # any error of the many formats that gammapy reads
            yield Problem(("file",), str(error), expected)
        else:
            if axes != ["energy"]:
                yield Problem(("file",), f"the axes of the map are {axes}", expected)

    def read_geom(self) -> WcsGeom:
        """Return the geometry of the map in the file."""
        from gammapy.maps import Map

        return Map.read(self.file.path(), map_type="wcs").geom

    def target(self, name: str | None = None) -> MapDataset:
        """Return an empty dataset with the pixels of the map."""
        from gammapy.datasets import MapDataset

        axis = self.energy_true.build("energy_true")
        return MapDataset.create(self.read_geom(), energy_axis_true=axis, name=name or self.name)

    def cutout(self, target: MapDataset, observation: Observation, reduction: Any) -> MapDataset:
        """Return the empty dataset of a run, in the offsets that the makers allow.

        Raises
        ------
        SkipObservation
            If no pixel is in this range.
        """
        from astropy.nddata.utils import NoOverlapError

        name = f"{target.name}-{observation.obs_id}"
        offset = largest_offset(reduction.make)
        if offset is None:
            return target.copy(name=name)
        pointing = observation.get_pointing_icrs(observation.tmid)
        try:
            return target.cutout(pointing, width=2 * offset, name=name)
        except NoOverlapError:
            raise SkipObservation(f"the map is more than {offset} from the pointing") from None


@hookimpl
def skyred_components() -> list[type]:
    """Return the geometry."""
    return [LikeMap]
