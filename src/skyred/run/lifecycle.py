"""Lifecycle: lifecycle hooks called one by one; a faulty watcher is named and stops nothing."""

from __future__ import annotations

import logging
from typing import Any

import attrs

from skyred.io.disk import gave_out
from skyred.plugins import Plugins

log = logging.getLogger(__name__)


@attrs.define
class Watchers:
    """Calls the lifecycle hooks, and keeps what went wrong in them."""

    plugins: Plugins
    faults: list[str] = attrs.field(factory=list)

    def tell(self, hook: str, **record: Any) -> None:
        """Call a hook of every plugin that has it, each with the arguments it asks for.

        Raises
        ------
        OSError
            If the disk gave out under one that adds to the run folder at the end: what it wrote
            may be half a file. All the others are called first.
        """
        lost: Exception | None = None
        for name, implementation in self.plugins.watchers(hook):
            if "report" in record:  # it is to have the faults of those who were told before
                record["report"] = attrs.evolve(record["report"], watchers=tuple(self.faults))
            arguments = [record[argument] for argument in implementation.argnames]
            try:
                implementation.function(*arguments)
            except Exception as error:  # whatever a watcher raises must not stop the run
                fault = f"plugin {name!r} failed in {hook}: {type(error).__name__}: {error}"
                log.warning(fault, exc_info=True)
                self.faults.append(fault)
                if hook == "skyred_run_finished" and gave_out(error):
                    lost = lost or error
        if lost is not None:
            raise lost
