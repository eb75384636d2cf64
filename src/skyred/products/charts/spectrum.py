"""The interactive figure of flux points: points, limits, model, butterfly and residuals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.interfaces.chart import Chart
from skyred.products.charts.traces import COLOURS, SYMBOLS, error_bars, numbers, point_traces
from skyred.products.flux_band import flux_band

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import SpectralModel

UNIT = u.Unit("TeV cm-2 s-1")
N_NODES = 60
Y_TITLE = "E² dN/dE [TeV cm⁻² s⁻¹]"


def spectrum_chart(
    fluxes: Mapping[str, FluxPoints], spectral_model: SpectralModel | None, source: str
) -> Chart:
    """Return the interactive figure of flux points of a source.

    Parameters
    ----------
    fluxes : mapping of str to gammapy.estimators.FluxPoints
        The flux points by label.
    spectral_model : gammapy.modeling.models.SpectralModel or None
        The fitted spectrum, with its covariance.
    source : str
        The name of the source.

    Returns
    -------
    Chart
        The figure. Upper limits are arrows; below are the residuals in sigma if there is a model.
    """
    traces: list[dict[str, Any]] = []
    if spectral_model is not None:
        energies = u.Quantity([flux.energy_axis.bounds for flux in fluxes.values()])
        traces += _model_traces(spectral_model, energies.min(), energies.max())
    for index, (label, flux) in enumerate(fluxes.items()):
        colour = "--point" if len(fluxes) == 1 else COLOURS[(index + 1) % len(COLOURS)]
        traces += _point_traces(label, flux, colour, SYMBOLS[index % len(SYMBOLS)])
        if spectral_model is not None:
            traces += _residual_traces(
                label, flux, spectral_model, colour, SYMBOLS[index % len(SYMBOLS)]
            )
    all_values = [v for t in traces if t.get("yaxis") != "y2" for v in t["y"] if v is not None]
    layout: dict[str, Any] = {
        "xaxis": {"type": "log", "title": {"text": "Energy [TeV]"}, "dtick": "D2", "anchor": "y"},
        "yaxis": {
            "title": {"text": Y_TITLE},
            "type": "log" if min(all_values, default=1) > 0 else "linear",
        },
    }
    if spectral_model is not None:
        layout["yaxis"]["domain"] = [0.3, 1]
        layout["yaxis2"] = {
            "domain": [0, 0.24],
            "title": {"text": "Residual [σ]"},
            "zeroline": True,
        }
        layout["xaxis"]["anchor"] = "y2"
    caption = (
        f"Spectral energy distribution of {source}: flux points with errors of one sigma, arrows "
        "for upper limits"
    )
    if spectral_model is not None:
        caption += ", the fitted model with its error band, and the residuals of the points"
    return Chart(f"{caption}.", traces, layout)


def _model_traces(model: SpectralModel, low: u.Quantity, high: u.Quantity) -> list[dict[str, Any]]:
    energies = np.geomspace(low.to_value("TeV"), high.to_value("TeV"), N_NODES) * u.TeV
    band = flux_band(model, energies)
    x = numbers(energies.value)
    curve, lower, upper = (
        numbers((energies**2 * dnde).to_value(UNIT)) for dnde in (band.dnde, band.lower, band.upper)
    )
    line = {"type": "scatter", "mode": "lines", "x": x}
    return [
        {**line, "y": lower, "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False},
        {**line, "y": upper, "line": {"width": 0}, "hoverinfo": "skip", "fill": "tonexty",
         "fillcolor": "--band", "name": "1σ band"},
        {**line, "y": curve, "line": {"color": "--c1", "width": 2}, "name": "fitted model",
         "hovertemplate": "model %{y:.3e} at %{x:.3g} TeV<extra></extra>"},
    ]  # fmt: skip


def _columns(flux: FluxPoints) -> dict[str, Any]:
    """Return the columns of flux points as plain arrays, energies in TeV and fluxes in `UNIT`."""
    axis = flux.energy_axis
    columns = {
        "energy": axis.center.to_value("TeV"),
        "low": axis.edges_min.to_value("TeV"),
        "high": axis.edges_max.to_value("TeV"),
    }
    missing = np.full(len(columns["energy"]), np.nan)
    for name in ("e2dnde", "e2dnde_err", "e2dnde_errn", "e2dnde_errp", "e2dnde_ul", "sqrt_ts"):
        try:
            values = getattr(flux, name).quantity.squeeze(axis=(1, 2))
        except (AttributeError, KeyError):
            columns[name] = missing
        else:
            columns[name] = values.to_value("" if name == "sqrt_ts" else UNIT)
    has_limit = np.isfinite(columns["e2dnde_ul"])
    is_limit = (
        flux.is_ul.data.squeeze(axis=(1, 2)).astype(bool)
        if flux.has_ul
        else np.zeros_like(has_limit)
    )
    columns["is_limit"] = has_limit & (is_limit | np.isnan(columns["e2dnde"]))
    return columns


def _point_traces(
    label: str, flux: FluxPoints, colour: str, symbol: str
) -> Iterator[dict[str, Any]]:
    columns = _columns(flux)
    is_limit = columns["is_limit"]
    sides = (columns["e2dnde_errp"], columns["e2dnde_errn"])
    up, down = (np.where(np.isfinite(side), side, columns["e2dnde_err"]) for side in sides)
    yield from point_traces(
        label,
        numbers(columns["energy"]),
        np.where(is_limit, np.nan, columns["e2dnde"]),
        (up, down),
        np.where(is_limit, columns["e2dnde_ul"], np.nan),
        [_hover(columns, index) for index in range(len(is_limit))],
        (colour, symbol),
        error_bars(
            columns["high"] - columns["energy"], columns["energy"] - columns["low"], colour, 0
        ),
    )


def _hover(columns: Mapping[str, Any], index: int) -> str:
    def text(name: str) -> str:
        return f"{columns[name][index]:.3e}"

    lines = [f"{columns['low'][index]:.4g} to {columns['high'][index]:.4g} TeV"]
    if np.isfinite(columns["e2dnde"][index]):
        error = f" ± {text('e2dnde_err')}" if np.isfinite(columns["e2dnde_err"][index]) else ""
        lines.append(f"E² dN/dE = {text('e2dnde')}{error}")
    if np.isfinite(columns["e2dnde_ul"][index]):
        lines.append(f"upper limit {text('e2dnde_ul')}")
    if np.isfinite(columns["sqrt_ts"][index]):
        lines.append(f"significance {columns['sqrt_ts'][index]:.2f}σ")
    return "<br>".join(lines)


def _residual_traces(
    label: str, flux: FluxPoints, model: SpectralModel, colour: str, symbol: str
) -> Iterator[dict[str, Any]]:
    columns = _columns(flux)
    energies = columns["energy"] * u.TeV
    expected = (energies**2 * model(energies)).to_value(UNIT)
    difference = columns["e2dnde"] - expected
    up, down = columns["e2dnde_errp"], columns["e2dnde_errn"]
    error = np.where(difference > 0, down, up)
    error = np.where(np.isfinite(error), error, columns["e2dnde_err"])
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(
            columns["is_limit"] & ~np.isfinite(difference), np.nan, difference / error
        )
    yield {
        "type": "scatter", "mode": "markers", "yaxis": "y2", "x": numbers(columns["energy"]),
        "y": numbers(residual), "legendgroup": label, "showlegend": False,
        "marker": {"color": colour, "symbol": symbol, "size": 7},
        "error_y": {"type": "constant", "value": 1, "color": colour, "thickness": 1.2, "width": 0},
        "hovertemplate": "%{y:.2f}σ at %{x:.3g} TeV<extra></extra>", "name": label,
    }  # fmt: skip
