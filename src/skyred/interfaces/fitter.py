"""The interface of fitters that minimise or sample an objective; independent of gammapy."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult


class Fitter(Component):
    """Minimises or samples an objective, to find its best-fit parameters and their errors.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.

    Attributes
    ----------
    samples : bool or None
        Whether results contain samples of the posterior; None if this is unknown. If False,
        estimators that need samples report an error before the fit.
    """

    role: ClassVar[str] = "fitter"
    samples: ClassVar[bool | None] = None

    @abstractmethod
    def fit(self, objective: Objective) -> FitResult:
        """Find the best-fit parameters and their errors.

        Parameters
        ----------
        objective : Objective
            The fit statistic and its derivatives.

        Returns
        -------
        FitResult
            The result; its `success` must be False if the fit did not converge.
        """
