"""The model `source`: a spectrum, a shape on the sky, a course in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skyred.defaults.gammapy.models.spec import part_problems, to_gammapy
from skyred.errors import Problem
from skyred.fields import option
from skyred.interfaces import Model, component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


@component
class Source(Model):
    """One source: a spectrum, with a shape on the sky and a course in time if it has them."""

    kind = "source"
    name: str = option(type=str, doc="Name of the source.")
    spectral: Mapping[str, Any] = option(
        type=dict, doc="Type and parameters of the spectral model (gammapy's tags: pl, lp, ...)."
    )
    spatial: Mapping[str, Any] | None = option(
        None, type=dict, doc="Type and parameters of the spatial model (point, gauss, disk, ...)."
    )
    temporal: Mapping[str, Any] | None = option(
        None, type=dict, doc="Type and parameters of the temporal model."
    )
    datasets: tuple[str, ...] | None = option(
        None, type=str, many=True, doc="Names of the datasets it is for; all if left out."
    )

    def validate(self) -> Iterable[Problem]:
        """Each part says its type."""
        for part in ("spectral", "spatial", "temporal"):
            given = getattr(self, part)
            if given is not None and "type" not in given:
                example = {"spectral": "pl", "spatial": "point", "temporal": "const"}[part]
                yield Problem((part,), "has no type", f"expected type: ..., such as {example}")

    def source_names(self) -> Iterable[str]:
        """Name the source."""
        return [self.name]

    def check_deeply(self) -> Iterable[Problem]:
        """Every part must be a model that gammapy can build."""
        for part in ("spectral", "spatial", "temporal"):
            yield from part_problems(part, getattr(self, part))

    def build(self, datasets: Datasets) -> Models:
        """Build the sky model."""
        from gammapy.modeling.models import Models

        data: dict[str, Any] = {"type": "SkyModel", "name": self.name}
        for part in ("spectral", "spatial", "temporal"):
            if (given := getattr(self, part)) is not None:
                data[part] = to_gammapy(part, given)
        if self.datasets is not None:
            data["datasets_names"] = list(self.datasets)
        return Models.from_dict({"components": [data]})
