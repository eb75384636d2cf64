"""New figures, and labels and legends that are drawn without mathematical text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LEFT, RIGHT, BOTTOM, TOP = 7.0, 1.5, 4.3, 2.9  # margins, in units of the font size
LEGEND = 2.3  # height of a line of a legend above the axes, in units of the font size


def create_axes(
    width: float, height: float, *, right: float = RIGHT, top: float = TOP, **subplot: Any
) -> Axes:
    """Create the axes of a new figure.

    Parameters
    ----------
    width, height : float
        The size of the figure, in inches.
    right, top : float
        The margins for colour bars and legends outside the axes, in units of the font size.
    **subplot : object
        Passed to ``add_subplot``.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    import matplotlib.pyplot as plt

    from skyred.products.plotting.margins import FixedMargins

    layout = FixedMargins(LEFT, right, BOTTOM, top)
    ax: Axes = plt.figure(figsize=(width, height), layout=layout).add_subplot(**subplot)
    return ax


def draw_legend(ax: Axes, *entries: Any, **style: Any) -> Legend:
    """Draw a legend whose labels and title are plain text: names can contain ``$``.

    Parameters
    ----------
    ax : matplotlib axes
        The axes.
    *entries : sequence
        Handles and labels; by default those of the axes, each label once.
    **style : object
        Passed to ``ax.legend``.

    Returns
    -------
    matplotlib.legend.Legend
        The legend.
    """
    if not entries:
        handles_by_label = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        entries = (list(handles_by_label.values()), list(handles_by_label))
    legend = ax.legend(*entries, **style)
    for label in (legend.get_title(), *legend.get_texts()):
        label.set_parse_math(False)
    return legend


def format_unit(unit: UnitBase) -> str:
    """Format a unit for a label, for example as 'erg s⁻¹ cm⁻²'.

    Parameters
    ----------
    unit : astropy.units.UnitBase
        The unit.

    Returns
    -------
    str
        The unit, with exponents as Unicode characters, which are drawn faster than LaTeX.
    """
    label: str = unit.to_string("unicode", fraction=False)
    return label


def format_power(power: int) -> str:
    """Format a power of ten for a label, for example as '10⁻¹¹'.

    Parameters
    ----------
    power : int
        The exponent.

    Returns
    -------
    str
        The power.
    """
    return "10" + str(power).translate(SUPERSCRIPTS)
