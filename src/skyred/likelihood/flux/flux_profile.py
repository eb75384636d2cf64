"""Flux profiles: the norm of a spectrum in each of several regions of maps.

For each region, gammapy predicts the counts of the full map again to create spectrum datasets. Here
the maps are predicted once, and summed over the pixels of each region. As in gammapy, the signal is
computed with the mean exposure, and with the energy dispersion at the centre of the region.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import numpy as np
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxPointsEstimator, FluxProfileEstimator

from skyred.errors import FitError
from skyred.likelihood.flux.columns import NO_REFERENCE, FluxColumns, Row
from skyred.likelihood.flux.reference import flux_sign, positive_spectrum
from skyred.likelihood.flux.regions import SpectrumExtractor, UnusableRegion
from skyred.likelihood.flux.second_axis import (
    FluxPointsBuilder,
    aligned_axes,
    missing_reasons,
    rounded_energy_axis,
)
from skyred.likelihood.flux.slices import bins_between

if TYPE_CHECKING:
    from gammapy.maps import MapAxis
    from gammapy.modeling.models import SpectralModel
    from numpy.typing import NDArray
    from regions import SkyRegion

    Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class FluxProfileData:
    """A flux profile.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The fluxes, with axes energy and projected-distance; NaN where there is no norm.
    reasons : tuple of str
        For each region, the reason for missing norms; "" if no norm is missing.
    """

    flux: FluxPoints
    reasons: tuple[str, ...]


@attrs.define(eq=False)
class RegionFluxProfileEstimator:
    """Estimator of flux profiles, equivalent to gammapy's `FluxProfileEstimator`.

    Parameters
    ----------
    points_estimator : gammapy.estimators.FluxPointsEstimator
        gammapy estimator with the options: energy edges, columns, `n_sigma` and `n_sigma_ul`.
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum that the norm scales.
    """

    points_estimator: FluxPointsEstimator
    spectral: SpectralModel

    def run(
        self,
        datasets: Datasets,
        backgrounds: Sequence[Array],
        regions: Sequence[SkyRegion],
        distance: MapAxis,
    ) -> FluxProfileData:
        """Estimate the flux profile.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            Map datasets; their models are ignored.
        backgrounds : sequence of array
            Predicted counts of the background in each dataset, shape (energies, y, x).
        regions : sequence of SkyRegion
            The regions.
        distance : MapAxis
            Their distances, the axis ``projected-distance``.

        Returns
        -------
        FluxProfileData
            The profile. A region that extends beyond the map or is only partly inside the mask has
            fluxes that are NaN, and a reason; gammapy raises an error.

        Raises
        ------
        FitError
            If the energy axes of the datasets are not sections of one axis.
            If the energy edges are not finite energies, or two of them are rounded to the same
            edge.
        """
        axes = aligned_axes(datasets)
        energy = rounded_energy_axis(axes, self.points_estimator.energy_edges)
        columns = FluxColumns.from_estimator(self.points_estimator)
        extractors = [
            SpectrumExtractor(dataset, background, self.spectral)
            for dataset, background in zip(datasets, backgrounds, strict=True)
        ]
        energy_ranges = list(pairwise(self.points_estimator.energy_edges))
        bins = [
            [bins_between(extractor.axis, *energy_range) for extractor in extractors]
            for energy_range in energy_ranges
        ]
        signs = [flux_sign(self.spectral, *pair) for pair in pairwise(energy.edges)]
        rows, reasons = [], []
        for region in regions:
            region_rows, reason = self._fit_region(
                extractors, region, columns, list(zip(bins, signs, strict=True))
            )
            rows.append(region_rows)
            reasons.append(reason)
        builder = FluxPointsBuilder(distance, energy, datasets.names, columns)
        reference = positive_spectrum(self.spectral, energy.edges).copy()
        flux = builder.build(rows, reference, datasets.gti)
        return FluxProfileData(flux, tuple(reasons))

    def _fit_region(
        self,
        extractors: list[SpectrumExtractor],
        region: SkyRegion,
        columns: FluxColumns,
        bins: list[tuple[list[tuple[int, int] | None], int]],
    ) -> tuple[list[Row], str]:
        """Return the rows of a region, one for each energy bin, and the reason for missing norms.

        `bins` contains, for each energy bin, the range of bins of each dataset, and the sign of the
        flux.
        """
        try:
            spectra = [extractor.spectrum(region) for extractor in extractors]
        except UnusableRegion as reason:
            return [columns.missing_row() for _ in bins], str(reason)
        rows = []
        for ranges, sign in bins:
            slices = [
                spectrum.slice(extractor.name, extractor.axis, dataset_bins, sign or 1)
                for extractor, spectrum, dataset_bins in zip(
                    extractors, spectra, ranges, strict=True
                )
                if dataset_bins
            ]
            row = columns.fit_row(slices)
            if slices and not sign:
                empty_row = columns.empty_row(len(slices), NO_REFERENCE)
                row = columns.with_counts(slices, empty_row)
            rows.append(row)
        return rows, missing_reasons(rows, self.points_estimator.energy_edges)


def projected_distances(regions: Sequence[SkyRegion]) -> MapAxis:
    """Return gammapy's distances of regions: mean radii of annuli, or distances of their centres.

    Parameters
    ----------
    regions : sequence of SkyRegion
        The regions.

    Returns
    -------
    gammapy.maps.MapAxis
        The axis ``projected-distance``.

    Raises
    ------
    FitError
        If the distances do not increase.
    """
    try:
        return FluxProfileEstimator(regions).projected_distance_axis
    except ValueError as error:
        raise FitError(
            f"the distances of the {len(regions)} regions do not increase ({error}); pass two "
            "or more regions in the order of their distances, or the distances (distance=...)"
        ) from None
