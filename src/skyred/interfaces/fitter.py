"""The fitter: minimises or samples an objective; knows nothing of gammapy."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult


class Fitter(Component):
    """Finds the best parameters of an objective.

    Attributes
    ----------
    samples : bool or None
        Whether its results hold samples of the posterior; None if that is not declared. Estimators
        that need samples refuse fitters that declare to have none.
    """

    role: ClassVar[str] = "fitter"
    samples: ClassVar[bool | None] = None

    @abstractmethod
    def fit(self, objective: Objective) -> FitResult:
        """Give the best parameters, with errors; `success` is never true for a fit that is not."""
