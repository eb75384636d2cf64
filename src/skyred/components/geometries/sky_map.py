"""The geometry `map`: a sky map with energy axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis, overlap_problems
from skyred.errors import Problem, SkipObservation
from skyred.fields import Position, option, part, position, quantity
from skyred.interfaces import Geometry, Reduction, component, largest_offset
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
        count=2, unit="deg", min="0 deg", doc="Width and height; one value for both."
    )
    bin_size: u.Quantity = quantity("0.02 deg", min="1e-5 deg", doc="Size of a pixel.")
    energy: EnergyAxis = part(EnergyAxis, doc="Reconstructed energy.")
    energy_true: EnergyAxis = part(EnergyAxis, doc="True energy; wider than the reconstructed one.")
    frame: str = option("icrs", choices=("icrs", "galactic"), doc="Sky frame of the map.")
    projection: str = option("CAR", choices=("CAR", "TAN", "AIT", "SIN", "ZEA"), doc="Projection.")
    cutout_width: u.Quantity | None = quantity(
        None,
        unit="deg",
        min="1e-3 deg",
        doc="Width of the map made for one run, around its pointing; "
        "by default twice the largest offset that the makers leave (the safe mask's "
        "offset_max), else the whole map.",
    )
    irf_bin_size: u.Quantity = quantity(
        "0.2 deg", min="1e-3 deg", doc="Size of a pixel of the maps of the responses."
    )
    psf_max: u.Quantity = quantity("0.66 deg", min="1e-3 deg", doc="Largest radius of the PSF.")
    psf_bins: int = option(66, min=2, doc="Number of bins of that radius.")

    def validate(self) -> Iterable[Problem]:
        """The true energies must enclose something of the reconstructed ones."""
        if np.any(self.width < self.bin_size):
            yield Problem(("width",), f"{self.width} is below bin_size", "expected some pixels")
        yield from overlap_problems(self.energy, self.energy_true)

    def target(self, name: str | None = None) -> MapDataset:
        """Give the empty dataset of the whole map."""
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
            name=name or self.name,
        )

    def build(self) -> WcsGeom:
        """Give the geometry of counts: energy, latitude, longitude."""
        from gammapy.maps import WcsGeom

        return WcsGeom.create(
            skydir=self.center.skycoord.transform_to(self.frame),
            width=tuple(self.width.to_value("deg")),
            binsz=self.bin_size.to_value("deg"),
            frame=self.frame,
            proj=self.projection,
            axes=[self.energy.build("energy")],
        )

    def cutout(
        self, target: MapDataset, observation: Observation, reduction: Reduction
    ) -> MapDataset:
        """Give the empty dataset of one run: a cutout around its pointing, or the whole map."""
        from astropy.nddata.utils import NoOverlapError

        name = f"{target.name}-{observation.obs_id}"
        pointing = observation.get_pointing_icrs(observation.tmid)
        width = self._width_for(reduction)
        if width is None:
            return target.copy(name=name)
        try:
            return target.cutout(position=pointing, width=width, name=name)
        except NoOverlapError:
            raise SkipObservation(
                f"points to {pointing.to_string(precision=2)} deg: the map does not overlap with "
                f"the {width.to('deg'):.2f} around it"
            ) from None

    def write_script(self, script: Script) -> None:
        """Make the empty dataset, and for each run a cutout of it or a copy."""
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
        more = ""
        if not self._is_default("irf_bin_size", self.irf_bin_size):
            more += f", binsz_irf={literal(self.irf_bin_size.to_value('deg'))}"
        if (self.psf_max.to_value("deg"), self.psf_bins) != (0.66, 66):
            script.use("gammapy.maps", "MapAxis")
            radius = f"0, {literal(self.psf_max.to_value('deg'))}, {self.psf_bins}"
            script.body.add(f'rad = MapAxis.from_bounds({radius}, unit="deg", name="rad")')
            more += ", rad_axis=rad"
        script.body.add(f"target = MapDataset.create(geom, energy_axis_true=energy_true{more})")
        self._write_cutout(script)

    def _write_cutout(self, script: Script) -> None:
        name = f'f"{script.entry}-{{observation.obs_id}}"'
        width = self._width_for(script.reduction)
        if width is None:
            script.loop.add(f"dataset = target.copy(name={name})")
            return
        script.use("astropy.nddata.utils", "NoOverlapError")
        script.loop.add("pointing = observation.get_pointing_icrs(observation.tmid)")
        with script.loop.inside("try:"):
            cutout = f"pointing, width={script.quantity(width)}, name={name}"
            script.loop.add(f"dataset = target.cutout({cutout})")
        with script.loop.inside("except NoOverlapError:  # the run points elsewhere"):
            script.loop.add("continue")

    def coverage_fractions(
        self, table: ObservationTable, reduction: Reduction
    ) -> NDArray[np.float64]:
        """Give the share of the map that the cutout around each pointing takes at least."""
        width = self._width_for(reduction)
        if width is None:
            return np.ones(len(table))
        if not {"RA_PNT", "DEC_PNT"} <= set(table.colnames):
            return np.zeros(len(table))
        from astropy.coordinates import SkyCoord

        lon, lat = (u.Quantity(table[name], "deg") for name in ("RA_PNT", "DEC_PNT"))
        image = self.build().to_image()
        half = (width / self.bin_size).to_value("") / 2
        # the maps of the responses are cut at their own, coarser pixels
        spare = (self.irf_bin_size / self.bin_size).to_value("")
        fractions = np.ones(len(table))
        pixels = image.coord_to_pix(SkyCoord(lon, lat))
        for pixel, count in zip(pixels, image.data_shape[::-1], strict=True):
            inside = np.minimum(pixel + half, count) - np.maximum(pixel - half, 0) - spare
            fractions *= np.clip(np.nan_to_num(inside), 0, count) / count
        return fractions

    def _width_for(self, reduction: Reduction) -> Any:
        if self.cutout_width is not None:
            return self.cutout_width
        offset = largest_offset(reduction.make)
        return None if offset is None else 2 * offset
