"""The default components around gammapy.

gammapy takes seconds to import, so throughout this package it is imported inside the functions that
need it: loading all plugins, checking a configuration and `--help` do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.defaults.gammapy.archives import open_archive
from skyred.defaults.gammapy.estimators import ExcessMap, FluxPoints, Residuals
from skyred.defaults.gammapy.geometries import EnergyAxis, MapGeometry
from skyred.defaults.gammapy.makers import FoVBackground, MapData, SafeMask
from skyred.defaults.gammapy.models import BackgroundModels, GammapyModels, ModelFile, Source
from skyred.defaults.gammapy.selectors import ColumnRange, Cone, ObservationIds, TimeWindow
from skyred.defaults.gammapy.stackers import Keep, Sum
from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from gammapy.data import DataStore

    from skyred.interfaces import Component

__all__ = [
    "BackgroundModels",
    "ColumnRange",
    "Cone",
    "EnergyAxis",
    "ExcessMap",
    "FluxPoints",
    "FoVBackground",
    "GammapyModels",
    "Keep",
    "MapData",
    "MapGeometry",
    "ModelFile",
    "ObservationIds",
    "Residuals",
    "SafeMask",
    "Source",
    "Sum",
    "TimeWindow",
]


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer the default components around gammapy."""
    return [
        *(Cone, ObservationIds, TimeWindow, ColumnRange),
        MapGeometry,
        *(MapData, SafeMask, FoVBackground),
        *(Sum, Keep),
        *(Source, ModelFile, GammapyModels, BackgroundModels),
        *(FluxPoints, Residuals, ExcessMap),
    ]


@hookimpl
def skyred_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open a folder or index file of a DL3 store, or DL3 files."""
    return open_archive(location)
