"""TS maps of gammapy datasets, as gammapy's `FluxMaps`."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from scipy.signal import fftconvolve

from skyred.errors import ModelError, SkyredWarning
from skyred.interfaces.tasks import SERIAL_TASKS, Tasks
from skyred.likelihood.flux.slices import bins_between
from skyred.likelihood.flux.ts_map.downsampling import downsample, kernel_margins, upsample
from skyred.likelihood.flux.ts_map.estimate import NormEstimate
from skyred.likelihood.flux.ts_map.kernel import source_kernel
from skyred.likelihood.flux.ts_map.layers import Layer
from skyred.likelihood.flux.ts_map.pixels import MapSelection, NormMaps, fit_norm_maps
from skyred.likelihood.flux.ts_map.precision import DEFAULT_PRECISION, Precision

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets import MapDataset
    from gammapy.estimators import FluxMaps
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@attrs.define(eq=False)
class TSMapFitter:
    """Fit of TS maps that agree with those of gammapy's `TSMapEstimator`.

    The norm of a source is fitted in every pixel. The null hypothesis is the prediction of the
    models of the datasets, with all their parameters fixed.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        Spectrum and shape of the source; its position is ignored.
    width : Quantity, optional
        Width of the kernel; see `source_kernel`.
    sum_energies : bool
        Whether the energy bins are summed before the norm is fitted; otherwise they are fitted
        jointly.
    optional_maps : MapSelection
        Maps to compute in addition to the norm, its error and its significance.
    excluded_models : collection of str
        Names of models that are excluded from the null hypothesis.
    tasks : Tasks
        Runs the blocks of pixels.
    precision : Precision
        Precision at which the fits stop.
    threshold : float, optional
        TS of the initial estimate of a norm above which the norm is fitted; by default all norms
        are fitted.
    downsampling_factor : int
        Number of pixels along each axis that are combined before the fit: 1, 2, 4 or 8.
    """

    model: SkyModel
    width: u.Quantity | None = None
    sum_energies: bool = True
    optional_maps: MapSelection = attrs.field(factory=MapSelection)
    excluded_models: Collection[str] = ()
    tasks: Tasks = SERIAL_TASKS
    precision: Precision = DEFAULT_PRECISION
    threshold: float | None = None
    downsampling_factor: int = 1

    def run(self, datasets: Sequence[MapDataset], edges: u.Quantity) -> FluxMaps:
        """Compute the maps for each energy bin; the datasets are left unchanged.

        Parameters
        ----------
        datasets : sequence of gammapy.datasets.MapDataset
            Datasets of counts with a known background (Cash statistic), with the same pixels.
        edges : Quantity
            Edges of the energy bins, shape (n + 1,); they are rounded to the nearest edges of the
            energy axis of each dataset.

        Returns
        -------
        gammapy.estimators.FluxMaps
            The maps.

        Raises
        ------
        ModelError
            If a dataset has no exposure or only zero exposure, the flux of the source changes sign
            with energy, or there is no energy bin or no pixel to fit.
        """
        if self.downsampling_factor > 1:
            return self._run_downsampled(datasets, edges)
        fitter = attrs.evolve(self, model=_positive_source(self.model, datasets))
        all_arrays = [DatasetArrays.from_dataset(dataset, fitter) for dataset in datasets]
        maps_by_energy, energy_ranges = [], []
        for low, high in pairwise(edges):
            ranges = [(arrays, bins_between(arrays.axis, low, high)) for arrays in all_arrays]
            slices = [(arrays, slice(*bins)) for arrays, bins in ranges if bins is not None]
            if not slices:
                raise ModelError(f"no dataset has an energy bin between {low} and {high}")
            maps_by_energy.append(self._fit_energy_range(slices))
            first_arrays, bins = slices[0]
            energy_ranges.append(first_arrays.axis.edges[[bins.start, bins.stop]])
        if not any(np.isfinite(norm_maps.norm).any() for norm_maps in maps_by_energy):
            raise ModelError(
                "there are no pixels to fit: all are masked, or have no predicted background; "
                "check the masks and the background model"
            )
        _warn_of_failed_fits(maps_by_energy, self.precision)
        return fitter._build_flux_maps(datasets, maps_by_energy, energy_ranges)

    def _run_downsampled(self, datasets: Sequence[MapDataset], edges: u.Quantity) -> FluxMaps:
        """Compute the maps with larger pixels, and interpolate them to those of the datasets."""
        factor = self.downsampling_factor
        model = _positive_source(self.model, datasets)
        shapes = [source_kernel(dataset, model, self.width).shape[1:] for dataset in datasets]
        margins = kernel_margins(datasets[0].counts.geom, shapes)
        coarse_datasets = [downsample(dataset, factor, margins) for dataset in datasets]
        coarse_maps = attrs.evolve(self, downsampling_factor=1).run(coarse_datasets, edges)
        return upsample(coarse_maps, factor, margins)

    def _fit_energy_range(self, slices: Sequence[tuple[DatasetArrays, slice]]) -> NormMaps:
        layers = [arrays.layer(bins, self.sum_energies) for arrays, bins in slices]
        masks = [arrays.prediction_mask(bins) for arrays, bins in slices]
        estimate = None
        if self.threshold is not None:
            norms = [arrays.estimate_norms(bins) for arrays, bins in slices]
            estimate = NormEstimate(np.mean(norms, axis=0), self.threshold)
        mask = np.any(masks, axis=0)
        return fit_norm_maps(layers, mask, self.optional_maps, self.tasks, self.precision, estimate)

    def _build_flux_maps(
        self,
        datasets: Sequence[MapDataset],
        maps_by_energy: list[NormMaps],
        energy_ranges: list[Any],
    ) -> FluxMaps:
        from astropy import units as u
        from gammapy.datasets import Datasets
        from gammapy.estimators import FluxMaps
        from gammapy.maps import Map, MapAxis, Maps

        edges = u.Quantity([low for low, _ in energy_ranges] + [energy_ranges[-1][1]])
        axis = MapAxis.from_energy_edges(edges, name="energy")
        geom = datasets[0].counts.geom.to_image().to_cube([axis])
        maps = Maps()
        for name in attrs.fields_dict(NormMaps):
            images = [getattr(norm_maps, name) for norm_maps in maps_by_energy]
            if images[0] is not None and images[0].ndim == 2:
                maps[name] = Map.from_geom(geom, data=np.stack(images))
            elif images[0] is not None:
                maps[name] = self._build_scan_map(name, geom, np.stack(images))
        return FluxMaps(
            data=maps,
            reference_model=self.model,
            gti=Datasets(datasets).gti,
            meta={
                "n_sigma": self.optional_maps.n_sigma,
                "n_sigma_ul": self.optional_maps.n_sigma_ul or 2,
            },
        )

    def _build_scan_map(self, name: str, geom: Any, values: Array) -> Any:
        """Build a map of a scan, with the axis ``dnde_bin``, from values of shape (e, m, y, x)."""
        from gammapy.maps import Map, MapAxis

        norms = np.arange(values.shape[1])
        scan_axis = MapAxis(norms, node_type="center", name="dnde_bin")
        scan_geom = geom.to_image().to_cube([scan_axis, *geom.axes])
        if name == "stat_scan":
            return Map.from_geom(scan_geom, data=values)
        dnde = self.model.spectral_model(geom.axes["energy"].center)
        return Map.from_geom(
            scan_geom, data=values * dnde.value[:, None, None, None], unit=dnde.unit
        )


@attrs.define(eq=False)
class DatasetArrays:
    """Arrays of one dataset.

    Parameters
    ----------
    axis : gammapy.maps.MapAxis
        The energy axis.
    counts : array
        Counts, shape (energies, ny, nx).
    background : array
        Predicted counts without the source, shape (energies, ny, nx).
    npred_per_norm : array
        Predicted counts in each pixel for a source of norm one, before the convolution with the
        kernel, shape (energies, ny, nx).
    mask : array of bool
        Whether the data are valid, shape (energies, ny, nx).
    kernel : array
        Distribution of the counts of the source over pixels, shape (energies, ky, kx); see
        `source_kernel`.
    reference_flux : array
        Integral flux of a source of norm one in each energy bin, shape (energies,).
    """

    axis: Any
    counts: Array
    background: Array
    npred_per_norm: Array
    mask: Mask
    kernel: Array
    reference_flux: Array

    @classmethod
    def from_dataset(cls, dataset: MapDataset, fitter: TSMapFitter) -> DatasetArrays:
        """Return the arrays of a dataset.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset.
        fitter : TSMapFitter
            The fit of the TS map, with the source.

        Returns
        -------
        DatasetArrays
            The arrays.

        Raises
        ------
        ModelError
            If the dataset has no exposure, or only zero exposure.
        """
        from gammapy.estimators.utils import estimate_exposure_reco_energy

        if dataset.exposure is None:
            raise ModelError(f"{dataset.name} has no exposure; reduce it with the maker 'map'")
        kernel = source_kernel(dataset, fitter.model, fitter.width)
        spectrum = fitter.model.spectral_model
        npred_per_norm = estimate_exposure_reco_energy(dataset, spectrum, normalize=False)
        background = _predict_null_hypothesis(dataset, fitter.excluded_models)
        mask = np.isfinite(background)
        if dataset.mask:
            mask &= dataset.mask.data.astype(bool)
        axis, counts = dataset.counts.geom.axes["energy"], dataset.counts.data
        flux = spectrum.integral(axis.edges[:-1], axis.edges[1:]).to_value("cm-2 s-1")
        return cls(axis, counts, background, npred_per_norm.data, mask, kernel, flux)

    def layer(self, bins: slice, sum_energies: bool) -> Layer:
        """Return the input of the fit in a range of energy bins: counts, predictions and kernels.

        Parameters
        ----------
        bins : slice
            The energy bins.
        sum_energies : bool
            Whether to sum the energy bins.

        Returns
        -------
        Layer
            The input of the fit.
        """
        create = Layer.from_summed_bins if sum_energies else Layer.from_bins
        counts, background = self.counts[bins], self.background[bins]
        npred_per_norm = self.npred_per_norm[bins]
        return create(counts, background, npred_per_norm, self.mask[bins], self.kernel[bins])

    def estimate_norms(self, bins: slice) -> Array:
        """Estimate the norms from the excess flux, as the start values of gammapy.

        Parameters
        ----------
        bins : slice
            The energy bins.

        Returns
        -------
        array
            The norms, shape (ny, nx).
        """
        kernel, flux = self.kernel[bins], self.reference_flux[bins]
        exposure = self.npred_per_norm[bins] / flux[:, None, None]
        excess = self.counts[bins] - self.background[bins]
        excess_flux = np.where(exposure > 0, excess / np.where(exposure > 0, exposure, 1), 0)
        excess_flux = np.nan_to_num(excess_flux)
        weights = kernel / (kernel**2).sum()
        images = [
            np.where(mask, fftconvolve(image, weight, mode="same"), 0)
            for mask, image, weight in zip(self.mask[bins], excess_flux, weights, strict=True)
        ]
        return np.asarray(np.sum(images, axis=0) / flux.sum())

    def prediction_mask(self, bins: slice) -> Mask:
        """Return the mask of pixels with predicted background; gammapy only fits these.

        Parameters
        ----------
        bins : slice
            The energy bins.

        Returns
        -------
        array of bool
            The mask, shape (ny, nx).
        """
        mask = self.mask[bins]
        predicted = np.where(mask, self.background[bins], 0).sum(axis=0)
        return np.asarray(mask.any(axis=0) & (predicted > 0))


def _positive_source(model: SkyModel, datasets: Sequence[MapDataset]) -> SkyModel:
    """Return the source model with positive fluxes, to which the norms are relative."""
    from skyred.likelihood.flux.reference import AbsoluteValueSpectralModel, positive_model

    for dataset in datasets:
        model = positive_model(model, dataset.counts.geom.axes["energy"].edges)
    if isinstance(model.spectral_model, AbsoluteValueSpectralModel):
        raise ModelError(
            "the flux of the source changes sign with energy; expected a spectrum with the same "
            "sign at all energies"
        )
    return model


def _warn_of_failed_fits(maps_by_energy: Sequence[NormMaps], precision: Precision) -> None:
    """Warn about pixels in which the fit has not converged."""
    n_fits = sum(int(np.isfinite(norm_maps.norm).sum()) for norm_maps in maps_by_energy)
    n_failed = n_fits - sum(int(norm_maps.success.sum()) for norm_maps in maps_by_energy)
    if n_failed:
        message = f"{n_failed} of {n_fits} fits have not converged in {precision.max_niter} steps"
        warnings.warn(f"{message}: see the map 'success'", SkyredWarning, stacklevel=4)


def _predict_null_hypothesis(dataset: MapDataset, excluded_models: Collection[str]) -> Array:
    """Return the predicted counts of the null hypothesis, shape (energies, ny, nx)."""
    npred = dataset.npred().data.astype(float)
    names = [name for name in excluded_models if name in dataset.evaluators]
    if names:
        npred -= dataset.npred_signal(model_names=names).data
    return np.asarray(npred)
