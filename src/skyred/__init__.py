"""skyred: chains of plugins for gamma-ray astronomy, on gammapy.

The names below are imported when they are first used, so that ``import skyred`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyred.adapters.datasets_maker import DatasetsMaker
    from skyred.errors import Problem, SkipObservation
    from skyred.fields import array, instant, option, position, quantity, regions
    from skyred.hookspecs import hookimpl
    from skyred.interfaces import (
        Engine,
        Estimator,
        FitRange,
        Fitter,
        Maker,
        Model,
        Product,
        Reduction,
        Selector,
        Stacker,
        component,
    )
    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult, Outcome
    from skyred.likelihood import fit, flux_points
    from skyred.pipeline import Pipeline
    from skyred.products.table import TableProduct
    from skyred.result import Result
    from skyred.run import Orchestrator

__version__ = "0.1.0"

_HOMES = {
    "skyred.adapters.datasets_maker": ("DatasetsMaker",),
    "skyred.errors": ("Problem", "SkipObservation"),
    "skyred.fields": ("array", "instant", "option", "position", "quantity", "regions"),
    "skyred.hookspecs": ("hookimpl",),
    "skyred.interfaces": (
        "Engine", "Estimator", "FitRange", "Fitter", "Maker", "Model", "Product", "Reduction",
        "Selector", "Stacker", "component",
    ),
    "skyred.likelihood": ("fit", "flux_points"),
    "skyred.interfaces.objective": ("Objective",),
    "skyred.products.table": ("TableProduct",),
    "skyred.run": ("Orchestrator",),
    "skyred.pipeline": ("Pipeline",),
    "skyred.interfaces.records": ("FitResult", "Outcome"),
    "skyred.result": ("Result",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - by use, as the reference lists them
    "Pipeline", "Reduction", "FitRange", "Orchestrator", "Result",
    "Selector", "Maker", "Stacker", "Model", "Fitter", "Estimator", "Engine",
    "Objective", "FitResult", "Product", "TableProduct", "Outcome", "SkipObservation", "Problem",
    "component", "option", "quantity", "position", "instant", "regions", "array", "hookimpl",
    "fit", "flux_points", "DatasetsMaker",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'skyred' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
