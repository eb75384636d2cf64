"""Measure the coverage of upper limits: how often they are above the true flux.

    python benchmarks/coverage.py [NUMBER]

On-off spectra of one bin and small maps are simulated, NUMBER of each (1000 by default), for two
true fluxes: zero, and one standard deviation of the background. The norm of a source is fitted to
each of them, and to maps also with the solver of TS maps. Upper limits are derived from the
likelihood ratio: with many counts, a one-sided limit of 1.645 sigma is above the true flux in 95 %
of the cases, and a limit of 2 sigma in 97.7 %.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import attrs
import numpy as np
from scipy.stats import norm as gauss

from skyred.likelihood.flux.norm import find_best_norm, find_upper_limit
from skyred.likelihood.flux.norm_terms import CashTerm, WStatTerm
from skyred.likelihood.flux.profile import FixedProfile
from skyred.likelihood.flux.ts_map.layers import Layer
from skyred.likelihood.flux.ts_map.pixels import MapSelection, fit_norm_maps
from skyred.likelihood.statistics import WStat

BACKGROUNDS = (3, 8, 20, 100, 1000)
SIGMAS = (1.645, 2.0)
ALPHA = 0.2  # ratio of the on exposure to the off exposure
PIXELS = 15  # pixels along a side of the map
WIDTH = 1.5  # sigma of the source, in pixels


@attrs.frozen
class Coverage:
    """The coverage of upper limits of one confidence level.

    Parameters
    ----------
    data : str
        The kind of the data.
    background : float
        Expected background counts; for maps, below the source.
    flux : float
        True source counts.
    sigma : float
        Confidence level of the limits, in sigma.
    n_simulations : int
        Number of simulations.
    n_above : int
        Number of simulations with a limit that is not below the true flux.
    """

    data: str
    background: float
    flux: float
    sigma: float
    n_simulations: int
    n_above: int

    @property
    def fraction(self) -> float:
        """Return the fraction of simulations with a limit that is not below the true flux."""
        return self.n_above / self.n_simulations

    @property
    def error(self) -> float:
        """Return the binomial uncertainty of the expected fraction."""
        expected = gauss.cdf(self.sigma)
        return float(np.sqrt(expected * (1 - expected) / self.n_simulations))


def on_off_limits(background: float, flux: float, random: Any) -> list[float]:
    """Simulate on and off counts in one bin, and compute the upper limits in counts."""
    on = np.array([float(random.poisson(background + flux))])
    off = np.array([float(random.poisson(background / ALPHA))])
    return _limits(
        FixedProfile([WStatTerm(WStat(on, off, np.array([ALPHA])), np.ones(1), np.zeros(1))])
    )


def map_limits(background: float, flux: float, random: Any) -> list[float]:
    """Simulate a map with a source at its centre, and compute the upper limits in counts."""
    signal, background_map, counts = _simulate_map(background, flux, random)
    term = CashTerm(counts.ravel(), signal.ravel(), background_map.ravel())
    return _limits(FixedProfile([term]))


def ts_map_limits(background: float, flux: float, random: Any) -> list[float]:
    """Simulate a map as in `map_limits`, and compute the limits of a TS map at its centre."""
    signal, background_map, counts = _simulate_map(background, flux, random)
    is_centre = np.zeros(signal.shape, dtype=bool)
    is_centre[PIXELS // 2, PIXELS // 2] = True
    cubes = (plane[None] for plane in (counts, background_map, np.ones_like(background_map)))
    layer = Layer.from_bins(*cubes, np.ones((1, PIXELS, PIXELS), dtype=bool), signal[None])
    selections = (MapSelection(n_sigma_ul=sigma) for sigma in SIGMAS)
    maps = (fit_norm_maps([layer], is_centre, selection) for selection in selections)
    return [float(norm_maps.norm_ul[is_centre].item()) for norm_maps in maps]


def _simulate_map(background: float, flux: float, random: Any) -> tuple[Any, Any, Any]:
    """Return the normalised source, the flat background, and simulated counts."""
    offset = np.arange(PIXELS) - PIXELS // 2
    signal = np.exp(-0.5 * (offset[:, None] ** 2 + offset[None, :] ** 2) / WIDTH**2)
    signal /= signal.sum()
    # counts weighted by the source have the same noise as one bin with `background` counts
    background_map = np.full(signal.shape, background * np.sum(signal**2))
    counts = random.poisson(flux * signal + background_map).astype(float)
    return signal, background_map, counts


def _limits(profile: FixedProfile) -> list[float]:
    best_norm = find_best_norm(profile)
    return [find_upper_limit(profile, best_norm, sigma) for sigma in SIGMAS]


KINDS = {"on-off": on_off_limits, "map": map_limits, "TS map": ts_map_limits}


def measure_coverage(
    kind: str, background: float, flux: float, n_simulations: int, seed: int = 0
) -> list[Coverage]:
    """Measure the coverage of upper limits, for each of `SIGMAS`.

    Parameters
    ----------
    kind : {"on-off", "map", "TS map"}
        The kind of the data and of the estimate.
    background, flux : float
        Expected counts of background and source.
    n_simulations : int
        Number of simulations.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    list of Coverage
        The coverage for each of `SIGMAS`.
    """
    random = np.random.default_rng(seed)
    limits = np.array([KINDS[kind](background, flux, random) for _ in range(n_simulations)])
    counts_above = np.count_nonzero(limits >= flux, axis=0)  # not counted if NaN
    return [
        Coverage(kind, background, flux, sigma, n_simulations, int(n_above))
        for sigma, n_above in zip(SIGMAS, counts_above, strict=True)
    ]


def measure_all(
    n_simulations: int, backgrounds: Sequence[float] = BACKGROUNDS
) -> Iterator[Coverage]:
    """Measure the coverage for all kinds of data, backgrounds and fluxes."""
    seeds = count()
    for kind in KINDS:
        for background in backgrounds:
            for flux in (0.0, float(np.sqrt(background))):
                yield from measure_coverage(kind, background, flux, n_simulations, seed=next(seeds))


def main() -> None:
    """Print a row for each case."""
    n_simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("| data | background | flux | n_sigma_ul | limit above the true flux | expected |")
    print("|---|---|---|---|---|---|")
    for coverage in measure_all(n_simulations):
        print(
            f"| {coverage.data} | {coverage.background:g} | {coverage.flux:.3g} "
            f"| {coverage.sigma:g} | {100 * coverage.fraction:.1f} % "
            f"| {100 * gauss.cdf(coverage.sigma):.1f} ± {100 * coverage.error:.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
