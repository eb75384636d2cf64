"""Sums of map datasets on one pixel grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import ModelError

if TYPE_CHECKING:
    from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff
    from gammapy.estimators import FluxMaps
    from gammapy.maps import WcsGeom, WcsNDMap


def select_maps(datasets: Datasets) -> list[MapDataset]:
    """Return the map datasets, which must be on one pixel grid.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets; spectra are ignored.

    Returns
    -------
    list of MapDataset
        The maps.

    Raises
    ------
    ModelError
        If there is no map dataset, or they are not on one pixel grid.
    """
    maps = map_datasets(datasets)
    for dataset in maps[1:]:
        if _grid(dataset) != _grid(maps[0]):
            raise ModelError(
                f"{maps[0].name} and {dataset.name} are on different pixel grids; "
                "select datasets with the same grid: datasets: [...]"
            )
    return maps


def map_datasets(datasets: Datasets) -> list[MapDataset]:
    """Return the map datasets, on any pixel grid.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets; spectra are ignored.

    Returns
    -------
    list of MapDataset
        The maps.

    Raises
    ------
    ModelError
        If there is no map dataset.
    """
    maps = [dataset for dataset in datasets if _is_map(dataset)]
    if not maps:
        raise ModelError(f"no map dataset; available: {', '.join(datasets.names)}")
    return maps


def group_maps(datasets: Iterable[Any]) -> list[list[MapDataset]]:
    """Group map datasets that can be summed: on one pixel grid, all with or all without off counts.

    Parameters
    ----------
    datasets : iterable of Dataset
        The datasets; those without a counts map are ignored.

    Returns
    -------
    list of list of MapDataset
        The groups, in the order of their first datasets.
    """
    groups: dict[tuple[Any, ...], list[MapDataset]] = {}
    for dataset in filter(_is_map, datasets):
        groups.setdefault((dataset.stat_type, *_grid(dataset)), []).append(dataset)
    return list(groups.values())


def _is_map(dataset: Any) -> bool:
    """Return whether a dataset has counts on a sky map."""
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    return geom is not None and not geom.is_region


def _require_same_stat_type(datasets: Sequence[MapDataset]) -> None:
    """Raise an error if only some of the datasets have off counts."""
    first = datasets[0]
    for dataset in datasets[1:]:
        if dataset.stat_type != first.stat_type:
            raise ModelError(
                f"only one of {first.name} and {dataset.name} has off counts "
                f"({first.stat_type} and {dataset.stat_type}); "
                "select datasets of one type: datasets: [...]"
            )


def _grid(dataset: MapDataset) -> tuple[Any, ...]:
    """Return a description of the pixel grid that is equal for cutouts of one geometry."""
    geom = dataset.counts.geom
    wcs = geom.wcs.wcs
    edges = geom.axes["energy"].edges.to_value("TeV")
    return (*wcs.ctype, *np.round(wcs.crval, 9), *np.round(wcs.cdelt, 9), *np.round(edges, 9))


def union_geom(geoms: Sequence[WcsGeom]) -> WcsGeom:
    """Create the smallest geometry that contains several geometries on one pixel grid.

    Parameters
    ----------
    geoms : sequence of WcsGeom
        The geometries.

    Returns
    -------
    WcsGeom
        The union, with the axes of the first geometry.
    """
    from gammapy.maps import WcsGeom

    first_geom = geoms[0]
    reference = first_geom.wcs.wcs.crpix
    # cutouts differ only in the reference pixel of the projection
    corners = np.array([np.round(reference - geom.wcs.wcs.crpix) for geom in geoms], dtype=int)
    sizes = np.array([geom.data_shape[:0:-1] for geom in geoms])
    low, high = corners.min(axis=0), (corners + sizes).max(axis=0)
    wcs = first_geom.wcs.deepcopy()
    wcs.wcs.crpix = reference - low
    wcs.array_shape = None
    return WcsGeom(wcs, npix=tuple(int(size) for size in high - low), axes=first_geom.axes)


@attrs.define(eq=False)
class Mosaic:
    """Map datasets on one pixel grid, summed inside their masks.

    Parameters
    ----------
    datasets : list of MapDataset
        The summed datasets.
    total : MapDataset or MapDatasetOnOff
        The sum, without models and IRFs: counts and a known background, or on and off counts.
    signal : WcsNDMap or None
        Predicted counts of the sources, if they belong to the null hypothesis and are not part of
        the background.
    """

    datasets: list[MapDataset]
    total: MapDataset
    signal: WcsNDMap | None

    @classmethod
    def from_datasets(cls, datasets: list[MapDataset], include_sources: bool) -> Mosaic:
        """Sum datasets.

        Parameters
        ----------
        datasets : list of MapDataset
            Datasets on one pixel grid (`select_maps`), all with or all without off counts.
        include_sources : bool
            Whether the predicted counts of the sources are part of the null hypothesis.

        Returns
        -------
        Mosaic
            The sum.

        Raises
        ------
        ModelError
            If only some of the datasets have off counts, or if sources are not included and a
            dataset has no background.
        """
        from skyred.likelihood.npred import update_evaluators

        _require_same_stat_type(datasets)
        geom = union_geom([dataset.counts.geom for dataset in datasets])
        for dataset in datasets if include_sources else ():
            update_evaluators(dataset)
        if datasets[0].stat_type == "wstat":
            signals = [dataset.npred_signal() for dataset in datasets] if include_sources else []
            signal = _sum_maps(geom, datasets, signals) if signals else None
            return cls(datasets, _stack_on_off(geom, datasets), signal)
        for dataset in datasets:
            if not include_sources and dataset.background is None:
                raise ModelError(f"{dataset.name} has no background to compare the counts with")
        predictions = [
            dataset.npred() if include_sources else dataset.npred_background()
            for dataset in datasets
        ]
        return cls(datasets, _stack_known_background(geom, datasets, predictions), None)

    @property
    def geom(self) -> WcsGeom:
        """Geometry of the sum."""
        return self.total.counts.geom

    @property
    def npred(self) -> WcsNDMap:
        """Counts predicted by the null hypothesis; off counts are multiplied by alpha."""
        background = self.total.background
        return background if self.signal is None else background + self.signal

    def estimate_excess(
        self, estimator: Any, edges: u.Quantity | None, exposure: WcsNDMap | None = None
    ) -> FluxMaps:
        """Estimate the excess over the null hypothesis with gammapy's `ExcessMapEstimator`.

        Parameters
        ----------
        estimator : gammapy.estimators.ExcessMapEstimator
            The estimator.
        edges : astropy.units.Quantity or None
            Edges of the energy bins; if None, the estimator defines whether the energy axis is one
            bin (``sum_over_energy_groups``).
        exposure : WcsNDMap, optional
            Expected counts of the reference spectrum, for fluxes; see `reco_exposure`.

        Returns
        -------
        gammapy.estimators.FluxMaps
            The excess and its significance.
        """
        from gammapy.maps import MapAxis

        if edges is None:
            edges = self.geom.axes["energy"].edges
            edges = edges[[0, -1]] if estimator.sum_over_energy_groups else edges
        axis = MapAxis.from_energy_edges(edges)
        with np.errstate(divide="ignore", invalid="ignore"):  # divisions by 0 outside the masks
            dataset, exposure = self._rebin(axis, exposure)
            return estimator.estimate_excess_map(dataset, exposure)

    def _rebin(self, axis: Any, exposure: WcsNDMap | None) -> tuple[MapDataset, WcsNDMap | None]:
        """Return the sum and the exposure, rebinned to another energy axis."""
        from gammapy.modeling.models import TemplateNPredModel

        mask = self.total.mask_safe
        dataset = self.total.resample_energy_axis(energy_axis=axis, name=self.total.name)
        if dataset.stat_type == "wstat":
            # gammapy's off acceptance is NaN (0 / 0) in pixels without off counts
            is_empty = dataset.counts_off.data == 0
            acceptance_off = self.total.acceptance_off.resample_axis(axis=axis, weights=mask)
            dataset.acceptance_off.data[is_empty] = acceptance_off.data[is_empty]
        if exposure is not None:
            exposure = exposure.resample_axis(axis=axis, weights=mask)
            dataset.exposure = exposure  # gammapy assumes 1 if a dataset has no exposure
        if self.signal is not None:
            signal = self.signal.resample_axis(axis=axis, weights=mask)
            dataset.models = [TemplateNPredModel(signal, name="sources")]
        return dataset, exposure

    def reco_exposure(self, spectral: Any) -> WcsNDMap:
        """Compute the expected counts of a spectrum, summed over the datasets.

        These are exposure times flux, in bins of reconstructed energy.

        Parameters
        ----------
        spectral : gammapy.modeling.models.SpectralModel
            The reference spectrum.

        Returns
        -------
        WcsNDMap
            Expected counts, on the geometry of the sum.

        Raises
        ------
        ModelError
            If a dataset has no exposure.
        """
        from gammapy.estimators.utils import estimate_exposure_reco_energy
        from gammapy.maps import Map

        total = Map.from_geom(self.geom)
        for dataset in self.datasets:
            if dataset.exposure is None:
                raise ModelError(f"{dataset.name} has no exposure, so fluxes cannot be computed")
            exposure = estimate_exposure_reco_energy(dataset, spectral, normalize=False)
            total.stack(exposure, weights=_get_mask(dataset))  # in the same pixels as the counts
        return total


def _stack_known_background(
    geom: WcsGeom, datasets: list[MapDataset], predictions: Sequence[WcsNDMap]
) -> MapDataset:
    """Sum counts and predicted counts; the prediction becomes the background of the sum."""
    from gammapy.datasets import MapDataset

    return MapDataset(
        counts=_sum_maps(geom, datasets, [dataset.counts for dataset in datasets]),
        background=_sum_maps(geom, datasets, predictions),
        mask_safe=_union_mask(geom, datasets),
        name="mosaic",
    )


def _stack_on_off(geom: WcsGeom, datasets: list[MapDataset]) -> MapDatasetOnOff:
    """Stack datasets with off counts as gammapy does: the off counts are the weights of alpha."""
    total, *others = (_extend_to(geom, dataset) for dataset in datasets)
    for dataset in others:
        total.stack(dataset)
    return total


def _extend_to(geom: WcsGeom, dataset: MapDatasetOnOff) -> MapDatasetOnOff:
    """Return a dataset on a larger geometry that contains its own geometry."""
    from gammapy.datasets import MapDatasetOnOff

    names = ("counts", "counts_off", "acceptance", "acceptance_off")
    maps = {name: _sum_maps(geom, [dataset], [getattr(dataset, name)]) for name in names}
    return MapDatasetOnOff(**maps, mask_safe=_union_mask(geom, [dataset]), name="mosaic")


def _sum_maps(geom: WcsGeom, datasets: Sequence[MapDataset], maps: Sequence[WcsNDMap]) -> WcsNDMap:
    """Sum one map per dataset, inside the masks of the datasets."""
    from gammapy.maps import Map

    total = Map.from_geom(geom)
    for dataset, skymap in zip(datasets, maps, strict=True):
        total.stack(skymap, weights=_get_mask(dataset))
    return total


def _union_mask(geom: WcsGeom, datasets: Sequence[MapDataset]) -> WcsNDMap:
    """Return the union of the masks of the datasets."""
    from gammapy.maps import Map

    mask = Map.from_geom(geom, data=np.zeros(geom.data_shape, dtype=bool))
    for dataset in datasets:
        mask.stack(_get_mask(dataset))
    return mask


def _get_mask(dataset: MapDataset) -> WcsNDMap:
    """Return the mask of a dataset, all true if it has none."""
    from gammapy.maps import Map

    if dataset.mask is not None:
        return dataset.mask.copy(data=dataset.mask.data.astype(bool))
    return Map.from_geom(dataset.counts.geom, data=np.ones(dataset.counts.geom.data_shape, bool))
