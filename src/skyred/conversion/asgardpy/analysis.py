"""Convert a configuration of asgardpy to a pipeline."""

from __future__ import annotations

from typing import Any

from skyred.conversion.asgardpy.estimators import convert_flux_points
from skyred.conversion.asgardpy.fitters import convert_fitter
from skyred.conversion.asgardpy.instruments import Instrument, convert_instruments
from skyred.conversion.asgardpy.models import convert_models
from skyred.conversion.counterparts import option_counterparts
from skyred.conversion.section import Section
from skyred.conversion.source import Source

STEPS = ("datasets-1d", "datasets-3d", "fit", "flux-points")


def convert_asgardpy(source: Source, models: str | None) -> tuple[dict[str, Any], list[str]]:
    """Convert a configuration of asgardpy 0.5.

    Parameters
    ----------
    source : Source
        The configuration; its problems, and settings that are not converted, are added to it.
    models : str or None
        A file with models, which replaces those of the configuration.

    Returns
    -------
    pipeline : dict
        The configuration of the pipeline.
    arguments : list of str
        Arguments of ``skyred run``.
    """
    general = Section(source, "general")
    steps = general.read("steps", [])
    for index, step in enumerate(steps):
        if step not in STEPS:
            source.add_problem(f"general.steps.{index}", f"unknown step {step!r}",
                               f"available: {', '.join(STEPS)}")  # fmt: skip
    instruments = convert_instruments(source, steps)
    if not instruments and not source.problems:
        source.add_problem("general.steps", "contains no step that creates datasets",
                           "expected datasets-1d or datasets-3d")  # fmt: skip
    pipeline: dict[str, Any] = {"data": {item.name: item.entry for item in instruments}}
    pipeline["model"] = convert_models(source, instruments, models)
    if "fit" in steps:
        pipeline["fit"] = convert_fitter(source)
    else:
        source.skip("fit_params", "the step fit is not in general.steps", changes_results=False)
    estimators = convert_flux_points(source, instruments) if "flux-points" in steps else []
    if "flux-points" not in steps:
        _skip_flux_points(source, instruments)
    if estimators:
        pipeline["estimate"] = estimators
    return pipeline, _arguments(general)


def _skip_flux_points(source: Source, instruments: list[Instrument]) -> None:
    reason = "the step flux-points is not in general.steps"
    source.skip("flux_points_params", reason, changes_results=False)
    for instrument in instruments:
        instrument.section.skip(
            "dl4_dataset_info.spectral_energy_range", reason, changes_results=False
        )


def _arguments(general: Section) -> list[str]:
    """Return the arguments of ``skyred run`` that replace the section `general`."""
    arguments: list[str] = []
    if (n_jobs := general.read("n_jobs", 1)) > 1:
        arguments += ["--workers", str(n_jobs)]
    if (outdir := general.read("outdir", "None")) not in ("None", "."):
        arguments += ["--output", str(outdir)]
    if log_level := general.read("log.level"):
        arguments += ["--log-level", str(log_level).lower()]
    if filename := general.read("log.filename"):
        arguments += ["--log-file", str(filename)]
    general.read("overwrite")
    for name in ("log.filemode", "log.format", "log.datefmt", "parallel_backend"):
        counterpart = option_counterparts("asgardpy")[f"general.{name}"]
        general.skip(name, counterpart.reason or counterpart.note, changes_results=False)
    return arguments
