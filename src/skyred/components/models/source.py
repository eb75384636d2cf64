"""The model `source`: a spectrum, with an optional spatial and temporal model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skyred.components.models.absorption import Absorption
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_submodel, submodel_problems
from skyred.errors import Problem
from skyred.fields import nested_object, option
from skyred.interfaces import Chain, Model, component
from skyred.interfaces.links import LinkUse, find_link_uses, link_problems

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models, SkyModel

    from skyred.scripting import Script

SUBMODELS = ("spectral", "spatial", "temporal")


@component
class Source(Model):
    """One source: a spectral model, with an optional spatial and temporal model."""

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
    absorption: Absorption | None = nested_object(
        Absorption, None, doc="Absorption of the flux by the extragalactic background light."
    )
    datasets: tuple[str, ...] | None = option(
        None,
        type=str,
        many=True,
        doc="Names of the datasets to which the source applies; all by default.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that each submodel has a type.

        Yields
        ------
        Problem
            A submodel without a type.
        """
        for name in SUBMODELS:
            spec = getattr(self, name)
            if spec is not None and "type" not in spec:
                example = {"spectral": "pl", "spatial": "point", "temporal": "const"}[name]
                yield Problem(
                    (name,), "missing key 'type'", f"expected a model type such as {example}"
                )

    def source_names(self) -> Iterable[str]:
        """Return the name of the source.

        Returns
        -------
        iterable of str
            The name.
        """
        return [self.name]

    def links(self) -> Iterable[LinkUse]:
        """Find the link labels.

        Yields
        ------
        LinkUse
            Each use of a link label.
        """
        for name in SUBMODELS:
            yield from find_link_uses(getattr(self, name), self.name, (name,))
        if self.absorption is not None:
            path = ("absorption", "parameters")
            yield from find_link_uses(self.absorption.parameters, self.name, path)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the links, and with submodels that gammapy cannot build.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        yield from link_problems(self, pipeline)
        for name in SUBMODELS:
            yield from submodel_problems(name, getattr(self, name))

    def build(self, datasets: Datasets) -> Models:
        """Build the sky model.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets to build models for.

        Returns
        -------
        gammapy.modeling.models.Models
            New models.
        """
        from gammapy.modeling.models import Models, SkyModel

        submodels = {
            f"{name}_model": build_submodel(name, spec)
            for name in SUBMODELS
            if (spec := getattr(self, name)) is not None
        }
        if self.absorption is not None:
            submodels["spectral_model"] = self.absorption.apply_to(submodels["spectral_model"])
        names = None if self.datasets is None else list(self.datasets)
        return Models([SkyModel(name=self.name, datasets_names=names, **submodels)])

    def build_or_none(self) -> SkyModel | None:
        """Build the sky model for checks of its parameters.

        Errors are ignored, since `check` reports them.

        Returns
        -------
        gammapy.modeling.models.SkyModel or None
            The model; None if it cannot be built.
        """
        from gammapy.datasets import Datasets

        try:
            return self.build(Datasets())[0]
        except Exception:  # gammapy raises various errors
            return None

    def write_script(self, script: Script) -> None:
        """Write the sky model.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        from gammapy.datasets import Datasets

        for model in self.build(Datasets()):
            if self.absorption is not None and self.absorption.file is not None:
                model.spectral_model.model2.filename = str(self.absorption.file)
            ModelWriter(script, script.body).write_source(model)
