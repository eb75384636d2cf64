"""Fixed margins around the axes of a figure, instead of margins computed from all labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rcParams
from matplotlib.layout_engine import LayoutEngine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72.0
MAX_FRACTION = 0.8  # of the width or the height of a figure, for both of its margins


class FixedMargins(LayoutEngine):
    """A layout with fixed margins, in units of the font size.

    Matplotlib's layouts measure all labels, which takes as long as drawing them, or longer. Margins
    that would leave no space for the axes are reduced.

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
        self._margins = np.array([[left, bottom], [right, top]])

    def execute(self, fig: Figure) -> None:
        """Set the margins of a figure.

        Parameters
        ----------
        fig : matplotlib.figure.Figure
            The figure.
        """
        size = fig.get_size_inches() * POINTS_PER_INCH / rcParams["font.size"]
        margins = self._margins / size
        margins *= np.minimum(1, MAX_FRACTION / margins.sum(axis=0))
        (left, bottom), (right, top) = margins
        fig.subplots_adjust(left, bottom, 1 - right, 1 - top)
