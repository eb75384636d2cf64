"""Calls to the hook ``skyred_run_finished``, after which the run folder must be undamaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from skyred.errors import ComponentError, format_list
from skyred.interfaces.records import Report, Run
from skyred.io.checksums import SUMS
from skyred.io.disk import disk_failure
from skyred.run.folder_guard import MAX_LISTED, FolderGuard, describe_damage
from skyred.run.folder_obstacles import remove_obstacles
from skyred.run.lifecycle import Watchers
from skyred.run.result_state import ResultState

HOOK = "skyred_run_finished"
REPORT = "report.json"
LATER_FILES = (REPORT, "report.html", SUMS)  # written after the hooks of plugins, as the plots are


def notify_finished(watchers: Watchers, run: Run, report: Report) -> None:
    """Call the implementations of ``skyred_run_finished``, and check the run folder after each.

    The report includes the errors and durations of the implementations that were called before. If
    an implementation changes or removes files of others in the run folder, they are restored, and
    what it has put in the way of plots and reports is removed.

    Parameters
    ----------
    watchers : Watchers
        The lifecycle hooks of plugins.
    run : Run
        The run.
    report : Report
        The report of the run.

    Raises
    ------
    OSError
        If the disk failed in an implementation, so that a file in the run folder may be incomplete.
        This error, possibly of another type, and the following ones are raised after all
        implementations have been called.
    KeyboardInterrupt
        If the user interrupts an implementation.
    ComponentError
        If a plugin changed the result of a finished run in memory, or files that cannot be
        restored, because the disk has no space for a copy.
    """
    _Calls(watchers, run, report, dict(watchers.plugins.hook_implementations(HOOK))).run_all()


def repair_folder(watchers: Watchers, folder: Path) -> None:
    """Remove what plugins have put in the way of the files of a run, before they are written.

    Parameters
    ----------
    watchers : Watchers
        The lifecycle hooks of plugins; a message about the plugins that were called is added.
    folder : Path
        The run folder; it is created if it is missing.

    Raises
    ------
    ComponentError
        If something cannot be removed.
    """
    plugins = [name for name in watchers.seconds if not watchers.is_default(name)]
    source = f"plugin {plugins[0]!r}" if len(plugins) == 1 else _one_of(plugins)
    try:
        obstacles = remove_obstacles(folder)
    except OSError as error:
        if disk_failure(error):
            raise
        raise ComponentError(
            f"{source} damaged the run folder before its files were written: {error}"
        ) from error
    if obstacles:
        watchers.record(
            f"{source} damaged the run folder before its files were written: "
            f"{describe_damage(obstacles)}; repaired"
        )


def _one_of(plugins: Iterable[str]) -> str:
    names = ", ".join(map(repr, plugins))
    return f"one of the plugins {names}" if names else "another process"


@attrs.define
class _Calls:
    """The calls of the implementations, by name of the plugin, and their errors."""

    watchers: Watchers
    run: Run
    report: Report
    implementations: dict[str, Any]
    errors: list[BaseException] = attrs.field(factory=list)

    def run_all(self) -> None:
        is_finished = self.report.state == "finished"
        if self.run.folder is None or all(map(self.watchers.is_default, self.implementations)):
            for name in self.implementations:
                self._call_and_compare(name)
        else:
            with FolderGuard(self.run.folder) as guard:
                self._run_guarded(guard, self.run.folder)
        for error in self.errors:
            if is_finished or not isinstance(error, ComponentError):
                raise error

    def _run_guarded(self, guard: FolderGuard, folder: Path) -> None:
        guard.protect()
        n_reported = 0
        for name in self.implementations:
            self._call_and_compare(name)
            is_default = self.watchers.is_default(name)
            if not is_default:
                self._restore_damaged(guard, name)
                self._remove_obstacles(folder, name)
            guard.protect(name, replaces=is_default)
            if guard.writer(REPORT) == name:
                n_reported = len(self.report.watchers)
        self._restore_damaged(guard)
        if n_reported < len(self.watchers.errors):  # errors in plugins that were called later
            self._call(guard.writer(REPORT))

    def _call(self, name: str) -> None:
        if name not in self.implementations:
            return
        self.report = attrs.evolve(
            self.report,
            watchers=tuple(self.watchers.errors),
            watcher_seconds=dict(self.watchers.seconds),
        )
        arguments = {"run": self.run, "report": self.report}
        try:
            error = self.watchers.call(name, HOOK, self.implementations[name], arguments)
        except KeyboardInterrupt as interruption:
            self._stop("interrupted", self.watchers.errors[-1], interruption)
            return
        if isinstance(error, Exception) and disk_failure(error):
            self.errors.insert(0, error)

    def _call_and_compare(self, name: str) -> None:
        """Call an implementation; the run fails if it changes the result in memory."""
        result = self.report.result
        if result is None or self.watchers.is_default(name):
            self._call(name)
            return
        state = ResultState.read(result)
        self._call(name)
        if changes := state.find_changes(result):
            state.restore(result)
            message = (
                f"plugin {name!r} changed the result in {HOOK}: "
                f"{format_list(changes, MAX_LISTED)}; a hook must copy outputs before it changes "
                "them"
            )
            self.watchers.record(message)
            self._stop("failed", message, ComponentError(message))

    def _remove_obstacles(self, folder: Path, name: str) -> None:
        """Remove what a plugin has put in the way of plots and reports."""
        if obstacles := remove_obstacles(folder, LATER_FILES, ("plots",)):
            self.watchers.record(
                f"plugin {name!r} damaged the run folder in {HOOK}: "
                f"{describe_damage(obstacles)}; repaired"
            )

    def _restore_damaged(self, guard: FolderGuard, name: str = "") -> None:
        """Restore the files that a plugin has damaged."""
        damage = guard.find_damage(name)
        if not damage:
            return
        source = f"plugin {name!r}" if name else f"one of the plugins {self._plugins_with_hooks()}"
        message = f"{source} damaged the run folder in {HOOK}: {describe_damage(damage)}"
        unsaved = [file for file in damage if not guard.restore(file)]
        if not unsaved:
            self.watchers.record(f"{message}; restored")
            return
        files = format_list(unsaved, MAX_LISTED)
        message += f"; without space for a copy, {files} cannot be restored"
        self.watchers.record(message)
        self._stop("failed", message, ComponentError(message))

    def _plugins_with_hooks(self) -> str:
        return ", ".join(
            repr(name) for name in self.implementations if not self.watchers.is_default(name)
        )

    def _stop(self, state: str, message: str, error: BaseException) -> None:
        self.errors.append(error)
        if self.report.state == "finished":
            self.report = attrs.evolve(self.report, state=state, error=message)
