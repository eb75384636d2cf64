"""The entries of `data:`: reductions of an archive, and datasets that are read from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from skyred.errors import FieldError, Problem, format_value, warn_of_old_name
from skyred.fields import Location, nested_list, nested_object, option
from skyred.interfaces.fit_range import FitRange
from skyred.interfaces.geometry import Geometry
from skyred.interfaces.maker import Maker
from skyred.interfaces.maker_sequence import required_irfs
from skyred.interfaces.selector import Selector
from skyred.interfaces.stacker import Stacker
from skyred.interfaces.value_class import Fields, value

IRF_TYPES = {  # as in gammapy
    "full-enclosure": ("aeff", "bkg", "edisp", "psf"),
    "point-like": ("aeff", "edisp"),
}


class DataEntry(Fields):
    """One entry of `data:`, a `Reduction` or `ReducedData`.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.
    """

    fit_range: FitRange | None

    @classmethod
    def variant(cls, raw: Mapping[str, Any]) -> type[DataEntry]:
        """Return `ReducedData` for options with datasets, `Reduction` for those with an archive.

        Parameters
        ----------
        raw : mapping of str to object
            The options, as in YAML.

        Returns
        -------
        type
            The class to build.

        Raises
        ------
        FieldError
            If there are both datasets and an archive, or neither.
        """
        if "archive" in raw and "datasets" in raw:
            raise FieldError(
                "has both datasets and an archive",
                "remove one of them: datasets are already reduced",
            )
        if "archive" not in raw and "datasets" not in raw:
            raise FieldError(
                "has neither archive nor datasets",
                "expected an archive of DL3 data, or reduced datasets",
            )
        return Reduction if "archive" in raw else ReducedData

    def name_pattern(self, entry: str) -> str:
        """Return a pattern that the names of all datasets of this entry match.

        Parameters
        ----------
        entry : str
            The name of the data entry.

        Returns
        -------
        str
            The name of a single dataset, or a pattern with wildcards; ``*`` if the names are not
            known yet.
        """
        return "*"


@value
class ReducedData(DataEntry):
    """Reduced datasets that are read from files."""

    datasets: tuple[Location, ...] = option(
        type=Location,
        many=True,
        doc="Files of datasets: a datasets.yaml of gammapy, FITS files of single datasets, OGIP "
        "files (pha_*.fits), tables of flux points (FITS, ECSV, CSV), or run folders.",
    )
    names: str = option(
        "keep",
        choices=("keep", "entry"),
        doc="Names of the datasets: keep those in datasets.yaml and FITS files, or name all after "
        "the entry (entry-1, entry-2, ...), which is always done if the files contain no names.",
    )
    allow_outside: bool = option(
        False,
        doc="Whether files may refer to other files outside their folder.",
    )
    fit_range: FitRange | None = nested_object(
        FitRange,
        None,
        doc="The bins that are fitted; by default the fit mask in the files is kept.",
    )

    def name_pattern(self, entry: str) -> str:
        """Return a pattern for the names of the datasets.

        Parameters
        ----------
        entry : str
            The name of the data entry.

        Returns
        -------
        str
            ``{entry}-*`` if the datasets are named after the entry; otherwise ``*``.
        """
        return f"{entry}-*" if self.names == "entry" else "*"

    def validate(self) -> Iterable[Problem]:
        """Yield a problem if there are no files.

        Yields
        ------
        Problem
            At most one.
        """
        if not self.datasets:
            yield Problem(("datasets",), "is empty", "expected at least one file")


@value
class Reduction(DataEntry):
    """A data reduction: archive, selection, geometry, makers and stacker."""

    archive: tuple[Location, ...] = option(
        type=Location,
        many=True,
        doc="The archive: a folder with or without an index, an index file, DL3 files (also as "
        "globs), or sim:crab.",
    )
    allow_outside: bool = option(
        False,
        doc="Whether the index of the archive may refer to any files outside the archive, "
        "including events, absolute paths and links; IRFs in FITS files with a relative path may "
        "always be outside.",
    )
    hdus: Mapping[str, Any] = option(
        {},
        type=dict,
        doc="The choice between several HDUs of one type for a run, such as the IRFs of event "
        "classes: a pattern of HDU_NAME by type (psf: PSF_B9), or a pattern of a column of the HDU "
        "index for all types with several HDUs (EVENT_CLASS: 9). Patterns may contain * and ?.",
    )
    irfs: tuple[str, ...] | None = option(
        None,
        many=True,
        choices=("rad_max", "psf", "bkg", "edisp", "aeff", *IRF_TYPES),
        doc="The IRFs that a run must have, in addition to those that the makers read: a list of "
        "aeff, bkg, edisp, psf and rad_max, or the type full-enclosure or point-like. The IRFs "
        "that gammapy makers read are unknown: for these, the default is full-enclosure.",
    )
    select: tuple[Selector, ...] = nested_list(
        Selector, doc="The selectors, applied in this order; all observations if empty."
    )
    geometry: Geometry = nested_object(Geometry, doc="Axes, centre and size of the reduced data.")
    make: tuple[Maker, ...] = nested_list(Maker, doc="The makers, applied in this order.")
    stack: Stacker = nested_object(
        Stacker, doc="How the datasets of the observations are combined."
    )
    fit_range: FitRange | None = nested_object(
        FitRange, None, doc="The bins that are fitted; by default all bins in the safe mask."
    )
    on_fault: str = option(
        "fail",
        choices=("fail", "note"),
        doc="Whether a run with a fault in its input fails, or is used, with a note in the "
        "observation log. Runs with faults in the index, or with files that cannot be read or have "
        "changed, always fail.",
    )
    compare_with_gammapy: bool = option(
        False,
        doc="Whether the first run of each combination of IRF types is also reduced with gammapy's "
        "MapDatasetMaker or SpectrumDatasetMaker, and the analysis stops if the datasets differ. "
        "The results do not depend on it.",
    )
    on_error: str = option(
        "stop",
        choices=("stop", "skip"),
        doc="Whether failed runs stop the analysis before the fit, or are skipped.",
    )

    def __new__(cls, **fields: Any) -> Any:
        """Return `ReducedData` for the deprecated option `datasets`."""
        if "datasets" in fields and cls is Reduction:
            warn_of_old_name("Reduction(datasets=...)", "ReducedData(datasets=...)")
            return ReducedData(**fields)
        return super().__new__(cls)

    def required_irfs(self) -> tuple[str, ...]:
        """Return the IRFs that a run must have: those in `irfs`, and those that the makers read.

        Returns
        -------
        tuple of str
            The names of the IRFs, sorted.
        """
        irfs_of_makers = required_irfs(self.make)
        requested = self.irfs
        if requested is None:
            requested = ("full-enclosure",) if irfs_of_makers is None else ()
        names = {irf for name in requested for irf in IRF_TYPES.get(name, (name,))}
        return tuple(sorted(names | set(irfs_of_makers or ())))

    def name_pattern(self, entry: str) -> str:
        """Return a pattern for the names of the datasets.

        Parameters
        ----------
        entry : str
            The name of the data entry, used if the geometry has no name.

        Returns
        -------
        str
            The name of a single dataset, or a pattern with wildcards.
        """
        stack, geometry = getattr(self, "stack", None), getattr(self, "geometry", None)
        if not isinstance(stack, Stacker) or not isinstance(geometry, Geometry):
            return "*"  # missing, or invalid
        return stack.name_pattern(geometry.name or entry)

    def with_name(self, entry: str) -> Reduction:
        """Return a copy whose geometry has a name, from which the names of datasets are derived.

        Parameters
        ----------
        entry : str
            The name of the data entry, used if the geometry has no name.

        Returns
        -------
        Reduction
            The copy.
        """
        return self.evolve(geometry=self.geometry.evolve(name=self.geometry.name or entry))

    def validate(self) -> Iterable[Problem]:
        """Yield problems: no archive or makers, invalid `hdus`, fit range outside the energy axis.

        Yields
        ------
        Problem
            One for each mistake.
        """
        if not self.archive:
            yield Problem(("archive",), "is empty", "expected at least one location")
        if not self.make:
            yield Problem(("make",), "is empty", "expected at least one maker")
        for key, pattern in self.hdus.items():
            if isinstance(pattern, bool) or not isinstance(pattern, (str, int, float)):
                yield Problem(
                    ("hdus", key),
                    f"invalid value {format_value(pattern)}",
                    "expected a string or a number",
                )
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
                f"{energy[0]} to {energy[1]} is outside the energy axis of the geometry",
                f"expected a range between {low} and {high}",
            )
