"""Selection of the runs in a file: formats, errors, and comparison with plain gammapy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.data import DataStore

from skyred import Orchestrator, Pipeline
from skyred.components.file_list import FileList
from skyred.components.run_lists import read_ids
from skyred.errors import ArchiveError, ConfigError, ExportError
from skyred.interfaces.records import Outcome
from skyred.result.observation_log import write_observation_log

CONFIG = """
data:
  sim:
    archive: {archive}
    select: [{{kind: file-list, path: {path}}}]
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [1 deg, 1 deg]
      bin_size: 0.1 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 1 TeV, max: 10 TeV, bins: 2}}
    make: [{{kind: map}}]
    stack: {{kind: sum}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.txt"


def pipeline(archive: Path, path: Path | str) -> Pipeline:
    return Pipeline.from_yaml(CONFIG.format(archive=archive, path=path))


@pytest.mark.parametrize("content", ["900002", "900002\n", "\ufeff900002\r\n", " 900002 \n\n"])
def test_text_file_selects_the_runs_that_gammapy_selects(
    crab_archive: Path, path: Path, content: str
) -> None:
    path.write_text(content, encoding="utf-8", newline="")
    selected = Orchestrator(pipeline(crab_archive, path)).select()["sim"]
    assert selected["OBS_ID"].tolist() == [900002]
    if "\ufeff" not in content:
        if not hasattr(Table().loc, "with_index"):
            pytest.skip("gammapy cannot select runs by identifier with this astropy")
        config = AnalysisConfig()
        config.observations.datastore = crab_archive
        config.observations.obs_file = path
        analysis = Analysis(config)
        analysis.get_observations()
        assert analysis.observations.ids == ["900002"]


def test_comments_and_leading_zeros_are_accepted(path: Path) -> None:
    path.write_text("# good runs\n7  # first\n\n0008\n# 9\n", encoding="utf-8")
    assert read_ids(path).ids == (7, 8)


@pytest.mark.parametrize(
    "content",
    [
        "900001,20.5\n900002,21\n",
        "900001 crab\n900002 crab\n",
        "# runs and nights\n900001, 1\n900002, 2  # cloudy\n",
        "night,OBS_ID\n1,900001\n2,900002\n",
    ],
)
def test_further_columns_of_a_text_file_are_ignored(
    crab_archive: Path, path: Path, content: str
) -> None:
    path.write_text(content, encoding="utf-8")
    assert read_ids(path).ids == (900001, 900002)
    selected = Orchestrator(pipeline(crab_archive, path)).select()["sim"]
    assert selected["OBS_ID"].tolist() == [900001, 900002]
    if "OBS_ID" not in content:  # gammapy does not support a line with names
        table = Table.read(path, format="ascii", data_start=0)
        assert table.columns[0].tolist() == [900001, 900002]


def test_several_runs_on_a_line_are_an_error(crab_archive: Path, path: Path) -> None:
    path.write_text("900001 900002\n900002 900001\n", encoding="utf-8")
    with pytest.raises(ArchiveError, match="several OBS_IDs on line 1; expected one per line"):
        Orchestrator(pipeline(crab_archive, path)).select()


@pytest.mark.parametrize("name", ["OBS_ID", "obs_id"])
@pytest.mark.parametrize("dtype", [int, "U6"])
def test_ids_are_read_from_a_column_of_an_ecsv_table(path: Path, name: str, dtype: type) -> None:
    table = Table({"LIVETIME": [1.0, 2.0], name: np.array([900001, 900002], dtype)})
    table.write(path, format="ascii.ecsv")
    assert read_ids(path).ids == (900001, 900002)


@pytest.mark.slow
def test_observation_log_of_a_run_is_accepted(crab_archive: Path, tmp_path: Path) -> None:
    write_observation_log(tmp_path, run_outcomes(crab_archive, tmp_path))
    assert read_ids(tmp_path / "observations.ecsv").ids == (900001, 900002)


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    """Write an observation log of two entries that use the same run."""
    outcomes = [Outcome("a", 900001, "reduced"), Outcome("b", 900001, "failed")]
    write_observation_log(tmp_path, [*outcomes, Outcome("b", 900002, "reduced")])
    return tmp_path / "observations.ecsv"


def test_runs_of_one_entry_of_an_observation_log_are_selected(
    crab_archive: Path, log_path: Path
) -> None:
    assert read_ids(log_path, "a").ids == (900001,)
    assert read_ids(log_path, "b").ids == (900001, 900002)
    table = DataStore.from_dir(crab_archive).obs_table
    assert FileList(path=log_path, entry="a").select(table)["OBS_ID"].tolist() == [900001]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("", "has the runs of several data entries, a, b; set the option entry to one of them"),
        (", entry: c", "has no runs of the data entry 'c'; expected one of: a, b"),
    ],
)
def test_missing_or_unknown_entry_is_reported_at_the_option(
    entry: str, message: str, crab_archive: Path, log_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"select\[0\]\.entry: .*{message}"):
        pipeline(crab_archive, f"{log_path}{entry}")
    with pytest.raises(ArchiveError, match=message):
        read_ids(log_path, entry[-1:] or None)


