"""Models in gammapy's YAML, without what gammapy loses on the way: templates, links, parameters."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.modeling.models import Models

log = logging.getLogger(__name__)
COVARIANCE = "{stem}_covariance.dat"  # as gammapy calls it
KEPT = ("frozen", "min", "max")


def write_models(path: Path, models: Models) -> None:
    """Write models with their covariance, and their templates, beside one another.

    The files can be moved together. Link labels are numbered; gammapy draws them at random.
    """
    from gammapy.utils.scripts import to_yaml, write_yaml

    if len(models.parameters):
        covariance = COVARIANCE.format(stem=path.stem)
        # where gammapy looks for it
        models.write_covariance(
            path.parent / covariance, format="ascii.fixed_width", delimiter="|", overwrite=True
        )
        models._covar_file = covariance
    with _templates_beside(path, models) as names:
        data = models.to_dict(full_output=True)  # writes the templates too
    _rename(data, names)
    _number_links(data)
    # with a checksum, because `Datasets.read` looks for one
    write_yaml(to_yaml(data), path, overwrite=True, checksum=True)


@contextmanager
def _templates_beside(path: Path, models: Models) -> Iterator[dict[str, str]]:
    """Let templates be written beside a file; gives their names there by what gammapy is told."""
    parts, names = list(_templates(models)), dict[str, str]()
    before = [vars(part).copy() for part in parts]
    try:
        for number, part in enumerate(parts):
            place = path.parent.absolute() / f"{path.stem}-template-{number}.fits"
            place.unlink(missing_ok=True)  # gammapy keeps a file that is there
            part.filename = str(place)
            names[part.filename] = place.name
            # the map is normalised already, and would not stay so: gammapy divides by the pixels'
            # solid angles each time
            part.normalize = False
        yield names
    finally:
        for part, held in zip(parts, before, strict=True):
            vars(part).clear()
            vars(part).update(held)


def read_models(path: Path) -> Models:
    """Read models, with the parameters as they were written.

    gammapy builds a table of absorption with values alone: whether its parameters are free, their
    limits, priors and links are lost.
    """
    from gammapy.modeling.models import Models
    from gammapy.utils.scripts import read_yaml

    models = Models.read(path)
    data = read_yaml(path, checksum=False)
    linked: dict[str, Any] = {}
    for model, written in zip(models, data["components"], strict=True):
        for part, held in _parts(model, written):
            _restore(part, held.get("parameters", ()), linked)
    for part in _templates(models):  # gammapy leaves the name alone, as if it were here
        part.filename = str(path.parent.absolute() / part.filename)
    if covariance := data.get("covariance"):  # again: it is of the parameters that were there
        place = path.parent / covariance
        _read_covariance(models, place if place.is_file() else Path(covariance))
    return models


def _read_covariance(models: Models, path: Path) -> None:
    try:
        models.read_covariance(path.parent, path.name, format="ascii.fixed_width")
    except ValueError as error:  # of other parameters, as where one was edited by hand
        log.warning("%s does not fit its models, and is left out: %s", path, error)


def _restore(part: Any, written: Any, linked: dict[str, Any]) -> None:
    for entry in written:
        parameter = getattr(part, entry["name"])
        if part.tag[0] == "EBLAbsorptionNormSpectralModel":
            for key in KEPT:
                if key in entry:
                    setattr(parameter, key, entry[key])
            parameter.prior = entry.get("prior")
        if (label := entry.get("link")) is None:
            continue
        if linked.setdefault(label, parameter) is not parameter:
            setattr(part, entry["name"], linked[label])


def _parts(model: Any, written: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yield what holds parameters itself, with what is written of it."""
    for name in ("spectral", "spatial", "temporal"):
        part, held = getattr(model, f"{name}_model", None), written.get(name)
        if part is not None and held is not None:
            yield from _innermost(part, held)


def _innermost(part: Any, written: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    if "model1" not in written:
        yield part, written
        return
    for name in ("model1", "model2"):
        yield from _innermost(getattr(part, name), written[name])


def _templates(models: Models) -> Iterator[Any]:
    """Yield what holds a map, and knows its file."""
    for model in models:
        if model.tag == "TemplateNPredModel":
            yield model
        spatial = getattr(model, "spatial_model", None)
        if spatial is not None and "template" in spatial.tag:
            yield spatial


def _rename(data: Any, names: Mapping[str, str]) -> None:
    if isinstance(data, dict):
        if data.get("filename") in names:
            data["filename"] = names[data["filename"]]
        for held in data.values():
            _rename(held, names)
    elif isinstance(data, list):
        for held in data:
            _rename(held, names)


def _number_links(data: Any, labels: dict[str, str] | None = None) -> None:
    labels = {} if labels is None else labels
    if isinstance(data, dict):
        if isinstance(label := data.get("link"), str):
            name = re.sub(r"@.*", "", label)
            data["link"] = labels.setdefault(label, f"{name}@{len(labels) + 1}")
        for held in data.values():
            _number_links(held, labels)
    elif isinstance(data, list):
        for held in data:
            _number_links(held, labels)
