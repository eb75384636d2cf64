"""Estimator `contours`: joint confidence contours of pairs of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

from skyred.components.estimators.contour_arcs import compute_arc, join_arcs, list_arcs
from skyred.components.estimators.contour_pairs import (
    ContourPair,
    draw_corner,
    draw_pair,
    probability,
)
from skyred.components.estimators.parameters import (
    parameter_problems,
    select_parameters,
    temporary_fit,
)
from skyred.components.estimators.scripted import write_parameters
from skyred.errors import ModelError, Problem
from skyred.fields import file_name, option
from skyred.interfaces import SERIAL_TASKS, Chain, Chart, Estimator, Product, Tasks, component
from skyred.products.fits_tables import read_tables, write_tables
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.likelihood.minimise.profile import Contour
    from skyred.scripting import Script

DESCRIPTIONS = {
    "x": "first parameter",
    "x_unit": "unit of the first parameter",
    "x_best": "best-fit value of the first parameter",
    "x_min": "smallest value of the first parameter on the contour",
    "x_max": "largest value of the first parameter on the contour",
    "y": "second parameter",
    "y_unit": "unit of the second parameter",
    "y_best": "best-fit value of the second parameter",
    "y_min": "smallest value of the second parameter on the contour",
    "y_max": "largest value of the second parameter on the contour",
    "delta_stat": "fit statistic on the contour minus its minimum",
    "sigma": "square root of delta_stat: confidence level of the interval x_min to x_max, in sigma",
    "probability": "probability that the contour contains both true values",
}


@attrs.define(eq=False)
class ContoursProduct(Product):
    """Contours of the fit statistic, for one or more pairs of parameters.

    Parameters
    ----------
    pairs : list of ContourPair
        The pairs, each with its contours from the innermost outwards.
    """

    pairs: list[ContourPair]

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (summary and contours) and ``NAME.ecsv`` (summary).

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        points = [table for pair in self.pairs for table in pair.tables()]
        write_tables(fits, [self.table(), *points])
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.
        name : str
            Name of the product, without suffix.
        models : gammapy.modeling.models.Models or None
            Fitted models of the run.

        Returns
        -------
        ContoursProduct
            The contours.
        """
        rows, *tables = read_tables(folder / f"{name}.fits")
        return cls(name, ContourPair.from_tables(rows, tables))

    def table(self) -> Table:
        """Return the range of both parameters on each contour.

        Returns
        -------
        astropy.table.Table
            One row per contour.
        """
        from astropy.table import Table

        rows = [row for pair in self.pairs for row in pair.rows()]
        table = Table(rows=rows, names=list(DESCRIPTIONS))
        for name, description in DESCRIPTIONS.items():
            table[name].description = description
        table.meta["EXTNAME"] = "CONTOURS"
        return table

    def charts(self) -> Sequence[Chart]:
        """Return the interactive figure of each pair.

        Returns
        -------
        sequence of Chart
            One figure for each pair of parameters.
        """
        from skyred.products.charts.likelihood import contour_chart

        return [
            contour_chart(
                (pair.x, pair.y),
                pair.units,
                pair.best_fit,
                [
                    (f"{np.sqrt(c.rise):.2g}σ ({probability(c.rise):.1%})", c.x, c.y)
                    for c in pair.contours
                ],
            )
            for pair in self.pairs
        ]

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return functions that draw all pairs together and, if there are several, each pair.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        if len(self.pairs) == 1:
            return {"": self.plot}
        single_pairs = {f"-{file_name(f'{pair.x}-{pair.y}')}": partial(draw_pair, pair)
                for pair in self.pairs}  # fmt: skip
        return {"": self.plot, **single_pairs}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the contours of all pairs, or those of the first pair if `ax` is set.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        if ax is None and len(self.pairs) > 1:
            return draw_corner(self.pairs)
        return draw_pair(self.pairs[0], ax)


