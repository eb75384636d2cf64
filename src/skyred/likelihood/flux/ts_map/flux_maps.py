"""TS maps of gammapy's datasets, as gammapy's `FluxMaps`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import ModelError
from skyred.likelihood.flux.slices import bins_between
from skyred.likelihood.flux.ts_map.kernel import source_kernel
from skyred.likelihood.flux.ts_map.layers import Layer
from skyred.likelihood.flux.ts_map.pixels import ColumnSelection, NormMaps, fit_norm_maps

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets import MapDataset
    from gammapy.estimators import FluxMaps
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@attrs.define(eq=False)
class TSMapMaker:
    """Fit of a source's norm in every pixel of a map, with the numbers of `TSMapEstimator`.

    The counts predicted by the models of the datasets are the null hypothesis, and are fixed.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source: its spectrum and its shape; its position is ignored.
    width : Quantity, optional
        Width of the kernel; see `source_kernel`.
    summed : bool
        Whether the energy bins are summed before the norm is fitted; else the fit uses all bins.
    columns : ColumnSelection
        The optional columns.
    without : collection of str
        Names of models that are excluded from the null hypothesis.
    """

    model: SkyModel
    width: u.Quantity | None = None
    summed: bool = True
    columns: ColumnSelection = attrs.field(factory=ColumnSelection)
    without: Collection[str] = ()

    def run(self, datasets: Sequence[MapDataset], edges: u.Quantity) -> FluxMaps:
        """Compute the maps, one plane for each energy bin; the datasets are left unchanged.

        Parameters
        ----------
        datasets : sequence of gammapy.datasets.MapDataset
            Maps of counts with a known background (Cash statistic), of one image geometry.
        edges : Quantity
            Energies, shape (n + 1,); they are moved to the nearest edges of a dataset's energy
            axis.

        Returns
        -------
        gammapy.estimators.FluxMaps
            The maps.

        Raises
        ------
        ModelError
            If a dataset has no exposure, the flux of the source changes sign with energy, or there
            is no energy bin or no pixel to fit.
        """
        maker = attrs.evolve(self, model=_positive_source(self.model, datasets))
        all_arrays = [DatasetArrays.from_dataset(dataset, maker) for dataset in datasets]
        planes, nodes = [], []
        for low, high in pairwise(edges):
            ranges = [(arrays, bins_between(arrays.axis, low, high)) for arrays in all_arrays]
            slices = [(arrays, slice(*bins)) for arrays, bins in ranges if bins is not None]
            if not slices:
                raise ModelError(f"no dataset has an energy bin between {low} and {high}")
            planes.append(self._fit_plane(slices))
            first, bins = slices[0]
            nodes.append(first.axis.edges[[bins.start, bins.stop]])
        if not any(plane.success.any() for plane in planes):
            raise ModelError(
                "there are no pixels to fit: all are masked, or have no predicted background; "
                "check the masks and the background model"
            )
        return maker._build_flux_maps(datasets, planes, nodes)

    def _fit_plane(self, slices: Sequence[tuple[DatasetArrays, slice]]) -> NormMaps:
        layers = [arrays.layer(bins, self.summed) for arrays, bins in slices]
        valid = [arrays.valid(bins) for arrays, bins in slices]
        return fit_norm_maps(layers, np.any(valid, axis=0), self.columns)

    def _build_flux_maps(
        self, datasets: Sequence[MapDataset], planes: list[NormMaps], nodes: list[Any]
    ) -> FluxMaps:
        from astropy import units as u
        from gammapy.datasets import Datasets
        from gammapy.estimators import FluxMaps
        from gammapy.maps import Map, MapAxis, Maps

        edges = u.Quantity([pair[0] for pair in nodes] + [nodes[-1][1]])
        axis = MapAxis.from_energy_edges(edges, name="energy")
        geom = datasets[0].counts.geom.to_image().to_cube([axis])
        maps = Maps()
        for name in attrs.fields_dict(NormMaps):
            columns = [getattr(plane, name) for plane in planes]
            if columns[0] is not None:
                maps[name] = Map.from_geom(geom, data=np.stack(columns))
        return FluxMaps(
            data=maps,
            reference_model=self.model,
            gti=Datasets(datasets).gti,
            meta={"n_sigma": self.columns.n_sigma, "n_sigma_ul": self.columns.limit or 2},
        )


@attrs.define(eq=False)
class DatasetArrays:
    """Arrays of one dataset.

    Parameters
    ----------
    axis : gammapy.maps.MapAxis
        Its energy axis.
    counts : array
        Counts, shape (energies, ny, nx).
    background : array
        Predicted counts without the source, shape (energies, ny, nx).
    exposure : array
        Predicted counts of a source of norm one in each pixel, if all of its counts were in that
        pixel, shape (energies, ny, nx).
    mask : array of bool
        Whether the data are valid, shape (energies, ny, nx).
    kernel : array
        Distribution of the source's counts, shape (energies, ky, kx); see `source_kernel`.
    """

    axis: Any
    counts: Array
    background: Array
    exposure: Array
    mask: Mask
    kernel: Array

    @classmethod
    def from_dataset(cls, dataset: MapDataset, maker: TSMapMaker) -> DatasetArrays:
        """Return the arrays of a dataset.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset.
        maker : TSMapMaker
            The maker of the TS map, with the source.

        Returns
        -------
        DatasetArrays
            The arrays.

        Raises
        ------
        ModelError
            If the dataset has no exposure.
        """
        from gammapy.estimators.utils import estimate_exposure_reco_energy

        if dataset.exposure is None:
            raise ModelError(f"{dataset.name} has no exposure; reduce it with the maker 'map'")
        kernel = source_kernel(dataset, maker.model, maker.width)
        spectrum = maker.model.spectral_model
        exposure = estimate_exposure_reco_energy(dataset, spectrum, normalize=False)
        background = _predict_null(dataset, maker.without)
        mask = np.isfinite(background)
        if dataset.mask:
            mask &= dataset.mask.data.astype(bool)
        axis, counts = dataset.counts.geom.axes["energy"], dataset.counts.data
        return cls(axis, counts, background, exposure.data, mask, kernel)

    def layer(self, bins: slice, summed: bool) -> Layer:
        """Return the layer of a range of energy bins.

        Parameters
        ----------
        bins : slice
            The energy bins.
        summed : bool
            Whether to sum them.

        Returns
        -------
        Layer
            The layer.
        """
        create = Layer.from_summed_bins if summed else Layer.from_bins
        counts, background, exposure = self.counts[bins], self.background[bins], self.exposure[bins]
        return create(counts, background, exposure, self.mask[bins], self.kernel[bins])

    def valid(self, bins: slice) -> Mask:
        """Return whether each pixel has predicted counts, as required by gammapy.

        Parameters
        ----------
        bins : slice
            The energy bins.

        Returns
        -------
        array of bool
            Whether the pixel can be fitted, shape (ny, nx).
        """
        mask = self.mask[bins]
        predicted = np.where(mask, self.background[bins], 0).sum(axis=0)
        return np.asarray(mask.any(axis=0) & (predicted > 0))


def _positive_source(model: SkyModel, datasets: Sequence[MapDataset]) -> SkyModel:
    """Return the source with positive fluxes, the reference of the norms."""
    from skyred.likelihood.flux.reference import MagnitudeSpectralModel, positive_model

    for dataset in datasets:
        model = positive_model(model, dataset.counts.geom.axes["energy"].edges)
    if isinstance(model.spectral_model, MagnitudeSpectralModel):
        raise ModelError(
            "the flux of the source changes sign with energy; expected a spectrum of one sign"
        )
    return model


def _predict_null(dataset: MapDataset, without: Collection[str]) -> Array:
    """Return the predicted counts of the null hypothesis, shape (energies, ny, nx)."""
    npred = dataset.npred().data.astype(float)
    names = [name for name in without if name in dataset.evaluators]
    if names:
        npred -= dataset.npred_signal(model_names=names).data
    return np.asarray(npred)
