"""gammapy's models as components."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skyred.fields import foreign
from skyred.interfaces import Model, component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


def adapt_model(other: object) -> Model | None:
    """Take gammapy models: a `Models`, or one model with a name and parameters.

    Returns
    -------
    Model or None
        None if it has no parameters.
    """
    if isinstance(other, type) or not hasattr(other, "parameters"):
        return None
    return AdaptedModel(adapted=other)


@component
class AdaptedModel(Model):
    """Gammapy models as they are; each build starts from a copy."""

    kind = "adapted"
    adapted: Any = foreign(doc="A gammapy Models or a single model.")

    def build(self, datasets: Datasets) -> Models:
        """Give a copy, so that a fit leaves the original alone."""
        from gammapy.modeling.models import Models

        return Models(self.adapted).copy()

    def source_names(self) -> Iterable[str]:
        """Name the sources."""
        return getattr(self.adapted, "names", None) or [self.adapted.name]
