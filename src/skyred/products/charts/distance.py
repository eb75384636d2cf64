"""The interactive figure of a flux profile: flux per solid angle along a line or in rings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.interfaces.chart import Chart
from skyred.products.charts.traces import COLOURS, SYMBOLS, error_bars, numbers, point_traces
from skyred.products.plotting import format_unit

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.estimators import FluxPoints


def distance_chart(flux: FluxPoints, details: Table, name: str) -> Chart:
    """Return the interactive figure of a flux profile.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The fluxes along energy and distance.
    details : Table
        The column ``solid_angle``, a row for each region.
    name : str
        The name of the estimate.

    Returns
    -------
    Chart
        The figure.
    """
    edges = flux.geom.axes["projected-distance"].edges.to_value("deg")
    area = details["solid_angle"].quantity.to_value("deg2")
    unit = format_unit(flux.flux.unit / u.deg**2)
    centres, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    traces: list[dict[str, Any]] = []
    for index, (low, high) in enumerate(flux.energy_axis.iter_by_edges):
        label = f"{low.value:.3g} to {high.value:.3g} {high.unit}"
        values, errors = (
            getattr(flux, quantity).data[:, index, 0, 0] / area for quantity in ("flux", "flux_err")
        )
        hover = [
            f"{low:.3g}° to {high:.3g}°<br>({value:.3e} ± {error:.1e}) {unit}"
            for low, high, value, error in zip(edges, edges[1:], values, errors, strict=False)
        ]
        style = (COLOURS[index % len(COLOURS)], SYMBOLS[index % len(SYMBOLS)])
        no_limits = np.full(len(values), np.nan)
        traces += point_traces(label, numbers(centres), values, (errors, errors), no_limits, hover,
                               style, error_bars(widths, widths, style[0], 0))  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "Projected distance [deg]"}},
        "yaxis": {"title": {"text": f"Flux per solid angle [{unit}]"}, "zeroline": True},
    }
    return Chart(f"Flux profile {name}: flux per solid angle in regions, with errors of one sigma.",
                 traces, layout)  # fmt: skip
