"""The model: what is on the sky, or in the background."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from skyred.fields import foreign
from skyred.interfaces.component import Component, component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


class Model(Component):
    """Builds gammapy models; the parts of `model:` are put together in their order."""

    role: ClassVar[str] = "model"

    @abstractmethod
    def build(self, datasets: Datasets) -> Models:
        """Give new models for these datasets."""

    def source_names(self) -> Iterable[str]:
        """Name the sources it will build, as far as the configuration tells."""
        return ()

    def knows_names(self) -> bool:
        """Tell whether it names all its sources; if not, names are not judged before it builds."""
        return True

    @classmethod
    def adapt(cls, other: object) -> Component | None:
        """Take gammapy models: a `Models`, or one model with a name and parameters."""
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
