"""The end of a search, before it becomes a fit result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class SearchResult:
    """The end of a search.

    Parameters
    ----------
    values, covariance : array
        Shapes (n,) and (n, n).
    edm : float
        Estimated distance to the minimum, in the statistic.
    calls : int
        Calls of the objective and its derivatives.
    message : str
        Why it is not a minimum; "" if it is.
    notes : tuple of str
        Remarks for the user, such as which method had to help.
    unconstrained : tuple of str
        Parameters that the likelihood does not constrain.
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
        """The roots of the variances, shape (n,); NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.diag(self.covariance))
