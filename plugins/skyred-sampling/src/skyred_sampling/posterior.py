"""The estimator `posterior`: summaries of the samples of a fit, and a corner plot."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

from skyred import Estimator, FitError, Problem, Product, component, option
from skyred_sampling import tables
from skyred_sampling.corner import draw_corner

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skyred import Chain, FitResult

    Array = NDArray[np.float64]


@attrs.define(eq=False)
class PosteriorProduct(Product):
    """The posterior of some parameters.

    Parameters
    ----------
    summary : Table
        A row for each parameter, with the evidence and the effective sample size in the metadata.
    samples, weights : array
        The samples, shape (m, number of rows), and their weights, shape (m,).
    """

    summary: Table
    samples: Array
    weights: Array

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.ecsv`` (the table) and ``NAME.fits`` (weights and samples)."""
        ecsv, fits = folder / f"{self.name}.ecsv", folder / f"{self.name}.fits"
        self.summary.write(ecsv, format="ascii.ecsv", overwrite=True)
        tables.write_samples(fits, self.summary, self.samples, self.weights)
        return [ecsv, fits]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the product from both files."""
        from astropy.table import Table

        summary = Table.read(folder / f"{name}.ecsv", format="ascii.ecsv")
        # empty units are read as masked values
        summary = summary.filled("") if summary.has_masked_values else summary
        return cls(name, summary, *tables.read_samples(folder / f"{name}.fits"))

    def table(self) -> Table:
        """Return mean, standard deviation, median, central interval and the value in the models."""
        return self.summary

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a corner plot: each parameter, and each pair with 1 and 2 sigma contours."""
        return draw_corner(self.summary, self.samples, self.weights, ax)


@component
class Posterior(Estimator):
    """Posterior of the parameters: means, intervals, evidence, and a corner plot."""

    kind = "posterior"
    product = PosteriorProduct
    parameters: tuple[str, ...] = option(
        (),
        type=str,
        many=True,
        doc="Names of parameters, with wildcards, such as crab.spatial.*; by default all.",
    )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the fitter does not sample, or if datasets are selected."""
        if self.datasets:
            yield Problem(
                ("datasets",), "has no effect: the samples are those of the fit", "remove it"
            )
        fitter = pipeline.fit
        if fitter is None or fitter.samples is False:
            message = (
                "missing fit" if fitter is None else f"the fitter {fitter.kind} does not sample"
            )
            yield Problem(
                (), message, "expected a fitter that samples, such as fit: {kind: nested}"
            )

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> PosteriorProduct:
        """Summarise the samples of the fit.

        Raises
        ------
        FitError
            If the fit has no samples, or a name matches no parameter.
        """
        if fit is None or fit.samples is None:
            raise FitError(
                f"{self.label}: the fit has no samples; use a fitter that samples, such as nested"
            )
        indices = self._indices(fit.names)
        weights = np.ones(len(fit.samples)) if fit.weights is None else fit.weights
        summary = tables.summarise(fit, indices, weights)
        return PosteriorProduct(self.label, summary, fit.samples[:, indices], weights)

    def _indices(self, names: tuple[str, ...]) -> list[int]:
        indices = dict[int, None]()
        for pattern in self.parameters or ("*",):
            matches = [
                index
                for index, name in enumerate(names)
                if name == pattern or fnmatchcase(name, pattern)  # brackets are wildcards
            ]
            if not matches:
                similar = difflib.get_close_matches(pattern, names, 1)
                hint = f"; did you mean {similar[0]!r}?" if similar else ""
                raise FitError(
                    f"{self.label}: no sampled parameter matches {pattern!r}; available: "
                    f"{', '.join(names)}{hint}"
                )
            indices |= dict.fromkeys(matches)
        return list(indices)
