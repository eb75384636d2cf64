"""How often upper limits hold the true flux: coverage over simulated data.

    python benchmarks/coverage.py [NUMBER]

On-off spectra of one bin and small maps are simulated, NUMBER of each (1000 by default), with a
true flux of zero and a small one, of one standard deviation of the background. A flux is fitted to
each, and it is counted how often the upper limit is above the true flux. The limits are those of
the likelihood ratio: with many counts a one-sided limit of 1.645 sigma holds the truth in 95 % of
the cases, one of 2 sigma in 97.7 %.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
from scipy.stats import norm as gauss

from skyred.likelihood.norms.norm import best_norm, upper_limit
from skyred.likelihood.norms.profile import CashTerm, Held, WStatTerm
from skyred.likelihood.statistics import WStat

BACKGROUNDS = (5, 20, 100, 1000)
SIGMAS = (1.645, 2.0)
ALPHA = 0.2  # ratio of the exposures on and off
PIXELS = 15  # of a side of the map
WIDTH = 1.5  # of the source, in pixels


@attrs.frozen
class Coverage:
    """How often upper limits hold the truth.

    Parameters
    ----------
    data : str
        The kind of the data.
    background : float
        Expected background counts, under the source in the case of maps.
    flux : float
        True source counts.
    sigma : float
        Confidence of the limits.
    number : int
        Number of simulations.
    held : int
        In how many the limit is not below the truth.
    """

    data: str
    background: float
    flux: float
    sigma: float
    number: int
    held: int

    @property
    def share(self) -> float:
        """Return the share of simulations whose limit holds the truth."""
        return self.held / self.number

    @property
    def error(self) -> float:
        """Return the binomial uncertainty of the share that is expected."""
        expected = gauss.cdf(self.sigma)
        return float(np.sqrt(expected * (1 - expected) / self.number))


def on_off(background: float, flux: float, random: Any) -> Held:
    """Simulate counts on and off a source, in one bin; a norm is a number of counts."""
    on = np.array([float(random.poisson(background + flux))])
    off = np.array([float(random.poisson(background / ALPHA))])
    return Held([WStatTerm(WStat(on, off, np.array([ALPHA])), np.ones(1), np.zeros(1))])


def on_map(background: float, flux: float, random: Any) -> Held:
    """Simulate a map with a Gaussian source in its middle, on a known flat background."""
    offset = np.arange(PIXELS) - PIXELS // 2
    square = offset[:, None] ** 2 + offset[None, :] ** 2
    signal = np.exp(-0.5 * square / WIDTH**2).ravel()
    signal /= signal.sum()
    # the background counts under the source: those that its weighted sum has the noise of
    rest = np.full(signal.size, background * np.sum(signal**2))
    counts = random.poisson(flux * signal + rest).astype(float)
    return Held([CashTerm(counts, signal, rest)])


KINDS = {"on-off": on_off, "map": on_map}


def coverage(
    kind: str, background: float, flux: float, number: int, seed: int = 0
) -> list[Coverage]:
    """Measure the coverage of upper limits, for each of `SIGMAS`.

    Parameters
    ----------
    kind : {"on-off", "map"}
        The kind of the data.
    background, flux : float
        Expected counts of background and source.
    number : int
        Number of simulations.
    seed : int
        Of the random numbers.
    """
    random, held = np.random.default_rng(seed), np.zeros(len(SIGMAS), dtype=int)
    for _ in range(number):
        profile = KINDS[kind](background, flux, random)
        best = best_norm(profile)
        held += [upper_limit(profile, best, sigma) >= flux for sigma in SIGMAS]
    pairs = zip(SIGMAS, held, strict=True)
    return [Coverage(kind, background, flux, sigma, number, int(many)) for sigma, many in pairs]


def study(number: int, backgrounds: Sequence[float] = BACKGROUNDS) -> Iterator[Coverage]:
    """Measure the coverage for all kinds of data, backgrounds and fluxes."""
    for kind in KINDS:
        for place, background in enumerate(backgrounds):
            for flux in (0.0, float(np.sqrt(background))):
                yield from coverage(kind, background, flux, number, seed=place)


def main() -> None:
    """Print a row for each case."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("| data | background | flux | n_sigma_ul | truth held | expected |")
    print("|---|---|---|---|---|---|")
    for row in study(number):
        print(
            f"| {row.data} | {row.background:g} | {row.flux:.3g} | {row.sigma:g} "
            f"| {100 * row.share:.1f} % | {100 * gauss.cdf(row.sigma):.1f} "
            f"± {100 * row.error:.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
