"""Planted defects are reported by their checks and by no others."""

from __future__ import annotations

from typing import Any

import pytest

from planted_defects import declaring, fitting, making, modelling, selecting, stacking
from skyred.testing import ConformanceError, check, requirements

FIXES = {requirement.name: requirement.fix for requirement in requirements()}

VALID = [
    declaring.Valid, selecting.EverySecond, selecting.HalfRuns, making.EnoughEvents,
    making.MeanEvents,
    stacking.ValidList, stacking.KeepsAnyType, modelling.FlatSpectrum, fitting.ValidNewton,
    fitting.ValidBoxes, modelling.SumOfCounts, modelling.ValidEngine,
]  # fmt: skip

_KIND = "is declared with @component and a unique kind"
_SAME_RUNS = "makes the same dataset each time, independent of previous calls"
_COUNTED = "counts every livetime and every count once"
_MIXED = "keeps all data if datasets are of two types"
_PRIORS = "includes priors exactly once"
_WITHOUT = "reports no success for a statistic that is not finite"
_NO_OVERLAP = "cuts good time to parts in order of time, without overlap"
_NEW = "builds new but equal models each time"

# a defect, its check, and other checks that it necessarily fails
DEFECTS: dict[type[Any], tuple[str, ...]] = {
    # it can also not be in a catalog
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
    selecting.OverlappingParts: (_NO_OVERLAP,),
    selecting.LongerParts: ("cuts good time to parts of it",),
    selecting.EmptyParts: ("cuts good time to parts of it",),
    selecting.CutsInPlace: ("cuts runs without changing their good time",),
    selecting.CutsMoreEachTime: ("cuts runs to the same parts each time",),
    making.CutsEvents: ("leaves the observation unchanged",),
    making.RandomCounts: (_SAME_RUNS, "makes the same dataset in another process"),
    making.CountsCalls: (_SAME_RUNS, "makes the same dataset in another process"),
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
        _COUNTED,
        "merges in any grouping",
        "adds a dataset like merging the total of that dataset",
    ),
    stacking.ConvertsType: (_MIXED,),
    stacking.DropsOtherType: (_MIXED,),
    stacking.ChangesDataset: ("leaves added datasets unchanged",),
    stacking.CannotBePickled: ("has totals that survive pickling",),
    stacking.SameNames: ("returns datasets with unique names",),
    modelling.WrongSourceName: ("lists the names of the sources that it builds",),
    modelling.SetsModels: ("leaves the datasets unchanged when it builds",),
    modelling.NotANumber: (
        "starts from finite values inside their limits",
        "predicts a finite number of counts",
    ),
    modelling.RandomName: (_NEW,),
    fitting.SmallErrors: ("returns the errors and the covariance of known objectives", _PRIORS),
    fitting.AlwaysSuccessful: (
        _WITHOUT,
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
@pytest.mark.parametrize("planted", DEFECTS, ids=lambda cls: cls.__name__)
def test_defect_is_reported_only_by_its_check(planted: type[Any]) -> None:
    with pytest.raises(ConformanceError) as caught:
        check(planted)
    names = {violation.requirement.name for violation in caught.value.violations}
    about, *others = DEFECTS[planted]
    assert about in names
    assert names <= {about, *others}
    assert FIXES[about] in str(caught.value)
