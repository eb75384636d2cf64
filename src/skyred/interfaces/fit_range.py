"""The range of a fit: which part of the data is fitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skyred.errors import FieldError, ModelError, Problem
from skyred.fields import Regions, quantity, regions
from skyred.interfaces.component import Fields, value

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets import Dataset, FluxPointsDataset
    from gammapy.maps import Map

    from skyred.interfaces.chain import Chain

SLACK = 1e-6  # an edge of the axis, written in another unit, is still that edge


@value
class FitRange(Fields):
    """The bins that are fitted, beside the safe ones: an energy range, a region of the sky."""

    energy: u.Quantity | None = quantity(
        None,
        count=2,
        unit="TeV",
        min="0 TeV",
        doc="Lowest and highest reconstructed energy: bins that lie inside as a whole, flux points "
        "whose e_ref does.",
    )
    region: Regions = regions((), doc="Where on the sky; everywhere if left out.")

    def validate(self) -> Iterable[Problem]:
        """The range must be one."""
        if self.energy is None and not self.region:
            yield Problem((), "gives neither energy nor region", "expected one of them, or both")
        if self.energy is not None and self.energy[0] >= self.energy[1]:
            low, high = self.energy
            yield Problem(("energy",), f"{low} is not below {high}", "expected [lowest, highest]")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the region cannot be read, or is a mask map."""
        try:
            self.region.build()
        except FieldError as error:
            yield error.problem.with_prefix("region")
        except OSError as error:
            yield Problem(("region",), f"cannot be read: {error}", "expected regions")
        if self.region.masks:
            yield Problem(("region",), "is a mask map", "expected DS9 regions or a .reg file")

    def apply(self, dataset: Dataset) -> None:
        """Set the dataset's `mask_fit`, in the place of any that it has.

        Raises
        ------
        ModelError
            If no bin is left, or a region is asked of what has no map.
        """
        if dataset.tag == "FluxPointsDataset":
            mask, inside = self._points(dataset), dataset.mask_safe
        elif dataset.counts is None:
            raise ModelError(f"the fit range needs counts, and {dataset.name} has none")
        else:
            mask = self._map(dataset)
            inside = True if dataset.mask_safe is None else dataset.mask_safe.data.astype(bool)
        chosen = mask if dataset.tag == "FluxPointsDataset" else mask.data
        if not (chosen & inside).any():
            raise ModelError(
                f"the fit range ({self}) leaves nothing of {dataset.name}, whose data reach from "
                f"{self._span(dataset)}; widen it, or leave the dataset out"
            )
        dataset.mask_fit = mask

    def _map(self, dataset: Any) -> Map:
        geom = dataset.counts.geom
        mask = geom.energy_mask(*self._loosened) if self.energy is not None else None
        if self.region:
            if geom.is_region:
                raise ModelError(
                    f"the fit range has a region, and {dataset.name} is a spectrum, not a map; "
                    "give an energy range only"
                )
            area = geom.region_mask(self.region.build())
            mask = area if mask is None else mask & area
        return mask

    def _points(self, dataset: FluxPointsDataset) -> Any:
        if self.region:
            raise ModelError(f"the fit range has a region, and {dataset.name} holds flux points")
        low, high = self._loosened
        energies = dataset.data.energy_ref
        inside = (energies >= low) & (energies <= high)
        return inside.reshape(dataset.data.dnde.data.shape)

    @property
    def _loosened(self) -> tuple[u.Quantity, u.Quantity]:
        assert self.energy is not None
        return self.energy[0] * (1 - SLACK), self.energy[1] * (1 + SLACK)

    def __str__(self) -> str:
        texts = [f"{self.energy[0]} to {self.energy[1]}"] if self.energy is not None else []
        return ", ".join([*texts, *(str(source) for source in self.region.sources)])

    def _span(self, dataset: Any) -> str:
        geom = (dataset.data if dataset.tag == "FluxPointsDataset" else dataset.counts).geom
        edges = geom.axes["energy"].edges
        if self.energy is not None:
            edges = edges.to(self.energy[0].unit)  # OGIP files have keV
        energies = f"{edges[0]:.3g} to {edges[-1]:.3g}"
        if not self.region:
            return energies
        center, width = geom.center_skydir.icrs, geom.width.squeeze()
        where = f"{center.ra.deg:.2f} deg, {center.dec.deg:.2f} deg (icrs)"
        return f"{energies}, on a map {width[0]:.3g} wide and {width[1]:.3g} high around {where}"
