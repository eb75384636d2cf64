"""Calls to the lifecycle hooks; errors in hooks are logged, and do not stop the steps."""

from __future__ import annotations

import logging
import time
from typing import Any

import attrs

from skyred.plugins import Plugins
from skyred.run.folder_guard import LogGuard

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
SLOW_FRACTION = 0.1  # of the time since the first call of a hook


@attrs.define
class Watchers:
    """The lifecycle hooks of plugins, with their durations and the errors that they raised.

    Parameters
    ----------
    plugins : Plugins
        The plugins.
    errors : list of str
        A message for each error; first the warnings about faulty plugins, whose hooks are not
        called.
    seconds : dict of str to float
        The time that the hooks of each plugin took, in seconds.
    """

    plugins: Plugins
    errors: list[str] = attrs.field(factory=list)
    seconds: dict[str, float] = attrs.field(factory=dict)
    _start: float | None = attrs.field(default=None, init=False)
    _slow: set[str] = attrs.field(factory=set, init=False)

    def work_time(self) -> float:
        """Return the time of a clock that stands still while hooks are called.

        Returns
        -------
        float
            The time in seconds; only differences are meaningful.
        """
        return time.perf_counter() - sum(self.seconds.values())

    def notify(self, hook: str, **hook_arguments: Any) -> None:
        """Call the implementations of a hook, with the arguments that they declare.

        Parameters
        ----------
        hook : str
            The name of the hook.
        **hook_arguments : object
            The arguments of the hook by name.

        Raises
        ------
        KeyboardInterrupt
            If the user interrupts an implementation.
        """
        for name, implementation in self.plugins.hook_implementations(hook):
            self.call(name, hook, implementation, hook_arguments)

    def call(
        self, name: str, hook: str, implementation: Any, hook_arguments: dict[str, Any]
    ) -> BaseException | None:
        """Call an implementation of a hook, and record its duration and its error.

        Parameters
        ----------
        name : str
            The name of the plugin.
        hook : str
            The name of the hook.
        implementation : pluggy.HookImpl
            The implementation.
        hook_arguments : dict of str to object
            The arguments of the hook by name.

        Returns
        -------
        BaseException or None
            The error that it raised, if any.

        Raises
        ------
        KeyboardInterrupt
            If the user interrupts the implementation.
        """
        folder = hook_arguments["run"].folder
        guard = None if folder is None or self.is_default(name) else LogGuard(folder)
        start = time.perf_counter()
        self._start = self._start or start
        caught_error: BaseException | None = None
        try:
            implementation.function(*(hook_arguments[key] for key in implementation.argnames))
        except KeyboardInterrupt:
            self.record(f"interrupted in {hook} of the plugin {name!r}")
            raise
        except BaseException as error:  # including SystemExit: no hook may stop the run
            self.record(f"plugin {name!r} failed in {hook}: {_describe(error)}", error)
            caught_error = error
        finally:
            self._add_time(name, hook, time.perf_counter() - start)
        if guard is not None and (damage := guard.find_damage()):
            self.record(f"plugin {name!r} damaged the run folder in {hook}: {damage}")
        return caught_error

    def record(self, message: str, error: BaseException | None = None) -> None:
        """Log a message about a plugin, and add it to the report.

        Parameters
        ----------
        message : str
            The message.
        error : BaseException, optional
            The error that the plugin raised, for the traceback in the log.
        """
        log.warning(message, exc_info=error)
        self.errors.append(message)

    def is_default(self, plugin: str) -> bool:
        """Return whether a plugin is part of skyred.

        Parameters
        ----------
        plugin : str
            The name of the plugin.

        Returns
        -------
        bool
            Whether its distribution is skyred.
        """
        return any(
            loaded.owner.plugin == plugin and loaded.owner.distribution == "skyred"
            for loaded in self.plugins.loaded
        )

    def _add_time(self, name: str, hook: str, seconds: float) -> None:
        total = self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        if total < SLOW_SECONDS or name in self._slow or self.is_default(name):
            return
        if total > SLOW_FRACTION * (time.perf_counter() - (self._start or 0.0)):
            self._slow.add(name)
            log.warning(
                "the plugin %r is slow: its hooks took %.1f s so far, the last one is %s; the run "
                "waits for them, but the durations of its steps do not include them",
                name,
                total,
                hook,
            )


def _describe(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it exits Python (code {error.code}); it must raise an error instead"
    return f"{type(error).__name__}: {error}"
