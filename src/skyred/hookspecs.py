"""The hooks of plugins: to add components, archives and commands, and to follow runs.

Only components change data; lifecycle hooks report the progress of a run to plugins. They are
called in the parent process, with frozen records, and their return values are ignored. An exception
in a lifecycle hook, also `SystemExit`, is logged and recorded with the name of the plugin, and does
not stop the run; only `KeyboardInterrupt` does. The run waits for the hooks: ``report.json`` has
their duration for each plugin, and a warning names plugins that take more than a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click
    from gammapy.modeling.models import ModelBase

    from skyred.interfaces import Component
    from skyred.interfaces.archive import Archive
    from skyred.interfaces.model_class import ModelClass
    from skyred.interfaces.records import Outcome, Report, Run, StepRecord

PROJECT = "skyred"
#: Version of the plugin API: the hooks, the interfaces and the declarations of options. It is
#: increased when a plugin can use something that earlier versions of skyred do not have. A module
#: with hooks may set ``SKYRED_API = 1``, the version that it is made for; a plugin for a newer
#: version than that of the running skyred is faulty, older ones keep working.
API_VERSION = 1
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def skyred_components() -> Iterable[type[Component]]:  # type: ignore[empty-body]
    """Return the classes of components that this plugin adds.

    It is called each time that plugins are loaded. A plugin whose hook raises an exception, or
    returns anything but component classes with a kind that is unique in its distribution, is
    faulty: none of its hooks is called, and each run warns of it. If several distributions provide
    a kind, its name in a configuration is ``distribution:kind``.

    .. versionadded:: 0.1

    Returns
    -------
    iterable of type
        Subclasses of `skyred.Component`, of any role, each decorated with `skyred.component`.
    """


@hookspec
def skyred_models() -> Iterable[type[ModelBase] | ModelClass]:  # type: ignore[empty-body]
    """Return the spectral, spatial and temporal models of gammapy that this plugin adds.

    They can be used by their tags like gammapy's own (``source: {spectral: {type: my-tag}}``), and
    run folders with these models can be read where the plugin is installed. It is called each time
    that plugins are loaded. A `skyred.ModelClass` declares a class that is only imported, and added
    to gammapy's registry, when it is used. If two plugins, or a plugin and gammapy, have the same
    tag, the use of this tag is an error that contains both names.

    .. versionadded:: 0.1

    Returns
    -------
    iterable of (type or skyred.ModelClass)
        Subclasses of gammapy's `SpectralModel`, `SpatialModel` and `TemporalModel`, or their
        declarations.
    """


@hookspec
def skyred_archive(location: str | tuple[str, ...]) -> Archive | None:
    """Open an archive if this plugin supports its location.

    It is called for every plugin when an archive is opened, by ``skyred run``, ``skyred check`` or
    `skyred.Plugins.open_archive`. It is an error if several plugins open the same location, or if
    none does. If the hook raises a `skyred.ArchiveError`, the error is reported unless another
    plugin opens the archive; any other exception becomes an `~skyred.ArchiveError` that names the
    plugin. If no plugin opens a location, the error lists the first paragraph of the docstring of
    each implementation: write there which locations it opens.

    .. versionadded:: 0.1

    Parameters
    ----------
    location : str or tuple of str
        One location (a folder, an index file, ``sim:crab``) or several DL3 files, as in the
        configuration, with environment variables and wildcards expanded.

    Returns
    -------
    Archive or None
        The archive, such as a `gammapy.data.DataStore`; None if this plugin does not support the
        location.
    """


@hookspec
def skyred_commands(cli: click.Group) -> None:
    """Add commands to the command line.

    It is called by ``skyred --help``, by ``skyred plugins``, and for a command that is not one of
    ``run``, ``check``, ``plugins``, ``show`` and ``cache``. It is only called for entry points of
    the group ``skyred.commands``. Define the commands in a separate module, and import slow modules
    only inside the commands, because ``skyred --help`` imports the command modules of all plugins.
    If the hook raises an exception, or adds an existing command, all commands of the plugin are
    ignored, and the help and ``skyred plugins`` report the plugin.

    .. versionadded:: 0.1

    Parameters
    ----------
    cli : click.Group
        An empty group, to which the commands are added: ``cli.add_command(command)`` or
        ``@cli.command()``. They become commands of ``skyred``.
    """


@hookspec
def skyred_run_started(run: Run) -> None:
    """Handle the start of a run, before its first step.

    .. versionadded:: 0.1

    Parameters
    ----------
    run : Run
        The run: its configuration, its steps, and the staging folder that it is written to, if
        there is one. The number of observations is 0 until they are selected.
    """


@hookspec
def skyred_step_started(run: Run, step: str) -> None:
    """Handle the start of a step.

    It is also called for steps that are run one by one from Python, outside a run.

    .. versionadded:: 0.1

    Parameters
    ----------
    run : Run
        The run, with the number of observations once they are selected.
    step : {"select", "reduce", "model", "fit", "estimate"}
        The step.
    """


@hookspec
def skyred_observation_reduced(run: Run, outcome: Outcome) -> None:
    """Handle the outcome of the reduction of an observation.

    It is called once for each selected observation, when its chunk of observations has been
    reduced or read from the cache. The order does not depend on the engine.

    .. versionadded:: 0.1

    Parameters
    ----------
    run : Run
        The run.
    outcome : Outcome
        Whether the observation was reduced, read from the cache or skipped, or whether it failed;
        the reason, the processing time in seconds, the counts and the background norm.
    """


@hookspec
def skyred_task_finished(run: Run, estimate: str, finished: int, total: int) -> None:
    """Handle the end of a task of an estimator.

    It is called for estimators that divide their work into tasks (`Tasks`), in the step
    ``estimate``. The numbers start again each time that an estimator calls `Tasks.map`.

    .. versionadded:: 0.1

    Parameters
    ----------
    run : Run
        The run.
    estimate : str
        The name of the estimate.
    finished : int
        The number of finished tasks.
    total : int
        The number of all tasks.
    """


@hookspec
def skyred_step_finished(run: Run, step: str, record: StepRecord) -> None:
    """Handle the end of a step.

    It is not called for a step that raises an exception or is interrupted; in a run,
    `skyred_run_finished` is called next.

    .. versionadded:: 0.1

    Parameters
    ----------
    run : Run
        The run.
    step : {"select", "reduce", "model", "fit", "estimate"}
        The step.
    record : StepRecord
        The time that the step took, in seconds, its summary, and the files that it read.
    """


@hookspec
def skyred_run_finished(run: Run, report: Report) -> None:
    """Handle the end of a run, before its folder is published.

    It is called for failed and interrupted runs too. Files that it adds to `run.folder` are
    published with the run. It must not change or remove files of the run or of other plugins: they
    are restored, and a warning names the plugin. An `OSError` caused by a full or broken disk stops
    the publication, because the files may be incomplete; other exceptions do not.

    .. versionadded:: 0.1

    Parameters
    ----------
    run : Run
        The run; its `folder` is the staging folder, or None if the run is not written.
    report : Report
        Whether the run finished, failed or was interrupted, the error, the records of its steps,
        the outcomes of its observations, and the results so far.
    """
