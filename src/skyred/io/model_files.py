"""Models in gammapy's YAML format, complete with templates, links and parameter attributes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from skyred.errors import ModelError
from skyred.io.model_types import find_tags

if TYPE_CHECKING:
    from gammapy.modeling.models import Models

log = logging.getLogger(__name__)
COVARIANCE = "{stem}_covariance.dat"  # the name that gammapy uses
RESTORED_ATTRIBUTES = ("frozen", "min", "max")


def write_models(
    path: Path, models: Models, plugins: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> None:
    """Write models to YAML, with their covariance and templates as separate files next to it.

    The files can be moved together. The labels of links are numbered, because gammapy's labels are
    random.

    Parameters
    ----------
    path : Path
        The YAML file.
    models : Models
        The models.
    plugins : mapping of str to mapping of str to str
        The distribution and version of each type that is not gammapy's; gammapy ignores them.
    """
    from gammapy.utils.scripts import to_yaml, write_yaml

    if len(models.parameters):
        covariance = COVARIANCE.format(stem=path.stem)
        _write_covariance(models, path.parent / covariance)  # where gammapy looks for it
        models._covar_file = covariance
    with _templates_beside(path, models) as names:
        data = models.to_dict(full_output=True)  # writes the templates of gammapy's classes too
        _write_maps_of_subclasses(models)
    _rename_templates(data, names)
    _number_links(data)
    if plugins:
        data["plugins"] = {name: dict(owner) for name, owner in sorted(plugins.items())}
    # with a checksum, because `Datasets.read` looks for one
    write_yaml(to_yaml(data), path, overwrite=True, checksum=True)


def _write_covariance(models: Models, path: Path) -> None:
    """Write the covariance as `Models.write_covariance` does, which computes it for each row."""
    from astropy.table import Table

    table = Table({"Parameters": models.parameters_unique_names})
    for number, row in enumerate(models.covariance.data):
        table[str(number)] = row
    table.write(path, format="ascii.fixed_width", delimiter="|", overwrite=True)


@contextmanager
def _templates_beside(path: Path, models: Models) -> Iterator[dict[str, str]]:
    """Redirect template files to the folder of a file; yield their names by path."""
    templates, names = list(_iter_templates(models)), dict[str, str]()
    saved_attributes = [vars(template).copy() for template in templates]
    try:
        for number, template in enumerate(templates):
            template_path = path.parent.absolute() / f"{path.stem}-template-{number}.fits"
            template_path.unlink(missing_ok=True)  # gammapy does not overwrite it
            template.filename = str(template_path)
            names[template.filename] = template_path.name
            # the map is already normalised; gammapy would divide it by the solid angles of the
            # pixels again
            template.normalize = False
        yield names
    finally:
        for template, attributes in zip(templates, saved_attributes, strict=True):
            vars(template).clear()
            vars(template).update(attributes)


def _write_maps_of_subclasses(models: Models) -> None:
    """Write the maps of the template classes of plugins, which gammapy does not write."""
    for template in _iter_templates(models):
        if not Path(template.filename).exists() and (
            template.to_dict()["spatial"].get("filename") == template.filename
        ):
            template.write()


def read_models(path: Path, *, complete: bool = False) -> Models:
    """Read models, and restore all attributes of their parameters.

    For parameters of EBL absorption, gammapy restores only the values; limits, priors, links and
    the `frozen` attribute are lost.

    Parameters
    ----------
    path : Path
        The YAML file.
    complete : bool
        Whether the file contains all parameters, as in run folders, so that models whose classes
        have other parameters now are refused.

    Returns
    -------
    Models
        The models, with their covariance if there is one.

    Raises
    ------
    ModelError
        If the file is complete, and a class that is not gammapy's has other parameters.
    """
    from gammapy.modeling.models import Models
    from gammapy.utils.scripts import read_yaml

    models = Models.read(path)
    data = read_yaml(path, checksum=False)
    linked_parameters: dict[str, Any] = {}
    for model, model_data in zip(models, data["components"], strict=True):
        for submodel, submodel_data in _iter_submodels(model, model_data):
            if complete:
                _check_parameters(submodel, submodel_data.get("parameters", ()))
            _restore_parameters(submodel, submodel_data.get("parameters", ()), linked_parameters)
    for submodel in _iter_templates(models):  # gammapy keeps the relative name
        if submodel.filename is not None:  # a class may build its map from other options
            submodel.filename = str(path.parent.absolute() / submodel.filename)
    if covariance := data.get("covariance"):  # read again, because parameters were replaced
        covariance_path = path.parent / covariance
        _read_covariance(models, covariance_path if covariance_path.is_file() else Path(covariance))
    return models


def _read_covariance(models: Models, path: Path) -> None:
    try:
        models.read_covariance(path.parent, path.name, format="ascii.fixed_width")
    except ValueError as error:  # a file was edited by hand and has other parameters
        log.warning("ignored %s, which does not match its models: %s", path, error)


def _check_parameters(submodel: Any, parameter_data: Any) -> None:
    if type(submodel).__module__.split(".")[0] == "gammapy":
        return
    names, written_names = submodel.parameters.names, [entry["name"] for entry in parameter_data]
    if set(names) != set(written_names):
        source = f"{submodel.type} model {find_tags(submodel.tag)[0]}"
        raise ModelError(describe_other_parameters(source, names, written_names))


def describe_other_parameters(
    source: str, names: Iterable[str], written_names: Iterable[str]
) -> str:
    """Return the message about a model whose class has other parameters than its file.

    Parameters
    ----------
    source : str
        Kind and type of the model.
    names : iterable of str
        The parameters of the class.
    written_names : iterable of str
        The parameters in the file.

    Returns
    -------
    str
        The message.
    """
    return (
        f"the {source} has the parameters {', '.join(names)}, but it was written with "
        f"{', '.join(written_names)}"
    )


def _restore_parameters(
    submodel: Any, parameter_data: Any, linked_parameters: dict[str, Any]
) -> None:
    for entry in parameter_data:
        parameter = getattr(submodel, entry["name"])
        if submodel.tag[0] == "EBLAbsorptionNormSpectralModel":
            for key in RESTORED_ATTRIBUTES:
                if key in entry:
                    setattr(parameter, key, entry[key])
            parameter.prior = entry.get("prior")
        if (label := entry.get("link")) is None:
            continue
        if linked_parameters.setdefault(label, parameter) is not parameter:
            setattr(submodel, entry["name"], linked_parameters[label])


def _iter_submodels(
    model: Any, model_data: Mapping[str, Any]
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yield the submodels that own parameters, with their data in the file."""
    for name in ("spectral", "spatial", "temporal"):
        submodel, submodel_data = getattr(model, f"{name}_model", None), model_data.get(name)
        if submodel is not None and submodel_data is not None:
            yield from _iter_simple_models(submodel, submodel_data)


