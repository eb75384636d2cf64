"""Archives of plugins that violate the interface are stopped, and named with their plugin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from astropy.table import QTable, Table
from astropy.time import Time

from skyred import Orchestrator, hookimpl
from skyred.components.selectors import Cone
from skyred.errors import ArchiveError, ComponentError, RunsFailedError
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from skyred.run.select import select_table
from skyred.testing import ConformanceError, check_archive
from toys import ToyStore, toy_pipeline, toy_plugins

SOURCE = r"the archive 'bad:{}' of badly-made 0\.3 \(plugin 'bad'\)"


@attrs.define
class BadStore(ToyStore):
    """An archive with a fault."""

    fault: str = ""

    def obs(self, obs_id: int, required_irf: Any) -> Any:
        from gammapy.data import Observation

        if self.fault == "none":
            return None
        if self.fault == "list":
            return [Observation(obs_id=obs_id)]
        if self.fault == "other":
            return Observation(obs_id=obs_id + 1)
        if self.fault == "no id":
            return Observation()
        if self.fault == "exit" and obs_id == 2:
            sys.exit("no licence")
        if self.fault == "raise" and obs_id == 2:
            raise OSError("no network")
        return Observation(obs_id=obs_id)


class NoTable:
    """An archive without a table."""

    hdu_table = Table()

    def obs(self, obs_id: int, required_irf: Any) -> Any:
        raise ValueError(obs_id)


class NoObs:
    """An archive that opens no runs."""

    obs_table = Table({"OBS_ID": [1]})
    hdu_table = Table()


class NoIds(ToyStore):
    """An archive with another table."""

    obs_table = Table({"RUN": [1]})  # type: ignore[assignment]


class FailingTable(ToyStore):
    """An archive whose table cannot be read."""

    @property
    def obs_table(self) -> Any:
        raise OSError("no network")


class TextIds(ToyStore):
    """An archive whose OBS_IDs are text."""

    obs_table = Table({"OBS_ID": ["1", "2"]})  # type: ignore[assignment]


class MaskedIds(ToyStore):
    """An archive with a masked OBS_ID."""

    obs_table = Table({"OBS_ID": np.ma.array([1, 2], mask=[False, True])})  # type: ignore[assignment]


STORES = {
    "no table": NoTable,
    "no obs": NoObs,
    "no ids": lambda: NoIds(3),
    "text ids": lambda: TextIds(2),
    "masked ids": lambda: MaskedIds(2),
    "failing table": lambda: FailingTable(3),
    "empty": lambda: TableStore(3, Table({"OBS_ID": []})),
    "object": object,
}


class BadPlugin:
    """A plugin that opens archives with faults."""

    @hookimpl
    def skyred_archive(self, location: Any) -> Any:
        """Open `bad:FAULT`, an archive with a fault."""
        scheme, _, fault = str(location).partition(":")
        if scheme != "bad":
            return None
        if fault == "exit at once":
            sys.exit(3)
        return STORES[fault]() if fault in STORES else BadStore(3, fault)


def create_plugins() -> Plugins:
    plugins = toy_plugins()
    plugins.register(BadPlugin(), Owner("badly-made", "0.3", "bad"))
    plugins.raise_if_faulty()
    return plugins


def create_orchestrator(fault: str) -> Orchestrator:
    return Orchestrator(toy_pipeline(archive=f"bad:{fault}"), plugins=create_plugins())


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("object", "is object without obs_table; expected a skyred.Archive"),
        ("no table", "is NoTable without obs_table; expected a skyred.Archive"),
        ("no obs", "is NoObs without the method obs; expected a skyred.Archive"),
        ("no ids", "obs_table of NoIds has no column OBS_ID, only RUN"),
        ("text ids", "OBS_ID in obs_table of TextIds contains text; expected integers"),
        ("masked ids", "OBS_ID in obs_table of MaskedIds has masked values"),
        ("failing table", "obs_table of FailingTable cannot be read: OSError: no network"),
        ("none", r"obs\(1\) returned NoneType; expected a gammapy.data.Observation"),
        ("list", r"obs\(1\) returned list; expected a gammapy.data.Observation"),
        ("other", r"obs\(1\) returned the observation 2"),
        ("no id", r"obs\(1\) returned an observation with obs_id None; expected 1"),
    ],
)
def test_archive_that_violates_the_interface_is_stopped(fault: str, message: str) -> None:
    with pytest.raises(ComponentError, match=message) as excinfo:
        create_orchestrator(fault).select()
    assert excinfo.match(SOURCE.format(fault))


def test_exit_of_the_hook_is_an_error_that_names_the_plugin() -> None:
    with pytest.raises(ArchiveError, match=r"plugin 'bad' cannot open .* exits Python \(code 3\)"):
        create_orchestrator("exit at once").select()


@pytest.mark.parametrize(
    ("fault", "reason"), [("exit", "SystemExit: no licence"), ("raise", "OSError: no network")]
)
def test_error_of_a_run_does_not_stop_the_others(fault: str, reason: str) -> None:
    orchestrator = create_orchestrator(fault)
    with pytest.raises(RunsFailedError):
        orchestrator.reduce()
    outcomes = {outcome.obs_id: outcome for outcome in orchestrator.outcomes}
    assert [outcomes[obs_id].status for obs_id in (1, 2, 3)] == ["reduced", "failed", "reduced"]
    assert reason in outcomes[2].reason
    assert "of badly-made 0.3 (plugin 'bad')" in outcomes[2].reason


def test_step_reports_runs_that_are_not_inspected() -> None:
    orchestrator = create_orchestrator("")
    orchestrator.select()
    assert orchestrator.steps[0].summary == (
        "3 observations; data.toy: not inspected (the archive gives no files)"
    )


def test_unknown_location_lists_the_locations_of_all_plugins() -> None:
    with pytest.raises(ArchiveError, match="no plugin can open 'vo:hess'") as excinfo:
        create_plugins().open_archive("vo:hess")
    assert "  bad: Open `bad:FAULT`, an archive with a fault.\n" in f"{excinfo.value}\n"
    assert "  toys: Open ``toy:N``, an archive of N runs.\n" in f"{excinfo.value}\n"


# -- observation tables of any class of astropy ----------------------------------------------------


def create_table(cls: Any, **options: Any) -> Any:
    columns = {"OBS_ID": [1, 2, 3], "RA_PNT": [83.0, 84.0, 120.0], "DEC_PNT": [22.0, 22.0, 22.0]}
    return cls(columns, units={"RA_PNT": "deg", "DEC_PNT": "deg"}, **options)


def create_masked_table(cls: Any) -> Any:
    table = create_table(cls, masked=True)
    table["DEC_PNT"].mask = [False, True, False]
    return table


@attrs.define
class TableStore(ToyStore):
    """An archive with a table of the user."""

    obs_table: Any = None


def select_cone(table: Any) -> Any:
    cone = Cone(center=["83.633 deg", "22.014 deg"], radius="5 deg")
    reduction = toy_pipeline(select=[cone]).data["toy"]
    return select_table("toy", reduction, TableStore(3, table), Plugins.load().catalog)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (create_table(Table), [1, 2]),
        (create_table(QTable), [1, 2]),
        (create_table(Table, masked=True), [1, 2]),
        (create_masked_table(Table), [1]),
        (QTable(create_masked_table(Table)), [1]),
    ],
    ids=["Table", "QTable", "masked", "masked value", "masked quantity"],
)
def test_selectors_accept_all_tables_of_astropy(table: Any, expected: list[int]) -> None:
    original = repr(table)
    selected = select_cone(table)
    assert selected["OBS_ID"].tolist() == expected
    assert selected["RA_PNT"].unit == "deg"
    assert repr(table) == original


def test_selector_names_a_missing_column() -> None:
    with pytest.raises(ArchiveError, match=r"needs the column 'RA_PNT'.*available: OBS_ID"):
        select_cone(Table({"OBS_ID": [1, 2, 3]}))


@pytest.mark.parametrize("location", ["bad:empty", "toy:0"])
def test_archive_without_observations_is_an_error(location: str) -> None:
    orchestrator = Orchestrator(toy_pipeline(archive=location), plugins=create_plugins())
    with pytest.raises(ArchiveError, match=f"the archive {location} has no observations"):
        orchestrator.reduce()


# -- conformance ---------------------------------------------------------------------------------


@attrs.define
class MemoryArchive:
    """A valid archive in memory."""

    shares_events: bool = False
    opens_any_run: bool = False
    _events: dict[int, Any] = attrs.field(factory=dict)

    obs_table = Table({"OBS_ID": [7, 8]})
    hdu_table = Table()

    def obs(self, obs_id: int, required_irf: Any) -> Any:
        from gammapy.data import GTI, EventList, Observation

        if obs_id not in (7, 8) and not self.opens_any_run:
            raise ValueError(f"no run {obs_id}")
        numbers = np.arange(1.0, 4.0)
        table = Table(
            {"ENERGY": numbers, "RA": numbers, "DEC": numbers}, units=("TeV", "deg", "deg")
        )
        table["TIME"] = Time(numbers, format="mjd")
        events = EventList(table)
        if self.shares_events:
            events = self._events.setdefault(obs_id, events)
        return Observation(obs_id=obs_id, events=events, gti=GTI(Table({"START": [], "STOP": []})))


def check_memory_archive(archive: Any) -> None:
    class Plugin:
        @hookimpl
        def skyred_archive(self, location: Any) -> Any:
            return archive if location == "memory:" else None

    plugins = toy_plugins()
    plugins.register(Plugin(), Owner("memory", "1", "memory"))
    check_archive("memory:", plugins=plugins)


def test_valid_archives_pass_the_checks() -> None:
    check_memory_archive(MemoryArchive())
    check_archive("sim:crab?runs=1&livetime=1min", irfs=("aeff", "edisp", "psf", "bkg"))


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (MemoryArchive(shares_events=True), "returns the same events each time"),
        (MemoryArchive(opens_any_run=True), "raises a ValueError for a run that it does not have"),
        (BadStore(3, "other"), "opens each run of its table"),
        (BadStore(0), "has a table with unique integers OBS_ID"),
    ],
)
def test_archive_that_violates_a_requirement_is_reported(archive: Any, message: str) -> None:
    with pytest.raises(ConformanceError, match=f"An archive {message}"):
        check_memory_archive(archive)


@pytest.mark.slow
def test_archive_in_the_documentation_passes_the_checks(tmp_path: Path) -> None:
    from skyred.components.simulation.location import ensure_archive

    page = Path(__file__).parents[2] / "docs" / "how-to" / "own-archive.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "scaled.py").write_text(code, encoding="utf-8")
    plugins = Plugins.load(files=[tmp_path / "scaled.py"])
    folder = ensure_archive("sim:crab?runs=1&livetime=1min")
    check_archive(f"scaled:1.1:{folder}", plugins=plugins, irfs=("aeff", "edisp"))
    original, scaled = (
        plugins.open_archive(location).obs(900001, required_irf=[]).events.table["ENERGY"]
        for location in (str(folder), f"scaled:1.1:{folder}")
    )
    np.testing.assert_allclose(scaled, original * 1.1, rtol=1e-6)


@pytest.mark.slow
def test_command_line_names_the_plugin_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from skyred import hookimpl\n\n\n"
        "@hookimpl\n"
        "def skyred_archive(location):\n"
        '    """Open `bad:NAME`."""\n'
        "    return [] if str(location).startswith('bad:') else None\n"
    )
    for location, message in (
        ("bad:x", "skyred: the archive 'bad:x' of bad.py "),
        ("worse:x", "bad: Open `bad:NAME`."),
    ):
        process = subprocess.run(
            [sys.executable, "-m", "skyred", "check", location, "--plugin", "bad.py"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode == 2
        assert message in process.stderr
        assert "Traceback" not in process.stderr
