"""The result of a search for a minimum, from which the fit result is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class SearchResult:
    """The result of a search for a minimum.

    Parameters
    ----------
    values, covariance : array
        Values of the parameters, shape (n,), and their covariance, shape (n, n).
    edm : float
        Estimated distance to the minimum, in the statistic.
    calls : int
        Number of calls of the objective and its derivatives.
    message : str
        The reason why the result is not a valid minimum; "" if it is valid.
    notes : tuple of str
        Notes for the user, such as the use of another method.
    unconstrained : tuple of str
        Names of the parameters that the likelihood does not constrain.
    """

    values: Array
    covariance: Array
    edm: float
    calls: int
    message: str
    notes: tuple[str, ...] = ()
    unconstrained: tuple[str, ...] = ()

    @property
    def errors(self) -> Array:
        """The square roots of the variances, shape (n,); NaN if a variance is NaN or negative."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.diag(self.covariance))
