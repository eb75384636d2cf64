"""The models `file` and `gammapy`: models in gammapy's YAML format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from skyred.components.models.map_files import check_map_files
from skyred.components.models.spec import FRAME_ADVICE, describe_frame
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option, thaw
from skyred.interfaces import Chain, Model, component
from skyred.interfaces.links import LinkUse, find_link_uses, link_problems
from skyred.io.model_files import read_models
from skyred.io.model_types import iter_model_types
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    from skyred.scripting import Script


@component
class ModelFile(Model):
    """Models from a file in gammapy's YAML format, with its covariance file."""

    kind = "file"
    path: Location = option(type=Location, doc="The YAML file.")

    def source_names(self) -> Iterable[str]:
        """Return the names of the sources in the file; none if it cannot be read.

        Returns
        -------
        iterable of str
            The names.
        """
        return [model["name"] for model in self._components() if "name" in model]

    def links(self) -> Iterable[LinkUse]:
        """Find the link labels in the file.

        Returns
        -------
        iterable of LinkUse
            The uses of link labels.
        """
        return (
            attrs.evolve(use, path=("path",))
            for use in find_link_uses(self._components(), str(self.path))
        )

    def model_types(self) -> Iterable[tuple[tuple[str, ...], str, str]]:
        """Yield the types of the models in the file.

        Yields
        ------
        path : tuple of str
            The path of the option.
        submodel : str
            The kind of model.
        type : str
            The type.
        """
        for _, submodel, model_type in iter_model_types(self._components()):
            yield ("path",), submodel, model_type

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the frames of positions in the file.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        for message in _frame_errors(self._components()):
            yield Problem(("path",), message, FRAME_ADVICE)

    def build(self, datasets: Datasets) -> Models:
        """Read the models.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets to build models for.

        Returns
        -------
        gammapy.modeling.models.Models
            New models.

        Raises
        ------
        ModelError
            If the file cannot be read as gammapy models, or one of its map files cannot be used.
        """
        path = self.path.path()
        check_map_files(self._components(), path.parent)
        try:
            return read_models(path)
        except Exception as error:  # gammapy and PyYAML raise various errors for invalid files
            raise ModelError(f"{path} cannot be read as gammapy models: {error}") from error

    def write_script(self, script: Script) -> None:
        """Write code that reads the same file.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        constant = script.constant("MODEL_FILE", literal(self.path))
        script.body.add(f"models.extend(Models.read({constant}))")

    def _components(self) -> list[dict[str, Any]]:
        """Return the components in the file; an empty list if it cannot be read."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            data = YAML(typ="safe", pure=True).load(self.path.path())
        except (OSError, YAMLError, ValueError):
            return []
        components = data.get("components") if isinstance(data, dict) else None
        return [model for model in components or [] if isinstance(model, dict)]


@component
class GammapyModels(Model):
    """Models in gammapy's YAML format, unchanged."""

    kind = "gammapy"
    components: tuple[Mapping[str, Any], ...] = option(
        type=dict, many=True, doc="The list that gammapy writes under `components:`."
    )

    def source_names(self) -> Iterable[str]:
        """Return the names of the models.

        Returns
        -------
        iterable of str
            The names.
        """
        return [model["name"] for model in self.components if "name" in model]

    def links(self) -> Iterable[LinkUse]:
        """Find the link labels.

        Yields
        ------
        LinkUse
            Each use of a link label.
        """
        for index, model in enumerate(self.components):
            yield from find_link_uses(model, str(model.get("name")), ("components", index))

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the links, and with components that gammapy cannot build.

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
        for index, data in enumerate(self.components):
            if messages := list(_frame_errors([data])):
                path = ("components", index, "spatial", "frame")
                yield Problem(path, messages[0], FRAME_ADVICE)
                continue
            try:
                _from_dicts([thaw(data)])
            except ModelError as error:
                yield Problem(("components", index), str(error), "see gammapy's model gallery")

    def build(self, datasets: Datasets) -> Models:
        """Build the models.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets to build models for.

        Returns
        -------
        gammapy.modeling.models.Models
            New models.

        Raises
        ------
        ModelError
            If gammapy cannot build the models.
        """
        return _from_dicts([thaw(data) for data in self.components])

    def write_script(self, script: Script) -> None:
        """Write the same list of components.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        model_dict = {"components": [thaw(data) for data in self.components]}
        constant = script.constant("GAMMAPY_MODELS", literal(model_dict))
        script.body.add(f"models.extend(Models.from_dict({constant}))")


def _frame_errors(components: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a message for each spatial model with an unsupported frame."""
    for model in components:
        spatial = model.get("spatial")
        if isinstance(spatial, Mapping) and (
            reason := describe_frame(spatial.get("frame", "icrs"))
        ):
            yield f"{model.get('name', 'a model')}: {reason}"


def _from_dicts(components: list[dict[str, Any]]) -> Models:
    """Build models from gammapy's dictionaries of components."""
    from gammapy.modeling.models import Models

    check_map_files(components)
    try:
        return Models.from_dict({"components": components})
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        message = f"gammapy cannot build the model: {type(error).__name__}: {error}"
        raise ModelError(message) from error
