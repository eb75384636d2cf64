"""Estimator `model-comparison`: fits of alternatives to the fitted model."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

from skyred.components.estimators.alternatives import Alternative, apply_alternative
from skyred.components.estimators.comparison_tables import (
    FittedModel,
    comparison_table,
    draw_comparison,
    parameter_table,
)
from skyred.components.estimators.parameters import copy_datasets
from skyred.errors import FitError, Problem, SkyredWarning
from skyred.fields import REQUIRED, nested_list, option
from skyred.interfaces import SERIAL_TASKS, Estimator, Product, Tasks, component
from skyred.products.fits_tables import read_tables, write_tables

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult


@attrs.define(eq=False)
class ComparisonProduct(Product):
    """Comparison of the fitted model with its alternatives.

    Parameters
    ----------
    comparison : astropy.table.Table
        One row per model, the fitted model first.
    parameters : astropy.table.Table
        Best-fit values and errors of the free parameters of each model.
    """

    comparison: Table
    parameters: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (comparison and parameters) and ``NAME.ecsv`` (comparison).

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        write_tables(fits, [self.comparison, self.parameters])
        self.comparison.write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.
        name : str
            Name of the product, without suffix.
        models : gammapy.modeling.models.Models or None
            Fitted models of the run.

        Returns
        -------
        ComparisonProduct
            The comparison.
        """
        comparison, parameters = read_tables(folder / f"{name}.fits")
        return cls(name, comparison, parameters)

    def table(self) -> Table:
        """Return the statistic, degrees of freedom, significance, AIC and BIC of each model.

        Returns
        -------
        astropy.table.Table
            One row per model.
        """
        return self.comparison

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the difference of the statistic between each alternative and the fitted model.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        return draw_comparison(self.comparison, ax)


@component
class ModelComparison(Estimator):
    """Comparison of the fitted model with alternatives: significance, AIC and BIC."""

    kind = "model-comparison"
    product = ComparisonProduct
    reference: str = option("fitted", doc="Name of the fitted model in the results.")
    alternatives: tuple[Alternative, ...] = nested_list(
        Alternative, REQUIRED, doc="Alternatives to the fitted model."
    )

    def validate(self) -> Iterable[Problem]:
        """Check that alternatives are set, and that all names differ.

        Yields
        ------
        Problem
            No alternatives, or two models with the same name.
        """
        if not self.alternatives:
            yield Problem(("alternatives",), "is empty", "expected at least one")
        names = [self.reference, *(alternative.name for alternative in self.alternatives)]
        counts_by_name = Counter(names)
        for index, alternative in enumerate(self.alternatives):
            if counts_by_name[alternative.name] > 1:
                message = f"two models are named {alternative.name!r}"
                yield Problem(("alternatives", index), message, "choose another name")

    def estimate(
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> ComparisonProduct:
        """Refit the fitted model and fit each alternative, with copies of the datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.
        tasks : Tasks
            Runs the fits.

        Returns
        -------
        ComparisonProduct
            The comparison.

        Raises
        ------
        ModelError
            If a source or parameter of an alternative does not exist, or a value has the wrong
            unit.
        """
        fits: list[str | Alternative] = [self.reference, *self.alternatives]
        models = tasks.map(_fit_copies, datasets, fits)
        for model in models[1:]:
            if not model.success:
                message = f"{self.label}: {model.name} did not converge: {model.message}"
                warnings.warn(message, SkyredWarning, stacklevel=2)
        n_bins = sum(int(_count_bins(dataset)) for dataset in datasets)
        return ComparisonProduct(
            self.label, comparison_table(models, n_bins), parameter_table(models)
        )


def _fit_copies(datasets: Datasets, model: str | Alternative) -> FittedModel:
    """Fit copies of datasets, with their own models (a name) or with an alternative."""
    copies = copy_datasets(datasets)
    if isinstance(model, str):
        return _fit_model(model, copies, ())
    caveats = apply_alternative(copies, model)
    return attrs.evolve(_fit_model(model.name, copies, caveats), nested=model.nested)


def _fit_model(name: str, datasets: Datasets, caveats: Iterable[str]) -> FittedModel:
    """Fit the models of datasets; without free parameters, only evaluate the statistic."""
    from skyred.likelihood import objective_of
    from skyred.likelihood.minimise import minimise

    if not datasets.models or not len(datasets.models.parameters.free_parameters):
        return FittedModel(name, float(datasets.stat_sum()), caveats=tuple(caveats))
    try:
        result = minimise(objective_of(datasets))
    except FitError as error:
        return FittedModel(name, np.nan, success=False, message=str(error), caveats=tuple(caveats))
    limit_caveats = tuple(f"{parameter} is at its limit" for parameter in result.at_limit)
    return FittedModel(
        name=name,
        stat=result.stat,
        names=result.names,
        units=result.units,
        values=result.values,
        errors=result.errors,
        success=result.success,
        message=result.message,
        caveats=(*caveats, *limit_caveats),
    )


def _count_bins(dataset: object) -> int:
    """Return the number of fitted bins of a dataset."""
    if (mask := getattr(dataset, "mask", None)) is not None:
        return int(np.sum(getattr(mask, "data", mask)))
    data = getattr(dataset, "counts", None) or dataset.data.dnde  # type: ignore[attr-defined]
    return int(np.isfinite(data.data).sum())
