"""The model `source`: a spectrum, a shape on the sky, a course in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skyred.components.models.absorption import Absorption
from skyred.components.models.links import Use, link_problems, uses
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_part, part_problems
from skyred.errors import Problem
from skyred.fields import option, part
from skyred.interfaces import Chain, Model, component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models, SkyModel

    from skyred.scripting import Script

PARTS = ("spectral", "spatial", "temporal")


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
    absorption: Absorption | None = part(
        Absorption, None, doc="Absorption of its flux by the extragalactic background light."
    )
    datasets: tuple[str, ...] | None = option(
        None, type=str, many=True, doc="Names of the datasets it is for; all if left out."
    )

    def validate(self) -> Iterable[Problem]:
        """Each part says its type."""
        for name in PARTS:
            given = getattr(self, name)
            if given is not None and "type" not in given:
                example = {"spectral": "pl", "spatial": "point", "temporal": "const"}[name]
                yield Problem((name,), "has no type", f"expected type: ..., such as {example}")

    def source_names(self) -> Iterable[str]:
        """Name the source."""
        return [self.name]

    def links(self) -> Iterable[Use]:
        """Find the link labels."""
        for name in PARTS:
            yield from uses(getattr(self, name), self.name, (name,))
        if self.absorption is not None:
            path = ("absorption", "parameters")
            yield from uses(self.absorption.parameters, self.name, path)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of links, and of parts that gammapy cannot build."""
        yield from link_problems(self, pipeline)
        for name in PARTS:
            yield from part_problems(name, getattr(self, name))

    def build(self, datasets: Datasets) -> Models:
        """Build the sky model."""
        from gammapy.modeling.models import Models, SkyModel

        built = {
            f"{name}_model": build_part(name, given)
            for name in PARTS
            if (given := getattr(self, name)) is not None
        }
        if self.absorption is not None:
            built["spectral_model"] = self.absorption.applied(built["spectral_model"])
        names = None if self.datasets is None else list(self.datasets)
        return Models([SkyModel(name=self.name, datasets_names=names, **built)])

    def build_or_none(self) -> SkyModel | None:
        """Build the sky model for checks of its parameters; None if it cannot be built.

        The check of the source itself reports why it cannot.
        """
        from gammapy.datasets import Datasets

        try:
            return self.build(Datasets())[0]
        except Exception:  # whatever gammapy raises
            return None

    def write_script(self, script: Script) -> None:
        """Write the sky model."""
        from gammapy.datasets import Datasets

        for model in self.build(Datasets()):
            if self.absorption is not None and self.absorption.file is not None:
                model.spectral_model.model2.filename = str(self.absorption.file)
            ModelWriter(script, script.body).source(model)