@component
class Contours(Estimator):
    """Contours of the fit statistic for pairs of parameters; the other parameters are refitted."""

    kind = "contours"
    product = ContoursProduct
    parameters: tuple[str, ...] = option(
        type=str,
        many=True,
        doc="Names of two or more parameters (with wildcards); contours are drawn for every pair.",
    )
    sigmas: tuple[float, ...] = option(
        (1.0, 2.0),
        type=float,
        many=True,
        min=0.1,
        max=10.0,
        doc="Contours where the statistic rises by sigma squared. The range of each parameter on "
        "such a contour is its confidence interval at this sigma. The contour at 1 sigma contains "
        "both true values with a probability of 39 %.",
    )
    probabilities: tuple[float, ...] = option(
        (),
        type=float,
        many=True,
        min=0.01,
        max=0.9999,
        doc="Contours that contain both true values with these probabilities, such as 0.68.",
    )
    points: int = option(40, min=4, max=1000, doc="Number of points of each contour.")

    def validate(self) -> Iterable[Problem]:
        """Check that at least two parameters and one contour are set.

        Yields
        ------
        Problem
            Fewer than two names, or no contours.
        """
        has_wildcards = any(character in name for name in self.parameters for character in "*?[")
        if len(self.parameters) == 1 and not has_wildcards:
            yield Problem(("parameters",), "has one name", "expected two or more names")
        if not self.parameters:
            yield Problem(("parameters",), "is empty", "expected two or more")
        if not self.sigmas and not self.probabilities:
            yield Problem(("sigmas",), "is empty", "expected sigmas, or probabilities")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with parameters that are frozen or do not exist.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A parameter that is frozen or does not exist.
        """
        yield from parameter_problems(self.parameters, pipeline, ("parameters",), free=True)

    def estimate(
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> ContoursProduct:
        """Compute contours of the compiled likelihood.

        The contours agree with those of gammapy's `Fit.stat_contour`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.
        tasks : Tasks
            Runs the arcs of the contours.

        Returns
        -------
        ContoursProduct
            The contours.

        Raises
        ------
        ModelError
            If names match fewer than two free parameters, or the fit does not converge.
        """
        from skyred.likelihood.minimise.conditional_fit import ConditionalFit

        with temporary_fit(datasets) as refit:
            indices = select_parameters(self.parameters, refit.datasets, refit.objective)
            if len(indices) < 2:
                raise ModelError(
                    f"contours need at least two free parameters, but {', '.join(self.parameters)} "
                    f"matches only {refit.objective.names[indices[0]]}"
                )
            pairs = list(combinations(indices, 2))
            for pair in pairs:
                ConditionalFit(refit.objective, refit.fit_result, pair)  # checks the errors
            rises = self._rises()
            arcs = [arc for pair in pairs for arc in list_arcs(pair, rises, self.points)]
            computed_arcs = refit.map(tasks, compute_arc, arcs)
        contours_by_pair: dict[tuple[int, int], list[list[Contour]]] = {pair: [] for pair in pairs}
        for arc, contours in zip(arcs, computed_arcs, strict=True):
            contours_by_pair[arc.indices].append(contours)
        return ContoursProduct(
            self.label,
            [join_arcs(refit.fit_result, *item) for item in contours_by_pair.items()],
        )

    def write_script(self, script: Script) -> None:
        """Write calls to gammapy's `Fit.stat_contour`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.modeling", "Fit")
        script.use("astropy.table", "Table")
        script.use("itertools", "combinations")
        script.use("matplotlib.pyplot as plt")
        script.use("numpy as np")
        write_parameters(script, self.parameters)
        sigmas = [float(np.round(np.sqrt(rise), 6)) for rise in self._rises()]
        script.body.add("fit = Fit()")
        with script.body.inside("for (x, px), (y, py) in combinations(parameters.items(), 2):"):
            script.body.add("figure, axes = plt.subplots()")
            with script.body.inside(f"for sigma in {literal(sigmas)}:"):
                script.body.add(
                    "# in gammapy, sigma is the square root of the rise of the statistic",
                    f"contour = fit.stat_contour(datasets, px, py, {self.points}, sigma)",
                    'line = Table({x: contour[f"{x}_scan"], y: contour[f"{y}_scan"]})',
                    f'path = folder / f"{self.label}-{{x}}-{{y}}-{{sigma:g}}.ecsv"',
                    "line.write(path, overwrite=True)",
                    'axes.plot(line[x], line[y], label=f"{sigma:g} sigma")',
                )
            script.body.add(
                "axes.set(xlabel=x, ylabel=y)",
                "axes.legend()",
                f'figure.savefig(folder / f"{self.label}-{{x}}-{{y}}.png")',
            )

    def _rises(self) -> list[float]:
        """Return the rise of the statistic on each contour, from the innermost outwards."""
        # chi-square with two degrees of freedom: 1 - exp(-rise / 2)
        rises = [float(-2 * np.log1p(-probability)) for probability in self.probabilities]
        return sorted({*(sigma**2 for sigma in self.sigmas), *rises})
