"""The search by Newton steps: pixel cells, other positions on the map, and the final curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.hesse import Hessian, hesse
from skyred.likelihood.minimise.lower_points import RELOCATED, find_lower_point, relocate_source
from skyred.likelihood.minimise.nearby import GAIN, RESTARTS
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
    """The end of a search by Newton steps.

    Parameters
    ----------
    x, errors : array
        The parameters and a guess of their errors, shape (n,).
    calls : int
        Calls of the objective and its derivatives.
    converged : bool
        Whether no step decreases the statistic by more than the tolerance.
    hessian : Hessian or None
        The curvature, in the parameters of the models; None if the search did not converge.
    lines : list of str
        Names of the position parameters that ended at a non-differentiable point.
    notes : tuple of str
        Notes for the user.
    """

    x: Array
    errors: Array
    calls: int
    converged: bool
    hessian: Hessian | None = None
    lines: list[str] = attrs.field(factory=list)
    notes: tuple[str, ...] = ()


class NewtonSearch:
    """A search for the minimum of an objective with gradient and Fisher matrix.

    Parameters
    ----------
    objective : Objective
        The objective of the parameters of the models.
    tolerance : float
        The expected gain at which the search ends, in the statistic.
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
            The minimum and its curvature.
        """
        x = np.clip(start, *self.objective.limits.T)
        cells = CellSearch(PixelCoordinates(self.objective, x), self.tolerance, self._gain)
        end = self._find_lowest(cells, cells.pixels.to_pixels(x))
        hessian, x = None, self._to_sky(cells, end.x)
        for _ in range(MAX_REFRESHES):
            refreshed = self.objective.refresh is not None and self.objective.refresh(x)
            if refreshed and hessian is None:
                end = cells.descend(end.x)
            if not end.converged:
                break
            if hessian is None:
                end, hessian = self._polish(cells, end)
            elif refreshed and not hessian.flat:
                end, hessian = self._correct(cells, end, hessian)
            before, x = x, self._to_sky(cells, end.x)
            if not refreshed or np.array_equal(before, x):
                break
        self._count(cells)
        if not end.converged or hessian is None:
            return NewtonResult(x, self._errors(cells, end), self.calls, False)
        return self._result(cells, end, hessian, x)

    @property
    def _gain(self) -> float:
        return GAIN * self.tolerance

    def _count(self, cells: CellSearch) -> int:
        self.calls, cells.calls = self.calls + cells.calls, 0
        return self.calls

    def _to_sky(self, cells: CellSearch, z: Array) -> Array:
        return np.clip(cells.pixels.to_sky(z), *self.objective.limits.T)

    def _errors(self, cells: CellSearch, end: Descent) -> Array:
        jacobian = cells.pixels.jacobian(cells.pixels.to_sky(end.x), end.x)
        return np.sqrt((jacobian**2) @ end.errors**2)

    def _find_lowest(self, cells: CellSearch, z: Array) -> Descent:
        """Return the lowest minimum: restart from lower points until there is none."""
        end = self._descend_and_relocate(cells, z)
        if len(cells.pixels.lines) or not end.converged or self._has_factor_at_bound(cells, end):
            end = cells.descend(end.x)
        for _ in range(RESTARTS):
            # the position of an undetected source cannot converge
            lower = (
                find_lower_point(cells, end.x, end.errors)
                if end.converged
                else relocate_source(cells, end.x)
            )
            if lower is None:
                break
            self.notes += lower.notes
            second = cells.descend(lower.z)
            if not second.converged and second.calls:
                second = cells.descend(second.x)
            end = second
        return end

    def _has_factor_at_bound(self, cells: CellSearch, end: Descent) -> bool:
        """Return whether an amplitude is held at a bound."""
        factors = cells.objective.factors
        return factors is not None and bool((end.at_bound & factors).any())

    def _descend_and_relocate(self, cells: CellSearch, z: Array) -> Descent:
        """Return the minimum with positive fluxes and undetected sources relocated.

        Parameters
        ----------
        cells : CellSearch
            The search among pixel cells.
        z : array
            Starting values, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            The end of the last search.
        """
        end = cells.descend_with_positive_fluxes(z)
        if self.objective.relocate is None:
            return end
        for _ in range(RESTARTS):
            if (end.converged or end.stalled) and not self._has_factor_at_bound(cells, end):
                break
            moved = self._relocate_sources(cells, end.x)
            if moved is None:
                break
            self.notes.append(RELOCATED)
            end = cells.descend_with_positive_fluxes(moved)
        return end

    def _relocate_sources(self, cells: CellSearch, z: Array) -> Array | None:
        """Relocate undetected sources, one after the other.

        After each move only the source and its neighbours are fitted, which is quick with many
        sources.

        Parameters
        ----------
        cells : CellSearch
            The search among pixel cells.
        z : array
            The end of a search, in pixel coordinates, shape (n,).

        Returns
        -------
        array or None
            All parameters with better positions, shape (n,); None if no source was relocated.
        """
        assert self.objective.relocate is not None
        best, stat = z, cells.objective.total(z)
        for _ in range(RESTARTS):
            sky = self._to_sky(cells, best)
            starts = self.objective.relocate(sky)
            if not starts:
                break
            start = cells.pixels.update(best, sky, starts[0])
            trial = cells.fit_moved_source(start, np.flatnonzero(starts[0] != sky))
            value = cells.objective.total(trial)
            if not value < stat - self._gain:
                break
            best, stat = trial, value
        return None if best is z else best

    def _polish(self, cells: CellSearch, end: Descent) -> tuple[Descent, Hessian]:
        """Make the last steps with true second derivatives: the Fisher matrix may be inaccurate."""
        objective, on_lines = cells.objective, self._on_lines(cells, end)
        at_bound = end.at_bound.copy()
        at_bound[on_lines] = False
        hessian = hesse(objective, end.x, at_bound, cells.pixels.lines)
        cells.calls += hessian.calls
        for _ in range(MAX_POLISH_STEPS):
            trial = np.clip(end.x + hessian.step, *objective.limits.T)
            trial[on_lines] = end.x[on_lines]
            if not hessian.edm > self.tolerance:
                break
            if not objective.total(trial) <= objective.total(end.x):
                break
            end = attrs.evolve(end, x=trial)
            hessian = hesse(objective, trial, at_bound, cells.pixels.lines)
            cells.calls += hessian.calls + 2
        return end, hessian

    def _correct(
        self, cells: CellSearch, end: Descent, hessian: Hessian
    ) -> tuple[Descent, Hessian]:
        """Step to the minimum after a change of the IRFs, with the same curvature."""
        gradient = cells.objective.gradient(end.x)
        assert gradient is not None
        cells.calls += 1
        hessian = hessian.at(np.where(end.at_bound & ~hessian.on_lines, 0, gradient))
        if hessian.edm > self.tolerance:
            trial = np.clip(end.x + hessian.step, *cells.objective.limits.T)
            end = attrs.evolve(end, x=trial)
        return end, hessian

    def _on_lines(self, cells: CellSearch, end: Descent) -> NDArray[np.int64]:
        lines = cells.pixels.lines
        return lines[end.at_bound[lines]]

    def _result(self, cells: CellSearch, end: Descent, hessian: Hessian, x: Array) -> NewtonResult:
        jacobian = cells.pixels.jacobian(cells.pixels.to_sky(end.x), end.x)
        is_invalid = np.abs(jacobian) @ np.isnan(np.diag(hessian.covariance)) > 0
        covariance = jacobian @ np.nan_to_num(hessian.covariance) @ jacobian.T
        covariance[is_invalid] = covariance[:, is_invalid] = np.nan
        names = [self.objective.names[index] for index in self._on_lines(cells, end)]
        sky_hessian = attrs.evolve(hessian, covariance=covariance, step=jacobian @ hessian.step)
        notes = tuple(dict.fromkeys(self.notes))
        return NewtonResult(
            x, self._errors(cells, end), self.calls, True, sky_hessian, names, notes
        )
