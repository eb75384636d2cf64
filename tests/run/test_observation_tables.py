"""Makers record rows of observation tables, which are in the result and in the run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from recording_makers import FaultyMaker, QualityMaker, RecordingSum
from skyred import Maker, Orchestrator, Pipeline, Result, component, record_row, record_table
from skyred.components.engines import Processes, Serial
from skyred.errors import ComponentError, OutputError, RunsFailedError
from skyred.interfaces.observation_rows import RowRecorder, recorded_by, running_maker
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from toys import Recorder, ToyMaker, ToySum, toy_pipeline, toy_plugins

ROOT = Path(__file__).parents[2]
PLUGIN = """
from skyred import Maker, SkipObservation, component, hookimpl, option, record_row

@component
class Quality(Maker):
    \"""Record the zenith angle and the number of events, and skip a run.\"""

    kind = "recorded-quality"
    skip = option(type=int, doc="The run to skip.")

    def make(self, dataset, observation):
        zenith = observation.get_pointing_altaz(observation.tmid).zen
        record_row("quality", {"zenith": zenith, "n_events": len(observation.events.table)})
        if int(observation.obs_id) == self.skip:
            raise SkipObservation("poor quality")
        return dataset

@hookimpl
def skyred_components():
    return [Quality]
"""
OWNER = Owner("quality-control", "0.3", "quality")
ORIGIN = "of quality-control 0.3"


def create_plugins(*watchers: tuple[str, Any]) -> Plugins:
    plugins = toy_plugins(*watchers)
    for cls in (QualityMaker, FaultyMaker, RecordingSum):
        assert plugins.catalog.add(cls, OWNER) == ""
    return plugins


def create_orchestrator(runs: int = 5, watcher: Any = None, **options: Any) -> Orchestrator:
    plugins = create_plugins(*([("watcher", watcher)] if watcher else []))
    own = {name: options.pop(name) for name in ("engine", "cache") if name in options}
    return Orchestrator(toy_pipeline(runs, model=False, **options), plugins=plugins, **own)


def assert_identical(first: Any, second: Any) -> None:
    assert list(first) == list(second)
    for name, table in first.items():
        second_table = second[name]
        assert table.meta == second_table.meta
        assert table.colnames == second_table.colnames
        for column, other_column in zip(table.itercols(), second_table.itercols(), strict=True):
            assert type(column) is type(other_column)
            assert (column.dtype, column.unit) == (other_column.dtype, other_column.unit)
            assert column.description == other_column.description
            mask = np.ma.getmaskarray(column)
            assert np.array_equal(mask, np.ma.getmaskarray(other_column))
            values, others = np.ma.getdata(column)[~mask], np.ma.getdata(other_column)[~mask]
            assert values.tobytes() == others.tobytes()


def test_rows_of_all_runs_are_in_the_result_and_in_the_run_folder(tmp_path: Path) -> None:
    makers = [QualityMaker(skip=[2]), ToyMaker(fail=[4])]
    result = create_orchestrator(make=makers, on_error="skip").run(tmp_path / "run")
    table = result.observation_tables["quality"]
    assert table.colnames == ["entry", "obs_id", "rate", "good", "n", "label", "cloud"]
    assert list(table["obs_id"]) == [1, 2, 3, 4, 5]
    assert set(table["entry"]) == {"toy"}
    assert [outcome.status for outcome in result.outcomes][1:4:2] == ["skipped", "failed"]
    assert table["rate"].unit == u.Unit("1 / s")
    assert np.allclose(table["rate"], [1 / 3, 2 / 3, 1, 4 / 3, 5 / 3], rtol=1e-15)
    assert list(table["n"].mask) == [False, False, True, False, False]
    assert table["n"].dtype.kind == "i"
    assert table["cloud"].mask[:, 0].tolist() == [True, True, False, True, True]
    spectrum = result.observation_tables["quality-spectrum"]
    assert list(spectrum["obs_id"]) == [1, 2, 2, 4, 5, 5]
    assert list(spectrum["counts"]) == [1, 2, 0, 4, 5, 0]
    assert spectrum["e_min"].unit == "TeV"
    assert ORIGIN in table.meta["component"]
    assert_identical(Result.read(tmp_path / "run").observation_tables, result.observation_tables)
    assert "observation tables: quality, quality-spectrum" in str(result)
    assert "observation_tables[&#x27;quality&#x27;]" in result._repr_html_()


def test_result_without_rows_has_no_folder(tmp_path: Path) -> None:
    result = create_orchestrator().run(tmp_path / "run")
    assert result.observation_tables == {}
    assert not (tmp_path / "run" / "observations").exists()
    assert Result.read(tmp_path / "run").observation_tables == {}


