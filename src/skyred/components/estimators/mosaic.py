"""The mosaic: map datasets on one pixel grid, as one dataset of counts and what is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import ModelError

if TYPE_CHECKING:
    from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff
    from gammapy.estimators import FluxMaps
    from gammapy.maps import WcsGeom, WcsNDMap


def choose(datasets: Datasets, patterns: Sequence[str]) -> list[MapDataset]:
    """Give the map datasets whose names match one of the patterns; all if there are none.

    Raises
    ------
    ModelError
        If none is left, or they are not on one pixel grid.
    """
    chosen = maps_called(datasets, patterns)
    for other in chosen[1:]:
        if _grid(other) != _grid(chosen[0]):
            raise ModelError(
                f"{chosen[0].name} and {other.name} are not on one pixel grid; "
                "choose datasets that are, by name: datasets: [...]"
            )
    return chosen


def maps_called(datasets: Datasets, patterns: Sequence[str]) -> list[MapDataset]:
    """Give the map datasets whose names match, on whatever grid.

    Raises
    ------
    ModelError
        If none is left.
    """
    chosen = [
        dataset
        for dataset in datasets
        if _is_map(dataset)
        and (not patterns or any(fnmatchcase(dataset.name, pattern) for pattern in patterns))
    ]
    if not chosen:
        raise ModelError(
            f"there is no map dataset called {' or '.join(patterns) or 'anything'}; "
            f"there are {', '.join(datasets.names)}"
        )
    return chosen


def _is_map(dataset: Any) -> bool:
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    return geom is not None and not geom.is_region


def _require_one_kind(datasets: Sequence[MapDataset]) -> None:
    first = datasets[0]
    for other in datasets[1:]:
        if other.stat_type != first.stat_type:
            raise ModelError(
                f"counts off are known of one of {first.name} and {other.name} only "
                f"({first.stat_type} and {other.stat_type}); "
                "choose datasets of one kind, by name: datasets: [...]"
            )


def _grid(dataset: MapDataset) -> tuple[Any, ...]:
    geom = dataset.counts.geom
    wcs = geom.wcs.wcs
    edges = geom.axes["energy"].edges.to_value("TeV")
    return (*wcs.ctype, *np.round(wcs.crval, 9), *np.round(wcs.cdelt, 9), *np.round(edges, 9))


def union_geom(geoms: Sequence[WcsGeom]) -> WcsGeom:
    """Give the smallest geometry that holds geometries of one pixel grid."""
    from gammapy.maps import WcsGeom

    first = geoms[0]
    reference = first.wcs.wcs.crpix
    # cutouts share all of the projection but the reference pixel
    corners = np.array([np.round(reference - geom.wcs.wcs.crpix) for geom in geoms], dtype=int)
    sizes = np.array([geom.data_shape[:0:-1] for geom in geoms])
    low, high = corners.min(axis=0), (corners + sizes).max(axis=0)
    wcs = first.wcs.deepcopy()
    wcs.wcs.crpix = reference - low
    wcs.array_shape = None
    return WcsGeom(wcs, npix=tuple(int(size) for size in high - low), axes=first.axes)


@attrs.define(eq=False)
class Mosaic:
    """Map datasets on one pixel grid, summed inside their masks.

    Parameters
    ----------
    datasets : list of MapDataset
        What was summed.
    total : MapDataset or MapDatasetOnOff
        The sum, without models and responses: counts on a known background, or counts on and off.
    signal : WcsNDMap or None
        What sources predict, if it belongs to the null hypothesis, and is not in the background
        already.
    """

    datasets: list[MapDataset]
    total: MapDataset
    signal: WcsNDMap | None

    @classmethod
    def of(cls, datasets: list[MapDataset], sources: bool) -> Mosaic:
        """Sum datasets.

        Parameters
        ----------
        datasets : list of MapDataset
            On one pixel grid (`choose`); all with counts off, or all without.
        sources : bool
            Whether what the sources predict is part of the null hypothesis.

        Raises
        ------
        ModelError
            If they are not of one kind.
        """
        _require_one_kind(datasets)
        geom = union_geom([dataset.counts.geom for dataset in datasets])
        if datasets[0].stat_type == "wstat":
            signals = [dataset.npred_signal() for dataset in datasets] if sources else []
            signal = _summed(geom, datasets, signals) if signals else None
            return cls(datasets, _on_off(geom, datasets), signal)
        for dataset in datasets:
            if not sources and dataset.background is None:
                raise ModelError(f"{dataset.name} has no background that counts could be above")
        predictions = [
            dataset.npred() if sources else dataset.npred_background() for dataset in datasets
        ]
        return cls(datasets, _known(geom, datasets, predictions), None)

    @property
    def geom(self) -> WcsGeom:
        """Its pixels."""
        return self.total.counts.geom

    @property
    def predicted(self) -> WcsNDMap:
        """What the null hypothesis predicts; of counts off, as many as they stand for."""
        background = self.total.background
        return background if self.signal is None else background + self.signal

    def excess(
        self, estimator: Any, edges: u.Quantity | None, exposure: WcsNDMap | None = None
    ) -> FluxMaps:
        """Let gammapy's `ExcessMapEstimator` compare the counts with what is predicted.

        Parameters
        ----------
        estimator : gammapy.estimators.ExcessMapEstimator
            The estimator.
        edges : Quantity or None
            Edges of the energy bins; one bin if None.
        exposure : WcsNDMap, optional
            Expected counts of the reference spectrum, for fluxes; see `reco_exposure`.
        """
        from gammapy.maps import MapAxis

        if edges is None:
            edges = self.geom.axes["energy"].edges[[0, -1]]
        axis = MapAxis.from_energy_edges(edges)
        with np.errstate(divide="ignore", invalid="ignore"):  # outside the masks
            rebinned, exposure = self._rebinned(axis, exposure)
            return estimator.estimate_excess_map(rebinned, exposure)

    def _rebinned(self, axis: Any, exposure: WcsNDMap | None) -> tuple[MapDataset, WcsNDMap | None]:
        from gammapy.modeling.models import TemplateNPredModel

        rebinned = self.total.resample_energy_axis(energy_axis=axis, name=self.total.name)
        if rebinned.stat_type == "wstat":
            # gammapy loses it (0 / 0) in pixels without any counts off
            lost, own = rebinned.counts_off.data == 0, self.total.acceptance_off
            kept = own.resample_axis(axis=axis, weights=self.total.mask_safe)
            rebinned.acceptance_off.data[lost] = kept.data[lost]
        if exposure is not None:
            exposure = exposure.resample_axis(axis=axis, weights=self.total.mask_safe)
            rebinned.exposure = exposure  # of a dataset without one, gammapy takes it to be 1
        if self.signal is not None:
            signal = self.signal.resample_axis(axis=axis, weights=self.total.mask_safe)
            rebinned.models = [TemplateNPredModel(signal, name="sources")]
        return rebinned, exposure

    def reco_exposure(self, spectral: Any) -> WcsNDMap:
        """Sum exposure times the flux of a spectrum, in reconstructed energy: expected counts."""
        from gammapy.estimators.utils import estimate_exposure_reco_energy
        from gammapy.maps import Map

        total = Map.from_geom(self.geom)
        for dataset in self.datasets:
            if dataset.exposure is None:
                raise ModelError(f"{dataset.name} has no exposure, so there is no flux")
            exposure = estimate_exposure_reco_energy(dataset, spectral, normalize=False)
            total.stack(exposure, weights=_inside(dataset))  # where its counts are too
        return total


def _known(
    geom: WcsGeom, datasets: list[MapDataset], predictions: Sequence[WcsNDMap]
) -> MapDataset:
    from gammapy.datasets import MapDataset

    return MapDataset(
        counts=_summed(geom, datasets, [dataset.counts for dataset in datasets]),
        background=_summed(geom, datasets, predictions),
        mask_safe=_mask(geom, datasets),
        name="mosaic",
    )


def _on_off(geom: WcsGeom, datasets: list[MapDataset]) -> MapDatasetOnOff:
    """Stack as gammapy does: the acceptances such that alpha is the mean over counts off."""
    parts = [_placed(geom, dataset) for dataset in datasets]
    total = parts[0]
    for part in parts[1:]:
        total.stack(part)
    return total


def _placed(geom: WcsGeom, dataset: MapDatasetOnOff) -> MapDatasetOnOff:
    from gammapy.datasets import MapDatasetOnOff

    names = ("counts", "counts_off", "acceptance", "acceptance_off")
    maps = {name: _summed(geom, [dataset], [getattr(dataset, name)]) for name in names}
    return MapDatasetOnOff(**maps, mask_safe=_mask(geom, [dataset]), name="mosaic")


def _summed(geom: WcsGeom, datasets: Sequence[MapDataset], maps: Sequence[WcsNDMap]) -> WcsNDMap:
    from gammapy.maps import Map

    total = Map.from_geom(geom)
    for dataset, each in zip(datasets, maps, strict=True):
        total.stack(each, weights=_inside(dataset))
    return total


def _mask(geom: WcsGeom, datasets: Sequence[MapDataset]) -> WcsNDMap:
    from gammapy.maps import Map

    mask = Map.from_geom(geom, data=np.zeros(geom.data_shape, dtype=bool))
    for dataset in datasets:
        mask.stack(_inside(dataset))
    return mask


def _inside(dataset: MapDataset) -> WcsNDMap:
    from gammapy.maps import Map

    if dataset.mask is not None:
        return dataset.mask.copy(data=dataset.mask.data.astype(bool))
    return Map.from_geom(dataset.counts.geom, data=np.ones(dataset.counts.geom.data_shape, bool))
