"""gammapy's models as components."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skyred.fields import foreign
from skyred.interfaces import Model, component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


def adapt_model(candidate: object) -> Model | None:
    """Return gammapy models as a component.

    Parameters
    ----------
    candidate : object
        A `Models`, or one model with a name and parameters.

    Returns
    -------
    Model or None
        The component; None if `candidate` is a class or has no parameters.
    """
    if isinstance(candidate, type) or not hasattr(candidate, "parameters"):
        return None
    return AdaptedModel(adapted=candidate)


@component
class AdaptedModel(Model):
    """Adapted gammapy models; `build` returns a copy."""

    kind = "adapted"
    adapted: Any = foreign(doc="A gammapy Models object or a single model.")

    def build(self, datasets: Datasets) -> Models:
        """Return a copy of the models, so that a fit does not change the original.

        Parameters
        ----------
        datasets : Datasets
            The datasets; not used.

        Returns
        -------
        Models
            The copy.
        """
        from gammapy.modeling.models import Models

        return Models(self.adapted).copy()

    def source_names(self) -> Iterable[str]:
        """Return the names of the models.

        Returns
        -------
        iterable of str
            The names.
        """
        return getattr(self.adapted, "names", None) or [self.adapted.name]
