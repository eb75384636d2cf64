"""Convert a configuration of gammapy's `Analysis` or `Workflow` to a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skyred.conversion.counterparts import option_counterparts
from skyred.conversion.gammapy.datasets import convert_datasets
from skyred.conversion.gammapy.estimators import (
    convert_excess_map,
    convert_flux_points,
    convert_light_curve,
)
from skyred.conversion.gammapy.observations import convert_observations
from skyred.conversion.gammapy.schema import is_workflow, validate
from skyred.conversion.source import Source
from skyred.fields.quantities import plain as plain_quantity

SECTION_BY_STEP = {"excess-map": "excess_map", "fit": "fit", "flux-points": "flux_points",
                   "light-curve": "light_curve"}  # fmt: skip


def convert_gammapy(source: Source, models: str | None) -> tuple[dict[str, Any], list[str]]:
    """Convert a configuration of gammapy's `Analysis` or `Workflow`.

    Parameters
    ----------
    source : Source
        The configuration; its problems, and settings that are not converted, are added to it.
    models : str or None
        A file with models.

    Returns
    -------
    pipeline : dict
        The configuration of the pipeline.
    arguments : list of str
        Arguments of ``skyred run``.
    """
    config = validate(source)
    if config is None:
        return {}, []
    models = models or _models_file(source, config)
    steps = _steps(source, config)
    pipeline: dict[str, Any] = {"data": _data(source, config)}
    if models is None:
        _skip_model_steps(source, steps)
    else:
        is_map = config.datasets.type == "3d"
        background = [{"kind": "fov-background"}] if is_map else []
        pipeline["model"] = [{"kind": "file", "path": models}, *background]
        if not is_workflow(source) or "fit" in steps:
            pipeline["fit"] = {"kind": "newton"}
    pipeline["estimate"] = _estimators(source, config, steps, has_models=models is not None)
    if not pipeline["estimate"]:
        del pipeline["estimate"]
    return pipeline, _arguments(source, config)


def _data(source: Source, config: Any) -> dict[str, Any]:
    """Return the data entry, which reads datasets if nothing else is configured."""
    if _reads_datasets(source, config):
        return {"datasets": _read_datasets(source, config)}
    file = config.general.datasets_file
    is_file = file is not None and Path(file).is_file()
    reason = "the run folder contains the datasets, in datasets.yaml"
    if is_file:
        reason = f"the datasets are reduced again; to read them, use `datasets: {file}`"
    source.skip("general.datasets_file", reason, changes_results=is_file)
    entry = convert_observations(source, config) | convert_datasets(source, config)
    return {"stacked" if config.datasets.stack else "runs": entry}


def _reads_datasets(source: Source, config: Any) -> bool:
    """Return whether gammapy reads the datasets from a file."""
    file = config.general.datasets_file
    if file is None:
        return False
    if is_workflow(source) and Path(file).is_file():
        overwrite = dict(zip(config.general.steps, config.general.overwrite, strict=False))
        if overwrite.get("data-selection") is False:
            return True
    return not (source.has("observations") or source.has("datasets"))


def _read_datasets(source: Source, config: Any) -> dict[str, Any]:
    source.mark_converted("general.datasets_file")
    for section in ("observations", "datasets"):
        reason = "the datasets are read from general.datasets_file"
        source.skip(section, reason, changes_results=False)
    entry: dict[str, Any] = {"datasets": [source.get("general.datasets_file")]}
    limits = (config.fit.fit_range.min, config.fit.fit_range.max)
    if None not in limits:
        source.mark_converted("fit")
        entry["fit_range"] = {"energy": [plain_quantity(limit) for limit in limits]}
    elif limits != (None, None):
        source.skip("fit.fit_range", "a fit range of datasets needs both min and max")
    return entry


def _models_file(source: Source, config: Any) -> str | None:
    """Return the file of the models, if it exists."""
    models_file = config.general.models_file
    if models_file is None:
        return None
    if Path(models_file).is_file():
        source.mark_converted("general.models_file")
        return str(source.get("general.models_file"))
    source.skip(
        "general.models_file",
        f"there is no file {models_file}: use --models, if gammapy reads the models from it; "
        "the run folder contains the models, in models.yaml",
    )
    return None


def _steps(source: Source, config: Any) -> list[str]:
    """Return the steps after the reduction that the analysis consists of.

    They are listed in the configuration of a `Workflow`. In an `Analysis`, they are the methods
    that are called in Python; those with a section in the configuration are assumed.
    """
    if is_workflow(source):
        source.mark_converted("general.steps", "general.overwrite")
        return [step for step in dict.fromkeys(config.general.steps) if step in SECTION_BY_STEP]
    return [step for step in SECTION_BY_STEP if _has_section(source, config, step)]


def _has_section(source: Source, config: Any, step: str) -> bool:
    """Return whether the file has the section of a step, with more than all its defaults.

    `AnalysisConfig.write` writes all sections, also those that are not used.
    """
    section = SECTION_BY_STEP[step]
    settings = getattr(config, section)
    n_settings = len(source.get(section, {}))
    is_complete = n_settings == len(type(settings).model_fields)
    if step != "fit" and is_complete and settings == type(settings)():
        source.mark_converted(section)
        return False
    return source.has(section)


def _skip_model_steps(source: Source, steps: list[str]) -> None:
    """Add the sections that need models to the skipped settings."""
    reason = "needs models: pass their file with --models"
    for step in ("fit", "flux-points", "light-curve"):
        if step in steps:
            source.skip(SECTION_BY_STEP[step], reason)
            steps.remove(step)


def _estimators(
    source: Source, config: Any, steps: list[str], has_models: bool
) -> list[dict[str, Any]]:
    estimators = []
    for step, section in SECTION_BY_STEP.items():
        if step not in steps and step != "fit":  # the section `fit` contains the fit range
            source.skip(section, f"the step {step} is not in general.steps", changes_results=False)
    for step in steps:
        if step == "excess-map" and config.datasets.type == "1d":
            source.skip("excess_map", "needs maps: datasets.type is 1d", changes_results=False)
        elif step == "excess-map":
            subtract = has_models and _follows_fit(source, steps)
            estimators.append(convert_excess_map(source, config, subtract))
        elif step == "flux-points":
            estimators.append(convert_flux_points(source, config))
        elif step == "light-curve":
            estimators.append(convert_light_curve(source, config))
    return [estimator for estimator in estimators if estimator]


def _follows_fit(source: Source, steps: list[str]) -> bool:
    """Return whether gammapy computes the excess map after the fit of the models."""
    if not is_workflow(source):
        return True  # the order of the calls in Python is unknown: assume the usual one
    if "fit" in steps and steps.index("excess-map") < steps.index("fit"):
        source.skip(
            "general.steps",
            "the excess map is computed after the fit, with the fitted background",
        )
        return False
    return "fit" in steps


def _arguments(source: Source, config: Any) -> list[str]:
    """Return the arguments of ``skyred run`` that replace the section `general`."""
    general, arguments = config.general, []
    if general.n_jobs > 1:
        arguments += ["--workers", str(general.n_jobs)]
    if source.has("general.outdir") and general.outdir != ".":
        arguments += ["--output", general.outdir]
    if source.has("general.log.level"):
        arguments += ["--log-level", general.log.level.lower()]
    if general.log.filename is not None:
        arguments += ["--log-file", source.get("general.log.filename")]
    source.mark_converted(
        "general.n_jobs", "general.outdir", "general.log.level", "general.log.filename"
    )
    for name in ("filemode", "format", "datefmt"):
        path = f"general.log.{name}"
        counterpart = option_counterparts("gammapy")[path]
        if getattr(general.log, name) is not None:
            source.skip(path, counterpart.reason or counterpart.note, changes_results=False)
    return arguments
