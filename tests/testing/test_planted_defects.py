"""Components with a defect fail the check of that defect, and pass all other checks."""

from __future__ import annotations

from typing import Any

import pytest

from planted_defects import declarations, fitters, geometries, makers, models, selectors, stackers
from skyred.testing import ConformanceError, check, requirements

FIXES = {requirement.name: requirement.fix for requirement in requirements()}

VALID = [
    declarations.Valid, selectors.EverySecond, selectors.HalfRuns, makers.EnoughEvents,
    makers.MeanEvents, makers.RecordsRows, makers.ScaledArea,
    stackers.ValidList, stackers.KeepsAnyType, models.FlatSpectrum, fitters.ValidNewton,
    fitters.ValidBoxSampler, models.SumOfCounts, models.ValidEngine, geometries.SmallMap,
]  # fmt: skip

_KIND = "is declared with @component and a unique kind"
_REPRODUCIBLE = "makes the same dataset each time, independent of previous calls"
_CUTOUT = "cuts out datasets of runs without changing the target"
_COUNTED_ONCE = "includes the counts and livetime of each run exactly once"
_TWO_TYPES = "keeps all data if datasets are of two types"
_PRIORS = "includes priors exactly once"
_NOT_FINITE = "reports no success for a statistic that is not finite"
_NO_OVERLAP = "cuts good time into non-overlapping parts in chronological order"
_NEW_MODELS = "builds new but equal models each time"

