"""Checks of estimators against the pipeline: sources, energy edges and maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis
from skyred.components.geometries.sky_map import map_images
from skyred.errors import Problem, nearest
from skyred.interfaces import Chain, ReducedData

if TYPE_CHECKING:
    from skyred.fields import Regions

TOLERANCE = 1 + 1e-6  # factor by which edges may exceed an axis: unit conversions are rounded


def order_problems(edges: u.Quantity | None) -> Iterable[Problem]:
    """Yield a problem if energy edges do not increase.

    Parameters
    ----------
    edges : astropy.units.Quantity or None
        Energy edges, shape (n + 1,).

    Yields
    ------
    Problem
        Fewer than two edges, or edges that do not increase.
    """
    if edges is not None and (len(edges) < 2 or np.any(np.diff(edges.value) <= 0)):
        yield Problem(
            ("energy_edges",), "must increase", "expected two or more increasing energies"
        )


def source_problems(source: str, pipeline: Chain) -> Iterable[Problem]:
    """Yield a problem if no model contains a source of this name.

    Parameters
    ----------
    source : str
        Name of the source.
    pipeline : Chain
        The pipeline with the models.

    Yields
    ------
    Problem
        The unknown source, with the nearest name.
    """
    names = [name for model in pipeline.model for name in model.source_names()]
    if source not in names and all(model.knows_names() for model in pipeline.model):
        nearest_name = nearest(source, names)
        expected = f"available: {', '.join(names) or 'none'}"
        yield Problem(("source",), f"unknown source {source!r}", expected, nearest_name)


def edge_problems(edges: u.Quantity, pipeline: Chain) -> Iterable[Problem]:
    """Yield problems with energy edges outside all energy axes, and with empty energy bins.

    gammapy moves each edge to the nearest edge of the axis. A bin is empty if both of its edges are
    moved to the same edge.

    Parameters
    ----------
    edges : astropy.units.Quantity
        Energy edges, shape (n + 1,).
    pipeline : Chain
        The pipeline with the energy axes.

    Yields
    ------
    Problem
        A problem, with the option and the reason.
    """
    axes = _valid_axes(pipeline)
    yield from _range_problems(edges, axes, pipeline)
    for entry_name, axis in axes.items():
        low, high = axis.bounds
        edges_inside = edges[(edges >= low / TOLERANCE) & (edges <= high * TOLERANCE)]
        log_axis_edges = np.log(axis.bin_edges().to_value("TeV"))
        nearest_indices = [
            int(np.argmin(np.abs(log_axis_edges - log_edge)))
            for log_edge in np.log(edges_inside.to_value("TeV"))
        ]
        if len(set(nearest_indices)) < len(nearest_indices):
            edges_text = ", ".join(f"{edge:.4g}" for edge in np.exp(log_axis_edges))
            yield Problem(
                ("energy_edges",),
                f"two edges have the same nearest edge on the energy axis of data.{entry_name}",
                f"expected edges near those of the axis: {edges_text} TeV",
            )


def _range_problems(
    edges: u.Quantity, axes: Mapping[str, EnergyAxis], pipeline: Chain
) -> Iterable[Problem]:
    """Yield a problem if edges are below or above the range of all axes together.

    Nothing is checked if some data are already reduced, since their axes are unknown before they
    are read.
    """
    if not axes or any(isinstance(entry, ReducedData) for _, entry in pipeline.entries()):
        return
    bounds = u.Quantity([axis.bounds for axis in axes.values()])
    low, high = bounds.min(), bounds.max()
    if edges.max() > high * TOLERANCE or edges.min() * TOLERANCE < low:
        entry_names = " and ".join(f"data.{entry_name}" for entry_name in axes)
        yield Problem(
            ("energy_edges",),
            f"{edges.min()} to {edges.max()} extends beyond the energy "
            f"{'axis' if len(axes) == 1 else 'axes'} of {entry_names}",
            f"expected edges within {low} to {high}",
        )


def bin_problems(edges: u.Quantity | None, pipeline: Chain) -> Iterable[Problem]:
    """Yield problems with energy edges or, if these are valid, with axes without common bins.

    Parameters
    ----------
    edges : astropy.units.Quantity or None
        Energy edges, shape (n + 1,); None if they are not set, which is valid.
    pipeline : Chain
        The pipeline with the energy axes.

    Yields
    ------
    Problem
        A problem, with the option and the reason.
    """
    problems = [] if edges is None else list(edge_problems(edges, pipeline))
    yield from problems or _alignment_problems(pipeline)


def _alignment_problems(pipeline: Chain) -> Iterable[Problem]:
    """Yield problems with data entries that have no common energy bins."""
    axes = {name: axis.build("energy") for name, axis in _valid_axes(pipeline).items()}
    first_name = next(iter(axes), "")
    for name, axis in axes.items():
        if not axes[first_name].is_aligned(axis):
            yield Problem(
                (),
                f"data.{first_name} and data.{name} have no common energy bins",
                "expected the same number of bins per decade, and a common edge",
            )


def _valid_axes(pipeline: Chain) -> dict[str, EnergyAxis]:
    """Return the valid energy axes by data entry; other checks report invalid axes."""
    axes = {
        name: getattr(getattr(reduction, "geometry", None), "energy", None)
        for name, reduction in pipeline.reductions()
    }
    return {
        name: axis
        for name, axis in axes.items()
        if isinstance(axis, EnergyAxis) and not any(True for _ in axis.validate())
    }


def map_problems(pipeline: Chain) -> Iterable[Problem]:
    """Yield a problem if the data contain no map.

    Parameters
    ----------
    pipeline : Chain
        The pipeline with the data entries.

    Yields
    ------
    Problem
        Data that consist only of spectra.
    """
    types = {
        getattr(getattr(entry, "geometry", None), "dataset_type", "")
        for _, entry in pipeline.entries()
    }
    if types == {"spectrum"}:
        yield Problem((), "needs a map, but all data are spectra", "remove it")


def without_off_counts(pipeline: Chain) -> bool:
    """Return whether it is certain that no dataset of a pipeline has off counts.

    Parameters
    ----------
    pipeline : Chain
        The pipeline with the data entries.

    Returns
    -------
    bool
        True if all data are reduced by makers that declare what they create, which is not off
        counts.
    """
    reductions = [reduction for _, reduction in pipeline.reductions()]
    parts = [maker.makes for reduction in reductions for maker in reduction.make]
    is_complete = len(reductions) == len(list(pipeline.entries())) and None not in parts
    return is_complete and not any("off" in names for names in parts if names is not None)


def region_problems(name: str, regions: Regions, pipeline: Chain) -> Iterable[Problem]:
    """Yield the first problem with regions that select or exclude pixels of the maps.

    Parameters
    ----------
    name : str
        Name of the option with the regions.
    regions : Regions
        The regions.
    pipeline : Chain
        The pipeline with the data entries.

    Yields
    ------
    Problem
        A region that cannot be read, has no area, or is too small to contain a pixel centre.
    """
    images = map_images(reduction for _, reduction in pipeline.reductions())
    for image in images or [None]:
        if problems := list(regions.problems(name, image)):
            yield problems[0]
            return
