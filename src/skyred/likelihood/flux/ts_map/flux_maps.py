"""From gammapy's datasets to a TS map, as gammapy's `FluxMaps`."""

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
from skyred.likelihood.flux.ts_map.pixels import NormMaps, Wanted, norm_maps

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
    """Fits the norm of a source in every pixel of a map; the numbers of `TSMapEstimator`.

    What is predicted by the models of the datasets is the null hypothesis, and is held.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source: its spectrum and its shape; where it is does not matter.
    width : Quantity, optional
        Width of the kernel; see `source_kernel`.
    summed : bool
        Whether the energy bins are summed before the norm is fitted; else each counts by itself.
    wanted : Wanted
        Which columns.
    without : collection of str
        Models that are no part of the null hypothesis.
    """

    model: SkyModel
    width: u.Quantity | None = None
    summed: bool = True
    wanted: Wanted = attrs.field(factory=Wanted)
    without: Collection[str] = ()

    def run(self, datasets: Sequence[MapDataset], edges: u.Quantity) -> FluxMaps:
        """Make the maps, one plane for two energy edges; leaves the datasets as they were.

        Parameters
        ----------
        datasets : sequence of gammapy.datasets.MapDataset
            Maps of counts with a known background (Cash statistic), of one image geometry.
        edges : Quantity
            Energies; each is moved to the nearest edge of a dataset's energy axis.

        Raises
        ------
        ModelError
            If a dataset has no exposure, the flux of the source changes its sign with energy, or
            nothing is left to look at.
        """
        maker = attrs.evolve(self, model=_positive(self.model, datasets))
        seen = [DatasetArrays.of(dataset, maker) for dataset in datasets]
        planes, nodes = [], []
        for low, high in pairwise(edges):
            ranges = [(each, bins_between(each.axis, low, high)) for each in seen]
            chosen = [(each, slice(*bins)) for each, bins in ranges if bins is not None]
            if not chosen:
                raise ModelError(f"no dataset has an energy bin between {low} and {high}")
            planes.append(self._plane(chosen))
            first, bins = chosen[0]
            nodes.append(first.axis.edges[[bins.start, bins.stop]])
        if not any(plane.success.any() for plane in planes):
            raise ModelError(
                "there is no pixel to look at: everything is masked, or no background is predicted"
            )
        return maker._flux_maps(datasets, planes, nodes)

    def _plane(self, chosen: Sequence[tuple[DatasetArrays, slice]]) -> NormMaps:
        layers = [each.layer(bins, self.summed) for each, bins in chosen]
        valid = [each.valid(bins) for each, bins in chosen]
        return norm_maps(layers, np.any(valid, axis=0), self.wanted)

    def _flux_maps(
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
            meta={"n_sigma": self.wanted.n_sigma, "n_sigma_ul": self.wanted.limit or 2},
        )


@attrs.define(eq=False)
class DatasetArrays:
    """One dataset, as plain arrays of shape (energies, ny, nx).

    Parameters
    ----------
    axis : gammapy.maps.MapAxis
        Its energy axis.
    counts, background, exposure : array
        Counts; what is predicted without the source; the counts of a source of norm one, if each
        pixel had all of them.
    mask : array of bool
        Where the data are valid.
    kernel : array
        See `source_kernel`.
    """

    axis: Any
    counts: Array
    background: Array
    exposure: Array
    mask: Mask
    kernel: Array

    @classmethod
    def of(cls, dataset: MapDataset, maker: TSMapMaker) -> DatasetArrays:
        """Look at a dataset."""
        from gammapy.estimators.utils import estimate_exposure_reco_energy

        if dataset.exposure is None:
            raise ModelError(f"{dataset.name} has no exposure: make it with the maker map")
        kernel = source_kernel(dataset, maker.model, maker.width)
        spectrum = maker.model.spectral_model
        exposure = estimate_exposure_reco_energy(dataset, spectrum, normalize=False)
        background = _null(dataset, maker.without)
        mask = np.isfinite(background)
        if dataset.mask:
            mask &= dataset.mask.data.astype(bool)
        axis, counts = dataset.counts.geom.axes["energy"], dataset.counts.data
        return cls(axis, counts, background, exposure.data, mask, kernel)

    def layer(self, bins: slice, summed: bool) -> Layer:
        """Give the layer of a range of energy bins."""
        make = Layer.summed if summed else Layer.cube
        counts, background, exposure = self.counts[bins], self.background[bins], self.exposure[bins]
        return make(counts, background, exposure, self.mask[bins], self.kernel[bins])

    def valid(self, bins: slice) -> Mask:
        """Tell in which pixels something is predicted, as gammapy chooses them."""
        mask = self.mask[bins]
        predicted = np.where(mask, self.background[bins], 0).sum(axis=0)
        return np.asarray(mask.any(axis=0) & (predicted > 0))


def _positive(model: SkyModel, datasets: Sequence[MapDataset]) -> SkyModel:
    """Return the source with positive fluxes, which the norms refer to."""
    from skyred.likelihood.flux.reference import MagnitudeSpectralModel, positive_model

    for dataset in datasets:
        model = positive_model(model, dataset.counts.geom.axes["energy"].edges)
    if isinstance(model.spectral_model, MagnitudeSpectralModel):
        raise ModelError(
            "the flux of the source changes its sign with energy: a TS map needs a spectrum "
            "that does not"
        )
    return model


def _null(dataset: MapDataset, without: Collection[str]) -> Array:
    npred = dataset.npred().data.astype(float)
    names = [name for name in without if name in dataset.evaluators]
    if names:
        npred -= dataset.npred_signal(model_names=names).data
    return np.asarray(npred)
