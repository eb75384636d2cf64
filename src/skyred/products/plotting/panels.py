"""Small panels of several datasets in one pair of axes, which is faster than many axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.products.plotting.figures import create_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MAX_PANELS = 24
MIN_WIDTH = 5.6  # of a figure, in inches
MAX_NAME_LENGTH = 18  # of the title of a panel


def limit_panels(datasets: Sequence[Any]) -> tuple[Sequence[Any], str]:
    """Return the datasets that are drawn, and a title that contains their number.

    Parameters
    ----------
    datasets : sequence of Dataset
        The datasets.

    Returns
    -------
    datasets : sequence of Dataset
        The first `MAX_PANELS` datasets.
    title : str
        The name of a single dataset, or the number of datasets.
    """
    total = len(datasets)
    if total == 1:
        return datasets, datasets[0].name
    if total <= MAX_PANELS:
        return datasets, f"{total} datasets"
    return datasets[:MAX_PANELS], f"The first {MAX_PANELS} of {total} datasets"


@attrs.frozen
class PanelGrid:
    """A grid of square panels, in row order from the top left.

    Panels have a size of 1, and the distance between their origins is `pitch`.

    Parameters
    ----------
    columns, rows : int
        The numbers of columns and rows.
    pitch : tuple of float
        The distances of columns and rows.
    total : int
        The number of panels.
    """

    columns: int
    rows: int
    pitch: tuple[float, float]
    total: int

    @classmethod
    def create(cls, total: int, pitch: tuple[float, float]) -> Self:
        """Create a grid for a number of panels.

        Parameters
        ----------
        total : int
            The number of panels.
        pitch : tuple of float
            The distances of columns and rows.

        Returns
        -------
        PanelGrid
            The grid.
        """
        fewest = int(np.ceil(np.sqrt(total)))
        # more columns if they fill all rows
        columns = next((columns for columns in range(fewest, int(1.5 * np.sqrt(total)) + 1)
                        if total % columns == 0), fewest)  # fmt: skip
        return cls(columns, -(-total // columns), pitch, total)

    @property
    def size(self) -> tuple[float, float]:
        """The width and the height of all panels."""
        width, height = self.pitch
        return 1 + (self.columns - 1) * width, 1 + (self.rows - 1) * height

    def origin(self, index: int) -> tuple[float, float]:
        """Return the position of the bottom left corner of a panel.

        Parameters
        ----------
        index : int
            The index of the panel.

        Returns
        -------
        tuple of float
            The position.
        """
        row, column = divmod(index, self.columns)
        return column * self.pitch[0], (self.rows - 1 - row) * self.pitch[1]

    def create_axes(self, panel_size: float, margins: tuple[float, float], **layout: float) -> Axes:
        """Create the axes of a new figure for the panels.

        Parameters
        ----------
        panel_size : float
            The size of a panel, in inches.
        margins : tuple of float
            The width and the height of the figure that are not used by panels, in inches.
        **layout : float
            Passed to `create_axes`.

        Returns
        -------
        matplotlib axes
            The axes.
        """
        width, height = (
            panel_size * size + margin for size, margin in zip(self.size, margins, strict=True)
        )
        return create_axes(max(width, MIN_WIDTH), height, **layout)

    def draw_frames(self, ax: Axes) -> None:
        """Draw the frames of the panels instead of that of the axes, and set the limits.

        Parameters
        ----------
        ax : matplotlib axes
            The axes.
        """
        corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0], [0, 0], [np.nan, np.nan]])
        frames = np.concatenate([self.origin(index) + corners for index in range(self.total)])
        ax.plot(*frames.T, color="black", linewidth=0.8, clip_on=False)
        ax.spines[:].set_visible(False)
        width, height = self.size
        ax.set_xlim(0, width)
        ax.set_ylim(0, height)

    def draw_square_frames(self, ax: Axes) -> None:
        """Draw the frames of panels with equal scales in x and y, and without ticks.

        Parameters
        ----------
        ax : matplotlib axes
            The axes.
        """
        self.draw_frames(ax)
        ax.set_aspect("equal")
        ax.set_xticks([])
        ax.set_yticks([])

    def draw_title(self, ax: Axes, index: int, title: str) -> None:
        """Draw the title of a panel above its frame.

        Parameters
        ----------
        ax : matplotlib axes
            The axes.
        index : int
            The index of the panel.
        title : str
            The title.
        """
        x, y = self.origin(index)
        ax.text(x + 0.5, y + 1.02, title, ha="center", va="bottom", fontsize="small",
                parse_math=False)  # fmt: skip


def short_name(name: str) -> str:
    """Return a name that fits above a panel.

    Parameters
    ----------
    name : str
        The name.

    Returns
    -------
    str
        The name; characters in the middle of long names are replaced by an ellipsis.
    """
    if len(name) <= MAX_NAME_LENGTH:
        return name
    half = (MAX_NAME_LENGTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def join_with_gaps(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Join arrays of points to a single line with gaps.

    Parameters
    ----------
    arrays : sequence of array
        Points, each of shape (n, 2).

    Returns
    -------
    array
        The points with a row of NaN after each array, shape (m, 2).
    """
    gap = np.full((1, 2), np.nan)
    return np.concatenate([points for array in arrays for points in (array, gap)])
