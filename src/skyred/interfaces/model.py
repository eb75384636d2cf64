"""The model: what is on the sky, or in the background."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from skyred.interfaces.adapting import adapted
from skyred.interfaces.component import Component

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
        return adapted(cls.role, other)
