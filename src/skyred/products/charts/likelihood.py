"""Interactive figures of the fit statistic: profiles, contours and correlations of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.interfaces.chart import Chart
from skyred.products.charts.traces import COLOURS, DASHES, numbers

if TYPE_CHECKING:
    from skyred.interfaces.records import FitResult

MAX_TEXT = 15  # parameters; the cells of larger matrices have no numbers
SIGNED = [[0, "#2166ac"], [0.25, "#92c5de"], [0.5, "#f7f7f7"], [0.75, "#f4a582"], [1, "#b2182b"]]


def profile_chart(
    name: str, unit: str, best_fit: float, error: float, values: Any, delta_stat: Any
) -> Chart:
    """Return the interactive figure of the profile of a parameter.

    Parameters
    ----------
    name, unit : str
        Name and unit of the parameter.
    best_fit, error : float
        Its best-fit value and error.
    values, delta_stat : array
        Values, and the rise of the statistic at them, shape (n,).

    Returns
    -------
    Chart
        The figure, with the parabola that corresponds to the error.
    """
    values = np.asarray(values, dtype=float)
    grid = np.linspace(np.nanmin(values), np.nanmax(values), 80)
    parabola = ((grid - best_fit) / error) ** 2
    highest = float(np.nanmax(delta_stat))
    label = f"{name} [{unit}]" if unit else name
    traces = [
        {"type": "scatter", "mode": "lines", "name": "parabola of the error", "x": numbers(grid),
         "y": numbers(np.where(parabola <= 1.2 * highest, parabola, np.nan)),
         "line": {"color": "--axis", "dash": "dash", "width": 1.5}, "hoverinfo": "skip"},
        {"type": "scatter", "mode": "lines+markers", "name": "profile", "x": numbers(values),
         "y": numbers(delta_stat), "line": {"color": "--c1"}, "marker": {"size": 6},
         "hovertemplate": "%{x:.5g}: rise of %{y:.3f}<extra></extra>"},
    ]  # fmt: skip
    lines = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": rise, "y1": rise,
         "line": {"color": "--grid", "width": 1}}
        for rise in (1, 4, 9) if rise < highest
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": label}},
        "yaxis": {"title": {"text": "Rise of the fit statistic"}, "rangemode": "tozero"},
        "shapes": lines,
    }
    return Chart(f"Profile of the fit statistic along {name}; 1, 4 and 9 are 1, 2 and 3 sigma.",
                 traces, layout)  # fmt: skip


def contour_chart(
    names: tuple[str, str],
    units: tuple[str, str],
    best_fit: tuple[float, float],
    contours: Sequence[tuple[str, Any, Any]],
) -> Chart:
    """Return the interactive figure of contours of two parameters.

    Parameters
    ----------
    names, units : tuple of str
        Names and units of the parameters.
    best_fit : tuple of float
        Their best-fit values.
    contours : sequence of tuple
        Label, x and y of each contour, from the innermost outwards.

    Returns
    -------
    Chart
        The figure.
    """
    traces: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "name": label, "x": numbers(x), "y": numbers(y),
         "line": {"color": COLOURS[index % len(COLOURS)], "dash": DASHES[index % len(DASHES)]},
         "hovertemplate": f"{label}<br>%{{x:.5g}}, %{{y:.5g}}<extra></extra>"}
        for index, (label, x, y) in enumerate(contours)
    ]  # fmt: skip
    traces.append(
        {"type": "scatter", "mode": "markers", "name": "best fit", "x": [best_fit[0]],
         "y": [best_fit[1]], "marker": {"symbol": "cross", "size": 11, "color": "--point"},
         "hovertemplate": "best fit %{x:.5g}, %{y:.5g}<extra></extra>"}
    )  # fmt: skip
    labels = [f"{name} [{unit}]" if unit else name for name, unit in zip(names, units, strict=True)]
    layout = {"xaxis": {"title": {"text": labels[0]}}, "yaxis": {"title": {"text": labels[1]}}}
    return Chart(f"Contours of the fit statistic for {names[0]} and {names[1]}.", traces, layout)


def correlation_chart(fit: FitResult) -> Chart | None:
    """Return the interactive figure of the correlation matrix of a fit.

    Parameters
    ----------
    fit : FitResult
        The result of the fit.

    Returns
    -------
    Chart or None
        The figure; None for fewer than two parameters with a covariance.
    """
    variances = np.diag(fit.covariance)
    if len(fit.names) < 2 or not np.any(np.isfinite(variances) & (variances > 0)):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        matrix = fit.covariance / np.sqrt(np.outer(variances, variances))
    names = list(fit.names)
    has_text = len(names) <= MAX_TEXT
    trace = {
        "type": "heatmap", "x": names, "y": names, "z": [numbers(row) for row in matrix],
        "zmin": -1, "zmax": 1, "colorscale": SIGNED, "xgap": 1, "ygap": 1,
        "texttemplate": "%{z:.2f}" if has_text else "",
        "colorbar": {"title": {"text": "Correlation", "side": "right"}, "thickness": 16},
        "hovertemplate": "%{y}<br>%{x}<br>correlation %{z:.3f}<extra></extra>",
    }  # fmt: skip
    layout = {
        "xaxis": {"showgrid": False, "tickangle": -35},
        "yaxis": {"showgrid": False, "autorange": "reversed"},
        "height": min(900, 260 + 34 * len(names)),
    }
    return Chart("Correlation matrix of the fitted parameters.", [trace], layout)
