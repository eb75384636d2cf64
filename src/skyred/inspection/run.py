"""A run inspected: its files read once, each of its HDUs looked at, what is wrong said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ParamSpec

import attrs

from skyred.inspection.agreement import check_agreement
from skyred.inspection.axes import ResponseTable
from skyred.inspection.background import check_rate
from skyred.inspection.events import COLUMNS, check_energies, check_events, check_field
from skyred.inspection.header import (
    check_count,
    check_durations,
    check_obs_id,
    check_pointing,
)
from skyred.inspection.parts import RunHdu, as_number
from skyred.inspection.reading import FileContent, read_file
from skyred.inspection.records import Finding, HduSource, RunInput
from skyred.inspection.responses import check_response, read_response, sensitive_energy_range
from skyred.inspection.times import (
    check_gti,
    check_gti_of_events,
    check_references,
    check_time_unit,
    check_times,
)

P = ParamSpec("P")


@attrs.frozen(eq=False)
class Inspected:
    """A run as it was found.

    Parameters
    ----------
    obs_id : int
        The run.
    findings : tuple of Finding
        Faults and notes, each once.
    hdus : mapping of str to HDU
        Its HDUs by kind (events, gti, aeff, ...), of the very bytes that were looked at.
    sha256 : mapping of Path to str
        Of each file that could be read.
    """

    obs_id: int
    findings: tuple[Finding, ...] = ()
    hdus: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    sha256: Mapping[Path, str] = attrs.field(factory=dict, repr=False)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What forbids the use of the run."""
        return tuple(finding for finding in self.findings if finding.level == "fault")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is to be known of it."""
        return tuple(finding for finding in self.findings if finding.level == "note")


def inspect_run(run: RunInput, expected: Mapping[Path, str] | None = None) -> Inspected:
    """Read the files of a run and look at all that they say.

    Parameters
    ----------
    run : RunInput
        What the archive says of it.
    expected : mapping of Path to str, optional
        The sha256 of files as they were before: one that differs is a fault.

    Returns
    -------
    Inspected
        Never an exception: what is wrong with a file is a finding.
    """
    files = {path: read_file(path) for path in run.files}
    inspection = _Inspection(run, files)
    findings = [*run.findings, *inspection.of_files(expected or {}), *inspection.of_parts()]
    named = (attrs.evolve(finding, obs_id=run.obs_id) for finding in findings)
    return Inspected(
        run.obs_id,
        tuple(dict.fromkeys(named)),
        {part.kind: files[part.path].hdus[part.name] for part in inspection.parts},
        {path: file.sha256 for path, file in files.items() if file.sha256},
    )


def findings_of(run: RunInput) -> tuple[Finding, ...]:
    """Give what `inspect_run` finds, without the data: what a worker can send back."""
    return inspect_run(run).findings


class _Inspection:
    """The rules applied to one run."""

    def __init__(self, run: RunInput, files: Mapping[Path, FileContent]) -> None:
        self.run = run
        self.files = files
        broken = {(f.path, finding.hdu) for f in files.values() for finding in f.findings}
        self.parts = tuple(self._part(source) for source in run.sources if self._there(source))
        # what is known to be damaged says nothing more
        self.sound = [part for part in self.parts if (part.path, part.name) not in broken]
        self.by_kind = {part.kind: part for part in self.sound}

    def of_files(self, expected: Mapping[Path, str]) -> Iterator[Finding]:
        for path, file in self.files.items():
            yield from file.findings
            if file.sha256 and expected.get(path, file.sha256) != file.sha256:
                yield Finding("the file changed while the run was under way", file=path)
            if file.sha256 and self.run.sums.get(path, file.sha256) != file.sha256:
                yield Finding("the file is not what SHA256SUMS says", file=path)
        for source in self.run.sources:
            file = self.files[source.path]
            if file.hdus and not self._there(source):
                have = ", ".join(name for name in file.hdus if name != "PRIMARY")
                message = f"the HDU is missing ({source.kind}); the file has {have}"
                yield Finding(message, file=source.path, hdu=source.name.upper())
        yield from self._of_another_run()

    def of_parts(self) -> Iterator[Finding]:
        yield from self._rules_of_events()
        responses: dict[str, ResponseTable] = {}
        for part in self.sound:
            if part.kind not in ("events", "gti", "pointing"):
                yield from _guarded(part, self._read, part, responses)
        for kind, response in responses.items():
            area = responses.get("aeff")
            yield from _guarded(self.by_kind[kind], check_response, response, area)
            if area is not None and kind != "aeff":
                yield from _guarded(self.by_kind[kind], check_agreement, response, area)
        yield from self._of_events_and_responses(responses)

    def _read(self, part: RunHdu, responses: dict[str, ResponseTable]) -> Iterator[Finding]:
        yield from check_obs_id(part, required=False)
        response, findings = read_response(part)
        yield from findings
        if response is not None:
            responses[part.kind] = response

    def _rules_of_events(self) -> Iterator[Finding]:
        events, gti = self.by_kind.get("events"), self.by_kind.get("gti")
        row = self.run.row
        wrong: list[Finding] = []
        if gti is not None:
            yield from _guarded(gti, check_obs_id, gti, required=False)
            yield from _guarded(gti, check_time_unit, gti)
            wrong = list(_guarded(gti, check_gti, gti))
            yield from wrong
        if events is None:
            return
        for check in (check_pointing, check_durations, check_count):
            yield from _guarded(events, check, events, row)
        yield from _guarded(events, check_obs_id, events, required=True)
        yield from _guarded(events, check_time_unit, events)
        yield from _guarded(events, check_events, events)
        if self._readable(events):
            yield from _guarded(events, check_field, events)
        if gti is not None:
            yield from _guarded(events, check_references, events, gti)
        if gti is not None and not wrong:
            yield from _guarded(events, check_gti_of_events, events, gti)
            if self._readable(events):
                yield from _guarded(events, check_times, events, gti)

    def _of_events_and_responses(self, responses: Mapping[str, ResponseTable]) -> Iterator[Finding]:
        events = self.by_kind.get("events")
        if events is None or not self._readable(events):
            return
        if "aeff" in responses:
            low, high = sensitive_energy_range(responses["aeff"])
            yield from _guarded(events, check_energies, events, low, high)
        if "bkg" in responses:
            background = responses["bkg"]
            yield from _guarded(background.part, check_rate, background, events)

    def _of_another_run(self) -> Iterator[Finding]:
        """A response without an OBS_ID that lies in the file of another run."""
        own = {source.path for source in self.run.sources if source.kind == "events"}
        for source in self.run.sources:
            hdus = self.files[source.path].hdus
            if source.kind in ("events", "gti") or "EVENTS" not in hdus or source.path in own:
                continue  # beside its own events: these are looked at for themselves
            other = as_number(hdus["EVENTS"].header.get("OBS_ID"))
            if other is not None and other != self.run.obs_id:
                message = f"lies in a file of run {other:g}"
                yield Finding(message, file=source.path, hdu=source.name.upper())

    def _there(self, source: HduSource) -> bool:
        hdu = self.files[source.path].hdus.get(source.name.upper())
        return hdu is not None and "TFIELDS" in hdu.header

    def _part(self, source: HduSource) -> RunHdu:
        name = source.name.upper()
        table = self.files[source.path].table(name)
        return RunHdu(self.run.obs_id, source.kind, source.form, source.path, name, table)

    @staticmethod
    def _readable(events: RunHdu) -> bool:
        return len(events.table) > 0 and not list(_guarded(events, events.needs, COLUMNS))


def _guarded(
    part: RunHdu, rule: Callable[P, Iterable[Finding]], *given: P.args, **options: P.kwargs
) -> Iterator[Finding]:
    """Turn what a rule stumbles over into a fault: a damaged header can hold anything."""
    try:
        yield from list(rule(*given, **options))
    except Exception as error:
        said = str(error).strip() or type(error).__name__
        yield part.fault(f"cannot be read: {said}")
