"""The estimator `contours`: what two parameters are together, the rest fitted again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

from skyred.components.estimators.contour_pairs import Pair, draw_corner, draw_pair
from skyred.components.estimators.parameters import (
    FittedMinimum,
    chosen_parameters,
    fitted_minimum,
    parameter_problems,
)
from skyred.components.estimators.scripted import write_parameters
from skyred.errors import ModelError, Problem
from skyred.fields import file_name, option
from skyred.interfaces import Chain, Estimator, Product, component
from skyred.products.fits_tables import read_tables, write_tables
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

DESCRIPTIONS = {
    "x": "first parameter",
    "x_unit": "its unit",
    "x_best": "its best value",
    "x_min": "its smallest value on the contour",
    "x_max": "its largest value on the contour",
    "y": "second parameter",
    "y_unit": "its unit",
    "y_best": "its best value",
    "y_min": "its smallest value on the contour",
    "y_max": "its largest value on the contour",
    "delta_stat": "how far the fit statistic is above its minimum on the contour",
    "sigma": "its square root: what the contour spans of each parameter alone",
    "probability": "that the contour holds both true values",
}


@attrs.define(eq=False)
class ContoursProduct(Product):
    """Contours of the fit statistic, for one or more pairs of parameters.

    Parameters
    ----------
    pairs : list of Pair
        Each with its contours, from the innermost outwards.
    """

    pairs: list[Pair]

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (a summary, a table a contour) and ``NAME.ecsv`` (the summary)."""
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        points = [table for pair in self.pairs for table in pair.tables()]
        write_tables(fits, [self.table(), *points])
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``."""
        rows, *tables = read_tables(folder / f"{name}.fits")
        return cls(name, Pair.of(rows, tables))

    def table(self) -> Table:
        """Give a row for each contour: what it spans of both parameters."""
        from astropy.table import Table

        rows = [row for pair in self.pairs for row in pair.rows()]
        table = Table(rows=rows, names=list(DESCRIPTIONS))
        for name, description in DESCRIPTIONS.items():
            table[name].description = description
        table.meta["EXTNAME"] = "CONTOURS"
        return table

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its pictures: all pairs in one, and one a pair."""
        if len(self.pairs) == 1:
            return {"": self.plot}
        each = {f"-{file_name(f'{pair.x}-{pair.y}')}": partial(draw_pair, pair)
                for pair in self.pairs}  # fmt: skip
        return {"": self.plot, **each}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the contours of all pairs; into given axes, those of the first pair."""
        if ax is None and len(self.pairs) > 1:
            return draw_corner(self.pairs)
        return draw_pair(self.pairs[0], ax)


@component
class Contours(Estimator):
    """Contours of the fit statistic for pairs of parameters, the rest fitted again."""

    kind = "contours"
    product = ContoursProduct
    parameters: tuple[str, ...] = option(
        type=str,
        many=True,
        doc="Names of two parameters (with wildcards); of more, every pair is taken.",
    )
    sigmas: tuple[float, ...] = option(
        (1.0, 2.0),
        type=float,
        many=True,
        min=0.1,
        max=10.0,
        doc="Where the statistic rises by the square of these: as far as the errors of each "
        "parameter alone, so that 1 holds both true values with 39 %.",
    )
    probabilities: tuple[float, ...] = option(
        (),
        type=float,
        many=True,
        min=0.01,
        max=0.9999,
        doc="Contours that hold both true values with these probabilities, such as 0.68.",
    )
    points: int = option(40, min=4, max=1000, doc="How many points each contour has.")

    def validate(self) -> Iterable[Problem]:
        """There is a pair, and a contour."""
        if len(self.parameters) == 1 and not any(sign in self.parameters[0] for sign in "*?["):
            yield Problem(("parameters",), "is one", "expected two or more")
        if not self.parameters:
            yield Problem(("parameters",), "is empty", "expected two or more")
        if not self.sigmas and not self.probabilities:
            yield Problem(("sigmas",), "is empty", "expected sigmas, or probabilities")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem for each parameter that no source has, or that is frozen."""
        yield from parameter_problems(self.parameters, pipeline, ("parameters",), free=True)

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ContoursProduct:
        """Find contours of the flat likelihood; gammapy's `Fit.stat_contour` gives the same curves.

        Raises
        ------
        ModelError
            If names mean fewer than two free parameters, or there is no minimum.
        """
        with fitted_minimum(datasets) as found:
            places = chosen_parameters(self.parameters, found.datasets, found.objective)
            if len(places) < 2:
                names = f"{self.parameters} mean {found.objective.names[places[0]]} alone"
                raise ModelError(f"contours are of two parameters; {names}")
            pairs = [self._pair(found, *both) for both in combinations(places, 2)]
        return ContoursProduct(self.label, pairs)

    def write_script(self, script: Script) -> None:
        """Find contours with gammapy's `Fit.stat_contour`."""
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
                    "# gammapy takes sigma for the root of the rise of the statistic",
                    f"found = fit.stat_contour(datasets, px, py, {self.points}, sigma)",
                    'line = Table({x: found[f"{x}_scan"], y: found[f"{y}_scan"]})',
                    f'path = folder / f"{self.label}-{{x}}-{{y}}-{{sigma:g}}.ecsv"',
                    "line.write(path, overwrite=True)",
                    'axes.plot(line[x], line[y], label=f"{sigma:g} sigma")',
                )
            script.body.add(
                "axes.set(xlabel=x, ylabel=y)",
                "axes.legend()",
                f'figure.savefig(folder / f"{self.label}-{{x}}-{{y}}.png")',
            )

    def _pair(self, around: FittedMinimum, x: int, y: int) -> Pair:
        from skyred.likelihood.minimise.conditional_fit import ConditionalFit
        from skyred.likelihood.minimise.profile import contour

        best, rest = around.best, ConditionalFit(around.objective, around.best, [x, y])
        covariance = best.covariance[np.ix_([x, y], [x, y])]
        found = [contour(rest, covariance, rise, self.points) for rise in self._rises()]
        return Pair(
            x=best.names[x],
            y=best.names[y],
            units=(best.units[x], best.units[y]),
            best=(float(best.values[x]), float(best.values[y])),
            lines=tuple(found),
        )

    def _rises(self) -> list[float]:
        """Give how far the statistic rises, from the innermost contour outwards."""
        # chi-square of two degrees of freedom: 1 - exp(-rise / 2)
        joint = [-2 * np.log1p(-probability) for probability in self.probabilities]
        return sorted({*(sigma**2 for sigma in self.sigmas), *map(float, joint)})
