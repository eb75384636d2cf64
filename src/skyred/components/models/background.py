"""The model `fov-background`: a norm model for the background of each dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skyred.components.models.scripted import ModelWriter, has_only_defaults
from skyred.components.models.spec import (
    build_submodel,
    is_norm,
    submodel_problems,
    to_gammapy,
)
from skyred.errors import ExportError, Problem
from skyred.fields import option
from skyred.interfaces import Chain, Model, component
from skyred.interfaces.links import LinkUse, find_link_uses
from skyred.interfaces.model import ModelContext

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    from skyred.scripting import Script


@component
class BackgroundModels(Model):
    """One background model for each dataset with a background template and without off counts.

    Datasets for which another component provides a background model have no second one.
    """

    kind = "fov-background"
    spectral: Mapping[str, Any] = option(
        {"type": "pl-norm"}, type=dict, doc="Type and parameters of the norm model."
    )

    def links(self) -> Iterable[LinkUse]:
        """Find the link labels; each label is used for the backgrounds of all datasets.

        Returns
        -------
        iterable of LinkUse
            The uses of link labels.
        """
        return find_link_uses(self.spectral, "the backgrounds", ("spectral",), multiplicity=2)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the norm model.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        problems = list(submodel_problems("spectral", self.spectral))
        if not problems and not is_norm(self.spectral):
            message = f"{self.spectral['type']!r} is not a norm model"
            problems = [Problem(("spectral", "type"), message, "expected one such as pl-norm")]
        yield from problems

    def build(self, datasets: Datasets) -> Models:
        """Build ``{dataset}-bkg`` for each dataset with a background template but no off counts.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets to build models for.

        Returns
        -------
        gammapy.modeling.models.Models
            New models.
        """
        from gammapy.modeling.models import FoVBackgroundModel, Models

        models = Models()
        for dataset in datasets:
            if getattr(dataset, "background", None) is None or dataset.stat_type != "cash":
                continue
            model_dict = {"type": "FoVBackgroundModel", "datasets_names": [dataset.name],
                          "spectral": to_gammapy("spectral", self.spectral)}  # fmt: skip
            norm = FoVBackgroundModel.from_dict(model_dict).spectral_model
            models.append(FoVBackgroundModel(spectral_model=norm, dataset_name=dataset.name))
        return models

    def select(
        self, models: Sequence[Any], other_models: Sequence[Any], context: ModelContext
    ) -> Sequence[Any]:
        """Leave out the models of datasets for which another component has a background model.

        Parameters
        ----------
        models : sequence of gammapy.modeling.models.FoVBackgroundModel
            The models that `build` returned.
        other_models : sequence of gammapy models
            The models of the components of other kinds.
        context : ModelContext
            The function to report models that are left out.

        Returns
        -------
        sequence of gammapy.modeling.models.FoVBackgroundModel
            The models to use.
        """
        from gammapy.modeling.models import FoVBackgroundModel

        names = {
            name
            for model in other_models
            if isinstance(model, FoVBackgroundModel)
            for name in model.datasets_names
        }
        selected = []
        for model in models:
            if names.isdisjoint(model.datasets_names):
                selected.append(model)
            else:
                (name,) = model.datasets_names
                context.report(f"{name}: has a background model, so that none is added")
        return selected

    def write_script(self, script: Script) -> None:
        """Write a model for each dataset with a background template and without off counts.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If parameters are linked.
        """
        if list(self.links()):
            raise ExportError("has linked parameters, which cannot be exported")
        script.use("gammapy.modeling.models", "FoVBackgroundModel")
        with script.body.inside("for dataset in datasets:"):
            # datasets with off counts need no background model, and some have no background
            condition = 'if dataset.stat_type == "cash" and dataset.background is not None:'
            with script.body.inside(condition):
                self._write_norm(script)

    def _write_norm(self, script: Script) -> None:
        """Write the background model of a dataset, with the norm model if it is not the default."""
        norm, options = build_submodel("spectral", self.spectral), "dataset_name=dataset.name"
        if type(norm).__name__ != "PowerLawNormSpectralModel" or not has_only_defaults(norm):
            norm_variable = ModelWriter(script, script.body).write_submodel(norm, "norm")
            options = f"spectral_model={norm_variable}, {options}"
        script.body.add(f"models.append(FoVBackgroundModel({options}))")
