"""The fit and the models in the report: status, parameters with errors, correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.io.rounding import format_measurement, format_number
from skyred.products.charts.likelihood import correlation_chart
from skyred.products.plotting import format_unit
from skyred.report.estimates import Figure
from skyred.report.tables import Column, Grid

if TYPE_CHECKING:
    from skyred.interfaces.records import FitResult

COLUMNS = (
    Column("Model"),
    Column("Parameter"),
    Column("Value", numeric=True),
    Column("Unit"),
    Column("State"),
)


def parameter_grid(models: Sequence[Any], fit: FitResult | None) -> Grid:
    """Return the parameters of models, with their errors.

    Parameters
    ----------
    models : sequence of gammapy models
        The models.
    fit : FitResult or None
        The result of the fit.

    Returns
    -------
    Grid
        A row for each parameter. Asymmetric errors are those of the fit.
    """
    return Grid("Parameters of the models", COLUMNS, list(_rows(models, fit)))


def _rows(models: Sequence[Any], fit: FitResult | None) -> Iterator[Sequence[str]]:
    indices = {} if fit is None else {name: index for index, name in enumerate(fit.names)}
    for model in models:
        for parameter, name in zip(model.parameters, _unique_names(model), strict=True):
            index = indices.get(name)
            yield (
                model.name,
                name.removeprefix(f"{model.name}."),
                _format_value(parameter, fit, index),
                format_unit(parameter.unit) if str(parameter.unit) else "",
                _state(parameter, fit, name),
            )


def _unique_names(model: Any) -> list[str]:
    from gammapy.modeling.models import Models

    return list(Models([model]).parameters_unique_names)


def _format_value(parameter: Any, fit: FitResult | None, index: int | None) -> str:
    value, error = float(parameter.value), float(parameter.error)
    if parameter.frozen:
        return format_number(value, 6)
    if fit is not None and index is not None and fit.errn is not None and fit.errp is not None:
        sides = float(fit.errn[index]), float(fit.errp[index])
        if np.isfinite(sides).all():  # MINOS is run for selected parameters
            return format_measurement(value, *sides)
    return format_measurement(value, error)


def _state(parameter: Any, fit: FitResult | None, name: str) -> str:
    if parameter.frozen:
        return "frozen"
    if fit is not None and name in fit.at_limit:
        return "at its limit"
    if fit is not None and name in fit.unconstrained:
        return "not constrained by the data"
    return "fitted" if fit is not None and name in fit.names else ""


def correlation_figure(fit: FitResult | None) -> Figure | None:
    """Return the figure of the correlation matrix of a fit.

    Parameters
    ----------
    fit : FitResult or None
        The result of the fit.

    Returns
    -------
    Figure or None
        The figure; None if there is no matrix.
    """
    chart = None if fit is None else correlation_chart(fit)
    return None if chart is None else Figure.from_chart(chart, "correlation")
