"""Labels of logarithmic axes as plain text, because mathematical text is slow to draw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matplotlib.ticker import LogFormatterSciNotation

from skyred.products.plotting.figures import SUPERSCRIPTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MATHEMATICAL_TEXT = re.compile(r"\$\\mathdefault\{(.*)\}\$")
_POWER = re.compile(r"\^\{(-?\d+)\}")


class PlainLogLabels(LogFormatterSciNotation):
    """Matplotlib's labels of logarithmic axes, with superscripts as Unicode characters."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick.

        Parameters
        ----------
        x : float
            The value.
        pos : int or None
            The index of the tick.

        Returns
        -------
        str
            The label, for example "6×10⁻¹¹"; "" for ticks without a label.
        """
        label = super().__call__(x, pos)
        if match := _MATHEMATICAL_TEXT.fullmatch(label):
            plain = _POWER.sub(lambda power: power[1].translate(SUPERSCRIPTS), match[1])
            plain = plain.replace(r"\times", "×").replace("-", "\N{MINUS SIGN}")
            return label if "\\" in plain or "{" in plain else plain
        return label


def use_plain_log_labels(figure: Figure) -> None:
    """Replace the labels of logarithmic axes by plain text.

    Formatters that differ from those of matplotlib's scales are not replaced.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    """
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        for get_formatter, set_formatter in (
            (axis.get_major_formatter, axis.set_major_formatter),
            (axis.get_minor_formatter, axis.set_minor_formatter),
        ):
            formatter = get_formatter()
            if type(formatter) is LogFormatterSciNotation:
                plain_labels = PlainLogLabels()
                vars(plain_labels).update(vars(formatter))  # the base, thresholds and the axis
                set_formatter(plain_labels)
