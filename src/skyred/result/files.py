"""The files of a run folder (fit, ledger of observations, estimates): written and read here."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.adapters.estimators import AdaptedEstimator
from skyred.config import Document, dump
from skyred.errors import SkyredWarning
from skyred.fields import checked_name
from skyred.inspection.map_headers import check_models
from skyred.interfaces import Estimator, Product
from skyred.interfaces.records import FitResult, Outcome, StepRecord
from skyred.io import model_files
from skyred.plugins import Catalog
from skyred.result import dataset_files, sample_files

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

NO_CONFIG = "# This run was made from Python with objects that have no YAML.\n"
LEDGER = "observations.ecsv"
DESCRIPTIONS = {
    "entry": "data entry that asked for the observation",
    "obs_id": "observation id",
    "status": "made, cached, skipped or failed",
    "reason": "why it was skipped, or the error it failed with",
    "maker": "what skipped or failed it",
    "seconds": "time spent on it",
    "counts": "counts inside its safe mask",
    "background_norm": "fitted background norm",
    "notes": "what libraries warned of while it was made",
    "traceback": "where it failed",
}

TYPES = {"obs_id": int, "counts": int, "seconds": float, "background_norm": float}


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8."""
    path.write_text(text, encoding="utf-8")


def write_config(folder: Path, config: str, replaced: Iterable[str]) -> None:
    """Write ``config.yaml``; where steps were replaced from Python, it says so first."""
    names = ", ".join(replaced)
    note = f"# Replaced from Python, so not as configured here: the result of {names}.\n"
    write_text(folder / "config.yaml", (note if names else "") + (config or NO_CONFIG))


def ledger(outcomes: Iterable[Outcome]) -> Table:
    """Give outcomes as a table, one row each."""
    from astropy.table import Table

    rows = [{**attrs.asdict(outcome), "notes": "\n".join(outcome.notes)} for outcome in outcomes]
    types = [TYPES.get(name, str) for name in DESCRIPTIONS]
    table = Table({n: [row[n] for row in rows] for n in DESCRIPTIONS}, dtype=types)
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    table["seconds"].unit = "s"
    return table


def write_ledger(folder: Path, outcomes: Iterable[Outcome]) -> None:
    """Write ``observations.ecsv``."""
    ledger(outcomes).write(folder / LEDGER, format="ascii.ecsv", overwrite=True)


def read_ledger(folder: Path) -> tuple[Outcome, ...]:
    """Read ``observations.ecsv``."""
    from astropy.table import Table

    if not (folder / LEDGER).is_file():
        return ()
    table = Table.read(folder / LEDGER, format="ascii.ecsv")
    texts = {name for name in DESCRIPTIONS if table[name].dtype.kind in "UO"}
    table = table.filled("") if table.has_masked_values else table
    return tuple(Outcome(**_plain_row(row, texts)) for row in table)


def _plain_row(row: Any, texts: set[str]) -> dict[str, Any]:
    plain = {n: str(row[n]) if n in texts else row[n].item() for n in DESCRIPTIONS}
    plain["notes"] = tuple(plain["notes"].split("\n")) if plain["notes"] else ()
    return plain


def write_datasets(folder: Path, datasets: Datasets) -> None:
    """Write ``datasets/datasets.yaml`` and one FITS file for each dataset."""
    place = folder / "datasets"
    place.mkdir(exist_ok=True)
    dataset_files.write_datasets(place, datasets)


def read_datasets(folder: Path) -> Datasets | None:
    """Read the datasets, without models; None if there are none."""
    path = folder / "datasets" / dataset_files.INDEX
    return dataset_files.read_datasets(path) if path.is_file() else None


def write_models(folder: Path, models: Models) -> None:
    """Write ``models.yaml``, its covariance and its templates beside it."""
    model_files.write_models(folder / "models.yaml", models)


def read_models(folder: Path) -> Models | None:
    """Read the models with their covariance; None if there are none.

    Raises
    ------
    FileError
        If they would run code, or a template is damaged.
    """
    from gammapy.utils.scripts import read_yaml

    path = folder / "models.yaml"
    if not path.is_file():
        return None
    check_models(read_yaml(path), folder)
    return model_files.read_models(path)


def write_fit(folder: Path, fit: FitResult) -> None:
    """Write ``fit.yaml``, every number with all its digits, and the samples of a sampler."""
    data = fit.to_dict() | sample_files.write_samples(folder, fit)
    write_text(folder / "fit.yaml", dump(data))


def read_fit(folder: Path) -> FitResult | None:
    """Read ``fit.yaml``, with its samples; None if there was no fit."""
    path = folder / "fit.yaml"
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    # a covariance has as many values as parameters squared
    data = Document.parse(text, str(path), nodes=len(text)).data
    return FitResult.from_dict(data | sample_files.read_samples(folder, data))


def write_estimates(folder: Path, estimates: Mapping[str, Product]) -> None:
    """Write each product into ``estimates/``."""
    (folder / "estimates").mkdir(exist_ok=True)
    for product in estimates.values():
        product.write(folder / "estimates")


def read_estimates(
    folder: Path, kinds: Mapping[str, str], models: Models | None, catalog: Catalog
) -> dict[str, Product]:
    """Read each product with the class that its estimator names."""
    estimates = dict[str, Product]()
    for name, kind in kinds.items():
        if kind == AdaptedEstimator.kind:
            estimates[name] = AdaptedEstimator.product.read(folder / "estimates", name, models)
            continue
        if kind not in catalog.kinds(Estimator.role):
            message = f"{folder}: no plugin offers the estimator {kind!r}: {name} is not read"
            if (folder / "plugins").is_dir():
                message += "; give plugins=Plugins.load(files=[...]) with the files in plugins/"
            warnings.warn(message, SkyredWarning, stacklevel=3)
            continue
        estimator = catalog.get(Estimator.role, kind)
        assert issubclass(estimator, Estimator)
        if any((folder / "estimates").glob(f"{name}.*")):
            estimates[name] = estimator.product.read(folder / "estimates", name, models)
    return estimates


def read_config(folder: Path) -> str:
    """Read ``config.yaml``; "" if the run had no YAML."""
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    return "" if text.endswith(NO_CONFIG) else text


def estimator_kinds(config: str) -> dict[str, str]:
    """Give the kind of each estimate by name, from a configuration."""
    data = Document.parse(config).data if config else None
    entries = (data or {}).get("estimate") or []
    # a name that is none could lead out of the folder
    return {checked_name(e.get("name") or e["kind"]): e["kind"] for e in entries}


def reported_kinds(report: Mapping[str, Any]) -> dict[str, str]:
    """Give the kind of each estimate by name, from the report of a run without a configuration."""
    return {checked_name(name): str(kind) for name, kind in report.get("estimates", {}).items()}


def steps_of(report: Mapping[str, Any]) -> tuple[StepRecord, ...]:
    """Give the steps that a report tells of."""
    return tuple(
        StepRecord(step["name"], step["seconds"], step["summary"])
        for step in report.get("steps", ())
    )


def read_report(folder: Path) -> dict[str, Any]:
    """Read ``report.json``; empty if no plugin wrote one."""
    path = folder / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
