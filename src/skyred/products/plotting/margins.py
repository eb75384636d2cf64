"""Fixed margins around the axes of a figure, instead of margins computed from all labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rcParams
from matplotlib.layout_engine import LayoutEngine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72.0


class FixedMargins(LayoutEngine):
    """A layout with fixed margins, in units of the font size.

    Matplotlib's layouts measure all labels, which takes as long as drawing them, or longer.

    Parameters
    ----------
    left, right, bottom, top : float
        The margins between the edges of the figure and the axes, in units of the font size.
    """

    # required by matplotlib: margins can be adjusted, and colour bars share the grid of the axes
    _adjust_compatible = True
    _colorbar_gridspec = True

    def __init__(self, left: float, right: float, bottom: float, top: float) -> None:
        super().__init__()
        self._margins = (left, right, bottom, top)

    def execute(self, fig: Figure) -> None:
        """Set the margins of a figure.

        Parameters
        ----------
        fig : matplotlib.figure.Figure
            The figure.
        """
        width, height = fig.get_size_inches() * POINTS_PER_INCH / rcParams["font.size"]
        left, right, bottom, top = self._margins
        fig.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
