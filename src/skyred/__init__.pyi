# The public names, and where each is from: they are imported when they are first used
from .adapters.datasets_maker import (
    DatasetsMaker as DatasetsMaker,
)
from .components.engines import (
    Processes as Processes,
)
from .components.engines import (
    Serial as Serial,
)
from .components.fitters.minuit import (
    Minuit as Minuit,
)
from .components.fitters.minuit import (
    Newton as Newton,
)
from .components.gammapy import (
    Absorption as Absorption,
)
from .components.gammapy import (
    AdaptiveRingBackground as AdaptiveRingBackground,
)
from .components.gammapy import (
    Alternative as Alternative,
)
from .components.gammapy import (
    BackgroundModels as BackgroundModels,
)
from .components.gammapy import (
    CatalogSources as CatalogSources,
)
from .components.gammapy import (
    ColumnRange as ColumnRange,
)
from .components.gammapy import (
    Cone as Cone,
)
from .components.gammapy import (
    Contours as Contours,
)
from .components.gammapy import (
    CountsTemplate as CountsTemplate,
)
from .components.gammapy import (
    EnergyAxis as EnergyAxis,
)
from .components.gammapy import (
    ExcessMap as ExcessMap,
)
from .components.gammapy import (
    FluxPoints as FluxPoints,
)
from .components.gammapy import (
    FluxProfile as FluxProfile,
)
from .components.gammapy import (
    FoVBackground as FoVBackground,
)
from .components.gammapy import (
    GammapyFit as GammapyFit,
)
from .components.gammapy import (
    GammapyModels as GammapyModels,
)
from .components.gammapy import (
    GroupRuns as GroupRuns,
)
from .components.gammapy import (
    Interval as Interval,
)
from .components.gammapy import (
    Keep as Keep,
)
from .components.gammapy import (
    LightCurve as LightCurve,
)
from .components.gammapy import (
    Line as Line,
)
from .components.gammapy import (
    MapData as MapData,
)
from .components.gammapy import (
    MapGeometry as MapGeometry,
)
from .components.gammapy import (
    ModelComparison as ModelComparison,
)
from .components.gammapy import (
    ModelFile as ModelFile,
)
from .components.gammapy import (
    ObservationIds as ObservationIds,
)
from .components.gammapy import (
    PhaseBackground as PhaseBackground,
)
from .components.gammapy import (
    ProfileLikelihood as ProfileLikelihood,
)
from .components.gammapy import (
    ReflectedRegions as ReflectedRegions,
)
from .components.gammapy import (
    Residuals as Residuals,
)
from .components.gammapy import (
    RingBackground as RingBackground,
)
from .components.gammapy import (
    Rings as Rings,
)
from .components.gammapy import (
    SafeMask as SafeMask,
)
from .components.gammapy import (
    Sensitivity as Sensitivity,
)
from .components.gammapy import (
    SignificanceMap as SignificanceMap,
)
from .components.gammapy import (
    Source as Source,
)
from .components.gammapy import (
    SourceDetection as SourceDetection,
)
from .components.gammapy import (
    SpectrumData as SpectrumData,
)
from .components.gammapy import (
    SpectrumGeometry as SpectrumGeometry,
)
from .components.gammapy import (
    Sum as Sum,
)
from .components.gammapy import (
    TemplateSource as TemplateSource,
)
from .components.gammapy import (
    TimeWindow as TimeWindow,
)
from .components.gammapy import (
    TSMap as TSMap,
)
from .errors import (
    ArchiveError as ArchiveError,
)
from .errors import (
    CacheError as CacheError,
)
from .errors import (
    ConfigError as ConfigError,
)
from .errors import (
    DiskError as DiskError,
)
from .errors import (
    EngineError as EngineError,
)
from .errors import (
    ExportError as ExportError,
)
from .errors import (
    FieldError as FieldError,
)
from .errors import (
    FileError as FileError,
)
from .errors import (
    FitError as FitError,
)
from .errors import (
    ModelError as ModelError,
)
from .errors import (
    OutputError as OutputError,
)
from .errors import (
    PluginError as PluginError,
)
from .errors import (
    PrepareError as PrepareError,
)
from .errors import (
    Problem as Problem,
)
from .errors import (
    RunsFailedError as RunsFailedError,
)
from .errors import (
    SkipObservation as SkipObservation,
)
from .errors import (
    SkyredError as SkyredError,
)
from .errors import (
    SkyredWarning as SkyredWarning,
)
from .errors import (
    StepError as StepError,
)
from .fields import (
    Position as Position,
)
from .fields import (
    Regions as Regions,
)
from .fields import (
    array as array,
)
from .fields import (
    chain as chain,
)
from .fields import (
    exclusion as exclusion,
)
from .fields import (
    instant as instant,
)
from .fields import (
    option as option,
)
from .fields import (
    part as part,
)
from .fields import (
    position as position,
)
from .fields import (
    quantity as quantity,
)
from .fields import (
    regions as regions,
)
from .fields import (
    specs as specs,
)
from .fields import (
    table as table,
)
from .hookspecs import (
    hookimpl as hookimpl,
)
from .interfaces import (
    Chain as Chain,
)
from .interfaces import (
    Component as Component,
)
from .interfaces import (
    DataEntry as DataEntry,
)
from .interfaces import (
    Engine as Engine,
)
from .interfaces import (
    Estimator as Estimator,
)
from .interfaces import (
    FitRange as FitRange,
)
from .interfaces import (
    Fitter as Fitter,
)
from .interfaces import (
    Geometry as Geometry,
)
from .interfaces import (
    Maker as Maker,
)
from .interfaces import (
    Model as Model,
)
from .interfaces import (
    Product as Product,
)
from .interfaces import (
    ReducedData as ReducedData,
)
from .interfaces import (
    Reduction as Reduction,
)
from .interfaces import (
    Selector as Selector,
)
from .interfaces import (
    Stacker as Stacker,
)
from .interfaces import (
    component as component,
)
from .interfaces import (
    geometry_problems as geometry_problems,
)
from .interfaces import (
    largest_offset as largest_offset,
)
from .interfaces import (
    reductions_using as reductions_using,
)
from .interfaces import (
    value as value,
)
from .interfaces.engine import (
    cores as cores,
)
from .interfaces.engine import (
    interrupts_held as interrupts_held,
)
from .interfaces.objective import (
    Objective as Objective,
)
from .interfaces.records import (
    FitResult as FitResult,
)
from .interfaces.records import (
    Outcome as Outcome,
)
from .interfaces.records import (
    Owner as Owner,
)
from .interfaces.records import (
    Report as Report,
)
from .interfaces.records import (
    Run as Run,
)
from .interfaces.records import (
    StepRecord as StepRecord,
)
from .likelihood import (
    Likelihood as Likelihood,
)
from .likelihood import (
    fit as fit,
)
from .likelihood import (
    flux_points as flux_points,
)
from .likelihood import (
    flux_profile as flux_profile,
)
from .likelihood import (
    light_curve as light_curve,
)
from .likelihood import (
    objective_of as objective_of,
)
from .likelihood.minimise import (
    minimise as minimise,
)
from .pipeline import (
    Pipeline as Pipeline,
)
from .plugins import (
    Plugins as Plugins,
)
from .products.table import (
    TableProduct as TableProduct,
)
from .result import (
    Result as Result,
)
from .run import (
    Orchestrator as Orchestrator,
)

__version__: str
__all__: list[str]
