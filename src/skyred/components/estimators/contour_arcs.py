"""The arcs of contours, which are computed separately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.components.estimators.contour_pairs import ContourPair
from skyred.likelihood.minimise.conditional_fit import ConditionalFit
from skyred.likelihood.minimise.profile import Contour, contour

if TYPE_CHECKING:
    from skyred.components.estimators.parameters import TemporaryFit
    from skyred.interfaces.records import FitResult

POINTS_PER_ARC = 10  # points that are computed together, each starting from the nearest other one


@attrs.frozen
class ContourArc:
    """An arc of the contours of two parameters; its numbers do not depend on other arcs.

    Parameters
    ----------
    indices : tuple of int
        Indices of the two parameters.
    rises : tuple of float
        Rises of the statistic on the contours.
    n_points : int
        Number of points of each contour.
    first : int
        The first point of the arc.
    """

    indices: tuple[int, int]
    rises: tuple[float, ...]
    n_points: int
    first: int


def list_arcs(indices: tuple[int, int], rises: Sequence[float], n_points: int) -> list[ContourArc]:
    """Return the arcs of the contours of two parameters.

    Parameters
    ----------
    indices : tuple of int
        Indices of the two parameters.
    rises : sequence of float
        Rises of the statistic on the contours.
    n_points : int
        Number of points of each contour.

    Returns
    -------
    list of ContourArc
        The arcs, in the order of their angles.
    """
    return [
        ContourArc(indices, tuple(rises), n_points, first)
        for first in range(0, n_points, POINTS_PER_ARC)
    ]


def compute_arc(refit: TemporaryFit, arc: ContourArc) -> list[Contour]:
    """Compute an arc of each contour.

    Parameters
    ----------
    refit : TemporaryFit
        The fit.
    arc : ContourArc
        The arc.

    Returns
    -------
    list of Contour
        The points of the arc, one object for each rise of the statistic.
    """
    conditional_fit = ConditionalFit(refit.objective, refit.fit_result, arc.indices)
    covariance = refit.fit_result.covariance[np.ix_(arc.indices, arc.indices)]
    rays = slice(arc.first, arc.first + POINTS_PER_ARC)
    return [contour(conditional_fit, covariance, rise, arc.n_points, rays) for rise in arc.rises]


def join_arcs(
    result: FitResult, indices: tuple[int, int], arcs: Sequence[list[Contour]]
) -> ContourPair:
    """Join the arcs of the contours of two parameters.

    Parameters
    ----------
    result : FitResult
        The result of the fit.
    indices : tuple of int
        Indices of the two parameters.
    arcs : sequence of list of Contour
        The results of `compute_arc`, in the order of their angles.

    Returns
    -------
    ContourPair
        The contours.
    """
    x, y = indices
    return ContourPair(
        x=result.names[x],
        y=result.names[y],
        units=(result.units[x], result.units[y]),
        best_fit=(float(result.values[x]), float(result.values[y])),
        contours=tuple(Contour.join(parts) for parts in zip(*arcs, strict=True)),
    )
