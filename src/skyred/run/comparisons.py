"""Comparison of the first run of each type of IRFs with gammapy (``compare_with_gammapy``)."""

from __future__ import annotations

import logging

import attrs

from skyred.errors import RunsFailedError
from skyred.io.streaming import LOST_TASK_ERRORS, Workers
from skyred.run.worker import Chunk, PartialStack, RunComparison, compare_run
from skyred.run.worker.compared_run import MakerComparison

log = logging.getLogger(__name__)

_REMEDY = (
    "report this as an issue of skyred, with the run; until it is fixed, use gammapy's {reference} "
    "as the maker, in Python or in a maker of your own that calls it"
)


@attrs.define
class Comparisons:
    """The comparisons of runs with gammapy.

    The runs are chosen in the parent process, from the types of the IRFs that the workers report:
    the first reduced run of each type in the order of the selection. They are the same for any
    engine, any number of workers, and if chunks are read from the cache.

    Parameters
    ----------
    compared : set of tuple of str
        The data entries and IRF types that were compared, or could not be.
    largest : tuple of float and str
        The largest relative difference, with its quantity and run.
    missing : dict of str to str
        The reasons why runs could not be compared, by run.
    """

    compared: set[tuple[str, str]] = attrs.field(factory=set)
    largest: tuple[float, str] = (0.0, "")
    missing: dict[str, str] = attrs.field(factory=dict)

    def add(self, workers: Workers, chunk: Chunk, partial_stack: PartialStack) -> None:
        """Compare the first runs of IRF types in a reduced chunk with gammapy.

        Parameters
        ----------
        workers : Workers
            The workers that reduce the runs again.
        chunk : Chunk
            The chunk.
        partial_stack : PartialStack
            The chunk after its reduction, from a worker or from the cache.

        Raises
        ------
        RunsFailedError
            If a dataset differs from that of gammapy, or the comparison of the two fails.
        """
        runs = zip(chunk.observations, partial_stack.outcomes, partial_stack.irf_types, strict=True)
        for observation, outcome, irf_type in runs:
            key = chunk.entry, irf_type
            if outcome.status not in ("reduced", "cached") or key in self.compared:
                continue
            self.compared.add(key)
            name = f"data.{outcome.entry}, run {outcome.obs_id}"
            self._add_run(name, _compare(workers, chunk, observation))

    def _add_run(self, name: str, comparison: RunComparison) -> None:
        if not comparison.makers or comparison.failure:
            reason = comparison.failure or "none of its makers uses the projections of skyred"
            self._add_missing(name, reason)
        for maker in comparison.makers:
            if maker.error:
                self._add_missing(name, f"gammapy's {maker.reference} failed: {maker.error}")
                continue
            _require_agreement(name, maker)
            for agreement in maker.agreements:
                label = f"{agreement.quantity} of {name}"
                self.largest = max(self.largest, (agreement.difference, label))

    def _add_missing(self, name: str, reason: str) -> None:
        log.warning("%s: not compared with gammapy: %s", name, reason)
        self.missing[name] = reason

    def summary(self) -> str:
        """Return a summary.

        Returns
        -------
        str
            The number of compared types of IRFs, the largest difference, and runs that could not be
            compared; "" if no comparison was requested.
        """
        if not self.compared:
            return ""
        n_compared = len(self.compared) - len(self.missing)
        phrases = [
            f"not compared with gammapy: {name}: {self.missing[name]}" for name in self.missing
        ]
        if n_compared:
            types = f"{n_compared} combination{'s' * (n_compared > 1)} of IRFs"
            difference, label = self.largest
            details = f"{difference:.1g} in the {label}" if difference else "0"
            phrases.insert(
                0, f"compared with gammapy: {types}; largest relative difference {details}"
            )
        return "; ".join(phrases)


def _compare(workers: Workers, chunk: Chunk, observation: object) -> RunComparison:
    try:
        return workers.attempt(compare_run, attrs.evolve(chunk, observations=(observation,)))
    except LOST_TASK_ERRORS as error:
        return RunComparison((), f"the worker died ({error}): out of memory?")


def _require_agreement(name: str, maker: MakerComparison) -> None:
    """Raise an error if a dataset differs from that of gammapy, or could not be compared."""
    if maker.comparison_error:
        raise RunsFailedError(
            f"{name}: the comparison of the dataset of the {maker.step} with that of gammapy's "
            f"{maker.reference} failed: {maker.comparison_error}; report this as an issue of "
            "skyred, with the run; until it is fixed, the analysis runs without "
            "compare_with_gammapy, but its numbers are not confirmed"
        )
    mismatches = [agreement for agreement in maker.agreements if not agreement.is_equal]
    if not mismatches:
        return
    worst = max(mismatches, key=lambda agreement: agreement.difference)
    others = ", ".join(mismatch.quantity for mismatch in mismatches if mismatch is not worst)
    relative = f", by {worst.difference:.2g} (relative)" if worst.tolerance else ""
    expected = f"at most {worst.tolerance:g}" if worst.tolerance else "no difference"
    raise RunsFailedError(
        f"{name}: the dataset of the {maker.step} differs from that of gammapy's {maker.reference} "
        f"in the {worst.quantity}{relative}: {worst.details}; expected {expected}"
        + (f" (other differences: {others})" if others else "")
        + f"; {_REMEDY.format(reference=maker.reference)}"
    )
