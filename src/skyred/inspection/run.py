"""Inspection of a run: its files are read once, and all HDUs are checked."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import ParamSpec

import attrs

from skyred.inspection.axes import ResponseTable
from skyred.inspection.background import check_rate
from skyred.inspection.events import COLUMNS, check_direction, check_energies, check_events
from skyred.inspection.file_content import FileContent, read_file
from skyred.inspection.header import (
    check_count,
    check_durations,
    check_location,
    check_obs_id,
    check_pointing,
)
from skyred.inspection.records import Finding, IndexedHdu, RunInput
from skyred.inspection.response_agreement import check_agreement
from skyred.inspection.responses import check_response, read_response, sensitive_energy_range
from skyred.inspection.run_hdu import RunHdu, as_identifier
from skyred.inspection.shared_files import SHARED_FILES
from skyred.inspection.structure import StoredHdu
from skyred.inspection.times import (
    check_gti,
    check_gti_against_header,
    check_references,
    check_time_unit,
    check_times,
)
from skyred.io.captured_warnings import capture_warnings

P = ParamSpec("P")


class _NoArea:
    """Replaces the area in the results of a run without one."""


NO_AREA = _NoArea()


@attrs.frozen(eq=False)
class InspectedRun:
    """The result of the inspection of a run.

    Parameters
    ----------
    obs_id : int
        The identifier of the run.
    findings : tuple of Finding
        The faults, warnings and notes, without duplicates.
    hdus : mapping of str to StoredHdu
        The HDUs by type (events, gti, aeff, ...), from the same bytes that were checked.
    run_hdus : mapping of str to RunHdu
        Their headers and tables, by the same types.
    sha256 : mapping of Path to str
        The digests of all files that could be read.
    """

    obs_id: int
    findings: tuple[Finding, ...] = ()
    hdus: Mapping[str, StoredHdu] = attrs.field(factory=dict, repr=False)
    run_hdus: Mapping[str, RunHdu] = attrs.field(factory=dict, repr=False)
    sha256: Mapping[Path, str] = attrs.field(factory=dict, repr=False)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that exclude the run from the analysis by default."""
        return tuple(finding for finding in self.findings if finding.level == "fault")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings about content that is unusual but used."""
        return tuple(finding for finding in self.findings if finding.level == "warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings that are for information only."""
        return tuple(finding for finding in self.findings if finding.level == "note")


def inspect_run(run: RunInput, expected: Mapping[Path, str] | None = None) -> InspectedRun:
    """Read and check the files of a run.

    No error is raised for a faulty file; the faults are in the findings.

    Parameters
    ----------
    run : RunInput
        The entries of the run in the archive's index.
    expected : mapping of Path to str, optional
        The SHA-256 digests of the files when they were read before; a different digest is a fault.

    Returns
    -------
    InspectedRun
        The findings, the HDUs and the digests of the files.
    """
    files = {path: read_file(path, SHARED_FILES.find) for path in run.files}
    for file in files.values():
        SHARED_FILES.add(file)
    inspection = _Inspection(run, files)
    findings = [*run.findings, *inspection.check_files(expected or {}), *inspection.check_hdus()]
    findings_with_run = (attrs.evolve(finding, obs_id=run.obs_id) for finding in findings)
    return InspectedRun(
        run.obs_id,
        tuple(dict.fromkeys(findings_with_run)),
        {hdu.hdu_type: files[hdu.path].hdus[hdu.name] for hdu in inspection.hdus},
        {hdu.hdu_type: hdu for hdu in inspection.hdus},
        {path: file.sha256 for path, file in files.items() if file.sha256},
    )


def collect_findings(run: RunInput) -> tuple[Finding, ...]:
    """Return only the findings of `inspect_run`, which a worker can send back quickly.

    Parameters
    ----------
    run : RunInput
        The entries of the run in the archive's index.

    Returns
    -------
    tuple of Finding
        The faults, warnings and notes.
    """
    return inspect_run(run).findings


