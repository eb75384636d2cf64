"""Flux points along a second axis (time or distance), and checks of energy axes and edges."""

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

COLUMNS_BY_DATASET = ("counts", "npred", "npred_excess")
COLUMN_ORDER = (
    "norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "norm_sensitivity", "ts", "npred",
    "npred_excess", "stat", "stat_null", "stat_scan", "counts", "success",
)  # fmt: skip


@attrs.frozen(eq=False)
class FluxPointsBuilder:
    """Builder of gammapy's `FluxPoints` from rows with values by column.

    Parameters
    ----------
    axis : MapAxis or TimeMapAxis
        The second axis.
    energy : MapAxis
        The energy axis.
    datasets : sequence of str
        Names of all datasets, in their order.
    columns : FluxColumns
        Selection of the columns.
    """

    axis: MapAxis | TimeMapAxis
    energy: MapAxis
    datasets: Sequence[str]
    columns: FluxColumns

    def build(self, rows: Sequence[Sequence[Row]], model: Any, gti: GTI | None) -> FluxPoints:
        """Build the flux points.

        Parameters
        ----------
        rows : sequence of sequence of Row
            Values by column, for each bin of the second axis and each energy bin.
        model : gammapy.modeling.models.SpectralModel
            The reference spectrum.
        gti : GTI or None
            Good time intervals of the data.

        Returns
        -------
        gammapy.estimators.FluxPoints
            The flux points.
        """
        from gammapy.estimators import FluxPoints
        from gammapy.maps import Maps

        maps = Maps()
        for name in COLUMN_ORDER:
            if name in COLUMNS_BY_DATASET:
                maps[name] = self._create_map_by_dataset(rows, name)
            elif name == "stat_scan" and "scan" in self.columns.selected:
                maps[name] = self._create_scan_map(rows)
            elif name in rows[0][0]:
                values = [[row[name] for row in bin_rows] for bin_rows in rows]
                maps[name] = self._create_map(values, [])
        meta = {
            "n_sigma": self.columns.n_sigma,
            "n_sigma_ul": self.columns.n_sigma_ul,
            "sed_type_init": "likelihood",
            "SED_TYPE": "likelihood",
        }
        return FluxPoints.from_maps(
            maps, sed_type="likelihood", reference_model=model, gti=gti, meta=meta
        )

    def _create_map(self, data: Any, axes: list[Any]) -> RegionNDMap:
        from gammapy.maps import RegionGeom, RegionNDMap

        geom = RegionGeom.create(region=None, axes=[*axes, self.energy, self.axis])
        array = np.asarray(data)
        return RegionNDMap(geom, data=array.reshape(geom.data_shape), dtype=array.dtype)

    def _create_map_by_dataset(self, rows: Sequence[Sequence[Row]], name: str) -> RegionNDMap:
        """Return a column that has a value for each dataset.

        gammapy's own estimators label these values with dataset names in a different order.
        """
        from gammapy.maps import LabelMapAxis

        indices = {dataset: index for index, dataset in enumerate(self.datasets)}
        data = np.full((len(rows), len(rows[0]), len(indices)), np.nan)
        for number, bin_rows in enumerate(rows):
            for energy, row in enumerate(bin_rows):
                data[number, energy, [indices[dataset] for dataset in row["datasets"]]] = row[name]
        return self._create_map(data, [LabelMapAxis(labels=list(self.datasets), name="dataset")])

    def _create_scan_map(self, rows: Sequence[Sequence[Row]]) -> RegionNDMap:
        from gammapy.maps import MapAxis

        # all rows have the same axis of norms, as in gammapy
        scans = [
            row["norm_scan"]
            for bin_rows in rows
            for row in bin_rows
            if np.isfinite(row["stat_scan"]).any()
        ]
        axis = MapAxis.from_nodes((scans or [rows[0][0]["norm_scan"]])[0], name="norm")
        stats = [[row["stat_scan"] for row in bin_rows] for bin_rows in rows]
        return self._create_map(stats, [axis])


def _missing_reason(row: Row) -> str:
    """Return the reason for a missing norm in a bin.

    Parameters
    ----------
    row : dict
        Values by column.

    Returns
    -------
    str
        The reason; "" if the bin has a norm.
    """
    return "" if np.isfinite(row["norm"]) else str(row.get("reason", NO_MINIMUM))


