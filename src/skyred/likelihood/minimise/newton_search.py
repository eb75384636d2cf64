"""The search by Newton steps: down, among pixel cells, elsewhere on the map, and its curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.elsewhere import RELOCATED, lower_elsewhere, relocated
from skyred.likelihood.minimise.hesse import Hessian, hesse
from skyred.likelihood.minimise.nearby import GAIN, RESTARTS
from skyred.likelihood.minimise.newton import Descent
from skyred.likelihood.minimise.pixel_cells import CellSearch
from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

POLISHES = 8
REFRESHES = 5


@attrs.define(eq=False)
class NewtonEnd:
    """Where a search by Newton steps ended.

    Parameters
    ----------
    x, errors : array
        The parameters and a guess of their errors, shape (n,).
    calls : int
        Calls of the objective and its derivatives.
    converged : bool
        Whether no step leads down by more than the tolerance.
    hessian : Hessian or None
        The curvature there, in the parameters of the models; None if it did not converge.
    lines : list of str
        The positions that ended at a non-differentiable point.
    notes : tuple of str
        Remarks for the user.
    """

    x: Array
    errors: Array
    calls: int
    converged: bool
    hessian: Hessian | None = None
    lines: list[str] = attrs.field(factory=list)
    notes: tuple[str, ...] = ()


class NewtonSearch:
    """Finds the minimum of an objective with gradient and Fisher matrix.

    Parameters
    ----------
    objective : Objective
        In the parameters of the models.
    tolerance : float
        The expected gain at which it ends.
    """

    def __init__(self, objective: Objective, tolerance: float) -> None:
        self.objective, self.tolerance = objective, tolerance
        self.calls, self.notes = 0, list[str]()

    def run(self, start: Array) -> NewtonEnd:
        """Search from a start, shape (n,)."""
        x = np.clip(start, *self.objective.limits.T)
        cells = CellSearch(PixelCoordinates(self.objective, x), self.tolerance, self._gain)
        end = self._lowest(cells, cells.pixels.to_pixels(x))
        hessian, x = None, self._sky(cells, end.x)
        for _ in range(REFRESHES):
            refreshed = self.objective.refresh is not None and self.objective.refresh(x)
            if refreshed and hessian is None:
                end = cells.descend(end.x)
            if not end.converged:
                break
            if hessian is None:
                end, hessian = self._polish(cells, end)
            elif refreshed and not hessian.flat:
                end, hessian = self._correct(cells, end, hessian)
            before, x = x, self._sky(cells, end.x)
            if not refreshed or np.array_equal(before, x):
                break
        self._count(cells)
        if not end.converged or hessian is None:
            return NewtonEnd(x, self._errors(cells, end), self.calls, False)
        return self._ended(cells, end, hessian, x)

    @property
    def _gain(self) -> float:
        return GAIN * self.tolerance

    def _count(self, cells: CellSearch) -> int:
        self.calls, cells.calls = self.calls + cells.calls, 0
        return self.calls

    def _sky(self, cells: CellSearch, z: Array) -> Array:
        return np.clip(cells.pixels.to_sky(z), *self.objective.limits.T)

    def _errors(self, cells: CellSearch, end: Descent) -> Array:
        jacobian = cells.pixels.jacobian(cells.pixels.to_sky(end.x), end.x)
        return np.sqrt((jacobian**2) @ end.errors**2)

    def _lowest(self, cells: CellSearch, z: Array) -> Descent:
        """Return the lowest minimum: restart from whatever is lower until nothing is."""
        end = self._seen(cells, z)
        if len(cells.pixels.lines) or not end.converged or self._any_held(cells, end):
            end = cells.descend(end.x)
        for _ in range(RESTARTS):
            # a source that is not seen where it starts has no position to converge to
            lower = (
                lower_elsewhere(cells, end.x, end.errors)
                if end.converged
                else relocated(cells, end.x)
            )
            if lower is None:
                break
            self.notes += lower.notes
            again = cells.descend(lower.z)
            if not again.converged and again.calls:
                again = cells.descend(again.x)
            end = again
        return end

    def _any_held(self, cells: CellSearch, end: Descent) -> bool:
        """Return whether an amplitude is kept from being negative."""
        factors = cells.objective.factors
        return factors is not None and bool((end.held & factors).any())

    def _seen(self, cells: CellSearch, z: Array) -> Descent:
        """Return where all sources are seen, as far as the map tells, with positive fluxes."""
        end = cells.descend_with_fluxes(z)
        if self.objective.relocate is None:
            return end
        for _ in range(RESTARTS):
            if end.converged and not self._any_held(cells, end):
                break
            moved = self._moved(cells, end.x)
            if moved is None:
                break
            self.notes.append(RELOCATED)
            end = cells.descend_with_fluxes(moved)
        return end

    def _moved(self, cells: CellSearch, z: Array) -> Array | None:
        """Return undetected sources in better places, one after the other; None if there are none.

        Of each only itself and its neighbours are fitted, which is quick if there are many sources.
        """
        assert self.objective.relocate is not None
        best, stat = z, cells.objective.total(z)
        for _ in range(RESTARTS):
            sky = self._sky(cells, best)
            starts = self.objective.relocate(sky)
            if not starts:
                break
            start = cells.pixels.moved(best, sky, starts[0])
            trial = cells.place(start, np.flatnonzero(starts[0] != sky))
            value = cells.objective.total(trial)
            if not value < stat - self._gain:
                break
            best, stat = trial, value
        return None if best is z else best

    def _polish(self, cells: CellSearch, end: Descent) -> tuple[Descent, Hessian]:
        """Take the last steps by the true second derivatives; the Fisher matrix may be far off."""
        objective, on_lines = cells.objective, self._on_lines(cells, end)
        held = end.held.copy()
        held[on_lines] = False
        hessian = hesse(objective, end.x, held, cells.pixels.lines)
        cells.calls += hessian.calls
        for _ in range(POLISHES):
            trial = np.clip(end.x + hessian.step, *objective.limits.T)
            trial[on_lines] = end.x[on_lines]
            if not hessian.edm > self.tolerance:
                break
            if not objective.total(trial) <= objective.total(end.x):
                break
            end = attrs.evolve(end, x=trial)
            hessian = hesse(objective, trial, held, cells.pixels.lines)
            cells.calls += hessian.calls + 2
        return end, hessian

    def _correct(
        self, cells: CellSearch, end: Descent, hessian: Hessian
    ) -> tuple[Descent, Hessian]:
        """Take a step to the minimum if new IRFs moved it; the curvature stays."""
        gradient = cells.objective.gradient(end.x)
        assert gradient is not None
        cells.calls += 1
        hessian = hessian.at(np.where(end.held & ~hessian.on_lines, 0, gradient))
        if hessian.edm > self.tolerance:
            trial = np.clip(end.x + hessian.step, *cells.objective.limits.T)
            end = attrs.evolve(end, x=trial)
        return end, hessian

    def _on_lines(self, cells: CellSearch, end: Descent) -> NDArray[np.int64]:
        lines = cells.pixels.lines
        return lines[end.held[lines]]

    def _ended(self, cells: CellSearch, end: Descent, hessian: Hessian, x: Array) -> NewtonEnd:
        jacobian = cells.pixels.jacobian(cells.pixels.to_sky(end.x), end.x)
        unknown = np.abs(jacobian) @ np.isnan(np.diag(hessian.covariance)) > 0
        covariance = jacobian @ np.nan_to_num(hessian.covariance) @ jacobian.T
        covariance[unknown] = covariance[:, unknown] = np.nan
        names = [self.objective.names[place] for place in self._on_lines(cells, end)]
        sky = attrs.evolve(hessian, covariance=covariance, step=jacobian @ hessian.step)
        notes = tuple(dict.fromkeys(self.notes))
        return NewtonEnd(x, self._errors(cells, end), self.calls, True, sky, names, notes)
