"""Flux profiles: the norm of a spectrum in each of many regions of maps, summed flat.

gammapy makes a spectrum dataset for each region, predicts the whole map for each, and fits it. Here
maps are summed over the pixels of a region, and what a flux would give there is taken from the mean
exposure and the energy dispersion at the region's centre, as gammapy does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import numpy as np
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxPointsEstimator

from skyred.likelihood.flux.columns import NO_REFERENCE, FluxColumns, Row
from skyred.likelihood.flux.reference import flux_sign, positive_spectrum
from skyred.likelihood.flux.regions import Sums, Unusable
from skyred.likelihood.flux.slices import bins_between
from skyred.likelihood.flux.stack_axis import Along, aligned_axes, covered_axis, why_not_any

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
        With axes energy and projected-distance; NaN where there is no norm.
    reasons : tuple of str
        For each region why norms are missing; mostly "".
    """

    flux: FluxPoints
    reasons: tuple[str, ...]


@attrs.define(eq=False)
class FlatFluxProfileEstimator:
    """Flux profiles, with the numbers of gammapy's `FluxProfileEstimator`.

    Parameters
    ----------
    points : gammapy.estimators.FluxPointsEstimator
        Holds the options: energy edges, columns, confidences.
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum whose norm is fitted.
    """

    points: FluxPointsEstimator
    spectral: SpectralModel

    def run(
        self,
        datasets: Datasets,
        rest: Sequence[Array],
        regions: Sequence[SkyRegion],
        distance: MapAxis,
    ) -> FluxProfileData:
        """Estimate it.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            Maps; their models play no part.
        rest : sequence of array
            For each what is predicted without the signal, shape (energies, y, x).
        regions : sequence of SkyRegion
            The regions.
        distance : MapAxis
            Where they are, the axis ``projected-distance``.

        Returns
        -------
        FluxProfile
            A region that leaves the map or is cut by the mask, which gammapy refuses, is a row of
            NaN, with its reason.
        """
        axes = aligned_axes(datasets)
        energy = covered_axis(axes, self.points.energy_edges)
        columns = FluxColumns.of(self.points)
        sums = [Sums(each, part, self.spectral) for each, part in zip(datasets, rest, strict=True)]
        ends = list(pairwise(self.points.energy_edges))
        bins = [[bins_between(each.axis, *pair) for each in sums] for pair in ends]
        signs = [flux_sign(self.spectral, *pair) for pair in pairwise(energy.edges)]
        rows, reasons = [], []
        for region in regions:
            found, reason = self._region(sums, region, columns, list(zip(bins, signs, strict=True)))
            rows.append(found)
            reasons.append(reason)
        along = Along(distance, energy, datasets.names, columns)
        reference = positive_spectrum(self.spectral, energy.edges).copy()
        flux = along.flux_points(rows, reference, datasets.gti)
        return FluxProfileData(flux, tuple(reasons))

    def _region(
        self,
        sums: list[Sums],
        region: SkyRegion,
        columns: FluxColumns,
        bins: list[tuple[list[tuple[int, int] | None], int]],
    ) -> tuple[list[Row], str]:
        try:
            spectra = [each.spectrum(region) for each in sums]
        except Unusable as reason:
            return [columns.missing() for _ in bins], str(reason)
        rows = []
        for here, sign in bins:
            chosen = zip(sums, spectra, here, strict=True)
            slices = [s.slice(each.name, each.axis, b, sign or 1) for each, s, b in chosen if b]
            row = columns.held_row(slices)
            if slices and not sign:
                nothing = columns.nothing(len(slices), NO_REFERENCE)
                row = columns.counted(slices, nothing)
            rows.append(row)
        return rows, why_not_any(rows, self.points.energy_edges)