def test_changed_and_added_tables_are_reported(tmp_path: Path) -> None:
    create_orchestrator(make=[QualityMaker(), ToyMaker()]).run(tmp_path / "run")
    added = tmp_path / "run" / "observations" / "added.ecsv"
    added.write_text("# no table\n", encoding="utf-8")
    with pytest.raises(OutputError, match=r"does not list observations/added\.ecsv"):
        Result.read(tmp_path / "run")
    added.unlink()
    path = tmp_path / "run" / "observations" / "quality.ecsv"
    path.write_text(path.read_text(encoding="utf-8").replace("run 1", "run 7"), encoding="utf-8")
    with pytest.raises(OutputError, match=r"observations/quality\.ecsv"):
        Result.read(tmp_path / "run")


@pytest.mark.slow
def test_rows_do_not_depend_on_engine_and_cache(tmp_path: Path) -> None:
    make = [QualityMaker(skip=[2]), ToyMaker()]
    expected = create_orchestrator(9, make=make).run(tmp_path / "serial").observation_tables
    files = {path.name: path.read_bytes() for path in (tmp_path / "serial/observations").iterdir()}
    for name in ("first", "second"):
        orchestrator = create_orchestrator(
            9, make=make, engine=Processes(workers=2), stack=ToySum(chunk=3)
        )
        assert_identical(orchestrator.run(tmp_path / name).observation_tables, expected)
        paths = (tmp_path / name / "observations").iterdir()
        assert {path.name: path.read_bytes() for path in paths} == files


def test_tables_of_several_entries_are_joined() -> None:
    orchestrator = create_orchestrator(make=[QualityMaker(), ToyMaker()])
    reduction = orchestrator.pipeline.data["toy"]
    pipeline = attrs.evolve(
        orchestrator.pipeline, data={"b": reduction, "a": reduction.evolve(archive="toy:2")}
    )
    orchestrator = Orchestrator(pipeline, plugins=create_plugins())
    orchestrator.reduce()
    table = orchestrator.result().observation_tables["quality"]
    assert list(table["entry"]) == ["b"] * 5 + ["a"] * 2
    assert list(table["obs_id"]) == [1, 2, 3, 4, 5, 1, 2]


def test_repeated_reduction_starts_with_empty_tables() -> None:
    orchestrator = create_orchestrator(make=[QualityMaker(), ToyMaker()])
    orchestrator.select()
    observations = orchestrator.observations
    orchestrator.reduce()
    orchestrator.observations = observations
    orchestrator.reduce()
    assert len(orchestrator.result().observation_tables["quality"]) == 5


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("unit", r"a number in deg \(data\.toy, run 1\), but a number in TeV \(data\.toy, run 2\)"),
        ("no unit", "is a number in deg .* but a number without unit"),
        ("type", "is a number without unit .* but a string"),
        ("shape", r"with the shape \(3,\) .* with the shape \(2,\)"),
        ("case", "'Quality' and 'quality' .* only differ in upper and lower case"),
    ],
)
def test_rows_that_do_not_fit_stop_the_run(tmp_path: Path, fault: str, message: str) -> None:
    orchestrator = create_orchestrator(make=[FaultyMaker(fault=fault), ToyMaker()])
    with pytest.raises(ComponentError, match=message) as excinfo:
        orchestrator.run(tmp_path / "run")
    assert f"maker faulty {ORIGIN}" in str(excinfo.value)
    result = Result.read(tmp_path / "run")
    assert list(next(iter(result.observation_tables.values()))["obs_id"]) == [1]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("time", "is a Time; expected a number, .* record times as strings"),
        ("object", "is a object; expected a number"),
        ("quantities", r"convert a list of quantities with astropy.units.Quantity"),
        ("mixed", "expected a number"),
        ("empty", "is an empty array"),
        ("reserved", "'OBS_ID' is added automatically"),
        ("column", "column name 3 is not a string"),
        ("units", "which cannot be read from files"),
        ("name", "invalid name of an observation table"),
    ],
)
def test_invalid_row_fails_the_run_and_names_the_maker(fault: str, message: str) -> None:
    orchestrator = create_orchestrator(make=[FaultyMaker(fault=fault), ToyMaker()])
    with pytest.raises(RunsFailedError, match=message):
        orchestrator.reduce()
    assert f"maker faulty {ORIGIN}" in orchestrator.outcomes[0].maker
    with pytest.raises(ComponentError, match=message):  # also outside a reduction
        FaultyMaker(fault=fault).make(None, orchestrator.observations["toy"][0])


def test_strings_are_recorded_as_they_are_read_from_files() -> None:
    recorder = RowRecorder()
    with recorded_by(recorder), running_maker("maker", 0):
        record_row("names", {"name": "  Crab nebula ", "names": [" a", "b "]})
        record_table("lists", Table({"name": [" Crab", ""]}))
    columns = [column for rows in recorder.rows for column in rows.columns.values()]
    values = [column.values.tolist() for column in columns if column.values is not None]
    assert values == [["Crab nebula"], [["a", "b"]], ["Crab", ""]]


