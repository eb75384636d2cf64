# The public names and their modules, imported on first use
from .components.engines import (
    Processes as Processes,
    Serial as Serial,
)
from .components.fitters.minuit import (
    Minuit as Minuit,
    Newton as Newton,
)
from .components.gammapy import (
    Absorption as Absorption,
    AdaptiveRingBackground as AdaptiveRingBackground,
    Alternative as Alternative,
    BackgroundModels as BackgroundModels,
    CatalogSources as CatalogSources,
    ColumnRange as ColumnRange,
    Cone as Cone,
    Confidence as Confidence,
    Contours as Contours,
    CountsTemplate as CountsTemplate,
    EnergyAxis as EnergyAxis,
    ExcessMap as ExcessMap,
    FileList as FileList,
    FixedSource as FixedSource,
    FluxPoints as FluxPoints,
    FluxPointsByDataset as FluxPointsByDataset,
    FluxProfile as FluxProfile,
    FoVBackground as FoVBackground,
    Free as Free,
    Freeze as Freeze,
    GammapyFit as GammapyFit,
    GammapyModels as GammapyModels,
    GroupRuns as GroupRuns,
    Interval as Interval,
    Keep as Keep,
    LightCurve as LightCurve,
    Line as Line,
    MapData as MapData,
    MapGeometry as MapGeometry,
    ModelComparison as ModelComparison,
    ModelFile as ModelFile,
    NormRange as NormRange,
    ObservationIds as ObservationIds,
    PhaseBackground as PhaseBackground,
    ProfileLikelihood as ProfileLikelihood,
    ReflectedRegions as ReflectedRegions,
    Residuals as Residuals,
    RingBackground as RingBackground,
    Rings as Rings,
    SafeMask as SafeMask,
    Sensitivity as Sensitivity,
    SignificanceMap as SignificanceMap,
    Source as Source,
    SourceDetection as SourceDetection,
    SpectrumData as SpectrumData,
    SpectrumGeometry as SpectrumGeometry,
    Sum as Sum,
    TemplateSource as TemplateSource,
    TimeWindow as TimeWindow,
    TSMap as TSMap,
)
from .components.stackers.stacking import (
    merge_stacks as merge_stacks,
)
from .conversion import (
    Conversion as Conversion,
    convert as convert,
)
from .errors import (
    ArchiveError as ArchiveError,
    CacheError as CacheError,
    ConfigError as ConfigError,
    DiskError as DiskError,
    EngineError as EngineError,
    ExportError as ExportError,
    FieldError as FieldError,
    FileError as FileError,
    FitError as FitError,
    ModelError as ModelError,
    OutputError as OutputError,
    PluginError as PluginError,
    PrepareError as PrepareError,
    Problem as Problem,
    RunsFailedError as RunsFailedError,
    SkipObservation as SkipObservation,
    SkyredError as SkyredError,
    SkyredWarning as SkyredWarning,
    StepError as StepError,
)
from .fields import (
    Location as Location,
    ModelParameter as ModelParameter,
    Position as Position,
    Regions as Regions,
    Secret as Secret,
    array as array,
    build_parameters as build_parameters,
    energy_edges as energy_edges,
    exclusion as exclusion,
    instant as instant,
    nested_list as nested_list,
    nested_mapping as nested_mapping,
    nested_object as nested_object,
    option as option,
    parameter as parameter,
    position as position,
    quantity as quantity,
    regions as regions,
    secret as secret,
    specs as specs,
)
from .hookspecs import (
    hookimpl as hookimpl,
)
from .interfaces import (
    SERIAL_TASKS as SERIAL_TASKS,
    Chain as Chain,
    Chart as Chart,
    Component as Component,
    DataEntry as DataEntry,
    Engine as Engine,
    Estimator as Estimator,
    Fields as Fields,
    FitRange as FitRange,
    Fitter as Fitter,
    Geometry as Geometry,
    Maker as Maker,
    Model as Model,
    Product as Product,
    ReducedData as ReducedData,
    Reduction as Reduction,
    Renamed as Renamed,
    Selector as Selector,
    Stacker as Stacker,
    Tasks as Tasks,
    component as component,
    geometry_problems as geometry_problems,
    largest_offset as largest_offset,
    reductions_using as reductions_using,
    value as value,
    with_irfs as with_irfs,
)
from .interfaces.archive import (
    Archive as Archive,
)
from .interfaces.engine import (
    block_interrupts as block_interrupts,
    cores as cores,
)
from .interfaces.model_class import (
    ModelClass as ModelClass,
)
from .interfaces.objective import (
    Objective as Objective,
)
from .interfaces.observation_rows import (
    record_row as record_row,
    record_table as record_table,
)
from .interfaces.records import (
    FitResult as FitResult,
    Outcome as Outcome,
    Owner as Owner,
    Report as Report,
    Run as Run,
    StepRecord as StepRecord,
)
from .likelihood import (
    Likelihood as Likelihood,
    fit as fit,
    flux_points as flux_points,
    flux_profile as flux_profile,
    light_curve as light_curve,
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
from .products.flux_band import (
    FluxBand as FluxBand,
    flux_band as flux_band,
)
from .products.table import (
    TableProduct as TableProduct,
)
from .result import (
    Result as Result,
)
from .run.datasets_maker import (
    DatasetsMaker as DatasetsMaker,
)
from .run.orchestrator import (
    Orchestrator as Orchestrator,
)
from .scripting import (
    Block as Block,
    Script as Script,
    literal as literal,
)

__version__: str
__all__: list[str]
