"""Files of a run folder: configuration, datasets, models, fit and estimates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.config import Document, dump
from skyred.errors import FileError, ModelError
from skyred.fields import check_name
from skyred.inspection.file_checks import check_models
from skyred.interfaces.records import FitResult, StepRecord
from skyred.io import model_files
from skyred.plugins import Catalog
from skyred.plugins.model_values import find_value_fault
from skyred.result import dataset_files, sample_files, trace_files
from skyred.result.model_plugins import (
    describe_versions,
    find_missing,
    has_foreign_models,
    owners_of,
    read_owners,
)

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

NO_CONFIG = "# This pipeline was built in Python, from objects without a YAML form.\n"
_OLD_NO_CONFIG = (  # in folders of earlier versions
    "# This run was made from Python with objects that have no YAML.\n"
)


def write_config(folder: Path, config: str, replaced: Iterable[str]) -> None:
    """Write ``config.yaml``, with a comment about steps that were replaced from Python.

    Parameters
    ----------
    folder : Path
        The run folder.
    config : str
        The configuration as YAML; "" if the pipeline has none.
    replaced : iterable of str
        The steps whose output was replaced.
    """
    names = ", ".join(replaced)
    note = f"# The output of these steps was replaced from Python: {names}.\n"
    content = (note if names else "") + (config or NO_CONFIG)
    (folder / "config.yaml").write_text(content, encoding="utf-8")


def write_datasets(folder: Path, datasets: Datasets) -> None:
    """Write ``datasets/datasets.yaml`` and one FITS file for each dataset.

    Parameters
    ----------
    folder : Path
        The run folder.
    datasets : Datasets
        The datasets.
    """
    subfolder = folder / "datasets"
    subfolder.mkdir(exist_ok=True)
    dataset_files.write_datasets(subfolder, datasets)


def read_datasets(folder: Path) -> Datasets | None:
    """Read the datasets, without models.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    Datasets or None
        The datasets; None if there are none.
    """
    path = folder / "datasets" / dataset_files.INDEX
    return dataset_files.read_datasets(path) if path.is_file() else None


def write_models(folder: Path, models: Models) -> None:
    """Write ``models.yaml``, and its covariance and templates next to it.

    Parameters
    ----------
    folder : Path
        The run folder.
    models : Models
        The models.
    """
    model_files.write_models(folder / "models.yaml", models, owners_of(models))


def read_models(
    folder: Path, catalog: Catalog, datasets: Datasets | None
) -> tuple[Models | None, str]:
    """Read the models with their covariance, and set them on the datasets.

    Parameters
    ----------
    folder : Path
        The run folder.
    catalog : Catalog
        The catalog, with the model classes of plugins.
    datasets : Datasets or None
        The datasets, for which models of plugins are evaluated.

    Returns
    -------
    models : Models or None
        The models; None if there are none, or if they cannot be read.
    reason : str
        The reason why they cannot be read, such as a missing plugin, or one with another version;
        "" otherwise.

    Raises
    ------
    FileError
        If the models would execute code, or a template is damaged.
    Exception
        If models of gammapy alone cannot be read, because the file is damaged.
    """
    from gammapy.utils.scripts import read_yaml

    path = folder / "models.yaml"
    if not path.is_file():
        return None, ""
    data = read_yaml(path)
    check_models(data, folder)
    if reason := find_missing(data, catalog.models, read_owners(data), folder):
        return None, reason
    models, reason = _read_models(path, data, datasets)
    if datasets is not None and models is None:
        datasets.models = None
    return models, reason


def _read_models(path: Path, data: Any, datasets: Datasets | None) -> tuple[Models | None, str]:
    try:
        models = model_files.read_models(path, complete=True)
        if not (reason := find_value_fault(models, datasets or ())):
            if datasets is not None:
                datasets.models = models
            return models, ""
    except FileError:
        raise
    except NotImplementedError as error:  # raised by the class of a model, such as naima's
        reason = str(error) or "a class of its models cannot be read from YAML"
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        if not has_foreign_models(data):
            raise
        reason = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
    return None, reason + describe_versions(data)


def write_fit(folder: Path, fit: FitResult) -> None:
    """Write ``fit.yaml``, with numbers in full precision, and samples and trace if there are any.

    Parameters
    ----------
    folder : Path
        The run folder.
    fit : FitResult
        The result of the fit.
    """
    data = fit.to_dict() | sample_files.write_samples(folder, fit)
    data |= trace_files.write_trace(folder, fit)
    (folder / "fit.yaml").write_text(dump(data), encoding="utf-8")


def read_fit(folder: Path) -> FitResult | None:
    """Read ``fit.yaml``, with samples and trace.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    FitResult or None
        The result of the fit; None if there was no fit.
    """
    path = folder / "fit.yaml"
    if not path.is_file():
        return None
    content = path.read_text(encoding="utf-8")
    # not the default limit: the covariance of n parameters has n**2 values
    data = Document.parse(content, str(path), max_nodes=len(content)).data
    arrays = sample_files.read_samples(folder, data) | trace_files.read_trace(folder, data)
    return FitResult.from_dict(data | arrays)


def read_config(folder: Path) -> str:
    """Read ``config.yaml``.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    str
        The configuration; "" if the pipeline had no YAML form.
    """
    content = (folder / "config.yaml").read_text(encoding="utf-8")
    return "" if content.endswith((NO_CONFIG, _OLD_NO_CONFIG)) else content


def estimator_kinds(config: str) -> dict[str, str]:
    """Return the kind of each estimator by name, from a configuration.

    Parameters
    ----------
    config : str
        The configuration as YAML.

    Returns
    -------
    dict of str to str
        The kinds by name.
    """
    data = Document.parse(config).data if config else None
    entries = (data or {}).get("estimate") or []
    # an invalid name could be a path outside the folder
    return {
        check_name(entry.get("name") or entry["kind"].rpartition(":")[2]): entry["kind"]
        for entry in entries
    }


def reported_kinds(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each estimator by name, from the report of a run without configuration.

    Parameters
    ----------
    report : mapping
        The content of ``report.json``.

    Returns
    -------
    dict of str to str
        The kinds by name.
    """
    return {check_name(name): str(kind) for name, kind in report.get("estimates", {}).items()}


def read_steps(report: Mapping[str, Any]) -> tuple[StepRecord, ...]:
    """Read the steps in a report.

    Parameters
    ----------
    report : mapping
        The content of ``report.json``.

    Returns
    -------
    tuple of StepRecord
        The steps, in order.
    """
    return tuple(
        StepRecord(
            step["name"], step["seconds"], step["summary"], notes=tuple(step.get("notes", ()))
        )
        for step in report.get("steps", ())
    )


def read_report(folder: Path) -> dict[str, Any]:
    """Read ``report.json``.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    dict
        The report; empty if there is no such file.
    """
    path = folder / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