def test_two_makers_cannot_record_the_same_table() -> None:
    orchestrator = create_orchestrator(make=[QualityMaker(), QualityMaker(), ToyMaker()])
    with pytest.raises(RunsFailedError, match="already has rows of the maker quality"):
        orchestrator.reduce()
    makers = [QualityMaker(), QualityMaker(table="second"), ToyMaker()]
    orchestrator = create_orchestrator(make=makers)
    orchestrator.reduce()
    assert len(orchestrator.result().observation_tables) == 4


def test_different_makers_of_two_entries_cannot_record_the_same_table() -> None:
    orchestrator = create_orchestrator(2, make=[QualityMaker(), ToyMaker()])
    reduction = orchestrator.pipeline.data["toy"]
    faulty = reduction.evolve(make=[FaultyMaker(fault="none"), ToyMaker()])
    pipeline = attrs.evolve(orchestrator.pipeline, data={"a": reduction, "b": faulty})
    orchestrator = Orchestrator(pipeline, plugins=create_plugins())
    with pytest.raises(ComponentError, match=r"rows of the maker quality .*of the maker faulty"):
        orchestrator.reduce()


def test_stacker_cannot_record_rows() -> None:
    orchestrator = create_orchestrator(stack=RecordingSum())
    with pytest.raises(RunsFailedError, match=r"outside make\(\) of a maker"):
        orchestrator.reduce()


def test_watchers_receive_the_rows() -> None:
    recorder = Recorder()
    orchestrator = create_orchestrator(2, recorder, make=[QualityMaker(), ToyMaker()])
    orchestrator.reduce()
    outcomes = [args["outcome"] for name, args in recorder.calls if name == "observation_reduced"]
    assert [rows.table for rows in outcomes[0].rows] == ["quality", "quality-spectrum"]


def test_values_do_not_change_with_the_arguments() -> None:
    values = np.array([1.0, 2.0])

    @component
    class ChangingMaker(Maker):
        """Change an array after it was recorded."""

        kind = "changing"

        def make(self, dataset: Any, observation: Any) -> Any:
            record_row("values", {"x": values})
            record_table("columns", Table({"x": MaskedColumn(values, mask=[True, False])}))
            values[:] = 7
            return dataset

    orchestrator = create_orchestrator(1, make=[ChangingMaker(), ToyMaker()])
    orchestrator.reduce()
    tables = orchestrator.result().observation_tables
    assert tables["values"]["x"].tolist() == [[1.0, 2.0]]
    assert tables["columns"]["x"].tolist() == [None, 2.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("archive", "skip"),
    [
        ("sim:crab?runs=4&livetime=2min", 900002),
        pytest.param("$GAMMAPY_DATA/hess-dl3-dr1", 23559, marks=pytest.mark.data),
    ],
)
def test_rows_do_not_depend_on_workers_and_cache(tmp_path: Path, archive: str, skip: int) -> None:
    plugin = tmp_path / "quality.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    plugins = Plugins.load(files=[plugin])
    overrides = [
        f"data.hess.archive={archive}",
        f"data.hess.make=[{{kind: recorded-quality, skip: {skip}}}, {{kind: map}}]",
        "data.hess.stack={kind: sum, chunk: 2}",
    ]
    pipeline = Pipeline.from_yaml(ROOT / "examples/crab.yaml", overrides=overrides, plugins=plugins)
    for name, engine in (
        ("first", Serial()),
        ("resumed", Serial()),
        ("workers", Processes(workers=2)),
    ):
        orchestrator = Orchestrator(
            pipeline, plugins=plugins, engine=engine,
            cache=False if name == "workers" else tmp_path / "cache",
        )  # fmt: skip
        result = orchestrator.run(tmp_path / name, until="reduce", plots=False)
        statuses = {outcome.status for outcome in result.outcomes}
        assert statuses == {"cached" if name == "resumed" else "reduced", "skipped"}
    store = plugins.open_archive(os.path.expandvars(archive))
    table = result.observation_tables["quality"]
    assert list(table["obs_id"]) == [outcome.obs_id for outcome in result.outcomes]
    for row in table:
        observation = store.obs(row["obs_id"])
        zenith = observation.get_pointing_altaz(observation.tmid).zen
        assert row["zenith"] == zenith.to_value(table["zenith"].unit)
        assert row["n_events"] == len(observation.events.table)
    files = [
        (tmp_path / name / "observations/quality.ecsv").read_bytes()
        for name in ("first", "resumed", "workers")
    ]
    assert files[0] == files[1] == files[2]
    assert_identical(Result.read(tmp_path / "first").observation_tables, {"quality": table})
