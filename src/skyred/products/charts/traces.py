"""Traces of interactive figures: numbers for JSON, points with errors and upper limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COLOURS = ("--c1", "--c2", "--c3", "--c4", "--c5", "--c6")  # of the page's theme
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "cross")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def numbers(values: Any) -> list[float | None]:
    """Return numbers for JSON: None instead of NaN and infinity.

    Parameters
    ----------
    values : array_like
        The numbers.

    Returns
    -------
    list of float or None
        The numbers in one dimension, with six significant digits.
    """
    array = np.ravel(np.asarray(values, dtype=float))
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in array]


def error_bars(up: Any, down: Any, colour: str, width: int = 3) -> dict[str, Any]:
    """Return asymmetric error bars.

    Parameters
    ----------
    up, down : array_like
        The errors, both positive, shape (n,).
    colour : str
        The colour.
    width : int
        The width of their ends, in pixels.

    Returns
    -------
    dict of str to object
        plotly's ``error_x`` or ``error_y``.
    """
    return {"type": "data", "symmetric": False, "array": numbers(up), "arrayminus": numbers(down),
            "color": colour, "thickness": 1.5, "width": width}  # fmt: skip


def point_traces(
    label: str,
    x: Sequence[Any],
    values: Array,
    errors: tuple[Array, Array],
    limits: Array,
    hover: Sequence[str],
    style: tuple[str, str],
    x_errors: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a trace of points with errors, and one of upper limits.

    Parameters
    ----------
    label : str
        The entry of the legend.
    x : sequence
        The positions: numbers or dates, shape (n,).
    values : array
        The values, NaN where a limit is drawn instead, shape (n,).
    errors : tuple of array
        The upward and downward errors, both of shape (n,).
    limits : array
        The upper limits, NaN where a value is drawn, shape (n,).
    hover : sequence of str
        The text of each point, shape (n,).
    style : tuple of str
        Colour and symbol.
    x_errors : dict, optional
        plotly's ``error_x``.

    Yields
    ------
    dict of str to object
        The traces.
    """
    colour, symbol = style
    common: dict[str, Any] = {
        "type": "scatter", "mode": "markers", "legendgroup": label, "x": list(x),
        "hovertext": list(hover), "hoverinfo": "text",
    }  # fmt: skip
    if x_errors is not None:
        common["error_x"] = x_errors
    yield {**common, "name": label, "y": numbers(values), "error_y": error_bars(*errors, colour),
           "marker": {"color": colour, "symbol": symbol, "size": 8}}  # fmt: skip
    if np.isfinite(limits).any():
        yield {**common, "name": f"{label}: upper limits", "y": numbers(limits),
               "marker": {"color": colour, "symbol": "arrow-down", "size": 14}}  # fmt: skip
