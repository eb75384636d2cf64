"""The interface of models of sources and background."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from skyred.interfaces.adapting import adapt_object
from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


class Model(Component):
    """Builds gammapy models; the models of all components in `model:` are joined in that order.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.
    """

    role: ClassVar[str] = "model"

    @abstractmethod
    def build(self, datasets: Datasets) -> Models:
        """Build new models for datasets.

        Parameters
        ----------
        datasets : Datasets
            The datasets that the models are fitted to.

        Returns
        -------
        Models
            New gammapy models.
        """

    def source_names(self) -> Iterable[str]:
        """Return the names of the models that are known before the models are built.

        Returns
        -------
        iterable of str
            Names of models that `build` will return; more may follow if `knows_names` is false.
        """
        return ()

    def knows_names(self) -> bool:
        """Return whether `source_names` returns the names of all models.

        Returns
        -------
        bool
            If False, references to sources in the pipeline are not checked before the models are
            built.
        """
        return True

    @classmethod
    def adapt(cls, candidate: object) -> Component | None:
        """Return gammapy models as a component.

        Parameters
        ----------
        candidate : object
            A `Models`, or one model with a name and parameters.

        Returns
        -------
        Component or None
            The component; None if `candidate` is not a model.
        """
        return adapt_object(cls.role, candidate)
