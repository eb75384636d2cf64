"""Curves of the statistic along one parameter: as tables, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

if TYPE_CHECKING:
    from astropy.table import Row, Table
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
ABOUT = {
    "parameter": "source.part.parameter",
    "unit": "unit of the numbers in the row",
    "value": "best value",
    "error": "by the second derivatives",
}
LARGEST_POWER = 2  # of ten, that a number is written out with
STYLES = ("-", "--", ":", "-.")  # with the colours: curves are told apart in greyscale too


@attrs.frozen
class Crossing:
    """How far a parameter is from its best value by some sigma, down and up."""

    sigma: float
    errn: float
    errp: float


@attrs.frozen(eq=False, kw_only=True)
class Curve:
    """The profile of one parameter.

    Parameters
    ----------
    name, unit : str
        The parameter.
    value, error : float
        Its best value and symmetric error, in its unit.
    values, delta_stat : array
        Where the profile was looked at, and how far the statistic is above its minimum there,
        shape (m,); NaN where the rest could not be fitted.
    crossings : tuple of Crossing
        Its asymmetric errors.
    """

    name: str
    unit: str
    value: float
    error: float
    values: Array
    delta_stat: Array
    crossings: tuple[Crossing, ...]

    def table(self) -> Table:
        """Give the curve, with all else in the metadata."""
        from astropy.table import Table

        table = Table({"value": u.Quantity(self.values, self.unit), "delta_stat": self.delta_stat})
        table["value"].description = self.name
        table["delta_stat"].description = "fit statistic above its minimum, the rest fitted again"
        table.meta |= {"EXTNAME": "PROFILE", "PARNAME": self.name}
        return table

    def row(self) -> tuple[Any, ...]:
        """Give name, unit, value, error and all asymmetric errors."""
        ends = [end for each in self.crossings for end in (each.errn, each.errp)]
        return (self.name, self.unit, self.value, self.error, *ends)

    @classmethod
    def of(cls, row: Row, table: Table) -> Self:
        """Read a curve from its row in the table of all, and its own table."""
        crossings = [
            Crossing(_sigma(name), float(row[name]), float(row[name.replace("errn", "errp")]))
            for name in row.colnames
            if name.startswith("errn")
        ]
        return cls(
            name=str(row["parameter"]),
            unit=str(row["unit"]),
            value=float(row["value"]),
            error=float(row["error"]),
            values=np.array(table["value"]),
            delta_stat=np.array(table["delta_stat"]),
            crossings=tuple(crossings),
        )


def summary(curves: Sequence[Curve]) -> Table:
    """Give a row for each curve: its best value and its errors, in the unit of the row."""
    from astropy.table import Table

    sigmas = [each.sigma for each in curves[0].crossings]
    ends = [f"{side}_{sigma!r}sigma" for sigma in sigmas for side in ("errn", "errp")]
    names = ["parameter", "unit", "value", "error", *ends]
    table = Table(rows=[curve.row() for curve in curves], names=names)
    for column in table.itercols():
        down = "down" if column.name.startswith("errn") else "up"
        risen = f"how far {down} the statistic rises by the square of sigma; NaN: never"
        column.description = ABOUT.get(column.name, risen)
    table.meta["EXTNAME"] = "PARAMETERS"
    return table


def _sigma(column: str) -> float:
    return float(column.removeprefix("errn_").removesuffix("sigma"))


def power_of(value: float, error: float) -> int:
    """Choose the power of ten that a number is written with; 0 for numbers of order one."""
    power = int(np.floor(np.log10(max(abs(value), error))))
    return power if abs(power) > LARGEST_POWER else 0


def axis_label(name: str, unit: str, power: int = 0) -> str:
    """Label an axis with a parameter, the power of ten it is divided by, and its unit."""
    known = u.Unit(unit)
    # astropy writes degrees as a raised circle, which is lost between brackets
    text = "deg" if known == u.deg else f"{known:latex_inline}" if unit else ""
    parts = [rf"$10^{{{power}}}$"] * bool(power) + [text] * bool(text)
    return f"{name} [{' '.join(parts)}]" if parts else name


def few_ticks(ax: Axes) -> None:
    """Leave room between the numbers at the axes, which are written out."""
    ax.locator_params(nbins=5)
    ax.ticklabel_format(useOffset=False)


def draw_curve(curve: Curve, ax: Axes | None = None) -> Axes:
    """Draw one profile in the unit of its parameter, with the parabola of its error."""
    ax = ax or _figure()
    power = power_of(curve.value, curve.error)
    scale = 10.0**power
    best, error, values = curve.value / scale, curve.error / scale, curve.values / scale
    known = np.isfinite(curve.delta_stat)
    low, high = values[known][[0, -1]]
    fine = np.linspace(low, high, 200)
    ax.plot(values[known], curve.delta_stat[known], "o-", color="black", markersize=3,
            label="profile")  # fmt: skip
    ax.plot(fine, ((fine - best) / error) ** 2, "--", color="tab:blue",
            label="parabola of the error")  # fmt: skip
    _levels(ax, [each.sigma for each in curve.crossings], float(np.nanmax(curve.delta_stat)))
    for each in curve.crossings:
        for end in (curve.value - each.errn, curve.value + each.errp):
            if low <= end / scale <= high:
                ax.vlines(end / scale, 0, each.sigma**2, color="0.5", linewidth=0.8)
    few_ticks(ax)
    ax.set_xlabel(axis_label(curve.name, curve.unit, power))
    ax.set_xlim(low, high)
    ax.set_title(_result(curve), fontsize="medium")
    ax.legend(loc="upper center", fontsize="small")
    return ax


def draw_curves(curves: Sequence[Curve], ax: Axes | None = None) -> Axes:
    """Draw profiles together, each in units of its error, against the parabola they would be."""
    ax = ax or _figure()
    top, wide = 1.0, 1.0
    for number, curve in enumerate(curves):
        away = (curve.values - curve.value) / curve.error
        style = STYLES[(number // len(COLOURS)) % len(STYLES)]
        ax.plot(away, curve.delta_stat, style, color=COLOURS[number % len(COLOURS)],
                label=curve.name)  # fmt: skip
        top = max(top, float(np.nanmax(curve.delta_stat)))
        wide = max(wide, float(np.abs(away).max()))
    fine = np.linspace(-wide, wide, 200)
    ax.plot(fine, fine**2, color="0.6", linewidth=4, alpha=0.5, zorder=0, label="parabola")
    _levels(ax, [each.sigma for each in curves[0].crossings], top)
    ax.set_xlabel("(value - best value) / error")
    ax.set_xlim(-wide, wide)
    ax.legend(fontsize="small")
    return ax


def _figure() -> Axes:
    import matplotlib.pyplot as plt

    ax: Axes = plt.subplots(figsize=(6.4, 4.6), layout="constrained")[1]
    return ax


def _levels(ax: Axes, sigmas: Sequence[float], top: float) -> None:
    style: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
    for sigma in sigmas:
        if sigma**2 < 1.05 * top:
            ax.axhline(sigma**2, color="0.7", linewidth=0.8, zorder=0)
            ax.annotate(f"{sigma:g}$\\sigma$", (0.99, sigma**2), color="0.4", fontsize="small",
                        **style)  # fmt: skip
    ax.set_ylim(0, 1.1 * top)
    ax.set_ylabel(r"$\Delta$ fit statistic")


def _result(curve: Curve) -> str:
    """Write the best value with the errors of the first crossing, to two digits of these."""
    first = curve.crossings[0] if curve.crossings else Crossing(1, curve.error, curve.error)
    power = power_of(curve.value, curve.error)
    scale = 10.0**power
    decimals = max(1 - int(np.floor(np.log10(curve.error / scale))), 0)
    down, up = (f"{end / scale:.{decimals}f}" if np.isfinite(end) else r"\infty"
                for end in (first.errn, first.errp))  # fmt: skip
    number = f"{curve.value / scale:.{decimals}f}_{{-{down}}}^{{+{up}}}"
    number = rf"({number}) \times 10^{{{power}}}" if power else number
    return f"{curve.name} = ${number}$ ({first.sigma:g}$\\sigma$)"
