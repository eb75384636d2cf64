"""Second derivatives at a minimum, by central differences of the exact gradient.

They are taken in scaled and decorrelated directions, in which the statistic is about a circle, so
they do not depend on units, scales or the reference energy of a spectrum. Minuit's HESSE takes
differences of the statistic itself along the parameters: where these are nearly degenerate, it
ends far off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.minimise.logarithmic_factors import LogarithmicFactors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.objective import Derivative, Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

STEPS = (0.03, 0.01, 0.003, 0.001)  # errors, each far above rounding: shorter in bent valleys
NEAR_LINE = 0.5  # errors: positions closer to a non-differentiable line have no second derivative
RISES = 8  # evaluations at most, to find where the statistic has risen by one
WELL_KNOWN = 1e-9  # of the largest eigenvalue, above which a matrix can be inverted
SMALLEST_EIGENVALUE = 1e-10  # of the largest, for the matrix scaled to ones on its diagonal
SOFT, SOFTEST = 3e-3, 1e-4  # of the largest eigenvalue, of the matrix scaled to ones
SOFT_DIRECTIONS = 4
SOFT_STEP = 0.01  # errors
FLAT = 1e-8  # curvature over the error of a parameter alone, which is rounding
MOVED = 1e-3  # of a flat direction, from which a parameter is not known
DEGENERATE = 0.05  # of the curvature, below which a direction has but a term of fourth order
RISE_ACCURACY = 0.01
FIRST_AGREEMENT = 0.1  # with the Fisher matrix, from which one pass is enough
AGREEMENT = 0.02  # of a pass with the one before


@attrs.define(eq=False)
class Hessian:
    """The curvature at a minimum.

    Parameters
    ----------
    covariance : array
        Shape (n, n). A parameter that is held at its limit has its own variance, and no
        correlation. NaN where the curvature is not positive: of all parameters, or if it is zero of
        those that it leaves open.
    edm : float
        Estimated distance to the minimum, in the statistic.
    step : array
        From here to that minimum, shape (n,).
    calls : int
        Calls of the gradient.
    flat : list of str
        The parameters along which the curvature is not positive; none if all is well.
    level : bool
        Whether it is zero there, not negative: then all around is as good.
    on_lines : array of bool
        Positions close to a non-differentiable line: their slope is no distance from the minimum,
        for the statistic may rise to both sides, shape (n,).
    """

    covariance: Array
    edm: float
    step: Array
    calls: int
    flat: list[str]
    level: bool = False
    on_lines: NDArray[np.bool_] = attrs.field(factory=lambda: np.zeros(0, dtype=bool))

    def at(self, gradient: Array) -> Hessian:
        """Return the same curvature with the distance to the minimum for another gradient."""
        downhill = np.where(self.on_lines, 0, gradient)
        step = -self.covariance @ downhill / 2
        return attrs.evolve(self, edm=float(-0.5 * downhill @ step), step=step)


def hesse(
    objective: Objective, x: Array, held: NDArray[np.bool_], lines: Sequence[int] | Index = ()
) -> Hessian:
    """Compute the second derivatives of an objective's total.

    Parameters
    ----------
    objective : Objective
        With gradient and Fisher matrix.
    x : array
        The minimum, shape (n,).
    held : array of bool
        Which parameters a limit holds there, shape (n,).
    lines : sequence of int
        Pixel coordinates, which have no second derivative at integers. Close to one, the curvature
        is that of the parabola which has risen by one as far away as the statistic has.

    Returns
    -------
    Hessian
        The covariance and what goes with it.
    """
    logarithmic = LogarithmicFactors(objective, x)
    matrix, calls, on_lines = _matrix(
        logarithmic.objective, logarithmic.start, held, np.array(lines, dtype=int)
    )
    gradient = objective.gradient(x)
    assert gradient is not None
    free, scale = ~held, logarithmic.scale
    names = [name for name, wanted in zip(objective.names, free, strict=True) if wanted]
    flat, level = _flat(matrix[np.ix_(free, free)], names)
    if flat:
        covariance = np.full(matrix.shape, np.nan)
        if level:
            inner = np.ix_(free, free)
            covariance[inner] = _constrained(matrix[inner]) * np.outer(scale, scale)[inner]
        return Hessian(covariance, np.nan, np.zeros(len(x)), calls, flat, level)
    own = np.diag(matrix)
    inverse = np.diag(1 / np.where(held & (own > 0), own, 2))
    inverse[np.ix_(free, free)] = _inverse(matrix[np.ix_(free, free)])
    near = np.isin(np.arange(len(x)), on_lines)
    covariance = 2 * inverse * np.outer(scale, scale)
    hessian = Hessian(covariance, np.nan, np.zeros(len(x)), calls, [], False, near)
    return hessian.at(np.where(free, gradient, 0))


def _constrained(matrix: Array) -> Array:
    """Return the covariance of the parameters that no flat direction moves; NaN of the others."""
    own = np.diag(matrix)
    size = np.where(own > 0, 1 / np.sqrt(np.where(own > 0, own, 1)), 0)
    scaled = matrix * np.outer(size, size)
    values, axes = np.linalg.eigh(scaled)
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    moved = (np.abs(axes[:, flat]) > MOVED).any(axis=1) | (own <= 0)
    covariance = 2 * np.linalg.pinv(scaled, rcond=SMALLEST_EIGENVALUE, hermitian=True)
    covariance[moved] = covariance[:, moved] = np.nan
    return np.asarray(covariance * np.outer(size, size))


def _inverse(matrix: Array) -> Array:
    if not matrix.size:
        return matrix
    scale = 1 / np.sqrt(np.diag(matrix))
    return np.asarray(np.linalg.inv(matrix * np.outer(scale, scale)) * np.outer(scale, scale))


def _matrix(
    objective: Objective, x: Array, held: NDArray[np.bool_], lines: Index
) -> tuple[Array, int, Index]:
    """Return the second derivatives, the calls that they took, and the coordinates on lines."""
    matrix, calls = _known(objective, x), 1
    away = np.abs(x[lines] - np.round(x[lines]))
    errors = np.sqrt(2 / np.diag(matrix)[lines])
    on_lines = lines[(away < NEAR_LINE * errors) & ~held[lines]]
    for place in on_lines.tolist():
        matrix[place], taken = _across(objective, x, place, matrix[place, place])
        matrix[:, place] = matrix[place]
        calls += taken
    smooth = ~held
    smooth[on_lines] = False
    for block in list(objective.blocks) or [np.arange(len(x))]:
        inner, outer = block[smooth[block]], block[held[block]]
        for places in ([inner] if len(inner) else []) + [outer[[i]] for i in range(len(outer))]:
            part, taken = _block(objective, x, places, matrix)
            matrix[np.ix_(places, places)] = part
            calls += taken
    if len(objective.blocks) > 1:
        calls += _measure_soft_directions(objective, x, matrix, np.flatnonzero(smooth))
    return matrix, calls, on_lines


def _measure_soft_directions(objective: Objective, x: Array, matrix: Array, places: Index) -> int:
    """Take the curvature along soft directions again, across blocks, in place; return the calls.

    Two sources that are nearly the same have a direction in which the blocks cancel: what is left
    is less than their accuracy. The update is that of Powell, symmetric Broyden (Powell 1970, in
    Nonlinear Programming, ed. Rosen et al., 31): the smallest that has the measured product.
    """
    part, calls = matrix[np.ix_(places, places)], 0
    if not part.size or not np.all(np.isfinite(part)) or np.any(np.diag(part) <= 0):
        return calls
    scale = 1 / np.sqrt(np.diag(part))
    scaled = part * np.outer(scale, scale)
    for _ in range(SOFT_DIRECTIONS):
        values, axes = np.linalg.eigh(scaled)
        soft = [
            (value, axis)
            for value, axis in zip(values, axes.T, strict=True)
            if value < SOFT * values[-1]
        ]
        wrong = False
        for value, axis in soft[:SOFT_DIRECTIONS]:
            length = np.sqrt(2 / max(value, SOFTEST * values[-1]))
            direction, gradient_of = scale * axis * length, _cut(objective, places)
            far, near = (
                _secant(objective, gradient_of, x, places, direction, step)[0]
                for step in (SOFT_STEP, SOFT_STEP / 3)
            )
            calls += 4
            if not np.all(np.isfinite(near + far)):
                continue
            # without the term of fourth order; if there is no other, the direction is degenerate
            product = scale * (9 * near - far) / 8 / length
            if abs(axis @ product) < DEGENERATE * abs(axis @ (scale * far)) / length:
                product -= (axis @ product) * axis
            off = product - scaled @ axis
            wrong = wrong or abs(axis @ off) > AGREEMENT * abs(value)
            scaled += (
                np.outer(off, axis) + np.outer(axis, off) - (axis @ off) * np.outer(axis, axis)
            )
        if not wrong:
            break
    matrix[np.ix_(places, places)] = scaled / np.outer(scale, scale)
    return calls


def _cut(objective: Objective, places: Index) -> Derivative:
    def gradient_of(point: Array) -> Array:
        gradient = objective.gradient(point)
        assert gradient is not None
        return np.asarray(gradient)[places]

    return gradient_of


def _across(objective: Objective, x: Array, place: int, curvature: float) -> tuple[Array, int]:
    """Return the curvature along a coordinate with lines, over a rise of the statistic by one."""
    lowest, ends, gradients, calls = objective.total(x), [], [], 1
    for side in (-1, 1):
        step = np.sqrt(2 / curvature)
        for _ in range(RISES):
            point = x.copy()
            point[place] += side * step
            rise, calls = objective.total(point) - lowest, calls + 1
            if not np.isfinite(rise):
                step /= 2
            elif abs(rise - 1) < RISE_ACCURACY:
                break
            else:
                step *= float(np.clip(1 / np.sqrt(max(rise, 0.1)), 0.5, 2))
        ends.append(step)
        gradient = objective.gradient(point)
        assert gradient is not None
        gradients.append(gradient)
    row = np.nan_to_num((gradients[1] - gradients[0]) / sum(ends))
    row[place] = 2 / np.mean(ends) ** 2
    return row, calls + 2


def _known(objective: Objective, x: Array) -> Array:
    """Return the Fisher matrix, with guesses where it is not known."""
    fisher = objective.fisher(x)
    assert fisher is not None
    matrix = np.nan_to_num(np.array(fisher, dtype=float), posinf=0, neginf=0)
    own = np.diag(matrix)
    steps = np.abs(x) if objective.steps is None else objective.steps
    guess = 2 / np.where(steps > 0, steps, 1.0) ** 2
    unknown = ~(own > 0)
    matrix[unknown] = matrix[:, unknown] = 0
    matrix[unknown, unknown] = guess[unknown]
    return np.asarray(matrix)


def _block(objective: Objective, x: Array, places: Index, matrix: Array) -> tuple[Array, int]:
    """Return the second derivatives of some parameters, and the calls that they took.

    The directions are those of their covariance by the matrix as it is known. If the result is far
    from it, they are taken again by the result, with shorter steps.
    """
    restricted = objective.restrict is not None and len(places) < len(x)
    gradient_of = objective.restrict(places)[0] if restricted else _cut(objective, places)  # type: ignore[misc]
    costly = np.zeros(len(x), dtype=bool) if objective.costly is None else objective.costly
    part, calls = matrix[np.ix_(places, places)], 0
    for step in STEPS:
        directions = _directions(part, costly[places])
        if np.any([np.ptp(_lengths(objective, x, places, d, step)) < step for d in directions.T]):
            directions = np.diag(np.sqrt(2 / np.diag(part)))  # a limit is in the way
        rows = []
        for direction in directions.T:
            slope, taken = _secant(objective, gradient_of, x, places, direction, step)
            rows.append(directions.T @ slope)
            calls += taken
        white = (np.array(rows) + np.array(rows).T) / 2
        back = np.linalg.inv(directions)
        part = back.T @ white @ back
        if not np.all(np.isfinite(white)):
            break
        values = np.linalg.eigvalsh(white)
        agreement = FIRST_AGREEMENT if step == STEPS[0] else AGREEMENT
        if not values[0] > 0 or np.all(np.abs(values / 2 - 1) < agreement):
            break
    for direction in _degenerate_directions(matrix[np.ix_(places, places)]):
        part, taken = _without_bend(objective, gradient_of, x, places, part, direction)
        calls += taken
    return part, calls


def _degenerate_directions(part: Array) -> Array:
    """Return steps without curvature, as long as errors of parameters alone, shape (m, k)."""
    size = 1 / np.sqrt(np.diag(part))
    values, axes = np.linalg.eigh(part * np.outer(size, size))
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    return np.asarray(axes.T[flat] * size * np.sqrt(2))


def _without_bend(
    objective: Objective,
    gradient_of: Derivative,
    x: Array,
    places: Index,
    part: Array,
    direction: Array,
) -> tuple[Array, int]:
    """Take the curvature along a direction to be zero if it is but that of a bent valley.

    Parameters
    ----------
    objective, gradient_of, x, places, part
        As in `_block`.
    direction : array
        A step in that direction, shape (k,).

    Returns
    -------
    part : array
        The second derivatives, shape (k, k).
    calls : int
        Calls of the gradient.
    """
    if not np.all(np.isfinite(part)) or np.any(np.diag(part) <= 0):
        return part, 0
    far, near = (
        float(direction @ _secant(objective, gradient_of, x, places, direction, step)[0])
        for step in (SOFT_STEP, SOFT_STEP / 3)
    )
    rest = (9 * near - far) / 8
    if abs(rest) > max(DEGENERATE * abs(far), FLAT):
        return part, 4
    size = 1 / np.sqrt(np.diag(part))
    axis = direction / size
    axis /= np.linalg.norm(axis)
    remove = np.eye(len(axis)) - np.outer(axis, axis)
    scaled = remove @ (part * np.outer(size, size)) @ remove
    return scaled / np.outer(size, size), 4


def _directions(part: Array, costly: NDArray[np.bool_]) -> Array:
    """Return a step of one error in each decorrelated direction, as columns, shape (k, k).

    They are columns of a Cholesky factor of the covariance, with the costly parameters first: the
    directions of the others leave these as they are.
    """
    size = 1 / np.sqrt(np.diag(part))
    scaled = part * np.outer(size, size)
    values, axes = np.linalg.eigh(scaled)
    if not values[0] > WELL_KNOWN * values[-1]:
        # a degenerate direction has no error: there a step as of the parameters alone
        lengths = np.where(values > SMALLEST_EIGENVALUE * values[-1], values, 1.0)
        return np.asarray(size[:, None] * axes * np.sqrt(2 / lengths))
    order = np.argsort(~costly, kind="stable")
    directions = np.zeros_like(part)
    covariance = np.linalg.inv(scaled[np.ix_(order, order)])
    directions[order] = np.linalg.cholesky((covariance + covariance.T) / 2)
    return np.asarray(size[:, None] * directions * np.sqrt(2))


def _secant(
    objective: Objective,
    gradient_of: Derivative,
    x: Array,
    places: Index,
    direction: Array,
    length: float,
) -> tuple[Array, int]:
    """Return the change of the gradient along a direction, per step of it, shape (k,)."""
    limits, lengths = objective.limits[places], _lengths(objective, x, places, direction, length)
    points = []
    for signed in lengths:
        point = x.copy()
        point[places] = np.clip(x[places] + signed * direction, *limits.T)
        points.append(gradient_of(point))
    width = lengths[1] - lengths[0]
    if not width > 0:
        return np.full(len(places), np.nan), 2
    return np.asarray((points[1] - points[0]) / width), 2


def _lengths(
    objective: Objective, x: Array, places: Index, direction: Array, length: float
) -> tuple[float, float]:
    """Return how far to step backward and forward along a direction, within the limits."""
    limits, lengths = objective.limits[places], []
    for side in (-1, 1):
        step = side * direction
        room = np.where(step > 0, limits[:, 1] - x[places], x[places] - limits[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.min(np.where(step != 0, room / np.abs(step), np.inf), initial=np.inf)
        lengths.append(side * float(np.clip(most, 0, length)))
    return lengths[0], lengths[1]


def _flat(matrix: Array, names: list[str]) -> tuple[list[str], bool]:
    """Return the parameters along which the curvature is least, if it is not positive."""
    if not matrix.size:
        return [], False
    if not np.all(np.isfinite(matrix)):
        return names, False
    own = np.diag(matrix)
    if np.any(own <= 0):
        least = [name for name, value in zip(names, own, strict=True) if value <= 0]
        return least, bool(np.all(own >= 0))
    size = np.sqrt(own)
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    if values[0] > SMALLEST_EIGENVALUE * values[-1]:
        return [], False
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    weight = np.abs(vectors[:, flat])
    unknown = (weight > 0.3 * weight.max(axis=0)).any(axis=1)
    least = [name for name, wanted in zip(names, unknown, strict=True) if wanted]
    return least, bool(values[0] >= -FLAT * values[-1])
