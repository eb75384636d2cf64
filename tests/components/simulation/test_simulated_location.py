"""Parsing of `sim:` locations, and the hook that opens them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gammapy.data import DataStore
from hypothesis import given, strategies as st

from skyred.components import simulation as plugin
from skyred.components.simulation.archive import CrabSimulation
from skyred.components.simulation.location import SimulationLocation, parse

simulations = st.builds(
    CrabSimulation,
    seed=st.integers(0, 2**32 - 1),
    runs=st.integers(1, 20_000),
    livetime=st.floats(1e-6, 300),
)
# valid file names: any bytes except the null byte
folders = st.none() | st.binary(min_size=1).map(
    lambda name: Path(os.fsdecode(name.replace(b"\0", b"0")))
)


@given(st.builds(SimulationLocation, simulations, folders))
def test_string_of_a_location_is_parsed_to_an_equal_location(location):
    assert parse(str(location)) == location


@pytest.mark.parametrize(
    ("location_string", "expected"),
    [
        ("sim:crab", CrabSimulation()),
        ("sim:crab?", CrabSimulation(seed=42, runs=4, livetime=28)),
        ("sim:crab?seed=7&runs=2&livetime=10min", CrabSimulation(seed=7, runs=2, livetime=10)),
        ("sim:crab?livetime=90s", CrabSimulation(livetime=1.5)),
        ("sim:crab?livetime=0.7h", CrabSimulation(livetime=42)),
        ("sim:crab?livetime=10%20min", CrabSimulation(livetime=10)),
    ],
)
def test_location_has_the_parsed_options(location_string, expected):
    assert parse(location_string) == SimulationLocation(expected)


def test_folder_is_parsed():
    assert parse("sim:crab?folder=/some/dir%26more").folder == Path("/some/dir&more")


@pytest.mark.parametrize(
    ("location_string", "message"),
    [
        (
            "sim:crap",
            "unknown simulated archive 'crap'; available: crab; did you mean 'crab'?",
        ),
        ("sim:", "unknown simulated archive ''; available: crab"),
        (
            "sim:crab?seeds=7",
            "unknown key 'seeds'; available: folder, livetime, runs, seed; did you",
        ),
        ("sim:crab?seed=1&seed=1", "seed is set more than once; expected once"),
        ("sim:crab?seed", "seed is ''; expected an integer"),
        ("sim:crab?seed=1.5", "seed is '1.5'; expected an integer"),
        ("sim:crab?seed=-1", "seed is -1; expected an integer from 0 to 4294967295"),
        ("sim:crab?runs=0", "runs is 0; expected an integer from 1 to 20000"),
        ("sim:crab?runs=two", "runs is 'two'; expected an integer"),
        ("sim:crab?livetime=28", "livetime is '28'; expected a number with the unit s, min or h"),
        ("sim:crab?livetime=1.2.3min", "livetime is '1.2.3min'; expected a number with"),
        ("sim:crab?livetime=nanmin", "livetime is 'nanmin'; expected a number with"),
        (
            "sim:crab?livetime=0min",
            "livetime is 0.0 (minutes); expected a number above 0 and up to 300",
        ),
        (
            "sim:crab?livetime=1e999h",
            "livetime is inf (minutes); expected a number above 0 and up to 300",
        ),
        ("sim:crab?folder=", "folder has no value; expected the name of a folder"),
    ],
)
def test_invalid_location_is_reported(location_string, message):
    with pytest.raises(ValueError, match=r"^sim:") as excinfo:
        parse(location_string)
    assert str(excinfo.value).startswith(f"{location_string}: ")
    assert message in str(excinfo.value)


@pytest.mark.parametrize(
    "location", ["crab", "/data/sim:crab", ("sim:crab",), ("a.fits", "b.fits")]
)
def test_hook_ignores_other_locations(location):
    assert plugin.skyred_archive(location=location) is None


def test_hook_reports_the_available_simulations():
    with pytest.raises(ValueError, match="'vela'; available: crab"):
        plugin.skyred_archive(location="sim:vela")


def test_hook_opens_the_archive(monkeypatch, archive):
    monkeypatch.setattr(
        "skyred.components.simulation.location.get_cached_archive", lambda simulation, base: archive
    )
    store = plugin.skyred_archive(location="sim:crab?runs=2&livetime=2min")
    assert isinstance(store, DataStore)
    assert list(store.obs_ids) == [900001, 900002]


def test_plugin_is_imported_without_gammapy_and_astropy():
    code = (
        "import sys, skyred.hookspecs; before = set(sys.modules);"
        "import skyred.components.simulation, skyred.components.simulation.location;"
        "imported = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(imported & {'gammapy', 'astropy'})"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "set()"
