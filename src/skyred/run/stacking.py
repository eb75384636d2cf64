"""The stack of a data entry: merged totals of chunks, and checks that the stacker drops no data."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ComponentError, format_list
from skyred.interfaces import Stacker
from skyred.interfaces.dataset_names import matches_any
from skyred.plugins import Catalog
from skyred.plugins.component_errors import describe_component, errors_of

if TYPE_CHECKING:
    from gammapy.data import ObservationTable
    from gammapy.datasets import Datasets

    from skyred.run.worker import PartialStack

COUNTS_TOLERANCE = 1e-3  # relative, for sums of float32
MAX_LISTED = 5


def prepare_stacker(stacker: Stacker, table: ObservationTable, catalog: Catalog) -> Stacker:
    """Return the stacker to use for the selected observations.

    Parameters
    ----------
    stacker : Stacker
        The stacker of the configuration.
    table : gammapy.data.ObservationTable
        The rows of the selected observations.
    catalog : Catalog
        The components of the plugins.

    Returns
    -------
    Stacker
        The prepared stacker.

    Raises
    ------
    ComponentError
        If it returns something else than a stacker.
    """
    with errors_of(stacker, catalog):
        prepared = stacker.prepare(table)
    if not isinstance(prepared, Stacker):
        raise ComponentError(
            f"prepare of the {describe_component(stacker, catalog)} returned "
            f"{type(prepared).__name__}; it must return the stacker to use"
        )
    return prepared


@attrs.define
class Stacking:
    """The stack of a data entry while it is reduced.

    Parameters
    ----------
    stacker : Stacker
        The prepared stacker.
    catalog : Catalog
        The components of the plugins.
    total : object
        The current total.
    pattern : str
        A pattern that the names of the stacked datasets match.
    counts : int
        The sum of the counts of the reduced observations, in their safe masks.
    n_reduced : int
        The number of reduced observations.
    """

    stacker: Stacker
    catalog: Catalog
    total: Any
    pattern: str = "*"
    counts: int = 0
    n_reduced: int = 0

    @property
    def _source(self) -> str:
        return describe_component(self.stacker, self.catalog)

    def merge(self, partial_stack: PartialStack) -> None:
        """Merge the total of a reduced chunk.

        Parameters
        ----------
        partial_stack : PartialStack
            The chunk.

        Raises
        ------
        ComponentError
            If the stacker returns no total, although observations were reduced.
        """
        reduced = [
            outcome for outcome in partial_stack.outcomes if outcome.status in ("reduced", "cached")
        ]
        self.counts += sum(outcome.counts or 0 for outcome in reduced)
        self.n_reduced += len(reduced)
        with errors_of(self.stacker, self.catalog):
            self.total = self.stacker.merge(self.total, partial_stack.total)
        if self.total is None and self.n_reduced:
            raise ComponentError(
                f"merge of the {self._source} returned None in place of the total of "
                f"{self.n_reduced} runs; it must return the merged total"
            )

    def finish(self) -> Datasets:
        """Return the stacked datasets.

        Returns
        -------
        Datasets
            The datasets.

        Raises
        ------
        ComponentError
            If the stacker does not return datasets, or if their names or counts are wrong.
        """
        with errors_of(self.stacker, self.catalog):
            datasets = self.stacker.result(self.total)
        if fault := self._find_fault(datasets):
            raise ComponentError(f"the {self._source} {fault}")
        return datasets

    def _find_fault(self, datasets: Any) -> str:
        """Return what is wrong with stacked datasets; "" if nothing is."""
        from gammapy.datasets import Datasets

        if not isinstance(datasets, Datasets):
            return f"returned {type(datasets).__name__}; result must return Datasets of gammapy"
        if self.n_reduced and not len(datasets):
            return f"returned no datasets, although {self.n_reduced} runs were added"
        names = Counter(dataset.name for dataset in datasets)
        if repeated := [name for name in names if names[name] > 1]:
            return (
                f"returned several datasets with the name {format_list(repeated, MAX_LISTED)}; "
                "names must be unique, because models refer to datasets by name"
            )
        if invalid := [name for name in names if not matches_any(name, [self.pattern])]:
            return (
                f"returned {format_list(invalid, MAX_LISTED)}, but name_pattern is "
                f"{self.pattern!r}; all names must match it"
            )
        return self._find_wrong_counts(datasets)

    def _find_wrong_counts(self, datasets: Datasets) -> str:
        """Return whether counts are lost or repeated; "" if they are not, or are unknown.

        A stacker may make safe masks smaller, which leaves the counts in the maps.
        """
        if any(getattr(dataset, "counts", None) is None for dataset in datasets):
            return ""
        total = safe = 0.0
        for dataset in datasets:
            counts = dataset.counts.data
            total += float(counts.sum())
            mask = dataset.mask_safe
            safe += float((counts if mask is None else counts[mask.data.astype(bool)]).sum())
        # the counts of each run were rounded to an integer
        tolerance = self.n_reduced + COUNTS_TOLERANCE * self.counts
        if total < self.counts - tolerance:
            return (
                f"returned datasets with {total:.10g} counts, but its {self.n_reduced} runs have "
                f"{self.counts}; to leave out a run, raise SkipObservation in check_observation, "
                "or in a maker if that depends on the dataset; to restrict energies or regions, "
                "use a maker"
            )
        if safe > self.counts + tolerance:
            return (
                f"returned datasets with {safe:.10g} counts in their safe masks, but its "
                f"{self.n_reduced} runs have {self.counts}; each run must be added once"
            )
        return ""
