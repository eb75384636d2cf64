"""gammapy's estimators as components."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from skyred.adapters.signatures import refusal, run_takes, runs, runs_with
from skyred.errors import ModelError
from skyred.fields import foreign, option
from skyred.interfaces import Estimator, Product, component
from skyred.products.gammapy_product import GammapyProduct

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter

    from skyred.interfaces.records import FitResult

_TAKES = (("datasets",), ("dataset",), ("datasets", "parameter"))


def adapt_estimator(
    other: object, *, name: str | None = None, parameter: str | None = None
) -> Estimator | None:
    """Take a gammapy estimator: anything with ``run(datasets)`` or ``run(dataset)``.

    Parameters
    ----------
    other : object
        The estimator.
    name, parameter : str, optional
        As for `skyred.Estimator.adapt`.

    Returns
    -------
    Estimator or None
        None if it has no ``run``.

    Raises
    ------
    FieldError
        If its ``run`` takes something else.
    """
    if not runs(other):
        return None
    takes = any(runs_with(other, *names) for names in _TAKES)
    if not takes or "observation" in run_takes(other):
        raise refusal(
            other,
            "expected an estimator, with run(datasets) or run(dataset); put it into a small "
            "skyred.Estimator that calls it",
        )
    called = name or type(other).__name__
    return AdaptedEstimator(adapted=other, name=called, parameter=parameter)


@component
class AdaptedEstimator(Estimator):
    """A gammapy estimator as it is."""

    kind = "adapted"
    product = GammapyProduct
    adapted: Any = foreign(doc="Anything with run(datasets).")
    parameter: str | None = option(
        None,
        type=str,
        doc="The parameter it is run for, if it takes one; by default each free one.",
    )

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> Product:
        """Run the gammapy estimator, on a copy of the datasets: many leave theirs changed.

        Raises
        ------
        ModelError
            If it takes one dataset, and there are several; if there is no such parameter.
        """
        datasets = copy.deepcopy(datasets)  # in one go: models that datasets share stay shared
        estimator = self._with_parameter_of(datasets)
        if runs_with(estimator, "datasets"):
            return GammapyProduct(self.label, _with_unit(estimator, estimator.run(datasets)))
        if runs_with(estimator, "dataset"):
            return GammapyProduct(self.label, estimator.run(self._only(datasets)))
        return GammapyProduct(self.label, self._by_parameter(datasets))

    def _only(self, datasets: Datasets) -> Any:
        if len(datasets) != 1:
            raise ModelError(
                f"{type(self.adapted).__name__} takes one dataset, and there are {len(datasets)}: "
                "stack them, or use a component that can"
            )
        return datasets[0]

    def _by_parameter(self, datasets: Datasets) -> Any:
        """Run it for a parameter; for several, give what it gives for each by name."""
        if self.parameter is not None:
            return self.adapted.run(datasets, _parameter(datasets, self.parameter))
        named = enumerate(datasets.models.parameters_unique_names)
        free = [not each.frozen for each in datasets.models.parameters]
        return {name: self._of(copy.deepcopy(datasets), at) for at, name in named if free[at]}

    def _of(self, datasets: Datasets, at: int) -> Any:
        return self.adapted.run(datasets, datasets.models.parameters[at])

    def _with_parameter_of(self, datasets: Datasets) -> Any:
        """Give the estimator with the parameter of these datasets, if it holds one of others."""
        held: Any = getattr(self.adapted, "parameter", None)
        if not hasattr(held, "frozen"):
            return self.adapted
        found = _parameter(datasets, self.parameter or held.name)
        return copy.deepcopy(self.adapted, {id(held): found})


def _parameter(datasets: Datasets, name: str) -> Parameter:
    """Find a parameter by its name, or by that with its model (``crab.spectral.index``)."""
    models = datasets.models
    named = zip(models.parameters_unique_names, models.parameters, strict=True)
    found = [each for unique, each in named if name in (unique, each.name)]
    if len(found) == 1:
        return found[0]
    raise ModelError(
        f"{len(found) or 'no'} parameters are called {name!r}; expected one of "
        f"{', '.join(models.parameters_unique_names)}: Estimator.adapt(..., parameter=...)"
    )


def _with_unit(estimator: Any, result: Any) -> Any:
    """Give the sensitivity of a parameter, which gammapy gives as a bare number, its unit."""
    unit = getattr(getattr(estimator, "parameter", None), "unit", None)
    return result * unit if isinstance(result, float) and unit is not None else result
