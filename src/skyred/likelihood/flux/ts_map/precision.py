"""The precision at which the searches for norms stop."""

from __future__ import annotations

import attrs

MAX_ITERATIONS = 100
ACCURACY = 1e-7  # of the last step, in sigma; the convergence is quadratic


@attrs.frozen
class Precision:
    """Precision at which the searches for norms stop.

    Parameters
    ----------
    rtol : float
        Relative precision of norms, errors and limits; the searches also stop at 1e-7 sigma.
    max_niter : int
        Highest number of Newton steps. Errors, limits and sensitivities that need more are NaN.
    """

    rtol: float = 0.0
    max_niter: int = MAX_ITERATIONS

    @property
    def distance_rtol(self) -> float:
        """Relative precision of distances from the best norm."""
        return max(ACCURACY, self.rtol)


DEFAULT_PRECISION = Precision()
