"""Estimator `profile-likelihood`: profiles of the fit statistic, and asymmetric errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.likelihood_profiles import (
    LikelihoodProfile,
    draw_profile,
    draw_profiles,
    summary_table,
)
from skyred.components.estimators.parameters import (
    TemporaryFit,
    parameter_problems,
    select_parameters,
    temporary_fit,
)
from skyred.components.estimators.profile_sides import (
    ProfileSide,
    compute_side,
    join_sides,
    split_profile,
)
from skyred.components.estimators.scripted import write_parameters
from skyred.errors import ExportError, ModelError, Problem
from skyred.fields import file_name, option, quantity
from skyred.interfaces import SERIAL_TASKS, Chain, Chart, Estimator, Product, Tasks, component
from skyred.products.fits_tables import read_tables, write_tables
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


@attrs.define(eq=False)
class ProfileProduct(Product):
    """Profiles of the fit statistic, one per parameter.

    Parameters
    ----------
    curves : list of LikelihoodProfile
        The profiles.
    """

    curves: list[LikelihoodProfile]

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (summary and profiles) and ``NAME.ecsv`` (summary).

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
        write_tables(fits, [self.table(), *(profile.table() for profile in self.curves)])
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
        ProfileProduct
            The profiles.
        """
        rows, *tables = read_tables(folder / f"{name}.fits")
        return cls(
            name,
            [
                LikelihoodProfile.from_table(*row_and_table)
                for row_and_table in zip(rows, tables, strict=True)
            ],
        )

    def table(self) -> Table:
        """Return the best-fit value and the errors of each parameter.

        Returns
        -------
        astropy.table.Table
            One row per parameter, in the unit of column ``unit``.
        """
        return summary_table(self.curves)

    def charts(self) -> Sequence[Chart]:
        """Return the interactive figure of each profile.

        Returns
        -------
        sequence of Chart
            One figure for each parameter.
        """
        from skyred.products.charts.likelihood import profile_chart

        return [
            profile_chart(
                curve.name, curve.unit, curve.value, curve.error, curve.values, curve.delta_stat
            )
            for curve in self.curves
        ]

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return functions that draw all profiles together and, if there are several, each profile.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        single_profiles = {
            f"-{file_name(profile.name)}": partial(draw_profile, profile) for profile in self.curves
        }
        return {"": self.plot, **(single_profiles if len(self.curves) > 1 else {})}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the profiles, with a parabola for comparison.

        A single profile is drawn in the unit of the parameter, several profiles in units of the
        errors.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        if len(self.curves) == 1:
            return draw_profile(self.curves[0], ax)
        return draw_profiles(self.curves, ax)


@component
class ProfileLikelihood(Estimator):
    """Profiles of the fit statistic, with the other parameters refitted, and asymmetric errors."""

    kind = "profile-likelihood"
    product = ProfileProduct
    parameters: tuple[str, ...] = option(
        (),
        type=str,
        many=True,
        doc="Names of the parameters (with wildcards), such as crab.index; if empty, all free "
        "parameters.",
    )
    width: float = option(
        3.0,
        min=0.1,
        max=10.0,
        doc="Range of the profile on both sides of the best-fit value, in units of the error.",
    )
    points: int = option(21, min=3, max=1001, doc="Number of values in the profile.")
    values: u.Quantity | None = quantity(
        None,
        unit="any",
        many=True,
        doc="Values of the profile, for one parameter, instead of width and points.",
    )
    sigmas: tuple[float, ...] = option(
        (1.0, 2.0),
        type=float,
        many=True,
        min=0.1,
        max=10.0,
        doc="Confidence levels of the asymmetric errors, in sigma.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that values are set for a single parameter only.

        Yields
        ------
        Problem
            Values for several parameters.
        """
        if self.values is not None and len(self.parameters) != 1:
            message = f"are set for {len(self.parameters) or 'all'} parameters"
            yield Problem(("values",), message, "expected exactly one name in parameters")

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
    ) -> ProfileProduct:
        """Compute profiles of the compiled likelihood.

        The profiles agree with those of gammapy's `Fit.stat_profile`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.
        tasks : Tasks
            Runs the two sides of each profile.

        Returns
        -------
        ProfileProduct
            The profiles.

        Raises
        ------
        ModelError
            If a name matches no free parameter, values have the wrong unit or exceed the limits, or
            the fit does not converge.
        """
        with temporary_fit(datasets) as refit:
            indices = select_parameters(self.parameters, refit.datasets, refit.objective)
            if self.values is not None and len(indices) > 1:
                names = ", ".join(refit.objective.names[index] for index in indices)
                raise ModelError(
                    f"values need a single parameter; {self.parameters[0]} matches {names}"
                )
            profiles = self._compute_profiles(refit, indices, tasks)
        return ProfileProduct(self.label, profiles)

    def write_script(self, script: Script) -> None:
        """Write calls to gammapy's `Fit.stat_profile` and `Fit.confidence`.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If ``values`` are set.
        """
        if self.values is not None:
            raise ExportError("has values; the script supports width and points only")
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
                arguments = f"datasets, parameter, sigma={literal(sigma)}"
                script.body.add(f"print(name, {literal(sigma)}, fit.confidence({arguments}))")

    def _compute_profiles(
        self, refit: TemporaryFit, indices: Sequence[int], tasks: Tasks
    ) -> list[LikelihoodProfile]:
        """Compute the profiles of parameters, both sides separately."""
        from skyred.likelihood.minimise.conditional_fit import ConditionalFit

        result, values = refit.fit_result, [self._profile_values(refit, index) for index in indices]
        sides: list[ProfileSide] = []
        for index, grid in zip(indices, values, strict=True):
            ConditionalFit(refit.objective, result, [index])  # checks the error
            sides += split_profile(result, index, grid, self.sigmas)
        computed_sides = refit.map(tasks, compute_side, sides)
        pairs = zip(computed_sides[::2], computed_sides[1::2], strict=True)
        return [
            join_sides(result, index, grid, pair, self.sigmas)
            for index, grid, pair in zip(indices, values, pairs, strict=True)
        ]

    def _profile_values(self, refit: TemporaryFit, index: int) -> Any:
        """Return the values of the profile in the unit of the parameter, shape (m,)."""
        result = refit.fit_result
        if self.values is None:
            offsets = result.errors[index] * np.linspace(-self.width, self.width, self.points)
            # all values beyond a limit are replaced by one value at the limit
            limits = refit.objective.limits[index]
            return np.unique(np.clip(result.values[index] + offsets, *limits))
        unit = u.Unit(result.units[index])
        if not self.values.unit.is_equivalent(unit):
            name = result.names[index]
            raise ModelError(
                f"values are in {_unit_text(self.values.unit)}; {name} is in {_unit_text(unit)}"
            )
        return _check_limits(self.values.to_value(unit), refit, index)


def _check_limits(values: Any, refit: TemporaryFit, index: int) -> Any:
    """Return the values if they are within the limits of the parameter; else raise an error."""
    low, high = refit.objective.limits[index]
    if np.any((values < low) | (values > high)):
        name, unit = refit.fit_result.names[index], refit.fit_result.units[index]
        raise ModelError(f"values exceed the limits of {name}, {low} to {high} {unit}")
    return values


def _unit_text(unit: u.UnitBase) -> str:
    return str(unit) or "no unit"
