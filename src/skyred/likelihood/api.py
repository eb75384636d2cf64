"""The fit of gammapy datasets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skyred.errors import FitError
from skyred.interfaces.fit_checks import run_fitter
from skyred.likelihood.minimise import minimise
from skyred.likelihood.objective import objective_of, restored_on_error
from skyred.likelihood.source_checks import as_datasets

if TYPE_CHECKING:
    from gammapy.datasets import Dataset, Datasets

    from skyred.interfaces import Fitter
    from skyred.interfaces.records import FitResult


def fit(
    datasets: Datasets | Dataset | Iterable[Dataset],
    fitter: Fitter | None = None,
    *,
    minos: bool = False,
    check: bool = False,
) -> FitResult:
    """Fit the models of gammapy datasets, as ``gammapy.modeling.Fit().run(datasets)`` does.

    Values, errors and covariance of the result are written to the models; errors that are NaN are
    written as 0. By default, the errors are computed from the second derivatives at the minimum.
    Those of `Fit.run` are estimates that MIGRAD accumulates during the search.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, Dataset or iterable of Dataset
        Datasets with models assigned.
    fitter : Fitter, optional
        Fitter that minimises or samples the statistic; by default Newton steps, MIGRAD if Newton
        steps fail, and HESSE.
    minos : bool
        Whether to compute asymmetric errors with MINOS. With `fitter`, set its option instead.
    check : bool
        Whether to compare every source with gammapy's own evaluation first; by default, only
        sources whose model classes are not defined in gammapy are compared.

    Returns
    -------
    FitResult
        The result, with the parameters in the order of
        ``datasets.models.parameters.unique_parameters.free_parameters``. Parameters that share one
        value, as in gammapy's `NestedModelSelection`, are listed once. `success` is true if a
        valid minimum was found. `notes` include the models that gammapy evaluated.

    Raises
    ------
    ComponentError
        If `fitter` returns an invalid result, such as another statistic than at its values.
    FitError
        If there is nothing to fit, if the statistic is not finite at the start, or if both
        `fitter` and `minos` are passed.
    """
    if fitter and minos:
        raise FitError(
            "minos cannot be combined with a fitter: set it on the fitter "
            f"({fitter.kind!r}) if that has such an option"
        )
    all_datasets = as_datasets(datasets)
    objective = objective_of(all_datasets, check)
    with restored_on_error(all_datasets):
        result = run_fitter(fitter, objective) if fitter else minimise(objective, minos=minos)
    objective.accept(result)
    return result
