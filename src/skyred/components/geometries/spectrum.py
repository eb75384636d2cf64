"""The geometry `spectrum`: an on region with energy axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis, overlap_problems
from skyred.errors import FieldError, Problem
from skyred.fields import REQUIRED, Regions, part, quantity, regions
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
        doc="The region that counts are taken from, as one DS9 region: a circle or another shape, "
        "or a point if its radius depends on energy and is part of the responses (RAD_MAX).",
    )
    energy: EnergyAxis = part(EnergyAxis, doc="Reconstructed energy.")
    energy_true: EnergyAxis = part(EnergyAxis, doc="True energy; wider than the reconstructed one.")
    bin_size: u.Quantity = quantity(
        "0.01 deg",
        min="1e-4 deg",
        doc="Size of a pixel where something is averaged over the on region.",
    )

    def validate(self) -> Iterable[Problem]:
        """The true energies must enclose something of the reconstructed ones."""
        yield from overlap_problems(self.energy, self.energy_true)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the on region is not exactly one region of the sky."""
        try:
            self.region()
        except FieldError as error:
            yield error.problem.with_prefix("on_region")
        except OSError as error:
            yield Problem(("on_region",), f"cannot be read: {error}", "expected a region")

    def sky_region(self) -> SkyRegion:
        """Return the on region, as `region` does."""
        return self.region()

    def region(self) -> SkyRegion:
        """Give the on region.

        Raises
        ------
        FieldError
            If it cannot be read, or is not exactly one region of the sky.
        """
        from regions import SkyRegion

        if self.on_region.masks:
            raise FieldError(f"{self.on_region.masks[0]!s} is a map", _EXPECTED)
        found = self.on_region.build()
        if len(found) != 1:
            raise FieldError(f"holds {len(found)} regions", _EXPECTED)
        if not isinstance(found[0], SkyRegion):
            raise FieldError("is a region of pixels, not of the sky", _EXPECTED)
        return found[0]

    def target(self, name: str | None = None) -> SpectrumDataset:
        """Give the empty spectrum of the on region, without off counts."""
        from gammapy.datasets import SpectrumDataset

        true = self.energy_true.build("energy_true")
        return SpectrumDataset.create(self.build(), energy_axis_true=true, name=name or self.name)

    def build(self) -> RegionGeom:
        """Give the geometry of counts: energy, and the on region as one bin."""
        from gammapy.maps import RegionGeom

        axes = [self.energy.build("energy")]
        return RegionGeom.create(self.region(), axes=axes, binsz_wcs=self.bin_size)

    def cutout(
        self, target: SpectrumDataset, observation: Observation, reduction: Reduction
    ) -> SpectrumDataset:
        """Give the empty spectrum of one run: a copy of the target."""
        return target.copy(name=f"{target.name}-{observation.obs_id}")

    def write_script(self, script: Script) -> None:
        """Make the empty spectrum, and for each run a copy."""
        script.use("gammapy.maps", "RegionGeom")
        script.use("gammapy.datasets", "SpectrumDataset")
        region = script.regions(f"{script.entry}_ON", self.on_region, "[0]")
        bins = ""
        if not self._is_default("bin_size", self.bin_size):
            bins = f", binsz_wcs={script.quantity(self.bin_size)}"
        script.body.add(
            f"energy = {self.energy.code('energy', script)}",
            f"energy_true = {self.energy_true.code('energy_true', script)}",
            f"geom = RegionGeom.create({region}, axes=[energy]{bins})",
            "target = SpectrumDataset.create(geom, energy_axis_true=energy_true)",
        )
        name = f'f"{script.entry}-{{observation.obs_id}}"'
        script.loop.add(f"dataset = target.copy(name={name})")

    def coverage_fractions(
        self, table: ObservationTable, reduction: Reduction
    ) -> NDArray[np.float64]:
        """Give 1 for each run."""
        return np.ones(len(table))
