"""Checks of estimators that need the whole pipeline: the source, and the edges of energy bins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np
from astropy import units as u

from skyred.errors import Problem
from skyred.interfaces import Chain


def rising_problems(edges: u.Quantity | None) -> Iterable[Problem]:
    """Name energy edges that do not rise."""
    if edges is not None and (len(edges) < 2 or np.any(np.diff(edges.value) <= 0)):
        yield Problem(("energy_edges",), "do not rise", "expected two or more rising energies")


def source_problems(source: str, pipeline: Chain) -> Iterable[Problem]:
    """Name a source that no model has."""
    names = [name for model in pipeline.model for name in model.source_names()]
    if source not in names and all(model.knows_names() for model in pipeline.model):
        near = difflib.get_close_matches(source, names, 1)
        known = f"there are: {', '.join(names) or 'none'}"
        yield Problem(("source",), f"no model has the source {source!r}", known, *near)


def edge_problems(edges: u.Quantity, pipeline: Chain) -> Iterable[Problem]:
    """Name edges outside an energy axis, and bins that hold no edge of the axis between them.

    gammapy moves each edge to the nearest one of the axis, so such bins would be empty.
    """
    for entry, reduction in pipeline.entries():
        axis = getattr(getattr(reduction, "geometry", None), "energy", None)
        if axis is None:
            continue
        low, high = axis.bounds
        slack = 1 + 1e-6  # edges that are the axis's own, written in another unit
        if edges.max() > high * slack or edges.min() * slack < low:
            yield Problem(
                ("energy_edges",),
                f"{edges.min()} to {edges.max()} reach outside the energy axis of data.{entry}",
                f"expected edges from {low} to {high}",
            )
            continue
        if any(True for _ in axis.validate()):
            continue  # named already
        nodes = np.log(axis.nodes().to_value("TeV"))
        moved = [int(np.argmin(np.abs(nodes - edge))) for edge in np.log(edges.to_value("TeV"))]
        if len(set(moved)) < len(moved):
            nodes_text = ", ".join(f"{node:.4g}" for node in np.exp(nodes))
            yield Problem(
                ("energy_edges",),
                f"two of them lie at the same edge of the energy axis of data.{entry}",
                f"expected edges near its own: {nodes_text} TeV",
            )


def map_problems(pipeline: Chain) -> Iterable[Problem]:
    """Name data that hold no map at all."""
    kinds = {getattr(reduction.geometry, "kind", "") for _, reduction in pipeline.entries()}
    if kinds == {"spectrum"}:
        yield Problem((), "needs a map, and all of the data are spectra", "leave it out")
