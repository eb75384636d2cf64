"""Minimisation by Newton steps, with a search of neighbouring pixel cells, and the covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.hesse import Hessian, hesse
from skyred.likelihood.minimise.lower_points import RELOCATED, find_lower_point, relocate_source
from skyred.likelihood.minimise.nearby import MIN_GAIN_FACTOR, RESTARTS
from skyred.likelihood.minimise.newton import Descent
from skyred.likelihood.minimise.pixel_cells import CellSearch
from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

MAX_POLISH_STEPS = 8
MAX_REFRESHES = 5


@attrs.define(eq=False)
class NewtonResult:
    """The result of a search by Newton steps.

    Parameters
    ----------
    x, errors : array
        The parameters and estimates of their errors, shape (n,).
    calls : int
        Number of calls of the objective and its derivatives.
    converged : bool
        Whether the expected decrease of the statistic is below the tolerance.
    hessian : Hessian or None
        Covariance, step and estimated distance to the minimum, for the model parameters; None
        if the search did not converge.
    names_at_pixel_centres : list of str
        Names of the position parameters with a minimum at a pixel centre, which is on a boundary of
        the pixel cells.
    notes : tuple of str
        Notes for the user.
    """

    x: Array
    errors: Array
    calls: int
    converged: bool
    hessian: Hessian | None = None
    names_at_pixel_centres: list[str] = attrs.field(factory=list)
    notes: tuple[str, ...] = ()


class NewtonSearch:
    """A search for the minimum of an objective with gradient and Fisher matrix.

    Parameters
    ----------
    objective : Objective
        The objective as a function of the model parameters.
    tolerance : float
        The search ends when the expected decrease of the statistic is below this value.
    """

    def __init__(self, objective: Objective, tolerance: float) -> None:
        self.objective, self.tolerance = objective, tolerance
        self.calls, self.notes = 0, list[str]()

    def run(self, start: Array) -> NewtonResult:
        """Search for the minimum.

        Parameters
        ----------
        start : array
            Starting values, shape (n,).

        Returns
        -------
        NewtonResult
            The result, with the covariance if the search converged.
        """
        x = np.clip(start, *self.objective.limits.T)
        cells = CellSearch(PixelCoordinates(self.objective, x), self.tolerance, self._min_gain)
        descent = self._find_lowest(cells, cells.pixels.to_pixels(x))
        hessian, x = None, self._to_parameters(cells, descent.x)
        for _ in range(MAX_REFRESHES):
            irfs_changed = self.objective.refresh is not None and self.objective.refresh(x)
            if irfs_changed and hessian is None:
                descent = cells.descend(descent.x)
            if not descent.converged:
                break
            if hessian is None:
                descent, hessian = self._polish(cells, descent)
            elif irfs_changed and not hessian.unconstrained_names:
                descent, hessian = self._step_with_same_curvature(cells, descent, hessian)
            previous_x, x = x, self._to_parameters(cells, descent.x)
            if not irfs_changed or np.array_equal(previous_x, x):
                break
        self.calls, cells.calls = self.calls + cells.calls, 0
        if not descent.converged or hessian is None:
            return NewtonResult(x, self._errors(cells, descent), self.calls, False)
        return self._result(cells, descent, hessian, x)

    @property
    def _min_gain(self) -> float:
        return MIN_GAIN_FACTOR * self.tolerance

    def _to_parameters(self, cells: CellSearch, z: Array) -> Array:
        return np.clip(cells.pixels.to_sky(z), *self.objective.limits.T)

    def _errors(self, cells: CellSearch, descent: Descent) -> Array:
        jacobian = cells.pixels.jacobian(cells.pixels.to_sky(descent.x), descent.x)
        return np.sqrt((jacobian**2) @ descent.errors**2)

    def _find_lowest(self, cells: CellSearch, z: Array) -> Descent:
        """Return the lowest minimum found, with at most `RESTARTS` restarts from lower points."""
        descent = self._descend_and_relocate(cells, z)
        if (
            len(cells.pixels.piecewise_indices)
            or not descent.converged
            or self._has_factor_at_bound(cells, descent)
        ):
            descent = cells.descend(descent.x)
        for _ in range(RESTARTS):
            # the position of an undetected source cannot converge
            lower_point = (
                find_lower_point(cells, descent.x, descent.errors)
                if descent.converged
                else relocate_source(cells, descent.x)
            )
            if lower_point is None:
                break
            self.notes += lower_point.notes
            descent = cells.descend(lower_point.z)
            if not descent.converged and descent.calls:
                descent = cells.descend(descent.x)
        return descent

    def _has_factor_at_bound(self, cells: CellSearch, descent: Descent) -> bool:
        """Return whether an amplitude or norm is at a bound."""
        factors = cells.objective.factors
        return factors is not None and bool((descent.at_bound & factors).any())

    def _descend_and_relocate(self, cells: CellSearch, z: Array) -> Descent:
        """Return the minimum with non-negative fluxes, after relocating undetected sources.

        Parameters
        ----------
        cells : CellSearch
            The search among pixel cells.
        z : array
            Starting values, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            The result of the last search.
        """
        descent = cells.descend_with_positive_fluxes(z)
        if self.objective.relocate is None:
            return descent
        for _ in range(RESTARTS):
            if (descent.converged or descent.stalled) and not self._has_factor_at_bound(
                cells, descent
            ):
                break
            relocated = self._relocate_sources(cells, descent.x)
            if relocated is None:
                break
            self.notes.append(RELOCATED)
            descent = cells.descend_with_positive_fluxes(relocated)
        return descent

    def _relocate_sources(self, cells: CellSearch, z: Array) -> Array | None:
        """Relocate undetected sources, one after the other.

        After each relocation only the source and the parameters that are correlated with it are
        fitted, since a fit of many sources would take long.

        Parameters
        ----------
        cells : CellSearch
            The search among pixel cells.
        z : array
            The result of a search, in pixel coordinates, shape (n,).

        Returns
        -------
        array or None
            All parameters after the relocations, shape (n,); None if none lowers the statistic.
        """
        assert self.objective.relocate is not None
        best, stat = z, cells.objective.total(z)
        for _ in range(RESTARTS):
            x = self._to_parameters(cells, best)
            starts = self.objective.relocate(x)
            if not starts:
                break
            start = cells.pixels.update(best, x, starts[0])
            trial = cells.fit_moved_source(start, np.flatnonzero(starts[0] != x))
            trial_stat = cells.objective.total(trial)
            if not trial_stat < stat - self._min_gain:
                break
            best, stat = trial, trial_stat
        return None if best is z else best

    def _polish(self, cells: CellSearch, descent: Descent) -> tuple[Descent, Hessian]:
        """Take the last steps with second derivatives; the Fisher matrix may be inaccurate."""
        objective, boundary_indices = cells.objective, self._boundary_indices(cells, descent)
        at_bound = descent.at_bound.copy()
        at_bound[boundary_indices] = False
        hessian = hesse(objective, descent.x, at_bound, cells.pixels.piecewise_indices)
        cells.calls += hessian.calls
        for _ in range(MAX_POLISH_STEPS):
            trial = np.clip(descent.x + hessian.step, *objective.limits.T)
            trial[boundary_indices] = descent.x[boundary_indices]
            if not hessian.edm > self.tolerance:
                break
            if not objective.total(trial) <= objective.total(descent.x):
                break
            descent = attrs.evolve(descent, x=trial)
            hessian = hesse(objective, trial, at_bound, cells.pixels.piecewise_indices)
            cells.calls += hessian.calls + 2
        return descent, hessian

    def _step_with_same_curvature(
        self, cells: CellSearch, descent: Descent, hessian: Hessian
    ) -> tuple[Descent, Hessian]:
        """Step to the minimum after a change of the IRFs, with the previous covariance."""
        gradient = cells.objective.gradient(descent.x)
        assert gradient is not None
        cells.calls += 1
        hessian = hessian.with_gradient(
            np.where(descent.at_bound & ~hessian.on_boundary, 0, gradient)
        )
        if hessian.edm > self.tolerance:
            trial = np.clip(descent.x + hessian.step, *cells.objective.limits.T)
            descent = attrs.evolve(descent, x=trial)
        return descent, hessian

    def _boundary_indices(self, cells: CellSearch, descent: Descent) -> NDArray[np.int64]:
        """Return the indices of the pixel coordinates that are on a cell boundary."""
        indices = cells.pixels.piecewise_indices
        return indices[descent.at_bound[indices]]

    def _result(
        self, cells: CellSearch, descent: Descent, hessian: Hessian, x: Array
    ) -> NewtonResult:
        jacobian = cells.pixels.jacobian(cells.pixels.to_sky(descent.x), descent.x)
        is_invalid = np.abs(jacobian) @ np.isnan(np.diag(hessian.covariance)) > 0
        covariance = jacobian @ np.nan_to_num(hessian.covariance) @ jacobian.T
        covariance[is_invalid] = covariance[:, is_invalid] = np.nan
        names = [self.objective.names[index] for index in self._boundary_indices(cells, descent)]
        sky_hessian = attrs.evolve(hessian, covariance=covariance, step=jacobian @ hessian.step)
        notes = tuple(dict.fromkeys(self.notes))
        return NewtonResult(
            x, self._errors(cells, descent), self.calls, True, sky_hessian, names, notes
        )
