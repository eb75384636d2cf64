"""The geometry `spectrum`: an on region with energy axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis, overlap_problems
from skyred.errors import FieldError, Problem
from skyred.fields import REQUIRED, Regions, nested_object, quantity, regions
from skyred.fields.region_checks import check_frame
from skyred.interfaces import Chain, Geometry, Reduction, component

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import SpectrumDataset
    from gammapy.maps import RegionGeom
    from numpy.typing import NDArray
    from regions import SkyRegion

    from skyred.scripting import Script

_EXPECTED = "expected one region such as 'icrs; circle(83.63, 22.01, 0.11)'"


@component
class SpectrumGeometry(Geometry):
    """A spectrum: counts in an on region, with a reconstructed and a true energy axis."""

    kind = "spectrum"
    dataset_type = "spectrum"
    on_region: Regions = regions(
        REQUIRED,
        doc="The region of the on counts, as one DS9 region: a circle or another shape, or a "
        "point if the radius depends on energy and is part of the IRFs (RAD_MAX).",
    )
    energy: EnergyAxis = nested_object(EnergyAxis, doc="Reconstructed energy.")
    energy_true: EnergyAxis = nested_object(
        EnergyAxis, doc="True energy, in a wider range than the reconstructed energy."
    )
    bin_size: u.Quantity = quantity(
        "0.01 deg",
        min="1e-4 deg",
        doc="Size of the pixels for averages over the on region.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the energy axes overlap.

        Yields
        ------
        Problem
            Energy axes that do not overlap.
        """
        yield from overlap_problems(self.energy, self.energy_true)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that the on region is exactly one sky region, in a frame that FITS files support.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            An on region that cannot be read, is not exactly one sky region, or is in another frame.
        """
        try:
            self.region()
        except FieldError as error:
            yield error.problem.with_prefix("on_region")
        except OSError as error:
            yield Problem(("on_region",), f"cannot be read: {error}", "expected a region")

    def sky_region(self) -> SkyRegion:
        """Return the on region, like `region`.

        Returns
        -------
        regions.SkyRegion
            The on region.

        Raises
        ------
        FieldError
            If the region cannot be read, is not exactly one sky region, or is in a frame that
            FITS files do not support.
        """
        return self.region()

    def region(self) -> SkyRegion:
        """Return the on region.

        Returns
        -------
        regions.SkyRegion
            The on region.

        Raises
        ------
        FieldError
            If the region cannot be read, is not exactly one sky region, or is in a frame that
            FITS files do not support.
        """
        from regions import SkyRegion

        if self.on_region.masks:
            raise FieldError(f"{self.on_region.masks[0]!s} is a map", _EXPECTED)
        on_regions = self.on_region.build()
        if len(on_regions) != 1:
            raise FieldError(f"contains {len(on_regions)} regions", _EXPECTED)
        if not isinstance(on_regions[0], SkyRegion):
            raise FieldError("is a pixel region, not a sky region", _EXPECTED)
        check_frame(on_regions[0], str(self.on_region.sources[0]))
        return on_regions[0]

    def target(self, name: str | None = None) -> SpectrumDataset:
        """Create the empty spectrum of the on region, without off counts.

        Parameters
        ----------
        name : str, optional
            The name of the dataset; by default the name of the geometry.

        Returns
        -------
        gammapy.datasets.SpectrumDataset
            The empty dataset.
        """
        from skyred.components.geometries.empty_maps import create_empty

        name = name or self.name
        # a subclass may build another geometry, and the content of a region file may change
        if type(self) is not SpectrumGeometry or self.on_region.files:
            return self._create_target(name)
        key = self.key(), str(self.to_plain(complete=True))  # the second contains the units
        return create_empty(key, self._create_target, name)

    def _create_target(self, name: str | None = None) -> SpectrumDataset:
        from gammapy.datasets import SpectrumDataset

        energy_axis_true = self.energy_true.build("energy_true")
        return SpectrumDataset.create(self.build(), energy_axis_true=energy_axis_true, name=name)

    def build(self) -> RegionGeom:
        """Create the geometry of the counts: the on region, with the energy axis.

        Returns
        -------
        gammapy.maps.RegionGeom
            The geometry.
        """
        from gammapy.maps import RegionGeom

        axes = [self.energy.build("energy")]
        return RegionGeom.create(self.region(), axes=axes, binsz_wcs=self.bin_size)

    def cutout(
        self, target: SpectrumDataset, observation: Observation, reduction: Reduction
    ) -> SpectrumDataset:
        """Create the empty spectrum of one run: a copy of the target.

        Parameters
        ----------
        target : gammapy.datasets.SpectrumDataset
            The empty spectrum.
        observation : gammapy.data.Observation
            The run.
        reduction : Reduction
            The reduction that the geometry belongs to.

        Returns
        -------
        gammapy.datasets.SpectrumDataset
            The empty spectrum of the run.
        """
        from gammapy.datasets import SpectrumDataset

        from skyred.components.geometries.empty_maps import copy_empty

        name = f"{target.name}-{observation.obs_id}"
        # the target of a subclass may have other attributes
        return copy_empty(target, name) if type(target) is SpectrumDataset else target.copy(name)

    def write_script(self, script: Script) -> None:
        """Write code that creates the empty spectrum, and a copy of it for each run.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.maps", "RegionGeom")
        script.use("gammapy.datasets", "SpectrumDataset")
        region = script.regions(f"{script.entry}_ON", self.on_region, "[0]")
        bin_size_argument = ""
        if not self._is_default("bin_size", self.bin_size):
            bin_size_argument = f", binsz_wcs={script.quantity(self.bin_size)}"
        script.body.add(
            f"energy = {self.energy.code('energy', script)}",
            f"energy_true = {self.energy_true.code('energy_true', script)}",
            f"geom = RegionGeom.create({region}, axes=[energy]{bin_size_argument})",
            "target = SpectrumDataset.create(geom, energy_axis_true=energy_true)",
        )
        name = f'f"{script.entry}-{{observation.obs_id}}"'
        script.loop.add(f"dataset = target.copy(name={name})")

    def coverage_fractions(
        self, table: ObservationTable, reduction: Reduction
    ) -> NDArray[np.float64]:
        """Return 1 for each run, since every spectrum covers the whole geometry.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The rows of the n runs.
        reduction : Reduction
            The reduction that the geometry belongs to.

        Returns
        -------
        numpy.ndarray
            Ones, shape (n,).
        """
        return np.ones(len(table))
