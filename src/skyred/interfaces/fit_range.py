"""The energy range and sky region of a fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skyred.errors import FieldError, ModelError, Problem
from skyred.fields import Regions, quantity, regions
from skyred.interfaces.value_class import Fields, value

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets import Dataset, FluxPointsDataset
    from gammapy.maps import Map

    from skyred.interfaces.chain import Chain

TOLERANCE = 1e-6  # relative, for rounding errors of edges given in a different unit


@value
class FitRange(Fields):
    """The energy range and the region of the sky that are fitted, within the safe mask."""

    energy: u.Quantity | None = quantity(
        None,
        count=2,
        unit="TeV",
        min="0 TeV",
        doc="Minimum and maximum reconstructed energy. Bins that are entirely inside are fitted, "
        "and flux points with e_ref inside.",
    )
    region: Regions = regions((), doc="The region of the sky; by default the whole map.")

    def validate(self) -> Iterable[Problem]:
        """Yield a problem if the range is empty or not set.

        Yields
        ------
        Problem
            One for each mistake.
        """
        if self.energy is None and not self.region:
            yield Problem((), "has neither energy nor region", "expected one of them, or both")
        if self.energy is not None and self.energy[0] >= self.energy[1]:
            low, high = self.energy
            yield Problem(("energy",), f"{low} is not below {high}", "expected [lowest, highest]")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the region cannot be read, or is a mask map.

        Parameters
        ----------
        pipeline : Chain
            The pipeline.

        Yields
        ------
        Problem
            One for each mistake.
        """
        try:
            self.region.build()
        except FieldError as error:
            yield error.problem.with_prefix("region")
        except OSError as error:
            yield Problem(("region",), f"cannot be read: {error}", "expected regions")
        if self.region.masks:
            yield Problem(("region",), "is a mask map", "expected DS9 regions or a .reg file")

    def apply(self, dataset: Dataset) -> None:
        """Set the `mask_fit` of a dataset, replacing an existing one.

        Parameters
        ----------
        dataset : Dataset
            A dataset with counts, or flux points; it is modified.

        Raises
        ------
        ModelError
            If no bin is left, the dataset has neither counts nor flux points, or there is a region
            and the dataset is not a map.
        """
        if dataset.tag == "FluxPointsDataset":
            mask, mask_safe = self._flux_points_mask(dataset), dataset.mask_safe
        elif dataset.counts is None:
            raise ModelError(
                f"the fit range needs counts, but the dataset {dataset.name!r} has none"
            )
        else:
            mask = self._counts_mask(dataset)
            mask_safe = True if dataset.mask_safe is None else dataset.mask_safe.data.astype(bool)
        mask_data = mask if dataset.tag == "FluxPointsDataset" else mask.data
        if not (mask_data & mask_safe).any():
            raise ModelError(
                f"the fit range ({self}) contains no bins of the dataset {dataset.name!r}, "
                f"which has data from {self._data_range(dataset)}; change the range, or remove the "
                "dataset"
            )
        dataset.mask_fit = mask

    def _counts_mask(self, dataset: Any) -> Map:
        geom = dataset.counts.geom
        mask = geom.energy_mask(*self._energy_with_tolerance) if self.energy is not None else None
        if self.region:
            if geom.is_region:
                raise ModelError(
                    f"the fit range has a region, but the dataset {dataset.name!r} is a "
                    "spectrum, not a map; set an energy range only"
                )
            area = geom.region_mask(self.region.build())
            mask = area if mask is None else mask & area
        return mask

    def _flux_points_mask(self, dataset: FluxPointsDataset) -> Any:
        if self.region:
            raise ModelError(
                f"the fit range has a region, but the dataset {dataset.name!r} contains flux "
                "points; set an energy range only"
            )
        low, high = self._energy_with_tolerance
        energies = dataset.data.energy_ref
        mask = (energies >= low) & (energies <= high)
        return mask.reshape(dataset.data.dnde.data.shape)

    @property
    def _energy_with_tolerance(self) -> tuple[u.Quantity, u.Quantity]:
        assert self.energy is not None
        return self.energy[0] * (1 - TOLERANCE), self.energy[1] * (1 + TOLERANCE)

    def __str__(self) -> str:
        parts = [f"{self.energy[0]} to {self.energy[1]}"] if self.energy is not None else []
        return ", ".join([*parts, *(str(source) for source in self.region.sources)])

    def _data_range(self, dataset: Any) -> str:
        geom = (dataset.data if dataset.tag == "FluxPointsDataset" else dataset.counts).geom
        edges = geom.axes["energy"].edges
        if self.energy is not None:
            edges = edges.to(self.energy[0].unit)  # OGIP files have keV
        energies = f"{edges[0]:.3g} to {edges[-1]:.3g}"
        if not self.region:
            return energies
        center, width = geom.center_skydir.icrs, geom.width.squeeze()
        position = f"{center.ra.deg:.2f} deg, {center.dec.deg:.2f} deg (icrs)"
        return f"{energies}, on a map {width[0]:.3g} wide and {width[1]:.3g} high around {position}"
