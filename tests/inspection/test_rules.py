"""Each rule of the inspection is documented, and a damaged archive violates it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from fault_injection.archive_damage import INDEX_FILES, Archive
from fault_injection.damage_cases import DAMAGE_CASES
from skyred.inspection.index import list_run_inputs
from skyred.inspection.records import Finding
from skyred.inspection.rule import SEVERITIES
from skyred.inspection.rules import RULES
from skyred.inspection.run import inspect_run

# a function of the archive, the run to damage, and another run
ApplyDamage = Callable[[Archive, int, int], object]
DAMAGE_BY_RULE = {
    "file-damaged": "the file is missing",
    "hdu-missing": "no aeff",
    "index-run-repeated": "run twice",
    "index-path": "..",
    "index-variable": "a variable",
    "index-shared-hdu": "another run's events",
    "index-repeated-hdu": "events row twice",
    "index-missing-hdu": "no GTI row",
    "units": "ENERGY in s",
    "energy-unit": "ENERGY in erg",
    "obs-id": "another run's OBS_ID",
    "pointing": "pointing moved by 1 deg",
    "durations-missing": "no LIVETIME",
    "deadc": "DEADC = 0",
    "deadtime": "LIVETIME above ONTIME",
    "header-against-index": "DEADC = 1.3",
    "event-count": "a third of the events missing",
    "event-count-small": "one event missing",
    "time-reference": "no time reference",
    "time-unit": "TIMEUNIT in days, times in seconds",
    "gti": "no good time",
    "gti-overlap": "good time twice",
    "gti-against-ontime": "half of the good time",
    "no-events": "an empty event list",
    "events-not-finite": "NaN energies",
    "events-out-of-range": "negative energies",
    "events-repeated": "events twice",
    "events-same-position": "all events at one position",
    "events-same-energy": "all events of one energy",
    "events-far-from-pointing": "events 4 deg away",
    "event-energies": "ENERGY in GeV",
    "events-outside-gti": "a clock that is 1 h late",
    "response-axes": "aeff: THETA in rad",
    "response-not-finite": "aeff all nan",
    "response-zero": "aeff all 0.0",
    "response-empty": "edisp: zero at one energy",
    "response-outlier": "edisp: bit 23 flipped",
    "response-offsets": "edisp: offsets a third of those of aeff",
    "response-energies": "edisp: ENERG in GeV",
    "response-energy-range": "edisp: ENERG begins where the area becomes positive",
    "dispersion-coverage": "edisp: ENERG begins at twice the energy of the area",
    "dispersion-integral": "edisp twice as large",
    "migration": "edisp: MIGRA twice as large",
    "psf-integral": "psf twice as large",
    "area-maximum": "aeff in cm2",
    "area-outlier": "aeff: bit 22 flipped",
    "area-offsets": "aeff: zero at one offset",
    "area-ends-early": "aeff: zero at high energies",
    "background-alignment": "FOVALIGN is not a frame",
    "background-halves": "bkg: zero in half of the camera",
    "background-outlier": "bkg: bit 23 flipped",
    "background-rate": "bkg: eight times as large",
}


def inspect(folder: Path) -> list[Finding]:
    hdu_table = Table.read(folder / INDEX_FILES["hdu"])
    hdu_table.meta["BASE_DIR"] = str(folder)
    inputs = list_run_inputs(hdu_table, Table.read(folder / INDEX_FILES["obs"]))
    return [finding for run in inputs for finding in inspect_run(run).findings]


def edit_hdu(hdu_type: str, change: Callable[[Any], object]) -> ApplyDamage:
    def apply(archive: Archive, run: int, _: int) -> None:
        archive.change_hdu(run, hdu_type, change)

    return apply


def set_cards(**cards: object) -> Callable[[Any], object]:
    return lambda hdu: hdu.header.update(cards)


def set_values(name: str, index: Any, value: float) -> Callable[[Any], object]:
    return lambda hdu: hdu.data[name].__setitem__(index, value)


def change_hdu_class(archive: Archive, run: int, _: int) -> None:
    set_hdu_index(archive, run, "psf", HDU_CLASS="psf_x")


def repeat_event_id(hdu: Any) -> None:
    hdu.data["EVENT_ID"][1] = hdu.data["EVENT_ID"][0]


def delay_event(hdu: Any) -> None:
    hdu.data["TIME"][0] += 1e5


def remove_early_events(hdu: Any) -> None:
    start = hdu.data["TIME"].min()
    units = {column.name: column.unit for column in hdu.columns}
    hdu.data = hdu.data[hdu.data["TIME"] > start + 70]
    for name, unit in units.items():
        hdu.columns[name].unit = unit


def remove_unit(hdu: Any) -> None:
    hdu.columns["START"].unit = None


def replace_psf(archive: Archive, run: int, _: int) -> None:
    """Replace the PSF with a King profile with a constant GAMMA of 0.5."""

    def change(hdu: Any) -> None:
        table = Table(hdu.data)["ENERG_LO", "ENERG_HI", "THETA_LO", "THETA_HI"]
        shape = (1, table["THETA_LO"].shape[1], table["ENERG_LO"].shape[1])
        table["GAMMA"], table["SIGMA"] = np.full(shape, 0.5), np.full(shape, 0.1)
        king = fits.table_to_hdu(table)
        hdu.data = king.data
        for name, unit in {"ENERG": "TeV", "THETA": "deg"}.items():
            for end in ("LO", "HI"):
                hdu.columns[f"{name}_{end}"].unit = unit
        hdu.columns["SIGMA"].unit = "deg"

    archive.change_hdu(run, "psf", change)
    set_hdu_index(archive, run, "psf", HDU_CLASS="psf_king")


def replace_area_with_rad_max(archive: Archive, run: int, _: int) -> None:
    """Replace the effective area with a RAD_MAX of 50 deg."""

    def change(hdu: Any) -> None:
        hdu.columns.change_name("EFFAREA", "RAD_MAX")
        hdu.columns["RAD_MAX"].unit = "deg"
        hdu.data["RAD_MAX"][:] = 50

    archive.change_hdu(run, "aeff", change)
    set_hdu_index(archive, run, "aeff", HDU_CLASS="rad_max_2d", HDU_TYPE="rad_max")


def set_hdu_index(archive: Archive, run: int, hdu_type: str, **cells: str) -> None:
    def change(table: Table) -> Table:
        is_row = (table["OBS_ID"] == run) & (np.char.strip(table["HDU_TYPE"]) == hdu_type)
        for name, value in cells.items():
            column = np.asarray(table[name]).astype("U80")
            column[is_row] = value
            table[name] = column
        return table

    archive.change_index("hdu", change)


def use_area_of_other_run(archive: Archive, run: int, other_run: int) -> None:
    archive.change_hdu(
        other_run, "aeff", lambda hdu: hdu.header.remove("OBS_ID", ignore_missing=True)
    )
    set_hdu_index(archive, run, "aeff", FILE_NAME=archive.path(other_run).name)


OTHER_DAMAGE: dict[str, ApplyDamage] = {
    "header-with-code": edit_hdu("psf", set_cards(WCSSHAPE="print()")),
    "columns": edit_hdu("events", lambda hdu: hdu.columns.change_name("ENERGY", "ENERGIE")),
    "unit-assumed": edit_hdu("gti", remove_unit),
    "location": edit_hdu("events", lambda hdu: hdu.header.remove("GEOLON")),
    "durations": edit_hdu("events", set_cards(ONTIME=-1.0)),
    "time-range": edit_hdu("events", lambda hdu: hdu.header.remove("TSTOP")),
    "gti-outside-run": edit_hdu(
        "events", lambda hdu: hdu.header.update(TSTART=hdu.header["TSTART"] + 90)
    ),
    "event-ids": edit_hdu("events", repeat_event_id),
    "few-events-outside-gti": edit_hdu("events", delay_event),
    "event-gap": edit_hdu("events", remove_early_events),
    "response-negative": edit_hdu("psf", set_values("RPSF", (0, -1, 0, 0), -1e-9)),
    "not-inspected": change_hdu_class,
    "psf-parameters": replace_psf,
    "rad-max": replace_area_with_rad_max,
    "hdu-of-another-run": use_area_of_other_run,
    "hdu-unreadable": edit_hdu("events", set_cards(RA_PNT="x", TFORM1="?")),
}
# file-changed is tested in test_faults.py, migration-few with VERITAS in test_archives.py
TESTED_ELSEWHERE = {"file-changed", "migration-few"}


@pytest.mark.parametrize("name", sorted({*DAMAGE_BY_RULE, *OTHER_DAMAGE}))
def test_rule_is_violated_by_its_damage(name: str, crab_archive: Path, tmp_path: Path) -> None:
    apply = OTHER_DAMAGE.get(name)
    if apply is None:
        (apply,) = (damage.apply for damage in DAMAGE_CASES if damage.name == DAMAGE_BY_RULE[name])
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    apply(archive, run, other_run)
    findings = [finding for finding in inspect(archive.folder) if finding.obs_id == run]
    assert name in {finding.rule for finding in findings}, [str(finding) for finding in findings]


def test_files_of_runs_with_large_identifiers_are_distinguished(
    crab_archive: Path, tmp_path: Path
) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    use_area_of_other_run(archive, run, other_run)
    first_id = 2**53  # and first_id + 1, which is not a float

    def replace_ids(table: Table) -> Table:
        table["OBS_ID"] = first_id + (table["OBS_ID"] == run)
        return table

    for index in ("hdu", "obs"):
        archive.change_index(index, replace_ids)
    for number, old_id in enumerate((other_run, run)):
        with fits.open(archive.path(old_id), mode="update") as hdus:
            for hdu in hdus[1:]:
                if "OBS_ID" in hdu.header:
                    hdu.header["OBS_ID"] = first_id + number
    messages = [str(finding) for finding in inspect(archive.folder) if finding.level == "fault"]
    assert any(f"OBS_ID of the events in its file is {first_id}" in message for message in messages)
    assert not any("its OBS_ID is" in message for message in messages)


def test_every_rule_has_a_damage() -> None:
    assert {*DAMAGE_BY_RULE, *OTHER_DAMAGE, *TESTED_ELSEWHERE} == set(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_rule_is_documented(rule: Any) -> None:
    assert rule.severity in SEVERITIES
    assert rule.summary.endswith(".")
    assert rule.reason.endswith(".")
    assert rule.remedy.strip(".") == rule.remedy != ""
