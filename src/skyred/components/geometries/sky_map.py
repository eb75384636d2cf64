"""The geometry `map`: a sky map with energy axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis, overlap_problems
from skyred.errors import Problem, SkipObservation
from skyred.fields import Position, nested_object, option, position, quantity
from skyred.interfaces import Chain, Geometry, Reduction, component, largest_offset
from skyred.io.disk import format_size
from skyred.io.memory import total_memory
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsGeom
    from numpy.typing import NDArray

    from skyred.scripting import Script


@component
class MapGeometry(Geometry):
    """A sky map with a reconstructed and a true energy axis."""

    kind = "map"
    dataset_type = "map"
    center: Position = position(doc="Centre of the map.")
    width: u.Quantity = quantity(
        count=2, unit="deg", min="0 deg", doc="Width and height; a single value is used for both."
    )
    bin_size: u.Quantity = quantity("0.02 deg", min="1e-5 deg", doc="Size of a pixel.")
    energy: EnergyAxis = nested_object(EnergyAxis, doc="Reconstructed energy.")
    energy_true: EnergyAxis = nested_object(
        EnergyAxis, doc="True energy, in a wider range than the reconstructed energy."
    )
    frame: str = option("icrs", choices=("icrs", "galactic"), doc="Sky frame of the map.")
    projection: str = option("CAR", choices=("CAR", "TAN", "AIT", "SIN", "ZEA"), doc="Projection.")
    cutout_width: u.Quantity | None = quantity(
        None,
        unit="deg",
        min="1e-3 deg",
        doc="Width of the map of one run, around its pointing; by default twice the largest offset "
        "in the makers (offset_max of the safe mask), or the whole map if there is no limit.",
    )
    irf_bin_size: u.Quantity = quantity(
        "0.2 deg", min="1e-3 deg", doc="Size of a pixel of the IRF maps."
    )
    psf_max: u.Quantity = quantity("0.66 deg", min="1e-3 deg", doc="Largest radius of the PSF.")
    psf_bins: int = option(66, min=2, max=10_000, doc="Number of bins in the radius of the PSF.")

    def validate(self) -> Iterable[Problem]:
        """Check the size of the map, the frame of its centre, and the overlap of the energy axes.

        Yields
        ------
        Problem
            A map smaller than a pixel, an ambiguous centre, or energy axes that do not overlap.
        """
        if np.any(self.width < self.bin_size):
            message = f"{self.width.min():g} is smaller than bin_size ({self.bin_size:g})"
            yield Problem(("width",), message, "expected at least one pixel")
        if self.frame != "icrs" and not self.center.has_frame:
            pair = f"{self.center.lon}, {self.center.lat}"
            yield Problem(
                ("center",),
                f"[{pair}] is ambiguous with frame: {self.frame}",
                "specify the frame: {l: 0 deg, b: 0 deg}, or {ra: 266.4 deg, dec: -28.9 deg}",
            )
        yield from overlap_problems(self.energy, self.energy_true)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that a dataset of the whole map fits into the memory of this machine.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A dataset that is larger than the memory.
        """
        memory, dataset_size = total_memory(), self._minimum_bytes()
        if memory is not None and dataset_size > memory:
            yield Problem(
                (),
                f"a dataset needs at least {format_size(dataset_size)}, but this machine has "
                f"{format_size(memory)} of memory",
                "expected a smaller width, larger pixels (bin_size, irf_bin_size), or fewer bins",
            )

    def _minimum_bytes(self) -> float:
        """Return a lower limit on the size of one dataset, in bytes."""
        width = self.width.to_value("deg")
        pixels, irf_pixels = (
            float(np.prod(width / size.to_value("deg")))
            for size in (self.bin_size, self.irf_bin_size)
        )
        bins, true_bins = (len(axis.bin_edges()) - 1 for axis in (self.energy, self.energy_true))
        # counts, background (float32) and safe mask (1 byte), then exposure and PSF (float32)
        return pixels * (9 * bins + 4 * true_bins) + irf_pixels * 4 * true_bins * self.psf_bins

    def target(self, name: str | None = None) -> MapDataset:
        """Create the empty dataset of the whole map.

        Parameters
        ----------
        name : str, optional
            The name of the dataset; by default the name of the geometry.

        Returns
        -------
        gammapy.datasets.MapDataset
            The empty dataset.
        """
        from skyred.components.geometries.empty_maps import create_empty

        name = name or self.name
        if type(self) is not MapGeometry:  # a subclass may build another geometry
            return self._create_target(name)
        key = self.key(), str(self.to_plain(complete=True))  # the second contains the units
        return create_empty(key, self._create_target, name)

    def _create_target(self, name: str | None = None) -> MapDataset:
        from gammapy.datasets import MapDataset
        from gammapy.maps import MapAxis

        radius = MapAxis.from_bounds(
            0, self.psf_max.to_value("deg"), self.psf_bins, unit="deg", name="rad"
        )
        return MapDataset.create(
            geom=self.build(),
            energy_axis_true=self.energy_true.build("energy_true"),
            rad_axis=radius,
            binsz_irf=self.irf_bin_size.to_value("deg"),
            name=name,
        )

    def build(self) -> WcsGeom:
        """Create the geometry of the counts, with the axes energy, latitude and longitude.

        Returns
        -------
        gammapy.maps.WcsGeom
            The geometry.
        """
        return self.build_image().to_cube([self.energy.build("energy")])

    def build_image(self) -> WcsGeom:
        """Create the geometry of the counts, without the energy axis.

        Returns
        -------
        gammapy.maps.WcsGeom
            The geometry, with the axes latitude and longitude.
        """
        from gammapy.maps import WcsGeom

        return WcsGeom.create(
            skydir=self.center.skycoord.transform_to(self.frame),
            width=tuple(self.width.to_value("deg")),
            binsz=self.bin_size.to_value("deg"),
            frame=self.frame,
            proj=self.projection,
        )

    def cutout(
        self, target: MapDataset, observation: Observation, reduction: Reduction
    ) -> MapDataset:
        """Create the empty dataset of one run: a cutout around its pointing, or the whole map.

        Parameters
        ----------
        target : gammapy.datasets.MapDataset
            The empty dataset of the whole geometry.
        observation : gammapy.data.Observation
            The run.
        reduction : Reduction
            The reduction that the geometry belongs to.

        Returns
        -------
        gammapy.datasets.MapDataset
            The empty dataset of the run.

        Raises
        ------
        SkipObservation
            If the map does not overlap with the cutout around the pointing.
        """
        from astropy.nddata.utils import NoOverlapError

        from skyred.components.projection.cutouts import cut_out
        from skyred.components.projection.grid_cache import GRIDS
        from skyred.components.projection.pointing import find_pointing

        name = f"{target.name}-{observation.obs_id}"
        pointing = find_pointing(observation)
        width = self._get_cutout_width(reduction)
        for part in (target.counts, target.psf.psf_map):
            GRIDS.register(part.geom)
        if width is None:
            return target.copy(name=name)
        try:
            return cut_out(target, pointing, width, name)
        except NoOverlapError:
            raise SkipObservation(
                f"the map does not overlap with the cutout of {width.to('deg'):.2f} around the "
                f"pointing, {pointing.to_string(precision=2)} deg"
            ) from None

    def write_script(self, script: Script) -> None:
        """Write code that creates the empty dataset, and a cutout or copy of it for each run.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.maps", "WcsGeom")
        script.use("gammapy.datasets", "MapDataset")
        center, width = script.position("CENTER", self.center), self.width.to_value("deg")
        script.body.add(
            f"energy = {self.energy.code('energy', script)}",
            f"energy_true = {self.energy_true.code('energy_true', script)}",
            f"geom = WcsGeom.create(skydir={center}, width=({literal(width)[1:-1]}), "
            f"binsz={literal(self.bin_size.to_value('deg'))}, frame={literal(self.frame)}, "
            f"proj={literal(self.projection)}, axes=[energy])",
        )
        options = ""
        if not self._is_default("irf_bin_size", self.irf_bin_size):
            options += f", binsz_irf={literal(self.irf_bin_size.to_value('deg'))}"
        if (self.psf_max.to_value("deg"), self.psf_bins) != (0.66, 66):
            script.use("gammapy.maps", "MapAxis")
            radius = f"0, {literal(self.psf_max.to_value('deg'))}, {self.psf_bins}"
            script.body.add(f'rad = MapAxis.from_bounds({radius}, unit="deg", name="rad")')
            options += ", rad_axis=rad"
        script.body.add(f"target = MapDataset.create(geom, energy_axis_true=energy_true{options})")
        self._write_cutout(script)

    def _write_cutout(self, script: Script) -> None:
        """Write code that creates the dataset of a run: a cutout around the pointing, or a copy."""
        name = f'f"{script.entry}-{{observation.obs_id}}"'
        width = self._get_cutout_width(script.reduction)
        if width is None:
            script.loop.add(f"dataset = target.copy(name={name})")
            return
        script.use("astropy.nddata.utils", "NoOverlapError")
        script.loop.add("pointing = observation.get_pointing_icrs(observation.tmid)")
        with script.loop.inside("try:"):
            cutout = f"pointing, width={script.quantity(width)}, name={name}"
            script.loop.add(f"dataset = target.cutout({cutout})")
        with script.loop.inside(
            "except NoOverlapError:  # the map does not overlap with the cutout"
        ):
            script.loop.add("continue")

    def coverage_fractions(
        self, table: ObservationTable, reduction: Reduction
    ) -> NDArray[np.float64]:
        """Return a lower limit on the fraction of the map that each run covers.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The rows of the n runs.
        reduction : Reduction
            The reduction that the geometry belongs to.

        Returns
        -------
        numpy.ndarray
            The fractions, shape (n,); 0 if cutouts are used and the table has no pointings.
        """
        width = self._get_cutout_width(reduction)
        if width is None:
            return np.ones(len(table))
        if not {"RA_PNT", "DEC_PNT"} <= set(table.colnames):
            return np.zeros(len(table))
        from astropy.coordinates import SkyCoord

        lon, lat = (u.Quantity(table[name], "deg") for name in ("RA_PNT", "DEC_PNT"))
        image = self.build().to_image()
        half_width = (width / self.bin_size).to_value("") / 2
        # the fractions must be lower limits for the IRF maps too, which have coarser pixels
        irf_margin = (self.irf_bin_size / self.bin_size).to_value("")
        fractions = np.ones(len(table))
        centers = image.coord_to_pix(SkyCoord(lon, lat))
        for center, pixel_count in zip(centers, image.data_shape[::-1], strict=True):
            overlap = (
                np.minimum(center + half_width, pixel_count)
                - np.maximum(center - half_width, 0)
                - irf_margin
            )
            fractions *= np.clip(np.nan_to_num(overlap), 0, pixel_count) / pixel_count
        return fractions

    def _get_cutout_width(self, reduction: Reduction) -> Any:
        """Return the width of the map of one run; None for the whole map.

        Parameters
        ----------
        reduction : Reduction
            The reduction that the geometry belongs to.

        Returns
        -------
        astropy.units.Quantity or None
            The width, an angle.
        """
        if self.cutout_width is not None:
            return self.cutout_width
        offset = largest_offset(reduction.make)
        return None if offset is None else 2 * offset


def map_images(reductions: Iterable[Any]) -> list[WcsGeom]:
    """Return the geometries of the sky maps of data entries, without their energy axes.

    Parameters
    ----------
    reductions : iterable of Reduction
        The data entries; entries without a map geometry are skipped.

    Returns
    -------
    list of gammapy.maps.WcsGeom
        The image geometries.
    """
    geometries = (getattr(reduction, "geometry", None) for reduction in reductions)
    return [geometry.build_image() for geometry in geometries if isinstance(geometry, MapGeometry)]