class _Inspection:
    """The checks of one run."""

    def __init__(self, run: RunInput, files: Mapping[Path, FileContent]) -> None:
        self.run = run
        self.files = files
        damaged_hdus = {(f.path, finding.hdu) for f in files.values() for finding in f.findings}
        self.hdus = tuple(
            self._read_hdu(indexed_hdu)
            for indexed_hdu in run.indexed_hdus
            if self._exists(indexed_hdu)
        )
        # the content of a damaged HDU is not checked
        self.intact_hdus = [hdu for hdu in self.hdus if (hdu.path, hdu.name) not in damaged_hdus]
        self.hdus_by_type = {hdu.hdu_type: hdu for hdu in self.intact_hdus}

    def check_files(self, expected: Mapping[Path, str]) -> Iterator[Finding]:
        """Yield faults in files, missing HDUs, and HDUs in the files of other runs."""
        for path, file in self.files.items():
            yield from file.findings
            # "" if the main process could not read the file
            if file.sha256 and (expected.get(path) or file.sha256) != file.sha256:
                yield Finding("the file changed during the analysis", "file-changed", file=path)
            if file.sha256 and self.run.checksums.get(path, file.sha256) != file.sha256:
                yield Finding(
                    "the file does not match its sha256 in SHA256SUMS", "file-changed", file=path
                )
        for indexed_hdu in self.run.indexed_hdus:
            file = self.files[indexed_hdu.path]
            if file.hdus and not self._exists(indexed_hdu):
                present = ", ".join(name for name in file.hdus if name != "PRIMARY")
                message = f"the HDU is missing ({indexed_hdu.hdu_type}); available: {present}"
                yield Finding(
                    message, "hdu-missing", file=indexed_hdu.path, hdu=indexed_hdu.name.upper()
                )
        yield from self._check_runs_of_files()

    def check_hdus(self) -> Iterator[Finding]:
        yield from self._check_events()
        responses: dict[str, ResponseTable] = {}
        for hdu in self.intact_hdus:
            if hdu.hdu_type not in ("events", "gti", "pointing"):
                yield from _run_check(hdu, check_obs_id, hdu, required=False)
                yield from self._read_response(hdu, responses)
        area = responses.get("aeff")
        for response in responses.values():
            yield from self._check_response(response, area)
        yield from self._check_events_against_responses(responses)

    def _read_response(self, hdu: RunHdu, responses: dict[str, ResponseTable]) -> Iterator[Finding]:
        """Read a response, and check its axes and values, once for all runs that share its file."""
        results = self.files[hdu.path].results
        key = "values", hdu.name, hdu.hdu_type, hdu.hdu_class
        response, findings = results.get(key, (None, None))
        if findings is None:
            responses_of_hdu: list[ResponseTable] = []
            with capture_warnings(is_shown=True) as notes:
                findings = tuple(_run_check(hdu, _read_into, hdu, responses_of_hdu))
            response = next(iter(responses_of_hdu), None)
            if not notes:  # each run has its own notes
                results[key] = response, findings
        yield from findings
        if response is not None:
            responses[hdu.hdu_type] = response

    def _check_response(
        self, response: ResponseTable, area: ResponseTable | None
    ) -> Iterator[Finding]:
        """Check a response and its agreement with the area, once if that is the same object."""
        hdu, results = response.hdu, self.files[response.hdu.path].results
        key = "agreement", hdu.name, hdu.hdu_type, hdu.hdu_class
        get_area, findings = results.get(key, (None, ()))
        if get_area is None or get_area() is not (area or NO_AREA):
            with capture_warnings(is_shown=True) as notes:
                findings = tuple(_check_with_area(response, area))
            results.pop(key, None)
            if not notes:
                # not the area itself, which keeps the file of a run in memory
                results[key] = weakref.ref(area or NO_AREA), findings
        yield from findings

    def _check_events(self) -> Iterator[Finding]:
        events, gti = self.hdus_by_type.get("events"), self.hdus_by_type.get("gti")
        row = self.run.row
        gti_findings: list[Finding] = []
        if gti is not None:
            yield from _run_check(gti, check_obs_id, gti, required=False)
            yield from _run_check(gti, check_time_unit, gti)
            gti_findings = list(_run_check(gti, check_gti, gti))
            yield from gti_findings
        if events is None:
            return
        for check in (check_pointing, check_durations, check_count):
            yield from _run_check(events, check, events, row)
        yield from _run_check(events, check_obs_id, events, required=True)
        yield from _run_check(events, check_location, events)
        yield from _run_check(events, check_time_unit, events)
        yield from _run_check(events, check_events, events)
        if self._has_valid_events(events):
            yield from _run_check(events, check_direction, events)
        if gti is not None:
            yield from _run_check(events, check_references, events, gti)
        if gti is not None and not any(finding.level == "fault" for finding in gti_findings):
            yield from _run_check(events, check_gti_against_header, events, gti, row)
            if self._has_valid_events(events):
                yield from _run_check(events, check_times, events, gti)

    def _check_events_against_responses(
        self, responses: Mapping[str, ResponseTable]
    ) -> Iterator[Finding]:
        events = self.hdus_by_type.get("events")
        if events is None or not self._has_valid_events(events):
            return
        if "aeff" in responses:
            low, high = sensitive_energy_range(responses["aeff"])
            yield from _run_check(events, check_energies, events, low, high)
        if "bkg" in responses:
            background = responses["bkg"]
            yield from _run_check(background.hdu, check_rate, background, events)

    def _check_runs_of_files(self) -> Iterator[Finding]:
        """Check that no response is in the file of another run."""
        own_files = {
            indexed_hdu.path
            for indexed_hdu in self.run.indexed_hdus
            if indexed_hdu.hdu_type == "events"
        }
        for indexed_hdu in self.run.indexed_hdus:
            hdus = self.files[indexed_hdu.path].hdus
            if (
                indexed_hdu.hdu_type in ("events", "gti")
                or "EVENTS" not in hdus
                or indexed_hdu.path in own_files
            ):
                continue  # the OBS_ID of the events of this run is checked separately
            run_of_file = as_identifier(hdus["EVENTS"].header.get("OBS_ID"))
            if run_of_file is not None and run_of_file != self.run.obs_id:
                message = (
                    f"the HDU belongs to another run: OBS_ID of the events in its file is "
                    f"{run_of_file}"
                )
                yield Finding(
                    message,
                    "hdu-of-another-run",
                    file=indexed_hdu.path,
                    hdu=indexed_hdu.name.upper(),
                )

    def _exists(self, indexed_hdu: IndexedHdu) -> bool:
        hdu = self.files[indexed_hdu.path].hdus.get(indexed_hdu.name.upper())
        return hdu is not None and "TFIELDS" in hdu.header

    def _read_hdu(self, indexed_hdu: IndexedHdu) -> RunHdu:
        name = indexed_hdu.name.upper()
        table = self.files[indexed_hdu.path].table(name)
        return RunHdu(
            self.run.obs_id,
            indexed_hdu.hdu_type,
            indexed_hdu.hdu_class,
            indexed_hdu.path,
            name,
            table,
        )

    @staticmethod
    def _has_valid_events(events: RunHdu) -> bool:
        return len(events.table) > 0 and not list(_run_check(events, events.check_columns, COLUMNS))


def _read_into(hdu: RunHdu, responses: list[ResponseTable]) -> list[Finding]:
    """Read a response, append it to a list if it has no faults, and return the findings."""
    response, findings = read_response(hdu)
    responses += [] if response is None else [response]
    return findings


def _check_with_area(response: ResponseTable, area: ResponseTable | None) -> Iterator[Finding]:
    yield from _run_check(response.hdu, check_response, response, area)
    if area is not None and response is not area:
        yield from _run_check(response.hdu, check_agreement, response, area)


def _run_check(
    hdu: RunHdu, check: Callable[P, Iterable[Finding]], *args: P.args, **kwargs: P.kwargs
) -> Iterator[Finding]:
    """Run a check, and report any exception as a fault, because a header may contain anything."""
    try:
        yield from list(check(*args, **kwargs))
    except Exception as error:
        message = str(error).strip() or type(error).__name__
        yield hdu.report("hdu-unreadable", f"the HDU cannot be read: {message}")
