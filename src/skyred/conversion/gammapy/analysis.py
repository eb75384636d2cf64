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
        _lose_model_steps(source, steps)
    else:
        is_map = config.datasets.type == "3d"
        background = [{"kind": "fov-background"}] if is_map else []
        pipeline |= {"model": [{"kind": "file", "path": models}, *background],
                     "fit": {"kind": "newton"}}  # fmt: skip
    pipeline["estimate"] = _estimators(source, config, steps, has_models=models is not None)
    if not pipeline["estimate"]:
        del pipeline["estimate"]
    return pipeline, _arguments(source, config)


def _data(source: Source, config: Any) -> dict[str, Any]:
    """Return the data entry, which reads datasets if nothing else is configured."""
    datasets_file = config.general.datasets_file
    if datasets_file is not None and not (source.has("observations") or source.has("datasets")):
        source.convert("general.datasets_file")
        return {"datasets": {"datasets": [source.get("general.datasets_file")]}}
    source.lose(
        "general.datasets_file",
        "the run folder contains the datasets, in datasets.yaml",
        changes_results=False,
    )
    entry = convert_observations(source, config) | convert_datasets(source, config)
    return {"stacked" if config.datasets.stack else "runs": entry}


def _models_file(source: Source, config: Any) -> str | None:
    """Return the file of the models, if it exists."""
    models_file = config.general.models_file
    if models_file is None:
        return None
    if Path(models_file).is_file():
        source.convert("general.models_file")
        return str(source.get("general.models_file"))
    source.lose(
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
        source.convert("general.steps", "general.overwrite")
        return [step for step in config.general.steps if step in SECTION_BY_STEP]
    return [step for step, section in SECTION_BY_STEP.items() if source.has(section)]


def _lose_model_steps(source: Source, steps: list[str]) -> None:
    """Add the sections that need models to the losses."""
    reason = "needs models: pass their file with --models"
    for step in ("fit", "flux-points", "light-curve"):
        if step in steps:
            source.lose(SECTION_BY_STEP[step], reason)
            steps.remove(step)


def _estimators(
    source: Source, config: Any, steps: list[str], has_models: bool
) -> list[dict[str, Any]]:
    estimators = []
    for step, section in SECTION_BY_STEP.items():
        if step not in steps and step != "fit":  # the section `fit` contains the fit range
            source.lose(section, f"the step {step} is not in general.steps", changes_results=False)
    for step in steps:
        if step == "excess-map":
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
        return "fit" in steps
    if "fit" in steps and steps.index("excess-map") < steps.index("fit"):
        source.lose(
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
    source.convert("general.n_jobs", "general.outdir", "general.log.level", "general.log.filename")
    for name in ("filemode", "format", "datefmt"):
        path = f"general.log.{name}"
        counterpart = option_counterparts("gammapy")[path]
        if getattr(general.log, name) is not None:
            source.lose(path, counterpart.reason or counterpart.note, changes_results=False)
    return arguments
