"""The interactive figure of a light curve: flux over time in each energy bin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.interfaces.chart import Chart
from skyred.products.charts.traces import COLOURS, SYMBOLS, numbers, point_traces
from skyred.products.light_curve_plot import BinLightCurve
from skyred.products.plotting import format_unit

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints

MARGIN = 0.03  # on both sides of a light curve, relative to its length


def light_curve_chart(flux: FluxPoints, variabilities: Sequence[Any], source: str) -> Chart:
    """Return the interactive figure of a light curve.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The flux points along energy and time.
    variabilities : sequence of Variability or None
        The variability in each energy bin.
    source : str
        The name of the source.

    Returns
    -------
    Chart
        The figure, with time in UTC.
    """
    unit = format_unit(flux.flux.unit)
    axis = flux.geom.axes["time"]
    middle = axis.time_min + 0.5 * (axis.time_max - axis.time_min).to(u.s)
    dates = middle.utc.isot.tolist()
    intervals = zip(axis.time_min.utc.iso, axis.time_max.utc.iso, strict=True)
    times = [f"{start[:19]} to {stop[:19]} UTC" for start, stop in intervals]
    traces: list[dict[str, Any]] = []
    for index, variability in enumerate(variabilities):
        curve = BinLightCurve.from_flux_points(flux, index)
        label = curve.label if variability is None else f"{curve.label}: {variability}"
        colour = COLOURS[index % len(COLOURS)]
        hover = [_hover(curve, number, time, unit) for number, time in enumerate(times)]
        errors, style = (curve.errp, curve.errn), (colour, SYMBOLS[index % len(SYMBOLS)])
        traces += point_traces(label, dates, curve.flux, errors, curve.limit, hover, style)
        traces.append(_interval_trace(label, flux, curve, colour))
    layout = {
        "xaxis": {"type": "date", "title": {"text": "Time [UTC]"}, "range": _time_range(axis)},
        "yaxis": {"title": {"text": f"Flux [{unit}]"}, "rangemode": "tozero"},
    }
    caption = (
        f"Light curve of {source}: flux in time intervals with errors of one sigma, arrows for "
        "upper limits."
    )
    return Chart(caption, traces, layout)


def _interval_trace(
    label: str, flux: FluxPoints, curve: BinLightCurve, colour: str
) -> dict[str, Any]:
    """Return the time intervals as horizontal lines; plotly has no error bars along dates."""
    axis = flux.geom.axes["time"]
    values = np.where(np.isfinite(curve.flux), curve.flux, curve.limit)
    x: list[str | None] = []
    y: list[float | None] = []
    for start, stop, value in zip(
        axis.time_min.utc.isot, axis.time_max.utc.isot, numbers(values), strict=True
    ):
        x += [start, stop, None]
        y += [value, value, None]
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "legendgroup": label,
            "showlegend": False, "hoverinfo": "skip",
            "line": {"color": colour, "width": 1.5}}  # fmt: skip


def _time_range(axis: Any) -> list[str]:
    """Return the limits of the time axis, with a margin on both sides."""
    start, stop = axis.time_min.min(), axis.time_max.max()
    margin = MARGIN * (stop - start)
    return [(start - margin).utc.isot, (stop + margin).utc.isot]


def _hover(curve: BinLightCurve, index: int, time: str, unit: str) -> str:
    lines = [time, curve.label]
    if np.isfinite(curve.flux[index]):
        lines.append(f"flux ({curve.flux[index]:.3e} ± {curve.errp[index]:.1e}) {unit}")
    elif np.isfinite(curve.limit[index]):
        lines.append(f"flux below {curve.limit[index]:.3e} {unit}")
    return "<br>".join(lines)
