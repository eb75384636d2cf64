"""The model `fov-background`: a norm for the background of each dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skyred.defaults.gammapy.models.links import Use, uses
from skyred.defaults.gammapy.models.spec import is_norm, part_problems, to_gammapy
from skyred.errors import Problem
from skyred.fields import option
from skyred.interfaces import Model, component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


@component
class BackgroundModels(Model):
    """One background model for each dataset that has a background template."""

    kind = "fov-background"
    spectral: Mapping[str, Any] = option(
        {"type": "pl-norm"}, type=dict, doc="Type and parameters of the norm model."
    )

    def links(self) -> Iterable[Use]:
        """Find the link labels: each stands for the backgrounds of all datasets."""
        return uses(self.spectral, "the backgrounds", ("spectral",), times=2)

    def check_deeply(self) -> Iterable[Problem]:
        """The norm model must be one, and one that gammapy can build."""
        problems = list(part_problems("spectral", self.spectral))
        if not problems and not is_norm(self.spectral):
            problem = f"{self.spectral['type']!r} is no norm model"
            problems = [Problem(("spectral", "type"), problem, "expected one such as pl-norm")]
        yield from problems

    def build(self, datasets: Datasets) -> Models:
        """Build ``{dataset}-bkg`` for each dataset with a background template."""
        from gammapy.modeling.models import FoVBackgroundModel, Models

        models = Models()
        for dataset in datasets:
            if getattr(dataset, "background", None) is None or dataset.stat_type != "cash":
                continue
            spectral = {"type": "FoVBackgroundModel", "datasets_names": [dataset.name],
                        "spectral": to_gammapy("spectral", self.spectral)}  # fmt: skip
            norm = FoVBackgroundModel.from_dict(spectral).spectral_model
            models.append(FoVBackgroundModel(spectral_model=norm, dataset_name=dataset.name))
        return models
