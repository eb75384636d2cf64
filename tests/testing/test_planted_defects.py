"""Each planted defect is found, by the law that is about it and by no other."""

from __future__ import annotations

from typing import Any

import pytest

from planted_defects import declaring, fitting, making, modelling, selecting, stacking
from skyred.testing import LawsBrokenError, check, laws

MEND = {each.name: each.mend for each in laws()}

SOUND = [
    declaring.Sound, selecting.EveryOther, making.EnoughEvents, making.MeanEvents,
    stacking.SoundList, stacking.EachAlone, modelling.Flat, fitting.SoundNewton, fitting.SoundBoxes,
    modelling.SumOfCounts, modelling.AtOnce,
]  # fmt: skip

_KIND = "is declared with @component and a kind of its own"
_SAME_RUNS = "makes the same each time, whatever it made before"
_COUNTED = "counts every livetime and every count once"
_MIXED = "loses nothing where datasets are of two types"
_PRIORS = "counts priors, and counts them once"
_WITHOUT = "claims no success where the statistic is not a number"
_NEW = "builds new models each time, and the same"

# a defect, the law that is about it, and others that it cannot but break
DEFECTS: dict[type[Any], tuple[str, ...]] = {
    # it cannot be in a catalog either
    declaring.Undecorated: (_KIND, "reads back from its YAML as it was"),
    declaring.TakenKind: ("has a kind that no other component of its role has",),
    declaring.NoSummary: ("says in a sentence what it is",),
    declaring.PoorDoc: ("says of each option what it is for",),
    declaring.UnitInDoc: ("has units on the options that are quantities",),
    declaring.Thawed: ("is frozen",),
    declaring.OpensFile: ("stores its options and does nothing else when it is built",),
    declaring.ImportsGammapy: ("does not import gammapy before it is used",),
    declaring.RandomDigest: (
        "is equal to what is built again from its options, with the same hash and digest",
        "survives pickling",
        "reads back from its YAML as it was",
    ),
    declaring.ForgetsOption: ("tells every option apart, by equality and by digest",),
    declaring.ForgetsYaml: ("reads back from its YAML as it was",),
    declaring.NoPickle: ("survives pickling",),
    declaring.BareError: ("refuses what an option cannot be, and names the option",),
    selecting.ChangesRows: ("gives a sub-table with its rows unchanged",),
    selecting.SortsInPlace: ("leaves the table as it was",),
    selecting.PlainTable: ("gives a table of the type that it was given",),
    selecting.Lottery: ("gives the same rows each time",),
    selecting.NeedsRows: ("takes a table without rows",),
    making.CutsEvents: ("leaves the observation as it was",),
    making.RandomCounts: (_SAME_RUNS, "makes the same in another process"),
    making.CountsCalls: (_SAME_RUNS, "makes the same in another process"),
    making.StaysHome: ("makes the same in another process",),
    making.LosesName: ("keeps the dataset's name and axes",),
    making.WidensMask: ("makes the safe mask no wider",),
    making.LosesTimes: ("keeps times and metadata",),
    making.SaysNothing: ("says why it leaves a run out",),
    making.FailsEmpty: ("says why it leaves a run out",),
    making.LearnsAside: ("has another digest where it learnt something else",),
    making.ForgetsReturn: ("makes a dataset of an observation",),
    stacking.Aliases: ("holds on to nothing of the datasets it adds",),
    stacking.Backwards: ("adds as it merges a total of one",),
    stacking.LosesRight: ("has a zero that changes nothing on the left",),
    stacking.Twice: (_COUNTED, "merges in any grouping", "adds as it merges a total of one"),
    stacking.ForgetsOff: (_MIXED,),
    stacking.ForgetsDataset: (_MIXED,),
    stacking.SpoilsDataset: ("leaves the datasets it adds as they were",),
    stacking.Generates: ("gives totals that survive pickling",),
    stacking.OneName: ("gives datasets with names of their own",),
    modelling.Promises: ("names the sources that it builds",),
    modelling.SetsModels: ("leaves the datasets as they were when it builds",),
    modelling.NotANumber: (
        "starts from values that are finite and inside their limits",
        "predicts a finite number of counts",
    ),
    modelling.RandomName: (_NEW,),
    fitting.SmallErrors: ("gives the errors and the covariance of bowls that are known", _PRIORS),
    fitting.Liar: (
        _WITHOUT,
        "claims no success in a valley without a lowest point",
        "claims no success where nothing depends on the parameters",
    ),
    fitting.Forgetful: ("hands on what the objective tells",),
    fitting.MovesStart: ("leaves the objective as it was",),
    fitting.NoPrior: (_PRIORS,),
    fitting.TwicePrior: (_PRIORS,),
    fitting.NoUpper: ("stays inside the limits, and tells of parameters that end there",),
    fitting.TwiceSampled: (_PRIORS,),
    modelling.SpoilsDatasets: ("leaves datasets, models and fit as they were",),
    modelling.WritesUntold: ("writes files, in its folder only",),
    modelling.ReadsWrong: ("reads what it wrote",),
    modelling.NoUnits: ("gives a table with units",),
    modelling.DrawsElsewhere: ("draws on the axes that it is given, and labels them",),
    modelling.Swallows: ("raises the error of the work",),
    modelling.NoSlots: ("says how many pieces of work may run at once",),
}


@pytest.mark.parametrize("sound", SOUND, ids=lambda cls: cls.__name__)
def test_a_sound_component_breaks_no_law(sound: type[Any]) -> None:
    check(sound)


@pytest.mark.slow
@pytest.mark.parametrize("planted", DEFECTS, ids=lambda cls: cls.__name__)
def test_a_defect_is_found_by_its_law_alone(planted: type[Any]) -> None:
    with pytest.raises(LawsBrokenError) as caught:
        check(planted)
    found = {violation.law.name for violation in caught.value.violations}
    about, *others = DEFECTS[planted]
    assert about in found
    assert found <= {about, *others}
    assert MEND[about] in str(caught.value)
