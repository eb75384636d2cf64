"""Reduction of a run to compare the datasets of its makers with those of gammapy's makers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from skyred.interfaces.reference import comparison_with_references
from skyred.io.captured_warnings import capture_warnings
from skyred.run.worker.code_check import require_same_code
from skyred.run.worker.observation import ReducedPart, RunReduction

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

    from skyred.run.worker.chunk import Chunk
    from skyred.run.worker.dataset_comparison import Agreement


@attrs.frozen
class MakerComparison:
    """The comparison of the dataset of a maker with that of gammapy's maker.

    Parameters
    ----------
    step : str
        The maker, with its plugin.
    reference : str
        The name of gammapy's maker.
    agreements : tuple of Agreement
        The comparison of each quantity.
    error : str
        The error of gammapy's maker; "" if there was none.
    comparison_error : str
        The error of the comparison of the two datasets; "" if there was none.
    """

    step: str
    reference: str
    agreements: tuple[Agreement, ...] = ()
    error: str = ""
    comparison_error: str = ""


@attrs.frozen
class RunComparison:
    """The comparison of a run.

    Parameters
    ----------
    makers : tuple of MakerComparison
        The comparisons of those makers that have a reference.
    failure : str
        The reason if the run could not be reduced again, so that there is no dataset to compare; ""
        if it was.
    """

    makers: tuple[MakerComparison, ...]
    failure: str = ""


def compare_run(chunk: Chunk) -> RunComparison:
    """Reduce a run again, and compare the datasets of its makers with those of gammapy's makers.

    If selectors cut the run into parts, its first part that is reduced is compared.

    Parameters
    ----------
    chunk : Chunk
        A chunk with a single observation.

    Returns
    -------
    RunComparison
        The comparison; the dataset of the run is not kept.
    """
    require_same_code(chunk)
    (observation,) = chunk.observations
    reduction = _ComparedReduction(chunk, observation)
    parts = reduction.run(chunk.reduction.geometry.target())
    return RunComparison(
        tuple(reduction.comparisons or ()), "" if parts else reduction.outcome.reason
    )


@attrs.define
class _ComparedReduction(RunReduction):
    """A reduction that compares makers with their references, in the first part of a run.

    Parameters
    ----------
    comparisons : list of MakerComparison or None
        The comparisons; None until a part is reduced.
    """

    comparisons: list[MakerComparison] | None = None

    def _make(self, target: Dataset, observation: Observation) -> ReducedPart:
        if self.comparisons is not None:
            return RunReduction._make(self, target, observation)
        from skyred.run.worker.dataset_comparison import compare_datasets

        comparisons: list[MakerComparison] = []

        def compare(
            reference: Any,
            dataset: Dataset,
            make_expected: Callable[[], Dataset],
            observation: Observation,
        ) -> None:
            name = type(reference).__name__
            try:
                with capture_warnings():  # a second maker would repeat the notes of the first
                    expected = make_expected()
            except Exception as error:  # gammapy rejects the data, but skyred does not
                comparisons.append(MakerComparison(self.step, name, error=_describe(error)))
                return
            try:
                agreements = compare_datasets(dataset, expected, observation)
                comparison = MakerComparison(self.step, name, agreements)
            except Exception as error:  # not a failure of the run: it must stop the analysis
                message = _describe(error)
                comparison = MakerComparison(self.step, name, comparison_error=message)
            comparisons.append(comparison)

        with comparison_with_references(compare):
            part = RunReduction._make(self, target, observation)
        self.comparisons = comparisons
        return part


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
