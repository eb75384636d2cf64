"""The models: `source`, `file`, `gammapy` (gammapy's own YAML) and `fov-background`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skyred.defaults.gammapy.model_spec import model_class, part_problems, to_gammapy
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option, thaw
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


@component
class ModelFile(Model):
    """Models read from a file of gammapy's YAML, with the covariance it names."""

    kind = "file"
    path: Location = option(type=Location, doc="The file.")

    def source_names(self) -> Iterable[str]:
        """Name the sources in the file; none if it cannot be read."""
        return [part["name"] for part in self._components() if "name" in part]

    def build(self, datasets: Datasets) -> Models:
        """Read the models."""
        from gammapy.modeling.models import Models

        path = self.path.path()
        try:
            return Models.read(path)
        except Exception as error:  # gammapy and PyYAML raise whatever their parts raise
            raise ModelError(f"{path} cannot be read as gammapy models: {error}") from error

    def _components(self) -> list[dict[str, Any]]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            data = YAML(typ="safe", pure=True).load(self.path.path())
        except (OSError, YAMLError, ValueError):
            return []
        found = data.get("components") if isinstance(data, dict) else None
        return [part for part in found or [] if isinstance(part, dict)]


@component
class GammapyModels(Model):
    """Models in gammapy's own YAML, as they are."""

    kind = "gammapy"
    components: tuple[Mapping[str, Any], ...] = option(
        type=dict, many=True, doc="The list that gammapy writes under `components:`."
    )

    def source_names(self) -> Iterable[str]:
        """Name the models."""
        return [part["name"] for part in self.components if "name" in part]

    def check_deeply(self) -> Iterable[Problem]:
        """Every component must be one that gammapy can build."""
        for index, data in enumerate(self.components):
            try:
                _from_dicts([thaw(data)])
            except ModelError as error:
                yield Problem(("components", index), str(error), "see gammapy's model gallery")

    def build(self, datasets: Datasets) -> Models:
        """Build the models."""
        return _from_dicts([thaw(data) for data in self.components])


def _from_dicts(components: list[dict[str, Any]]) -> Models:
    from gammapy.modeling.models import Models

    try:
        return Models.from_dict({"components": components})
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"gammapy cannot build it: {type(error).__name__}: {error}") from error


@component
class BackgroundModels(Model):
    """One background model for each dataset that has a background template."""

    kind = "fov-background"
    spectral: Mapping[str, Any] = option(
        {"type": "pl-norm"}, type=dict, doc="Type and parameters of the norm model."
    )

    def check_deeply(self) -> Iterable[Problem]:
        """The norm model must be one, and one that gammapy can build."""
        problems = list(part_problems("spectral", self.spectral))
        # gammapy tells norm models by their name too
        if not problems and "Norm" not in model_class("spectral", self.spectral).__name__:
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