def test_numeric_column_entry_is_ignored(path: Path) -> None:
    table = Table({"entry": [1, 2], "OBS_ID": [900001, 900002]})
    table.write(path, format="ascii.ecsv")
    assert read_ids(path).ids == (900001, 900002)


def test_export_of_several_entries_without_a_choice_is_rejected(
    crab_archive: Path, log_path: Path
) -> None:
    valid = pipeline(crab_archive, f"{log_path}, entry: a")
    reduction = valid.data["sim"]
    selector = reduction.select[0].evolve(entry=None)
    changed = valid.evolve(data={"sim": reduction.evolve(select=(selector,))})
    with pytest.raises(ExportError, match="has the runs of several data entries, a, b"):
        changed.to_script()


def test_entry_of_a_file_without_entries_is_reported(path: Path) -> None:
    path.write_text("1\n", encoding="utf-8")
    with pytest.raises(ArchiveError, match="is not an ECSV table with a column entry; remove"):
        read_ids(path, "a")
    Table({"OBS_ID": [1]}).write(path, format="ascii.ecsv", overwrite=True)
    with pytest.raises(ArchiveError, match="has no column entry; remove"):
        read_ids(path, "a")


def test_ecsv_table_may_begin_with_a_byte_order_mark(crab_archive: Path, path: Path) -> None:
    Table({"OBS_ID": [900002]}).write(path, format="ascii.ecsv")
    path.write_text("\ufeff" + path.read_text("utf-8"), encoding="utf-8")
    assert read_ids(path).ids == (900002,)


def run_outcomes(archive: Path, folder: Path) -> list[Outcome]:
    (folder / "all.txt").write_text("900002\n900001\n", encoding="utf-8")
    orchestrator = Orchestrator(pipeline(archive, folder / "all.txt"))
    orchestrator.reduce()
    return orchestrator.outcomes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no OBS_ID"),
        ("# nothing\n", "has no OBS_ID"),
        ("1\nabc\n", r"'abc' \(line 2\) is not an OBS_ID; expected an integer of at least 0"),
        ("1.5\n", r"'1.5' \(line 1\) is not"),
        ("-1\n", r"'-1' \(line 1\) is not"),
        ("nan\n", r"'nan' \(line 1\) is not"),
        ("1,2\n", "has 2 values on line 1; expected one OBS_ID per line"),
        ("1 2\n3\n", "has 2 values on line 1; expected one OBS_ID per line, with the same columns"),
        ("\u0661\n", r"\(line 1\) is not"),
        ("1 2\n", "has 2 values on line 1; expected one OBS_ID per line"),
        ("1\n2\n1\n2\n1", r"more than once: 1 \(line 1, line 3, line 5\), 2 \(line 2, line"),
        ("1\n" * 4, r"more than once: 1 \(line 1, line 2, line 3, and 1 more\); remove"),
        ("# %ECSV 1.0\n# ---\n", "cannot be read as ECSV"),
    ],
)
def test_invalid_file_is_rejected_with_the_line(path: Path, content: str, message: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArchiveError, match=message):
        read_ids(path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table({"RUN": [1]}), "no column with OBS_IDs; expected one, OBS_ID or obs_id.* RUN"),
        (Table({"OBS_ID": [1], "obs_id": [2]}), "two columns with OBS_IDs"),
        (Table({"OBS_ID": [1.0]}), r"'1.0' \(row 1\) is not"),
        (Table({"OBS_ID": np.ma.MaskedArray([1, 2], [False, True])}), r"'--' \(row 2\) is not"),
        (Table({"OBS_ID": [1, 2, 2]}), r"more than once: 2 \(row 2, row 3\)"),
    ],
)
def test_invalid_table_is_rejected_with_the_row(path: Path, table: Table, message: str) -> None:
    table.write(path, format="ascii.ecsv")
    with pytest.raises(ArchiveError, match=message):
        read_ids(path)