# the check that reports a defect, followed by other checks that the defect necessarily fails
DEFECTS: dict[type[Any], tuple[str, ...]] = {
    # an undecorated class cannot be in a catalog, so it cannot be read from YAML either
    declarations.Undecorated: (_KIND, "is equal after writing to YAML and reading back"),
    declarations.DuplicateKind: ("has a kind that no other component of its role has",),
    declarations.NoSummary: ("has a summary of one sentence",),
    declarations.PoorDoc: ("documents each option in a sentence",),
    declarations.UnitInDoc: ("has units on the options that are quantities",),
    declarations.Mutable: ("is frozen",),
    declarations.OpensFile: ("stores its options and does nothing else when it is built",),
    declarations.ImportsGammapy: ("does not import gammapy before it is used",),
    declarations.RandomDigest: (
        "is equal to a component built from the same options, with the same hash and digest",
        "survives pickling",
        "is equal after writing to YAML and reading back",
    ),
    declarations.OmitsOption: ("includes all options in its equality and digest",),
    declarations.OmitsOptionInYaml: ("is equal after writing to YAML and reading back",),
    declarations.NoPickle: ("survives pickling",),
    declarations.BareError: ("rejects invalid values of an option, and names the option",),
    selectors.ChangesRows: ("returns a sub-table with unchanged rows",),
    selectors.ReversesInPlace: ("leaves the table unchanged",),
    selectors.PlainTable: ("returns a table of the same type",),
    selectors.RandomRuns: ("returns the same rows each time",),
    selectors.NeedsRows: ("accepts a table without rows",),
    selectors.OverlappingParts: (_NO_OVERLAP,),
    selectors.OverlappingIntervals: ("cuts good time into non-empty parts within it",),
    selectors.LongerParts: ("cuts good time into non-empty parts within it",),
    selectors.EmptyParts: ("cuts good time into non-empty parts within it",),
    selectors.CutsInPlace: ("cuts runs without changing their good time",),
    selectors.CutsMoreEachTime: ("cuts runs into the same parts each time",),
    geometries.FilledTarget: ("returns an empty dataset with the requested name",),
    geometries.NoCopy: (_CUTOUT,),
    geometries.RandomNames: (_CUTOUT,),
    geometries.OneName: (_CUTOUT,),
    makers.ChangesEvents: ("leaves the observation unchanged",),
    makers.ChangesArea: ("leaves the observation unchanged",),
    makers.ModifiesToNone: ("returns an observation with the same OBS_ID from modify_observation",),
    makers.RandomCounts: (_REPRODUCIBLE, "makes the same dataset in another process"),
    makers.CountsCalls: (_REPRODUCIBLE, "makes the same dataset in another process"),
    makers.UsesModuleState: ("makes the same dataset in another process",),
    makers.ChangesName: ("keeps the dataset's name and axes",),
    makers.WidensMask: ("does not widen the safe mask",),
    makers.RemovesTimes: ("keeps times and metadata",),
    makers.SkipsWithoutReason: ("gives a reason for each run that it skips",),
    makers.FailsWithoutEvents: ("gives a reason for each run that it skips",),
    makers.HidesPreparation: (
        "has a different digest if it is prepared with other runs and its output differs",
    ),
    makers.ChangesUnit: ("records the same columns for all runs, and the same rows each time",),
    makers.ReturnsNone: ("makes a dataset of an observation",),
    stackers.Aliases: ("shares no data with added datasets",),
    stackers.ReturnsList: ("returns Datasets, and a total from each method that adds to it",),
    stackers.MergesInReverse: ("has a merge that is consistent with add",),
    stackers.DropsRightTotal: ("has a zero that is a left identity of merge",),
    stackers.DoublesCounts: (
        _COUNTED_ONCE,
        "has an associative merge",
        "has a merge that is consistent with add",
    ),
    stackers.ConvertsType: (_TWO_TYPES,),
    stackers.DropsOtherType: (_TWO_TYPES,),
    stackers.ChangesDataset: ("leaves added datasets unchanged",),
    stackers.CannotBePickled: ("has totals that survive pickling",),
    # gammapy's Datasets do not accept datasets of one name
    stackers.SameNames: (
        "returns datasets with unique names",
        "returns Datasets, and a total from each method that adds to it",
    ),
    stackers.OtherNames: ("returns datasets with names that match name_pattern",),
    stackers.OtherPatternAfterPrepare: ("returns datasets with names that match name_pattern",),
    models.WrongSourceName: ("lists the names of the sources that it builds",),
    models.SetsModels: ("leaves the datasets unchanged when it builds",),
    models.NotANumber: (
        "has finite initial parameter values within the parameter limits",
        "predicts a finite number of counts",
    ),
    models.RandomName: (_NEW_MODELS,),
    fitters.SmallErrors: ("returns the errors and the covariance of known objectives", _PRIORS),
    fitters.AlwaysSuccessful: (
        _NOT_FINITE,
        "reports no success for degenerate parameters",
        "reports no success for a constant statistic",
    ),
    fitters.DropsNotes: ("passes on the notes of the objective",),
    fitters.MovesStart: ("leaves the objective unchanged",),
    fitters.IgnoresPrior: (_PRIORS,),
    fitters.DoubledPrior: (_PRIORS,),
    fitters.IgnoresUpperLimits: (
        "stays inside the limits, and reports parameters that end at a limit",
    ),
    fitters.DoubledSampledPrior: (_PRIORS,),
    models.ChangesDatasets: ("leaves datasets, models and fit unchanged",),
    models.WritesUnlistedFile: ("writes files, in its folder only",),
    models.DoesNotReadBack: ("reads back the product that it wrote",),
    models.NoUnits: ("returns a table with units",),
    models.DrawsElsewhere: ("draws on the given axes, and labels them",),
    models.HidesErrors: ("propagates exceptions raised in tasks",),
    models.ClaimsThisProcess: ("declares whether tasks run in this process",),
    models.ReadOnlyResults: ("returns results that can be changed",),
    models.Threads: ("runs each task in a process of its own",),
    models.OtherErrorForDeadWorkers: ("reports a dead worker with a BrokenExecutor",),
    models.NoSlots: ("defines the number of tasks that may run at once",),
}


@pytest.mark.parametrize("component", VALID, ids=lambda cls: cls.__name__)
def test_valid_component_passes_all_checks(component: type[Any]) -> None:
    check(component)


@pytest.mark.slow
@pytest.mark.parametrize("component", DEFECTS, ids=lambda cls: cls.__name__)
def test_defect_is_reported_only_by_its_checks(component: type[Any]) -> None:
    with pytest.raises(ConformanceError) as excinfo:
        check(component)
    names = {violation.requirement.name for violation in excinfo.value.violations}
    expected, *implied_violations = DEFECTS[component]
    assert expected in names
    assert names <= {expected, *implied_violations}
    assert FIXES[expected] in str(excinfo.value)
