"""The models `file` and `gammapy`: gammapy's own YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from skyred.components.models.links import Use, link_problems, uses
from skyred.components.models.map_files import look_at_all
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option, thaw
from skyred.interfaces import Chain, Model, component
from skyred.io.model_files import read_models
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    from skyred.scripting import Script


@component
class ModelFile(Model):
    """Models read from a file of gammapy's YAML, with the covariance it names."""

    kind = "file"
    path: Location = option(type=Location, doc="The file.")

    def source_names(self) -> Iterable[str]:
        """Name the sources in the file; none if it cannot be read."""
        return [part["name"] for part in self._components() if "name" in part]

    def links(self) -> Iterable[Use]:
        """Find the link labels in the file."""
        return (
            attrs.evolve(use, path=("path",)) for use in uses(self._components(), str(self.path))
        )

    def build(self, datasets: Datasets) -> Models:
        """Read the models."""
        path = self.path.path()
        look_at_all(self._components(), path.parent)
        try:
            return read_models(path)
        except Exception as error:  # gammapy and PyYAML raise whatever their parts raise
            raise ModelError(f"{path} cannot be read as gammapy models: {error}") from error

    def write_script(self, script: Script) -> None:
        """Read the same file."""
        place = script.constant("MODEL_FILE", literal(self.path))
        script.body.add(f"models.extend(Models.read({place}))")

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

    def links(self) -> Iterable[Use]:
        """Find the link labels."""
        for place, held in enumerate(self.components):
            yield from uses(held, str(held.get("name")), ("components", place))

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of links, and of components that gammapy cannot build."""
        yield from link_problems(self, pipeline)
        for index, data in enumerate(self.components):
            try:
                _from_dicts([thaw(data)])
            except ModelError as error:
                yield Problem(("components", index), str(error), "see gammapy's model gallery")

    def build(self, datasets: Datasets) -> Models:
        """Build the models."""
        return _from_dicts([thaw(data) for data in self.components])

    def write_script(self, script: Script) -> None:
        """Give gammapy the same list."""
        listed = {"components": [thaw(data) for data in self.components]}
        held = script.constant("GAMMAPY_MODELS", literal(listed))
        script.body.add(f"models.extend(Models.from_dict({held}))")


def _from_dicts(components: list[dict[str, Any]]) -> Models:
    from gammapy.modeling.models import Models

    look_at_all(components)
    try:
        return Models.from_dict({"components": components})
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"gammapy cannot build it: {type(error).__name__}: {error}") from error
