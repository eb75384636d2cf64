"""gammapy's estimators as components."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from skyred.adapters.signatures import accepts_arguments, has_run, run_arguments, signature_error
from skyred.errors import ModelError
from skyred.fields import foreign, option
from skyred.interfaces import Estimator, Product, component
from skyred.products.gammapy_product import GammapyProduct

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter

    from skyred.interfaces.records import FitResult

_SIGNATURES = (("datasets",), ("dataset",), ("datasets", "parameter"))


def adapt_estimator(
    candidate: object,
    *,
    name: str | None = None,
    parameter: str | None = None,
) -> Estimator | None:
    """Return a gammapy estimator as a component.

    Parameters
    ----------
    candidate : object
        The estimator: an object with ``run(datasets)``, ``run(dataset)`` or
        ``run(datasets, parameter)``.
    name, parameter : str, optional
        As for `skyred.Estimator.adapt`.

    Returns
    -------
    Estimator or None
        The component; None if `candidate` has no ``run``.

    Raises
    ------
    FieldError
        If the ``run`` of `candidate` takes other arguments.
    """
    if not has_run(candidate):
        return None
    is_supported = any(accepts_arguments(candidate, *names) for names in _SIGNATURES)
    if not is_supported or "observation" in run_arguments(candidate):
        raise signature_error(
            candidate,
            "expected an estimator, with run(datasets) or run(dataset); write a "
            "skyred.Estimator that calls it",
        )
    label = name or type(candidate).__name__
    return AdaptedEstimator(adapted=candidate, name=label, parameter=parameter)


@component
class AdaptedEstimator(Estimator):
    """An adapted gammapy estimator."""

    kind = "adapted"
    product = GammapyProduct
    adapted: Any = foreign(doc="An object with run(datasets[, parameter]) or run(dataset).")
    parameter: str | None = option(
        None,
        type=str,
        doc="The parameter that the estimator is run for, if it needs one; by default it is run "
        "for each free parameter.",
    )

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> Product:
        """Run the gammapy estimator on a copy of the datasets, because many modify them.

        Parameters
        ----------
        datasets : Datasets
            The datasets, with their (fitted) models.
        fit : FitResult or None
            The result of the fit; not used.

        Returns
        -------
        Product
            The product.

        Raises
        ------
        ModelError
            If the estimator needs a single dataset and there are several, or if not exactly one
            parameter has the specified name.
        """
        datasets = copy.deepcopy(datasets)  # one copy, so that datasets still share their models
        estimator = self._with_parameter_from(datasets)
        if accepts_arguments(estimator, "datasets"):
            return GammapyProduct(self.label, _with_unit(estimator, estimator.run(datasets)))
        if accepts_arguments(estimator, "dataset"):
            return GammapyProduct(self.label, estimator.run(self._single_dataset(datasets)))
        return GammapyProduct(self.label, self._run_by_parameter(datasets))

    def _single_dataset(self, datasets: Datasets) -> Any:
        if len(datasets) != 1:
            raise ModelError(
                f"{type(self.adapted).__name__} needs one dataset, but got {len(datasets)}: "
                "stack them, or use a component for several datasets"
            )
        return datasets[0]

    def _run_by_parameter(self, datasets: Datasets) -> Any:
        """Run the estimator for one parameter, or for each free parameter and return a dict."""
        if self.parameter is not None:
            return self.adapted.run(datasets, _find_parameter(datasets, self.parameter))
        names = enumerate(datasets.models.parameters_unique_names)
        is_free = [not parameter.frozen for parameter in datasets.models.parameters]
        return {
            name: self._run_for_parameter(copy.deepcopy(datasets), index)
            for index, name in names
            if is_free[index]
        }

    def _run_for_parameter(self, datasets: Datasets, index: int) -> Any:
        return self.adapted.run(datasets, datasets.models.parameters[index])

    def _with_parameter_from(self, datasets: Datasets) -> Any:
        """Return the estimator, with its parameter replaced by that of the copied datasets."""
        old_parameter: Any = getattr(self.adapted, "parameter", None)
        if not hasattr(old_parameter, "frozen"):
            return self.adapted
        new_parameter = _find_parameter(datasets, self.parameter or old_parameter.name)
        return copy.deepcopy(self.adapted, {id(old_parameter): new_parameter})


def _find_parameter(datasets: Datasets, name: str) -> Parameter:
    """Find a parameter by its name, or by its unique name (``crab.spectral.index``)."""
    models = datasets.models
    parameters_by_name = zip(models.parameters_unique_names, models.parameters, strict=True)
    matches = [
        parameter
        for unique_name, parameter in parameters_by_name
        if name in (unique_name, parameter.name)
    ]
    if len(matches) == 1:
        return matches[0]
    raise ModelError(
        f"{len(matches) or 'no'} parameters match {name!r}; available: "
        f"{', '.join(models.parameters_unique_names)}; set Estimator.adapt(..., parameter=...)"
    )


def _with_unit(estimator: Any, result: Any) -> Any:
    """Add the unit of the parameter to a sensitivity, because gammapy omits it."""
    unit = getattr(getattr(estimator, "parameter", None), "unit", None)
    return result * unit if isinstance(result, float) and unit is not None else result
