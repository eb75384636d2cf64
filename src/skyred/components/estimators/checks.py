"""Checks of estimators that need the whole pipeline: sources that no model has, energy edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis
from skyred.errors import Problem, nearest
from skyred.interfaces import Chain, ReducedData

SLACK = 1 + 1e-6  # for edges that are the axis's own, written in another unit


def rising_problems(edges: u.Quantity | None) -> Iterable[Problem]:
    """Name energy edges that do not rise."""
    if edges is not None and (len(edges) < 2 or np.any(np.diff(edges.value) <= 0)):
        yield Problem(("energy_edges",), "do not rise", "expected two or more rising energies")


def source_problems(source: str, pipeline: Chain) -> Iterable[Problem]:
    """Name a source that no model has."""
    names = [name for model in pipeline.model for name in model.source_names()]
    if source not in names and all(model.knows_names() for model in pipeline.model):
        near = nearest(source, names)
        known = f"there are: {', '.join(names) or 'none'}"
        yield Problem(("source",), f"no model has the source {source!r}", known, near)


def edge_problems(edges: u.Quantity, pipeline: Chain) -> Iterable[Problem]:
    """Name edges outside all energy axes, and bins that hold no edge of an axis between them.

    gammapy moves each edge to the nearest one of the axis, so such bins would be empty.
    """
    axes = _known_axes(pipeline)
    yield from _range_problems(edges, axes, pipeline)
    for entry, axis in axes.items():
        low, high = axis.bounds
        inside = edges[(edges >= low / SLACK) & (edges <= high * SLACK)]
        nodes = np.log(axis.nodes().to_value("TeV"))
        moved = [int(np.argmin(np.abs(nodes - edge))) for edge in np.log(inside.to_value("TeV"))]
        if len(set(moved)) < len(moved):
            nodes_text = ", ".join(f"{node:.4g}" for node in np.exp(nodes))
            yield Problem(
                ("energy_edges",),
                f"two of them lie at the same edge of the energy axis of data.{entry}",
                f"expected edges near its own: {nodes_text} TeV",
            )


def _range_problems(
    edges: u.Quantity, axes: Mapping[str, EnergyAxis], pipeline: Chain
) -> Iterable[Problem]:
    """Name edges outside all axes, unless there are datasets whose axes only they can tell."""
    if not axes or any(isinstance(entry, ReducedData) for _, entry in pipeline.entries()):
        return
    bounds = u.Quantity([axis.bounds for axis in axes.values()])
    low, high = bounds.min(), bounds.max()
    if edges.max() > high * SLACK or edges.min() * SLACK < low:
        named = " and ".join(f"data.{entry}" for entry in axes)
        yield Problem(
            ("energy_edges",),
            f"{edges.min()} to {edges.max()} reach outside the energy "
            f"{'axis' if len(axes) == 1 else 'axes'} of {named}",
            f"expected edges from {low} to {high}",
        )


def bin_problems(edges: u.Quantity | None, pipeline: Chain) -> Iterable[Problem]:
    """Yield problems of energy edges or, if there are none, of axes without common bins."""
    problems = [] if edges is None else list(edge_problems(edges, pipeline))
    yield from problems or _alignment_problems(pipeline)


def _alignment_problems(pipeline: Chain) -> Iterable[Problem]:
    """Name data entries whose energy axes are no parts of one axis: there are no common bins."""
    axes = {entry: axis.build("energy") for entry, axis in _known_axes(pipeline).items()}
    first = next(iter(axes), "")
    for entry, axis in axes.items():
        if not axes[first].is_aligned(axis):
            yield Problem(
                (),
                f"data.{first} and data.{entry} have no common bins of energy",
                "expected the same bins per decade, from the same edge",
            )


def _known_axes(pipeline: Chain) -> dict[str, EnergyAxis]:
    """Give the energy axes by data entry; one that is wrong is named already."""
    found = {
        entry: getattr(getattr(reduction, "geometry", None), "energy", None)
        for entry, reduction in pipeline.reductions()
    }
    return {
        entry: axis
        for entry, axis in found.items()
        if isinstance(axis, EnergyAxis) and not any(True for _ in axis.validate())
    }


def map_problems(pipeline: Chain) -> Iterable[Problem]:
    """Name data that hold no map at all."""
    types = {
        getattr(getattr(entry, "geometry", None), "dataset_type", "")
        for _, entry in pipeline.entries()
    }
    if types == {"spectrum"}:
        yield Problem((), "needs a map, and all of the data are spectra", "leave it out")
