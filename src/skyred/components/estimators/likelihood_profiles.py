"""Tables and plots of profiles of the fit statistic along single parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.products.plotting import create_axes, draw_legend, format_power, format_unit

if TYPE_CHECKING:
    from astropy.table import Row, Table
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
DESCRIPTIONS = {
    "parameter": "name of the parameter, such as crab.spectral.index",
    "unit": "unit of the values in the row",
    "value": "best-fit value",
    "error": "symmetric error, from the second derivatives",
}
MAX_POWER = 2  # largest power of ten of numbers that are written without an exponent
LINE_STYLES = ("-", "--", ":", "-.")  # one for each cycle through the colours


@attrs.frozen
class ConfidenceInterval:
    """Asymmetric errors of a parameter.

    Parameters
    ----------
    sigma : float
        Confidence level of the errors, in sigma.
    errn, errp : float
        Distances from the best-fit value at which the statistic rises by the square of ``sigma``,
        downwards and upwards; NaN if it does not.
    """

    sigma: float
    errn: float
    errp: float


@attrs.frozen(eq=False, kw_only=True)
class LikelihoodProfile:
    """The profile of one parameter.

    Parameters
    ----------
    name, unit : str
        Name and unit of the parameter.
    value, error : float
        Best-fit value and symmetric error, in ``unit``.
    values, delta_stat : array
        Values of the parameter, and the fit statistic at these values minus its minimum, shape
        (m,); NaN if the fit of the other parameters failed.
    intervals : tuple of ConfidenceInterval
        Asymmetric errors.
    """

    name: str
    unit: str
    value: float
    error: float
    values: Array
    delta_stat: Array
    intervals: tuple[ConfidenceInterval, ...]

    def table(self) -> Table:
        """Return the profile as a table, with the name of the parameter in the metadata.

        Returns
        -------
        astropy.table.Table
            Columns ``value`` and ``delta_stat``, one row per value.
        """
        from astropy.table import Table

        table = Table({"value": u.Quantity(self.values, self.unit), "delta_stat": self.delta_stat})
        table["value"].description = self.name
        description = "fit statistic minus its minimum, with the other parameters refitted"
        table["delta_stat"].description = description
        table.meta |= {"EXTNAME": "PROFILE", "PARNAME": self.name}
        return table

    def row(self) -> tuple[Any, ...]:
        """Return the row of the parameter in the table of all profiles.

        Returns
        -------
        tuple
            Name, unit, value, error and all asymmetric errors.
        """
        errors = [error for interval in self.intervals for error in (interval.errn, interval.errp)]
        return (self.name, self.unit, self.value, self.error, *errors)

    @classmethod
    def from_table(cls, row: Row, table: Table) -> Self:
        """Create a profile from its row in the table of all profiles, and its own table.

        Parameters
        ----------
        row : astropy.table.Row
            Row of `summary_table`.
        table : astropy.table.Table
            Table of the profile.

        Returns
        -------
        LikelihoodProfile
            The profile.
        """
        intervals = [
            ConfidenceInterval(
                _parse_sigma(name), float(row[name]), float(row[name.replace("errn", "errp")])
            )
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
            intervals=tuple(intervals),
        )


def summary_table(profiles: Sequence[LikelihoodProfile]) -> Table:
    """Create a table of the best-fit value and the errors of each parameter.

    Parameters
    ----------
    profiles : sequence of LikelihoodProfile
        The profiles.

    Returns
    -------
    astropy.table.Table
        One row per profile, in the unit of column ``unit``.
    """
    from astropy.table import Table

    sigmas = [interval.sigma for interval in profiles[0].intervals]
    error_names = [f"{side}_{sigma!r}sigma" for sigma in sigmas for side in ("errn", "errp")]
    names = ["parameter", "unit", "value", "error", *error_names]
    table = Table(rows=[profile.row() for profile in profiles], names=names)
    for column in table.itercols():
        side = "negative" if column.name.startswith("errn") else "positive"
        description = (
            f"{side} error, where the statistic rises by sigma squared; NaN if it does not"
        )
        column.description = DESCRIPTIONS.get(column.name, description)
    table.meta["EXTNAME"] = "PARAMETERS"
    return table


def _parse_sigma(column: str) -> float:
    """Return the confidence level, in sigma, of a column such as ``errn_1.0sigma``."""
    return float(column.removeprefix("errn_").removesuffix("sigma"))


def power_of_ten(value: float, error: float) -> int:
    """Return the power of ten for the notation of a number, 0 if it is from 0.01 to 1000.

    If the error is larger than the number, the error determines the power.

    Parameters
    ----------
    value : float
        The number.
    error : float
        The error of the number.

    Returns
    -------
    int
        The power of ten.
    """
    power = int(np.floor(np.log10(max(abs(value), error))))
    return power if abs(power) > MAX_POWER else 0


def axis_label(name: str, unit: str, power: int = 0) -> str:
    """Return the axis label of a parameter, with the power of ten of its values and its unit.

    Parameters
    ----------
    name : str
        Name of the parameter.
    unit : str
        Unit, possibly empty.
    power : int
        Power of ten by which the values are divided.

    Returns
    -------
    str
        The label.
    """
    parsed_unit = u.Unit(unit)
    # astropy's degree sign is hard to see between brackets
    unit_text = "deg" if parsed_unit == u.deg else format_unit(parsed_unit) if unit else ""
    parts = [format_power(power)] * bool(power) + [unit_text] * bool(unit_text)
    return f"{name} [{' '.join(parts)}]" if parts else name


def reduce_ticks(ax: Axes) -> None:
    """Limit the number of ticks, and label them without an offset.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes.
    """
    ax.locator_params(nbins=5)
    ax.ticklabel_format(useOffset=False)


def draw_profile(profile: LikelihoodProfile, ax: Axes | None = None) -> Axes:
    """Draw one profile in the unit of the parameter, with the parabola of the symmetric error.

    Parameters
    ----------
    profile : LikelihoodProfile
        The profile.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    ax = ax or _create_axes()
    power = power_of_ten(profile.value, profile.error)
    scale = 10.0**power
    best_fit, error, values = profile.value / scale, profile.error / scale, profile.values / scale
    is_finite = np.isfinite(profile.delta_stat)
    low, high = values[is_finite][[0, -1]]
    grid = np.linspace(low, high, 200)
    ax.plot(values[is_finite], profile.delta_stat[is_finite], "o-", color="black", markersize=3,
            label="profile")  # fmt: skip
    ax.plot(grid, ((grid - best_fit) / error) ** 2, "--", color="tab:blue",
            label="parabola from symmetric error")  # fmt: skip
    _draw_levels(
        ax,
        [interval.sigma for interval in profile.intervals],
        float(np.nanmax(profile.delta_stat)),
    )
    for interval in profile.intervals:
        for bound in (profile.value - interval.errn, profile.value + interval.errp):
            if low <= bound / scale <= high:
                ax.vlines(bound / scale, 0, interval.sigma**2, color="0.5", linewidth=0.8)
    reduce_ticks(ax)
    ax.set_xlabel(axis_label(profile.name, profile.unit, power), parse_math=False)
    ax.set_xlim(low, high)
    ax.set_title(_result_text(profile), fontsize="medium", parse_math=False)
    ax.legend(loc="upper center", fontsize="small")
    return ax


