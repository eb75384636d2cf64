"""The estimator `profile-likelihood`: the statistic along parameters, the rest fitted again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.curves import (
    Crossing,
    Curve,
    draw_curve,
    draw_curves,
    summary,
)
from skyred.components.estimators.parameters import (
    FittedMinimum,
    chosen_parameters,
    fitted,
    parameter_problems,
)
from skyred.components.estimators.scripted import write_parameters
from skyred.errors import ExportError, ModelError, Problem, SkyredWarning
from skyred.fields import file_name, option, quantity
from skyred.interfaces import Chain, Estimator, Product, component
from skyred.products.fits_tables import read_tables, write_tables
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.likelihood.minimise.conditional_fit import ConditionalFit
    from skyred.scripting import Script

LOWER = 0.05  # in the statistic, by which a profile shows that the fit was not at its minimum


@attrs.define(eq=False)
class ProfileProduct(Product):
    """Profiles of the fit statistic, one a parameter.

    Parameters
    ----------
    curves : list of Curve
        The profiles.
    """

    curves: list[Curve]

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (a summary, a table a profile) and ``NAME.ecsv`` (the summary)."""
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        write_tables(fits, [self.table(), *(curve.table() for curve in self.curves)])
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``."""
        rows, *tables = read_tables(folder / f"{name}.fits")
        return cls(name, [Curve.of(*each) for each in zip(rows, tables, strict=True)])

    def table(self) -> Table:
        """Give a row for each parameter: its best value and its errors, in the unit of the row."""
        return summary(self.curves)

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its pictures: all profiles in one, and one a parameter."""
        each = {f"-{file_name(one.name)}": partial(draw_curve, one) for one in self.curves}
        return {"": self.plot, **(each if len(self.curves) > 1 else {})}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw them: one in its unit, several in units of their errors, against a parabola."""
        if len(self.curves) == 1:
            return draw_curve(self.curves[0], ax)
        return draw_curves(self.curves, ax)


@component
class ProfileLikelihood(Estimator):
    """Fit statistic along parameters, the rest fitted again at each value; asymmetric errors."""

    kind = "profile-likelihood"
    product = ProfileProduct
    parameters: tuple[str, ...] = option(
        (),
        type=str,
        many=True,
        doc="Names of the parameters (with wildcards), such as crab.index; all free ones if empty.",
    )
    width: float = option(
        3.0, min=0.1, max=10.0, doc="How many errors to go to both sides of the best value."
    )
    points: int = option(21, min=3, max=1001, doc="How many values to look at.")
    values: u.Quantity | None = quantity(
        None, unit="any", many=True, doc="The values to look at instead, of one parameter."
    )
    sigmas: tuple[float, ...] = option(
        (1.0, 2.0),
        type=float,
        many=True,
        min=0.1,
        max=10.0,
        doc="For how many sigma the asymmetric errors are found.",
    )

    def validate(self) -> Iterable[Problem]:
        """Values are of one parameter."""
        if self.values is not None and len(self.parameters) != 1:
            found = f"are given for {len(self.parameters) or 'all'} parameters"
            yield Problem(("values",), found, "expected one name in parameters")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem for each parameter that no source has, or that is frozen."""
        yield from parameter_problems(self.parameters, pipeline, ("parameters",), free=True)

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ProfileProduct:
        """Follow the statistic of the flat likelihood, as gammapy's `Fit.stat_profile` does.

        Raises
        ------
        ModelError
            If a name means no free parameter, values are in a wrong unit, or there is no minimum.
        """
        from skyred.likelihood.minimise.conditional_fit import ConditionalFit

        with fitted(datasets) as found:
            places = chosen_parameters(self.parameters, found.datasets, found.objective)
            if self.values is not None and len(places) > 1:
                names = ", ".join(found.objective.names[place] for place in places)
                raise ModelError(f"values are of one parameter; {self.parameters[0]} means {names}")
            rests = [ConditionalFit(found.objective, found.best, [place]) for place in places]
            return ProfileProduct(self.label, [self._curve(found, rest) for rest in rests])

    def write_script(self, script: Script) -> None:
        """Follow each parameter with gammapy's `Fit.stat_profile`."""
        if self.values is not None:
            raise ExportError("has values; the script takes width and points")
        script.use("gammapy.modeling", "Fit")
        script.use("astropy.table", "QTable")
        write_parameters(script, self.parameters)
        script.body.add("fit = Fit()")
        with script.body.inside("for name, parameter in parameters.items():"):
            script.body.add(
                f"parameter.scan_n_values = {self.points}",
                f"parameter.scan_n_sigma = {literal(self.width)}",
                "profile = fit.stat_profile(datasets, parameter, reoptimize=True)",
                'values, stat = profile[f"{name}_scan"], profile["stat_scan"]',
                'table = QTable({"value": values * parameter.unit, "stat": stat})',
                f'table.write(folder / f"{self.label}-{{name}}.ecsv", overwrite=True)',
            )
            for sigma in self.sigmas:
                asked = f"datasets, parameter, sigma={literal(sigma)}"
                script.body.add(f"print(name, {literal(sigma)}, fit.confidence({asked}))")

    def _curve(self, around: FittedMinimum, rest: ConditionalFit) -> Curve:
        from skyred.likelihood.minimise.profile import interval, profile

        (place,), best = rest.fixed, around.best
        values = self._values(around, place)
        found = profile(rest, values)
        ends = [interval(around.objective, best, place, each, rest) for each in self.sigmas]
        name = best.names[place]
        gain = best.stat - float(np.nanmin(found.stat, initial=best.stat))
        if gain > LOWER:
            message = f"the profile of {name} is {gain:.2g} lower than the fit: fit from there"
            warnings.warn(message, SkyredWarning, stacklevel=2)
        return Curve(
            name=name,
            unit=best.units[place],
            value=float(best.values[place]),
            error=float(best.errors[place]),
            values=found.values,
            delta_stat=found.stat - best.stat,
            crossings=tuple(map(Crossing, self.sigmas, *zip(*ends, strict=True))),
        )

    def _values(self, around: FittedMinimum, place: int) -> Any:
        best, error = around.best.values[place], around.best.errors[place]
        if self.values is None:
            values = best + error * np.linspace(-self.width, self.width, self.points)
            # a limit that is reached is looked at once
            return np.unique(np.clip(values, *around.objective.limits[place]))
        unit = u.Unit(around.best.units[place])
        if not self.values.unit.is_equivalent(unit):
            name = around.best.names[place]
            raise ModelError(
                f"values are in {_words(self.values.unit)}; {name} is in {_words(unit)}"
            )
        return _within(self.values.to_value(unit), around, place)


def _within(values: Any, around: FittedMinimum, place: int) -> Sequence[float]:
    low, high = around.objective.limits[place]
    if np.any((values < low) | (values > high)):
        name, unit = around.best.names[place], around.best.units[place]
        raise ModelError(f"values reach outside the limits of {name}: {low} to {high} {unit}")
    return list(values)


def _words(unit: u.UnitBase) -> str:
    return str(unit) or "no unit"
