"""Components with a defect fail the check of that defect, and pass all other checks."""

from __future__ import annotations

from typing import Any

import pytest

from planted_defects import declaring, fitting, making, modelling, selecting, stacking
from skyred.testing import ConformanceError, check, requirements

FIXES = {requirement.name: requirement.fix for requirement in requirements()}

VALID = [
    declaring.Valid, selecting.EverySecond, making.EnoughEvents, making.MeanEvents,
    stacking.ValidList, stacking.KeepsAnyType, modelling.FlatSpectrum, fitting.ValidNewton,
    fitting.ValidBoxes, modelling.SumOfCounts, modelling.ValidEngine,
]  # fmt: skip

_KIND = "is declared with @component and a unique kind"
_REPRODUCIBLE = "makes the same dataset each time, independent of previous calls"
_COUNTED_ONCE = "counts every livetime and every count once"
_TWO_TYPES = "keeps all data if datasets are of two types"
_PRIORS = "includes priors exactly once"
_NOT_FINITE = "reports no success for a statistic that is not finite"
_NEW_MODELS = "builds new but equal models each time"

# the check that reports a defect, followed by other checks that the defect necessarily fails
DEFECTS: dict[type[Any], tuple[str, ...]] = {
    # an undecorated class cannot be in a catalog, so it cannot be read from YAML either
    declaring.Undecorated: (_KIND, "is equal after writing to YAML and reading back"),
    declaring.DuplicateKind: ("has a kind that no other component of its role has",),
    declaring.NoSummary: ("has a summary of one sentence",),
    declaring.PoorDoc: ("documents each option in a sentence",),
    declaring.UnitInDoc: ("has units on the options that are quantities",),
    declaring.Mutable: ("is frozen",),
    declaring.OpensFile: ("stores its options and does nothing else when it is built",),
    declaring.ImportsGammapy: ("does not import gammapy before it is used",),
    declaring.RandomDigest: (
        "is equal to a component built from the same options, with the same hash and digest",
        "survives pickling",
        "is equal after writing to YAML and reading back",
    ),
    declaring.OmitsOption: ("distinguishes all options by equality and digest",),
    declaring.OmitsOptionInYaml: ("is equal after writing to YAML and reading back",),
    declaring.NoPickle: ("survives pickling",),
    declaring.BareError: ("rejects invalid values of an option, and names the option",),
    selecting.ChangesRows: ("returns a sub-table with unchanged rows",),
    selecting.SortsInPlace: ("leaves the table unchanged",),
    selecting.PlainTable: ("returns a table of the same type",),
    selecting.RandomRuns: ("returns the same rows each time",),
    selecting.NeedsRows: ("accepts a table without rows",),
    making.CutsEvents: ("leaves the observation unchanged",),
    making.RandomCounts: (_REPRODUCIBLE, "makes the same dataset in another process"),
    making.CountsCalls: (_REPRODUCIBLE, "makes the same dataset in another process"),
    making.UsesModuleState: ("makes the same dataset in another process",),
    making.ChangesName: ("keeps the dataset's name and axes",),
    making.WidensMask: ("does not widen the safe mask",),
    making.RemovesTimes: ("keeps times and metadata",),
    making.SkipsWithoutReason: ("gives a reason for each run that it skips",),
    making.FailsWithoutEvents: ("gives a reason for each run that it skips",),
    making.HidesPreparation: ("has another digest if it is prepared with other results",),
    making.ReturnsNone: ("makes a dataset of an observation",),
    stacking.Aliases: ("shares no data with added datasets",),
    stacking.MergesInReverse: ("adds a dataset like merging the total of that dataset",),
    stacking.DropsRightTotal: ("has a zero that is a left identity of merge",),
    stacking.DoublesCounts: (
        _COUNTED_ONCE,
        "merges in any grouping",
        "adds a dataset like merging the total of that dataset",
    ),
    stacking.ConvertsType: (_TWO_TYPES,),
    stacking.DropsOtherType: (_TWO_TYPES,),
    stacking.ChangesDataset: ("leaves added datasets unchanged",),
    stacking.CannotBePickled: ("has totals that survive pickling",),
    stacking.SameNames: ("returns datasets with unique names",),
    modelling.WrongSourceName: ("lists the names of the sources that it builds",),
    modelling.SetsModels: ("leaves the datasets unchanged when it builds",),
    modelling.NotANumber: (
        "starts from finite values inside their limits",
        "predicts a finite number of counts",
    ),
    modelling.RandomName: (_NEW_MODELS,),
    fitting.SmallErrors: ("returns the errors and the covariance of known objectives", _PRIORS),
    fitting.AlwaysSuccessful: (
        _NOT_FINITE,
        "reports no success for degenerate parameters",
        "reports no success for a constant statistic",
    ),
    fitting.DropsNotes: ("passes on the notes of the objective",),
    fitting.MovesStart: ("leaves the objective unchanged",),
    fitting.IgnoresPrior: (_PRIORS,),
    fitting.DoubledPrior: (_PRIORS,),
    fitting.IgnoresUpperLimits: (
        "stays inside the limits, and reports parameters that end at a limit",
    ),
    fitting.DoubledSampledPrior: (_PRIORS,),
    modelling.ChangesDatasets: ("leaves datasets, models and fit unchanged",),
    modelling.WritesUnlistedFile: ("writes files, in its folder only",),
    modelling.DoesNotReadBack: ("reads back the product that it wrote",),
    modelling.NoUnits: ("returns a table with units",),
    modelling.DrawsElsewhere: ("draws on the given axes, and labels them",),
    modelling.HidesErrors: ("raises the error of a task",),
    modelling.NoSlots: ("defines the number of tasks that may run at once",),
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