def _iter_simple_models(
    submodel: Any, submodel_data: Mapping[str, Any]
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    if "model1" not in submodel_data:
        yield submodel, submodel_data
        return
    for name in ("model1", "model2"):
        yield from _iter_simple_models(getattr(submodel, name), submodel_data[name])


def _iter_templates(models: Models) -> Iterator[Any]:
    """Yield the models that have a map and the name of its file."""
    from gammapy.modeling.models import TemplateSpatialModel

    for model in models:
        if model.tag == "TemplateNPredModel":
            yield model
        spatial = getattr(model, "spatial_model", None)
        if isinstance(spatial, TemplateSpatialModel):
            yield spatial


def _rename_templates(data: Any, names: Mapping[str, str]) -> None:
    if isinstance(data, dict):
        if data.get("filename") in names:
            data["filename"] = names[data["filename"]]
        for value in data.values():
            _rename_templates(value, names)
    elif isinstance(data, list):
        for value in data:
            _rename_templates(value, names)


def _number_links(data: Any, labels: dict[str, str] | None = None) -> None:
    labels = {} if labels is None else labels
    if isinstance(data, dict):
        if isinstance(label := data.get("link"), str):
            name = re.sub(r"@.*", "", label)
            data["link"] = labels.setdefault(label, f"{name}@{len(labels) + 1}")
        for value in data.values():
            _number_links(value, labels)
    elif isinstance(data, list):
        for value in data:
            _number_links(value, labels)
