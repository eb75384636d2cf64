"""Files of runs in an index: order, faults, and scaling with the number of runs."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from skyred.errors import ArchiveError
from skyred.inspection import index
from skyred.inspection.index import list_run_inputs
from skyred.inspection.records import RunInput

HDU_TYPES = ("events", "gti", "aeff")


def create_hdu_index(base: Path, n_runs: int, folder: str = "data", irf_file: str = "") -> Table:
    rows = [
        (run, hdu_type.upper(), f"{hdu_type}_x", folder,
         irf_file if irf_file and hdu_type == "aeff" else f"{run}.fits", f" {hdu_type} ")
        for run in range(n_runs)
        for hdu_type in HDU_TYPES
    ]  # fmt: skip
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
    return Table(rows=rows, names=names, meta={"BASE_DIR": str(base)})


def list_inputs(table: Table, *obs_ids: int, **options: bool) -> list[RunInput]:
    return list_run_inputs(table, Table({"OBS_ID": list(obs_ids)}), **options)


def test_runs_are_in_the_order_of_the_rows_with_their_hdus(tmp_path: Path) -> None:
    inputs = list_inputs(create_hdu_index(tmp_path, 4), 3, 1)
    assert [run.obs_id for run in inputs] == [3, 1]
    assert all(run.findings == () for run in inputs)
    assert [(hdu.hdu_type, hdu.hdu_class, hdu.name) for hdu in inputs[0].indexed_hdus] == [
        (hdu_type, f"{hdu_type}_x", hdu_type) for hdu_type in HDU_TYPES
    ]
    assert inputs[0].files == (tmp_path.resolve() / "data" / "3.fits",)


def test_irf_in_a_separate_file_can_be_shared_by_runs(tmp_path: Path) -> None:
    inputs = list_inputs(create_hdu_index(tmp_path, 3, irf_file="caldb.fits"), 0, 1, 2)
    assert all(run.findings == () for run in inputs)


def test_runs_with_the_same_events_have_faults(tmp_path: Path) -> None:
    table = create_hdu_index(tmp_path, 2)
    table["FILE_NAME"] = "0.fits"
    first, second = list_inputs(table, 0, 1)
    assert "also assigns this HDU (events) to run 1" in first.findings[0].message
    assert "also assigns this HDU (events) to run 0" in second.findings[0].message


@pytest.mark.parametrize("folder", ["..", "/etc", "data/../.."])
def test_file_outside_the_archive_is_ignored_unless_allowed(tmp_path: Path, folder: str) -> None:
    (run,) = list_inputs(create_hdu_index(tmp_path, 1, folder), 0)
    assert run.indexed_hdus == ()
    assert "outside the archive" in run.findings[0].message
    (run,) = list_inputs(create_hdu_index(tmp_path, 1, folder), 0, allow_outside=True)
    assert len(run.indexed_hdus) == len(HDU_TYPES)
    assert run.findings == ()


@pytest.mark.parametrize("folder", ["$HOME", "${HOME}/data", "~", "~root/data"])
def test_environment_variables_are_not_expanded(tmp_path: Path, folder: str) -> None:
    (run,) = list_inputs(create_hdu_index(tmp_path, 1, folder), 0, allow_outside=True)
    assert run.indexed_hdus == ()
    assert "not expanded" in run.findings[0].message


def test_link_inside_the_archive_is_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "real.fits").touch()
    (tmp_path / "data" / "0.fits").symlink_to("real.fits")
    (run,) = list_inputs(create_hdu_index(tmp_path, 1), 0)
    assert run.findings == ()


def test_loop_of_links_does_not_raise(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.fits").symlink_to("0.fits")
    (run,) = list_inputs(create_hdu_index(tmp_path, 1), 0)
    assert run.findings or run.indexed_hdus  # the resolved path depends on the version of Python


def test_values_are_converted_to_s_and_masked_values_to_none(tmp_path: Path) -> None:
    rows = Table({"OBS_ID": [0], "OBJECT": [b"Crab "]}, meta={"MJDREFI": 51910})
    rows["ONTIME"] = np.array([0.5], dtype=">f4")
    rows["ONTIME"].unit = "h"
    rows["TARGET_OFFSET"] = MaskedColumn([1.0], mask=[True])
    (run,) = list_run_inputs(create_hdu_index(tmp_path, 1), rows)
    expected = {"OBS_ID": 0, "OBJECT": "Crab", "ONTIME": 1800.0, "TARGET_OFFSET": None}
    assert run.row == {"MJDREFI": 51910, **expected}


def test_missing_column_of_an_index_is_reported(tmp_path: Path) -> None:
    table = create_hdu_index(tmp_path, 1)
    table.remove_column("HDU_NAME")
    with pytest.raises(ArchiveError, match="no column HDU_NAME"):
        list_inputs(table, 0)


def test_index_without_files_has_no_hdus_and_no_fault() -> None:
    (run,) = list_inputs(Table({"OBS_ID": np.array([], int)}), 5)
    assert run == RunInput(5, ())


class CountedTable(Table):
    """A table that counts how often its columns and rows are accessed."""

    reads = 0

    def __getitem__(self, item: Any) -> Any:
        CountedTable.reads += 1
        return super().__getitem__(item)


def count_work(base: Path, n_runs: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return the number of table accesses ("reads") and executed lines of the module `index`."""
    table = CountedTable(create_hdu_index(base, n_runs), copy=False)
    counts = Counter[str]()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        counts["lines"] += event == "line"
        return trace if frame.f_code.co_filename == index.__file__ else None

    monkeypatch.setattr(CountedTable, "reads", 0)
    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        list_inputs(table, *range(n_runs))
    finally:
        sys.settrace(previous)
    return counts + Counter(reads=CountedTable.reads)


def test_work_grows_in_proportion_to_the_number_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts_20_runs, counts_200_runs = (
        count_work(tmp_path, n_runs, monkeypatch) for n_runs in (20, 200)
    )
    assert counts_200_runs["reads"] == counts_20_runs["reads"] > 0  # complete columns, not rows
    assert 5 * counts_20_runs["lines"] < counts_200_runs["lines"] < 10.5 * counts_20_runs["lines"]
