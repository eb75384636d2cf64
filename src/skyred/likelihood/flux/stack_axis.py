"""Flux points along one more axis, time or distance: gammapy's `FluxPoints` of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import FitError
from skyred.likelihood.flux.columns import NO_MINIMUM, FluxColumns, Row
from skyred.likelihood.flux.slices import bins_between

if TYPE_CHECKING:
    from gammapy.data import GTI
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxPoints
    from gammapy.maps import MapAxis, RegionNDMap, TimeMapAxis

PER_DATASET = ("counts", "npred", "npred_excess")
ORDER = ("norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "norm_sensitivity", "ts", "npred",
         "npred_excess", "stat", "stat_null", "stat_scan", "counts", "success")  # fmt: skip


@attrs.frozen(eq=False)
class Along:
    """Puts rows of columns together.

    Parameters
    ----------
    axis : MapAxis or TimeMapAxis
        The further axis.
    energy : MapAxis
        The bins of energy.
    datasets : sequence of str
        All datasets, in their order.
    columns : FluxColumns
        The columns' options.
    """

    axis: MapAxis | TimeMapAxis
    energy: MapAxis
    datasets: Sequence[str]
    columns: FluxColumns

    def flux_points(self, rows: Sequence[Sequence[Row]], model: Any, gti: GTI | None) -> FluxPoints:
        """Make flux points.

        Parameters
        ----------
        rows : sequence of sequence of Row
            For each bin of the axis the columns in each bin of energy.
        model : gammapy.modeling.models.SpectralModel
            What the norms scale.
        gti : GTI, optional
            When the data were taken.
        """
        from gammapy.estimators import FluxPoints
        from gammapy.maps import Maps

        maps = Maps()
        for name in ORDER:
            if name in PER_DATASET:
                maps[name] = self._per_dataset(rows, name)
            elif name == "stat_scan" and "scan" in self.columns.selected:
                maps[name] = self._scan(rows)
            elif name in rows[0][0]:
                maps[name] = self._map([[row[name] for row in some] for some in rows], [])
        meta = {
            "n_sigma": self.columns.n_sigma,
            "n_sigma_ul": self.columns.n_sigma_ul,
            "sed_type_init": "likelihood",
            "SED_TYPE": "likelihood",
        }
        return FluxPoints.from_maps(
            maps, sed_type="likelihood", reference_model=model, gti=gti, meta=meta
        )

    def _map(self, data: Any, axes: list[Any]) -> RegionNDMap:
        from gammapy.maps import RegionGeom, RegionNDMap

        geom = RegionGeom.create(region=None, axes=[*axes, self.energy, self.axis])
        array = np.asarray(data)
        return RegionNDMap(geom, data=array.reshape(geom.data_shape), dtype=array.dtype)

    def _per_dataset(self, rows: Sequence[Sequence[Row]], name: str) -> RegionNDMap:
        """Put each number to its dataset: gammapy's own come in the wrong order of names."""
        from gammapy.maps import LabelMapAxis

        place = {dataset: number for number, dataset in enumerate(self.datasets)}
        data = np.full((len(rows), len(rows[0]), len(place)), np.nan)
        for number, some in enumerate(rows):
            for energy, row in enumerate(some):
                data[number, energy, [place[each] for each in row["datasets"]]] = row[name]
        return self._map(data, [LabelMapAxis(labels=list(self.datasets), name="dataset")])

    def _scan(self, rows: Sequence[Sequence[Row]]) -> RegionNDMap:
        from gammapy.maps import MapAxis

        # one axis for all rows, as gammapy has it
        scans = [
            row["norm_scan"] for some in rows for row in some if np.isfinite(row["stat_scan"]).any()
        ]
        axis = MapAxis.from_nodes((scans or [rows[0][0]["norm_scan"]])[0], name="norm")
        return self._map([[row["stat_scan"] for row in some] for some in rows], [axis])


def why_not(row: Row) -> str:
    """Return why a bin has no norm; "" if it has one."""
    return "" if np.isfinite(row["norm"]) else str(row.get("reason", NO_MINIMUM))


def why_not_any(rows: Sequence[Row], edges: u.Quantity) -> str:
    """Say why bins of energy have no norm: once, if it is the same for all."""
    reasons = [why_not(row) for row in rows]
    if len(set(reasons)) == 1:
        return reasons[0]
    bins = zip(edges[:-1], edges[1:], reasons, strict=True)
    return "; ".join(
        f"{low.value:.3g} to {high.value:.3g} {high.unit}: {why}" for low, high, why in bins if why
    )


def aligned_axes(datasets: Datasets) -> list[MapAxis]:
    """Give the energy axes of datasets, each once.

    Raises
    ------
    FitError
        Unless they are parts of one axis.
    """
    axes: dict[bytes, tuple[MapAxis, str]] = {}
    for dataset in datasets:
        axis = dataset.counts.geom.axes["energy"]
        axes.setdefault(axis.edges.to_value("TeV").tobytes(), (axis, dataset.name))
    (first, name), *others = axes.values()
    for axis, other in others:
        if not first.is_aligned(axis):
            raise FitError(
                f"All datasets must have aligned energy axes: {name} ({_bins(first)}) and {other} "
                f"({_bins(axis)}) have no common bins; reduce them with the same bins per decade, "
                "from the same edge"
            )
    return [axis for axis, _ in axes.values()]


def _bins(axis: MapAxis) -> str:
    low, high = axis.bounds
    return f"{low:.4g} to {high:.4g} in {axis.nbin} bins"


def whole_range(axes: Sequence[MapAxis]) -> u.Quantity:
    """Give the lowest and the highest energy of some axes."""
    edges = u.Quantity([axis.edges[[0, -1]] for axis in axes])
    return u.Quantity([edges.min(), edges.max()]).to("TeV")


def covered_axis(axes: Sequence[MapAxis], edges: u.Quantity) -> MapAxis:
    """Give the edges of the axes that the asked ones fall on.

    Raises
    ------
    FitError
        If two fall on one, or they are not two or more finite energies.
    """
    from gammapy.maps import MapAxis

    _check_energies(edges)
    ends = [_covered(axes, *pair) for pair in pairwise(edges)]
    found = u.Quantity([*(low for low, _ in ends), ends[-1][1]]).to(edges.unit)
    if np.any(np.diff(found.value) <= 0):
        raise FitError(
            f"two of the energy edges {edges} fall on one edge of the energy axis; "
            f"expected edges near its own: {axes[0].edges.to(edges.unit)}"
        )
    return MapAxis.from_energy_edges(found)


def _check_energies(edges: u.Quantity) -> None:
    """Raise `FitError` unless edges of bins are two or more finite energies, each another."""
    if not edges.unit.is_equivalent("TeV") or edges.ndim != 1:
        raise FitError(f"energy_edges are {edges}; expected energies, such as [1, 10] * u.TeV")
    if len(edges) < 2 or not np.isfinite(edges.value).all() or not np.diff(edges.value).all():
        raise FitError(
            f"energy_edges are {edges}; expected two or more, all finite and none of them twice"
        )


def _covered(axes: Sequence[MapAxis], low: u.Quantity, high: u.Quantity) -> list[u.Quantity]:
    found = [axis.edges[list(bins)] for axis in axes if (bins := bins_between(axis, low, high))]
    return [u.Quantity(found).min(), u.Quantity(found).max()] if found else [low, high]
