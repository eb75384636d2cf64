"""The estimator `model-comparison`: the fitted model against others, each fitted in turn."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

from skyred.components.estimators.alternatives import Alternative, apply_alternative
from skyred.components.estimators.comparing import (
    FittedModel,
    comparison_table,
    draw_comparison,
    parameter_table,
)
from skyred.components.estimators.parameters import copies
from skyred.errors import FitError, Problem, SkyredWarning
from skyred.fields import REQUIRED, chain, option
from skyred.interfaces import Estimator, Product, component
from skyred.products.fits_tables import read_tables, write_tables

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult


@attrs.define(eq=False)
class ComparisonProduct(Product):
    """The fitted model and its alternatives, each at its best.

    Parameters
    ----------
    comparison : Table
        A row a model, the fitted one first.
    parameters : Table
        The best values of the free parameters of each.
    """

    comparison: Table
    parameters: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (comparison and parameters) and ``NAME.ecsv`` (comparison)."""
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        write_tables(fits, [self.comparison, self.parameters])
        self.comparison.write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``."""
        comparison, parameters = read_tables(folder / f"{name}.fits")
        return cls(name, comparison, parameters)

    def table(self) -> Table:
        """Give statistic, degrees of freedom, significance, AIC and BIC of each model."""
        return self.comparison

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how much better or worse than the fitted model each alternative is."""
        return draw_comparison(self.comparison, ax)


@component
class ModelComparison(Estimator):
    """The fitted model against alternatives, each fitted: significance, AIC and BIC."""

    kind = "model-comparison"
    product = ComparisonProduct
    reference: str = option("fitted", doc="What the fitted model is called.")
    alternatives: tuple[Alternative, ...] = chain(
        Alternative, REQUIRED, doc="The models that the fitted one is compared with."
    )

    def validate(self) -> Iterable[Problem]:
        """There are alternatives, each with a name of its own."""
        if not self.alternatives:
            yield Problem(("alternatives",), "is empty", "expected at least one")
        names = Counter([self.reference, *(each.name for each in self.alternatives)])
        for place, each in enumerate(self.alternatives):
            if names[each.name] > 1:
                message = f"two models are called {each.name!r}"
                yield Problem(("alternatives", place), message, "give each its own name")

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ComparisonProduct:
        """Fit each on copies of the datasets, from the best values of the fitted model.

        Raises
        ------
        ModelError
            If a source or parameter of an alternative is not there.
        """
        models = [_fitted(self.reference, copies(datasets), ())]
        for alternative in self.alternatives:
            copied = copies(datasets)
            doubts = apply_alternative(copied, alternative)
            made = _fitted(alternative.name, copied, doubts)
            models.append(attrs.evolve(made, nested=alternative.nested))
            if not made.success:
                message = f"{self.label}: {made.name} is not at a minimum: {made.message}"
                warnings.warn(message, SkyredWarning, stacklevel=2)
        bins = sum(int(_bins(dataset)) for dataset in datasets)
        return ComparisonProduct(
            self.label, comparison_table(models, bins), parameter_table(models)
        )


def _fitted(name: str, datasets: Datasets, doubts: Iterable[str]) -> FittedModel:
    """Fit the models of datasets; without free parameters there is only the statistic."""
    from skyred.likelihood import objective_of
    from skyred.likelihood.minimise import minimise

    if not datasets.models or not len(datasets.models.parameters.free_parameters):
        return FittedModel(name, float(datasets.stat_sum()), doubts=tuple(doubts))
    try:
        found = minimise(objective_of(datasets))
    except FitError as error:
        return FittedModel(name, np.nan, success=False, message=str(error), doubts=tuple(doubts))
    limits = tuple(f"{each} is at its limit" for each in found.at_limit)
    return FittedModel(
        name=name,
        stat=found.stat,
        names=found.names,
        units=found.units,
        values=found.values,
        errors=found.errors,
        success=found.success,
        message=found.message,
        doubts=(*doubts, *limits),
    )


def _bins(dataset: object) -> int:
    """Count the bins that are fitted."""
    if (mask := getattr(dataset, "mask", None)) is not None:
        return int(np.sum(getattr(mask, "data", mask)))
    data = getattr(dataset, "counts", None) or dataset.data.dnde  # type: ignore[attr-defined]
    return int(np.isfinite(data.data).sum())
