"""The plugin `gammapy`: components based on gammapy, and the archives that gammapy reads.

gammapy takes seconds to import. `skyred.components` therefore imports it inside the functions that
need it, or in modules that are imported inside functions, so that loading all plugins,
`skyred show` and `--help` do not import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.components.archives import open_archive
from skyred.components.estimators import (
    Alternative,
    Contours,
    ExcessMap,
    FluxPoints,
    FluxPointsByDataset,
    FluxProfile,
    LightCurve,
    Line,
    ModelComparison,
    NormRange,
    ProfileLikelihood,
    Residuals,
    Rings,
    Sensitivity,
    SignificanceMap,
    SourceDetection,
    TSMap,
)
from skyred.components.file_list import FileList
from skyred.components.fitters import Confidence, GammapyFit
from skyred.components.geometries import EnergyAxis, MapGeometry, SpectrumGeometry
from skyred.components.intervals import Interval
from skyred.components.makers import (
    AdaptiveRingBackground,
    FixedSource,
    FoVBackground,
    MapData,
    PhaseBackground,
    ReflectedRegions,
    RingBackground,
    SafeMask,
    SpectrumData,
)
from skyred.components.models import (
    Absorption,
    BackgroundModels,
    CatalogSources,
    CountsTemplate,
    Free,
    Freeze,
    GammapyModels,
    ModelFile,
    Source,
    TemplateSource,
)
from skyred.components.selectors import ColumnRange, Cone, ObservationIds
from skyred.components.stackers import GroupRuns, Keep, Sum
from skyred.components.time_window import TimeWindow
from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from gammapy.data import DataStore

    from skyred.interfaces import Component

__all__ = [
    "Absorption",
    "AdaptiveRingBackground",
    "Alternative",
    "BackgroundModels",
    "CatalogSources",
    "ColumnRange",
    "Cone",
    "Confidence",
    "Contours",
    "CountsTemplate",
    "EnergyAxis",
    "ExcessMap",
    "FileList",
    "FixedSource",
    "FluxPoints",
    "FluxPointsByDataset",
    "FluxProfile",
    "FoVBackground",
    "Free",
    "Freeze",
    "GammapyFit",
    "GammapyModels",
    "GroupRuns",
    "Interval",
    "Keep",
    "LightCurve",
    "Line",
    "MapData",
    "MapGeometry",
    "ModelComparison",
    "ModelFile",
    "NormRange",
    "ObservationIds",
    "PhaseBackground",
    "ProfileLikelihood",
    "ReflectedRegions",
    "Residuals",
    "RingBackground",
    "Rings",
    "SafeMask",
    "Sensitivity",
    "SignificanceMap",
    "Source",
    "SourceDetection",
    "SpectrumData",
    "SpectrumGeometry",
    "Sum",
    "TSMap",
    "TemplateSource",
    "TimeWindow",
]


@hookimpl
def skyred_components() -> list[type[Component]]:
    """List the default components based on gammapy.

    Returns
    -------
    list of type
        The component classes.
    """
    return [
        *(Cone, ObservationIds, FileList, TimeWindow, ColumnRange),
        *(MapGeometry, SpectrumGeometry),
        *(MapData, SpectrumData, SafeMask),
        *(FoVBackground, ReflectedRegions, PhaseBackground),
        *(RingBackground, AdaptiveRingBackground),
        *(Sum, Keep, GroupRuns),
        *(Source, ModelFile, GammapyModels, BackgroundModels),
        *(CatalogSources, TemplateSource, CountsTemplate, Freeze, Free),
        GammapyFit,
        *(ProfileLikelihood, Contours, ModelComparison),
        *(LightCurve, FluxProfile, Sensitivity),
        *(FluxPoints, FluxPointsByDataset, Residuals, ExcessMap),
        *(SignificanceMap, TSMap, SourceDetection),
    ]


@hookimpl
def skyred_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open the folder or index file of a DL3 data store, or DL3 files.

    Parameters
    ----------
    location : str or tuple of str
        The archive, as for `open_archive`.

    Returns
    -------
    gammapy.data.DataStore or None
        The data store; None if the location may have the scheme of another plugin, such as
        ``sim:``.
    """
    return open_archive(location)
