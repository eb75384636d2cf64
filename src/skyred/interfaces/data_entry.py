"""The entries of `data:`: what is reduced from an archive, and datasets that are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from skyred.errors import FieldError, Problem, warn_of_old_name
from skyred.fields import Location, chain, option, part
from skyred.interfaces.component import Fields, value
from skyred.interfaces.fit_range import FitRange
from skyred.interfaces.geometry import Geometry
from skyred.interfaces.maker import Maker
from skyred.interfaces.selector import Selector
from skyred.interfaces.stacker import Stacker


class DataEntry(Fields):
    """One entry of `data:`, a `Reduction` or `ReducedData`: what gives datasets."""

    fit_range: FitRange | None

    @classmethod
    def variant(cls, raw: Mapping[str, Any]) -> type[DataEntry]:
        """Choose `ReducedData` for what has datasets, and `Reduction` for what has an archive."""
        if "archive" in raw and "datasets" in raw:
            raise FieldError(
                "has datasets beside an archive",
                "datasets are reduced already: leave one of the two out",
            )
        if "archive" not in raw and "datasets" not in raw:
            raise FieldError(
                "has neither archive nor datasets",
                "expected an archive of DL3 data, or datasets that are reduced already",
            )
        return Reduction if "archive" in raw else ReducedData


@value
class ReducedData(DataEntry):
    """Datasets that are reduced already, read from their files."""

    datasets: tuple[Location, ...] = option(
        type=Location,
        many=True,
        doc="gammapy's datasets.yaml, or OGIP files (pha_*.fits).",
    )
    fit_range: FitRange | None = part(
        FitRange, None, doc="The bins that are fitted; all safe ones by default."
    )

    def validate(self) -> Iterable[Problem]:
        """Something must be read."""
        if not self.datasets:
            yield Problem(("datasets",), "is empty", "expected at least one file")


@value
class Reduction(DataEntry):
    """Data that are reduced: archive, selection, geometry, makers and stacker."""

    archive: tuple[Location, ...] = option(
        type=Location,
        many=True,
        doc="The archive: a folder or index file of a DL3 store, DL3 files, or sim:crab.",
    )
    allow_outside: bool = option(
        False,
        doc="Whether the index of the archive may name files outside its folder.",
    )
    irfs: str | None = option(
        None,
        choices=("full-enclosure", "point-like"),
        doc="Which responses a run must have; by default those that the makers need "
        "(full-enclosure, if a gammapy maker is among them as it is).",
    )
    select: tuple[Selector, ...] = chain(
        Selector, doc="Which observations, in turn; all of the archive if empty."
    )
    geometry: Geometry = part(Geometry, doc="Axes, centre and size of the reduced data.")
    make: tuple[Maker, ...] = chain(Maker, doc="The makers, in turn.")
    stack: Stacker = part(Stacker, doc="How the datasets of the observations combine.")
    fit_range: FitRange | None = part(
        FitRange, None, doc="The bins that are fitted; all safe ones by default."
    )
    on_fault: str = option(
        "fail",
        choices=("fail", "note"),
        doc="Whether a run whose input has a fault fails, or is used all the same, with a note in "
        "the ledger. Files that cannot be read, or that changed, fail in any case.",
    )
    on_error: str = option(
        "stop",
        choices=("stop", "skip"),
        doc="Whether failed runs stop the analysis before the fit, or are left out.",
    )

    def __new__(cls, **fields: Any) -> Any:
        """Give `ReducedData` for the datasets that a reduction could have before."""
        if "datasets" in fields and cls is Reduction:
            warn_of_old_name("Reduction(datasets=...)", "ReducedData(datasets=...)")
            return ReducedData(**fields)
        return super().__new__(cls)

    def with_name(self, entry: str) -> Reduction:
        """Return a copy whose datasets are called after a data entry, unless they have a name."""
        return self.evolve(geometry=self.geometry.evolve(name=self.geometry.name or entry))

    def validate(self) -> Iterable[Problem]:
        """There must be makers and an archive, and fitted bins inside the energy axis."""
        if not self.archive:
            yield Problem(("archive",), "is empty", "expected at least one place")
        if not self.make:
            yield Problem(("make",), "is empty", "expected at least one maker")
        yield from self._fit_range_problems()

    def _fit_range_problems(self) -> Iterable[Problem]:
        axis = getattr(self.geometry, "energy", None)
        energy = None if self.fit_range is None else self.fit_range.energy
        if axis is None or energy is None or any(True for _ in axis.validate()):
            return
        low, high = axis.bounds
        if energy[0] >= high or energy[1] <= low:
            yield Problem(
                ("fit_range", "energy"),
                f"{energy[0]} to {energy[1]} lies outside the energy axis of the geometry",
                f"expected a range between {low} and {high}",
            )
