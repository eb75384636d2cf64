"""The result of a search, before it becomes a fit result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class SearchResult:
    """The result of a search.

    Parameters
    ----------
    values, covariance : array
        Parameters, shape (n,), and their covariance, shape (n, n).
    edm : float
        Estimated distance to the minimum, in the statistic.
    calls : int
        Calls of the objective and its derivatives.
    message : str
        The reason why it is not a minimum; "" if it is.
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
        """The square roots of the variances, shape (n,); NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.diag(self.covariance))