def draw_profiles(profiles: Sequence[LikelihoodProfile], ax: Axes | None = None) -> Axes:
    """Draw several profiles in units of their errors, with a parabola for comparison.

    Parameters
    ----------
    profiles : sequence of LikelihoodProfile
        The profiles.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    ax = ax or _create_axes()
    max_delta_stat, width = 1.0, 1.0
    for index, profile in enumerate(profiles):
        pulls = (profile.values - profile.value) / profile.error
        style = LINE_STYLES[(index // len(COLOURS)) % len(LINE_STYLES)]
        ax.plot(pulls, profile.delta_stat, style, color=COLOURS[index % len(COLOURS)],
                label=profile.name)  # fmt: skip
        max_delta_stat = max(max_delta_stat, float(np.nanmax(profile.delta_stat)))
        width = max(width, float(np.abs(pulls).max()))
    grid = np.linspace(-width, width, 200)
    ax.plot(grid, grid**2, color="0.6", linewidth=4, alpha=0.5, zorder=0, label="parabola")
    _draw_levels(ax, [interval.sigma for interval in profiles[0].intervals], max_delta_stat)
    ax.set_xlabel("(value - best-fit value) / error")
    ax.set_xlim(-width, width)
    draw_legend(ax, fontsize="small")
    return ax


def _create_axes() -> Axes:
    return create_axes(6.4, 4.6)


def _draw_levels(ax: Axes, sigmas: Sequence[float], max_delta_stat: float) -> None:
    """Draw horizontal lines at squares of sigma, and set the limits of the vertical axis."""
    style: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
    for sigma in sigmas:
        if sigma**2 < 1.05 * max_delta_stat:
            ax.axhline(sigma**2, color="0.7", linewidth=0.8, zorder=0)
            ax.annotate(f"{sigma:g}σ", (0.99, sigma**2), color="0.4", fontsize="small",
                        **style)  # fmt: skip
    ax.set_ylim(0, 1.1 * max_delta_stat)
    ax.set_ylabel("Δ fit statistic")


def _result_text(profile: LikelihoodProfile) -> str:
    """Return the best-fit value and the errors of the first interval.

    They are rounded to two significant digits of the symmetric error.
    """
    interval = (
        profile.intervals[0]
        if profile.intervals
        else ConfidenceInterval(1, profile.error, profile.error)
    )
    power = power_of_ten(profile.value, profile.error)
    scale = 10.0**power
    decimals = max(1 - int(np.floor(np.log10(profile.error / scale))), 0)
    errn, errp = (f"{error / scale:.{decimals}f}" if np.isfinite(error) else "∞"
                  for error in (interval.errn, interval.errp))  # fmt: skip
    number = f"{profile.value / scale:.{decimals}f} -{errn} +{errp}"
    number = f"({number}) × {format_power(power)}" if power else number
    return f"{profile.name} = {number} ({interval.sigma:g}σ)"
