"""The choice between several HDUs of one type in an HDU index."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from astropy.table import Table

from skyred.errors import ArchiveError
from skyred.inspection.hdu_choice import HduIndex, choose_hdus
from skyred.inspection.index import list_run_inputs
from skyred.inspection.records import RunInput

CLASSED = ("events", "aeff", "psf")


def hdu_table(classes: dict[int, tuple[int, ...]]) -> Table:
    """Return an index with one GTI for each run, and other HDUs for each of its event classes."""
    rows = []
    for obs_id, numbers in classes.items():
        rows.append((obs_id, "gti", "gti", "", f"{obs_id}.fits", "GTI", -1))
        rows += [
            (
                obs_id,
                hdu_type,
                f"{hdu_type}_x",
                "",
                f"{obs_id}.fits",
                f"{hdu_type.upper()}_B{number}",
                number,
            )
            for number in numbers
            for hdu_type in CLASSED
        ]
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME", "EVENT_CLASS")
    return Table(rows=rows, names=names, meta={"BASE_DIR": "/archive"})


def inputs(table: Table, **hdus: Any) -> list[RunInput]:
    obs_ids = sorted(set(table["OBS_ID"].tolist()))
    rows = Table({"OBS_ID": obs_ids, "EVENT_COUNT": [100] * len(obs_ids)})
    choice = choose_hdus(table, hdus)
    return list_run_inputs(table, rows, required=("gti", *CLASSED), choice=choice)


def names(run: RunInput) -> dict[str, str]:
    assert run.findings == ()
    return {hdu.hdu_type: hdu.name for hdu in run.indexed_hdus}


@pytest.mark.parametrize(
    "hdus",
    [
        {"EVENT_CLASS": 9},
        {"EVENT_CLASS": "9.0"},
        {"HDU_NAME": "*_b9"},
        {"events": "EVENTS_B9", "aeff": "AEFF_B9", "psf": "PSF_B9"},
        {"psf": "PSF_?9", "EVENT_CLASS": 9},
    ],
)
def test_chosen_hdus_are_used_with_those_that_need_no_choice(hdus: dict[str, Any]) -> None:
    (run,) = inputs(hdu_table({1: (8, 9)}), **hdus)
    assert names(run) == {
        "gti": "GTI",
        "events": "EVENTS_B9",
        "aeff": "AEFF_B9",
        "psf": "PSF_B9",
    }
    assert "EVENT_COUNT" not in run.row  # the index has the count of all classes


def test_type_has_its_own_pattern_instead_of_that_of_the_column() -> None:
    (run,) = inputs(hdu_table({1: (8, 9)}), EVENT_CLASS=9, psf="PSF_B8")
    assert names(run)["psf"] == "PSF_B8"
    assert names(run)["aeff"] == "AEFF_B9"


def test_several_hdus_without_a_choice_are_rejected_with_all_choices() -> None:
    (run,) = inputs(hdu_table({1: (8, 9)}))
    messages = {str(finding) for finding in run.findings}
    assert messages == {
        f"1.fits[{hdu_type.upper()}_B8]: the index has 2 rows with HDU_TYPE {hdu_type} for this "
        f"run (HDU_NAME: {hdu_type.upper()}_B8, {hdu_type.upper()}_B9; EVENT_CLASS: 8, 9)"
        for hdu_type in CLASSED
    }
    assert all("choose one with hdus" in finding.advice for finding in run.findings)


def test_pattern_that_matches_several_hdus_is_rejected_with_their_names() -> None:
    (run,) = inputs(hdu_table({1: (7, 8, 9)}), EVENT_CLASS="[89]")
    assert "(HDU_NAME: AEFF_B8, AEFF_B9; EVENT_CLASS: 8, 9)" in str(run.findings)


def test_run_without_the_chosen_hdu_is_rejected_even_if_it_has_only_one() -> None:
    first, second = inputs(hdu_table({1: (8, 9), 2: (8,)}), EVENT_CLASS=9)
    assert names(first)["psf"] == "PSF_B9"
    messages = "\n".join(map(str, second.findings))
    assert (
        "no HDU of this run with HDU_TYPE psf matches the option 'hdus' (HDU_NAME: PSF_B8)"
        in messages
    )
    assert {hdu.hdu_type for hdu in second.indexed_hdus} == {"gti"}


def test_irf_of_a_rejected_class_is_not_used() -> None:
    """Without this rule, the background of class 8 would be used with the events of class 9."""
    table = hdu_table({1: (8, 9)})
    table.add_row((1, "bkg", "bkg_x", "", "1.fits", "BKG_B8", 8))
    (run,) = inputs(table, EVENT_CLASS=9)
    assert [str(finding) for finding in run.findings] == [
        "no HDU of this run with HDU_TYPE bkg matches the option 'hdus' (HDU_NAME: BKG_B8)"
    ]
    assert "bkg" not in {hdu.hdu_type for hdu in run.indexed_hdus}
    (run,) = inputs(table, EVENT_CLASS=9, bkg="BKG_B8")  # the user's choice
    assert names(run)["bkg"] == "BKG_B8"
    table["EVENT_CLASS"][-1] = -1  # common to all classes
    (run,) = inputs(table, EVENT_CLASS=9)
    assert names(run)["bkg"] == "BKG_B8"


def test_choice_that_is_not_needed_must_match_all_data() -> None:
    table = hdu_table({1: (9,)})
    table["EVENT_CLASS"][table["HDU_TYPE"] == "aeff"] = 8
    with pytest.raises(ArchiveError, match=r"EVENT_CLASS of some .* is 8 instead of '9'; remove"):
        inputs(table, EVENT_CLASS=9)


def test_types_that_gammapy_does_not_read_may_be_repeated() -> None:
    table = hdu_table({1: (9,)})
    for number in range(2):
        table.add_row((1, "preview", "image", "", "1.fits", f"PREVIEW{number}", 9))
    (run,) = inputs(table)
    assert names(run)["psf"] == "PSF_B9"


def test_identical_rows_remain_a_fault_of_the_index() -> None:
    (run,) = inputs(hdu_table({1: (9, 9)}), EVENT_CLASS=9)
    assert {finding.rule for finding in run.findings} == {"index-repeated-hdu"}


def test_choice_does_not_affect_an_index_with_only_the_chosen_hdus() -> None:
    (run,) = inputs(hdu_table({1: (9,)}), EVENT_CLASS=9)
    assert names(run)["psf"] == "PSF_B9"
    assert run.row["EVENT_COUNT"] == 100


@pytest.mark.parametrize(
    ("hdus", "message"),
    [
        ({"CLASS": 9}, "'CLASS' is neither an HDU type .*psf.* nor a column .*EVENT_CLASS"),
        ({"EVENT_CLASS": 7}, "no HDU has EVENT_CLASS '7'; expected one of: 8, 9"),
        ({"psf": "PSF"}, "no HDU has HDU_NAME 'PSF'; expected one of: PSF_B8, PSF_B9"),
        ({"bkg": "BKG"}, "no HDU has HDU_NAME 'BKG'; no row of the index has HDU_TYPE bkg"),
    ],
)
def test_choice_that_matches_nothing_is_an_error(hdus: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        inputs(hdu_table({1: (8, 9)}), **hdus)


def test_choice_of_another_class_than_that_of_the_index_is_an_error() -> None:
    with pytest.raises(ArchiveError, match="no HDU has EVENT_CLASS '9'; expected one of: -1, 8"):
        inputs(hdu_table({1: (8,)}), EVENT_CLASS=9)


def test_checks_can_be_repeated_for_a_run_without_events() -> None:
    table = hdu_table({1: (), 2: (5,)})
    choice = choose_hdus(table, {})
    for _ in range(2):
        assert choice.check_run(1) == []
        assert choice.has_all_events(1)
        assert choice.has_all_events(3)  # not in the index
    assert pickle.loads(pickle.dumps(choice)).check_run(2) == []


def test_choice_without_an_index_is_an_error() -> None:
    with pytest.raises(ArchiveError, match="the option 'hdus' has no effect"):
        choose_hdus(Table(), {"psf": "PSF"})


def test_only_requested_runs_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    check_run = HduIndex.check_run

    def record(self: HduIndex, obs_id: int, mask: Any) -> Any:
        checked.append(obs_id)
        return check_run(self, obs_id, mask)

    monkeypatch.setattr(HduIndex, "check_run", record)
    table = hdu_table(dict.fromkeys(range(100), (8, 9)))
    (run,) = list_run_inputs(table, Table({"OBS_ID": [7]}))
    assert len(run.findings) == len(CLASSED)
    assert checked == [7]
