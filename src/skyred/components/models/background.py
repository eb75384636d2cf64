"""The model `fov-background`: a norm model for the background of each dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skyred.components.models.norm_models import (
    background_model_problems,
    norm_model,
    spatial_model,
    write_submodels,
)
from skyred.components.models.spec import build_submodel
from skyred.errors import ExportError, Problem
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
    spectral: Mapping[str, Any] = norm_model("Type and parameters of the norm model, or its type.")
    spatial: Mapping[str, Any] | None = spatial_model(
        "Type and parameters of a spatial model; the background is multiplied by its values, "
        "without their unit."
    )

    def links(self) -> Iterable[LinkUse]:
        """Find the link labels; each label is used for the backgrounds of all datasets.

        Yields
        ------
        LinkUse
            Each use of a link label.
        """
        for name in ("spectral", "spatial"):
            spec = getattr(self, name)
            yield from find_link_uses(spec, "the backgrounds", (name,), multiplicity=2)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the norm model and the spatial model.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        yield from background_model_problems(self.spectral, self.spatial)

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
            models.append(FoVBackgroundModel(dataset.name, *self._build_submodels()))
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
        """Write the background model of a dataset."""
        arguments = write_submodels(script, script.body, *self._build_submodels())
        options = ", ".join([*arguments, "dataset_name=dataset.name"])
        script.body.add(f"models.append(FoVBackgroundModel({options}))")

    def _build_submodels(self) -> tuple[Any, Any]:
        """Return a new norm model, and a new spatial model or None."""
        spatial = None if self.spatial is None else build_submodel("spatial", self.spatial)
        return build_submodel("spectral", self.spectral), spatial