def missing_reasons(rows: Sequence[Row], edges: u.Quantity) -> str:
    """Return the reasons for missing norms in energy bins.

    Parameters
    ----------
    rows : sequence of dict
        Values by column for each of n bins.
    edges : Quantity
        Edges of the bins, shape (n + 1,).

    Returns
    -------
    str
        The reasons, with the energies of the bins unless all reasons are equal; "" if all bins have
        a norm.
    """
    reasons = [_missing_reason(row) for row in rows]
    if len(set(reasons)) == 1:
        return reasons[0]
    bins = zip(edges[:-1], edges[1:], reasons, strict=True)
    return "; ".join(
        f"{low.value:.3g} to {high.value:.3g} {high.unit}: {reason}"
        for low, high, reason in bins
        if reason
    )


def aligned_axes(datasets: Datasets) -> list[MapAxis]:
    """Return the distinct energy axes of datasets.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.

    Returns
    -------
    list of gammapy.maps.MapAxis
        The axes, without duplicates.

    Raises
    ------
    FitError
        If they are not sections of one axis.
    """
    axes: dict[bytes, tuple[MapAxis, str]] = {}
    for dataset in datasets:
        axis = dataset.counts.geom.axes["energy"]
        axes.setdefault(axis.edges.to_value("TeV").tobytes(), (axis, dataset.name))
    (first_axis, first_name), *others = axes.values()
    for axis, name in others:
        if not first_axis.is_aligned(axis):
            raise FitError(
                f"All datasets must have aligned energy axes: {first_name} "
                f"({_describe_bins(first_axis)}) and {name} ({_describe_bins(axis)}) are not "
                "sections of one axis; reduce them with the same number of bins per decade, and a "
                "common edge"
            )
    return [axis for axis, _ in axes.values()]


def _describe_bins(axis: MapAxis) -> str:
    low, high = axis.bounds
    return f"{low:.4g} to {high:.4g} in {axis.nbin} bins"


def energy_edges_or_range(datasets: Datasets, edges: Any) -> u.Quantity:
    """Return energy edges; by default, the lowest and the highest energy of datasets.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.
    edges : Quantity, list of Quantity or None
        Edges of bins, shape (n + 1,).

    Returns
    -------
    Quantity
        The edges, shape (n + 1,); without edges, the two energies in TeV, shape (2,).

    Raises
    ------
    FitError
        If there are no edges, and the energy axes of the datasets are not sections of one axis.
    """
    if edges is not None:
        return u.Quantity(edges)
    ends = u.Quantity([axis.edges[[0, -1]] for axis in aligned_axes(datasets)])
    return u.Quantity([ends.min(), ends.max()]).to("TeV")


def rounded_energy_axis(axes: Sequence[MapAxis], edges: u.Quantity) -> MapAxis:
    """Return the axis of the requested bins, with edges rounded to those of the datasets.

    Parameters
    ----------
    axes : sequence of gammapy.maps.MapAxis
        The energy axes of the datasets.
    edges : Quantity
        The requested edges, shape (n + 1,).

    Returns
    -------
    gammapy.maps.MapAxis
        The axis, in the unit of the requested edges.

    Raises
    ------
    FitError
        If the edges are not two or more finite energies, do not increase, or two of them are
        rounded to the same edge.
    """
    from gammapy.maps import MapAxis

    _check_energies(edges)
    ranges = [_rounded_range(axes, *pair) for pair in pairwise(edges)]
    rounded = u.Quantity([*(low for low, _ in ranges), ranges[-1][1]]).to(edges.unit)
    if np.any(np.diff(rounded.value) <= 0):
        raise FitError(
            f"the energy edges {edges} do not increase, or two of them have the same nearest edge "
            f"of the energy axis; expected edges near {axes[0].edges.to(edges.unit)}"
        )
    return MapAxis.from_energy_edges(rounded)


def _check_energies(edges: u.Quantity) -> None:
    """Raise `FitError` unless bin edges are two or more finite, different energies."""
    if not edges.unit.is_equivalent("TeV") or edges.ndim != 1:
        raise FitError(f"energy_edges are {edges}; expected energies, such as [1, 10] * u.TeV")
    if len(edges) < 2 or not np.isfinite(edges.value).all() or not np.diff(edges.value).all():
        raise FitError(
            f"energy_edges are {edges}; expected two or more finite energies without duplicates"
        )


def _rounded_range(axes: Sequence[MapAxis], low: u.Quantity, high: u.Quantity) -> list[u.Quantity]:
    """Return the lowest and highest energy of the axes' bins between two energies.

    The two energies themselves are returned if there is no such bin.
    """
    edges = [axis.edges[list(bins)] for axis in axes if (bins := bins_between(axis, low, high))]
    return [u.Quantity(edges).min(), u.Quantity(edges).max()] if edges else [low, high]