def test_binary_file_is_rejected(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\xff")
    with pytest.raises(ArchiveError, match="cannot be read"):
        read_ids(path)


def test_invalid_file_is_reported_as_configuration_error(crab_archive: Path, path: Path) -> None:
    path.write_text("900001\nabc\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"sim.select\[0\].path: .*'abc' \(line 2\) is not"):
        pipeline(crab_archive, path)
    with pytest.raises(ConfigError, match="no such file"):
        pipeline(crab_archive, path.with_name("missing.txt"))


def test_missing_runs_are_reported_with_the_file(crab_archive: Path, path: Path) -> None:
    path.write_text("900001\n" + "\n".join(map(str, range(1, 13))), encoding="utf-8")
    missing_runs = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 2 more"
    with pytest.raises(
        ArchiveError, match=rf"'file-list' \(.*runs.txt\) .*: {missing_runs}; correct"
    ):
        Orchestrator(pipeline(crab_archive, path)).select()


@pytest.mark.slow
@pytest.mark.parametrize("content", ["text", "table", "table of two entries"])
def test_exported_script_reduces_the_same_runs(
    crab_archive: Path, path: Path, content: str
) -> None:
    path.write_text("900002 # the second\n", encoding="utf-8")
    options = ""
    if content == "table":
        Table({"OBS_ID": ["900002"]}).write(path, format="ascii.ecsv", overwrite=True)
        path.write_text("\ufeff" + path.read_text("utf-8"), encoding="utf-8")
    elif content == "table of two entries":
        table = Table({"OBS_ID": [900001, 900002], "entry": ["a", "b"]})
        table.write(path, format="ascii.ecsv", overwrite=True)
        options = ", entry: b"
    names: dict[str, Any] = {}
    exec(pipeline(crab_archive, f"{path}{options}").to_script(), names)
    (exported,) = names["reduce_sim"]()
    (dataset,) = Orchestrator(pipeline(crab_archive, f"{path}{options}")).reduce()
    assert dataset.counts.data.sum() > 0
    np.testing.assert_array_equal(exported.counts.data, dataset.counts.data)


def test_export_of_a_missing_list_is_rejected(crab_archive: Path, path: Path) -> None:
    path.write_text("900002\n", encoding="utf-8")
    valid_pipeline = pipeline(crab_archive, path)
    path.unlink()
    with pytest.raises(ExportError, match=r"reads the list .*: .* is not a file"):
        valid_pipeline.to_script()


def test_selected_rows_are_unchanged(crab_archive: Path, path: Path) -> None:
    path.write_text("900002\n", encoding="utf-8")
    table = DataStore.from_dir(crab_archive).obs_table
    selected = FileList(path=path).select(table)
    assert type(selected) is type(table)
    assert selected.colnames == table.colnames
    assert len(table) == 2
