"""Calls to the lifecycle hooks; errors in hooks are logged, and do not stop the steps."""

from __future__ import annotations

import logging
from typing import Any

import attrs

from skyred.io.disk import disk_failure
from skyred.plugins import Plugins

log = logging.getLogger(__name__)


@attrs.define
class Watchers:
    """The lifecycle hooks of plugins, and the errors that they raised.

    Parameters
    ----------
    plugins : Plugins
        The plugins.
    errors : list of str
        A message for each error.
    """

    plugins: Plugins
    errors: list[str] = attrs.field(factory=list)

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
        OSError
            If the disk failed in an implementation of ``skyred_run_finished``, so that a file in
            the run folder may be incomplete. The error, possibly of another type, is raised after
            all implementations have been called.
        """
        disk_error: Exception | None = None
        for name, implementation in self.plugins.hook_implementations(hook):
            if "report" in hook_arguments:  # add the errors in hooks that were called before
                report = hook_arguments["report"]
                hook_arguments["report"] = attrs.evolve(report, watchers=tuple(self.errors))
            arguments = [hook_arguments[argument] for argument in implementation.argnames]
            try:
                implementation.function(*arguments)
            except Exception as error:  # errors in hooks must not stop the run
                message = f"plugin {name!r} failed in {hook}: {type(error).__name__}: {error}"
                log.warning(message, exc_info=True)
                self.errors.append(message)
                if hook == "skyred_run_finished" and disk_failure(error):
                    disk_error = disk_error or error
        if disk_error is not None:
            raise disk_error
