"""Write the outputs of a run to its folder, and publish the folder, even if the run fails."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.errors import ConfigError, DiskError, FitError, Problem
from skyred.interfaces.hidden_secrets import hidden_secrets
from skyred.interfaces.records import STEPS
from skyred.io.folders import expand_folder
from skyred.plugins.component_errors import describe_component
from skyred.run.disk_space import disk_errors, minimum_size, require_space, size_of
from skyred.run.log_file import log_to_file
from skyred.run.run_finished import notify_finished, repair_folder
from skyred.run.run_folder import RunFolder
from skyred.run.run_records import create_report, create_result

if TYPE_CHECKING:
    from skyred.result import Result
    from skyred.run.steps import Steps

log = logging.getLogger(__name__)


def run_to_folder(
    steps: Steps,
    folder: str | Path | None,
    until: str,
    overwrite: bool,
    plots: bool = True,
    report: bool = True,
) -> Result:
    """Run the steps of a pipeline, and write and publish their outputs.

    Parameters
    ----------
    steps : Steps
        The steps.
    folder : str, Path or None
        The run folder; nothing is written without it.
    until : str
        The last step.
    overwrite : bool
        Whether an existing run folder may be replaced.
    plots : bool
        Whether to draw the plots in the run folder.
    report : bool
        Whether to write the HTML report in the run folder.

    Returns
    -------
    Result
        The result, with its folder if there is one.

    Raises
    ------
    ConfigError
        If `until` is not a step, or an input is in the run folder.
    OutputError
        If the run folder cannot be created or published.
    BaseException
        Any exception that stops the run, including KeyboardInterrupt; the outputs so far are
        published first, unless the disk failed.
    """
    # clear `folder`, which may still be the folder of an earlier run
    steps.record = attrs.evolve(
        steps.record, steps=steps_until(until), folder=None, plots=plots, report=report
    )
    if folder is None:
        return _run_with_hooks(steps, until)
    folder = expand_folder(folder)
    _check_inputs_outside_run_folder(steps, folder)
    with RunFolder.create(folder, overwrite) as run_folder:
        steps.record = attrs.evolve(steps.record, folder=run_folder.staging, name=folder.name)
        result = _run_steps(steps, until, run_folder)
        failed = isinstance(result, BaseException)
        with disk_errors(run_folder.target.parent):
            published_folder = run_folder.publish(failed)
    steps.record = attrs.evolve(steps.record, folder=published_folder)
    if isinstance(result, BaseException):
        log.error("the run did not finish; its outputs so far are in %s", published_folder)
        raise result
    return result.with_folder(published_folder)


def _run_steps(steps: Steps, until: str, run_folder: RunFolder) -> Result | BaseException:
    """Run the steps and write their outputs; return the result, or the error that stopped them.

    Raises
    ------
    DiskError
        If the disk failed, so that the files are incomplete and must not be published.
    """
    try:
        with disk_errors(run_folder.target.parent), log_to_file(run_folder.staging / "log.jsonl"):
            return _run_with_hooks(steps, until)
    except DiskError:
        raise
    except BaseException as error:  # including Ctrl-C, because the outputs so far are published
        return error


def steps_until(last: str) -> tuple[str, ...]:
    """Return the names of the steps up to and including the last one to run.

    Parameters
    ----------
    last : str
        The name of the last step to run.

    Returns
    -------
    tuple of str
        The names of the steps, in order.

    Raises
    ------
    ConfigError
        If the step does not exist.
    """
    if last not in STEPS:
        expected = f"available: {', '.join(STEPS)}"
        raise ConfigError([Problem((), f"unknown step {last!r}", expected)])
    return STEPS[: STEPS.index(last) + 1]


def run_steps(steps: Steps, names: Iterable[str]) -> None:
    """Run several steps with the same workers.

    Parameters
    ----------
    steps : Steps
        The steps of the pipeline.
    names : iterable of str
        The names of the steps to run, in order.

    Raises
    ------
    FitError
        If the fit did not converge; its result is still available.
    """
    with hidden_secrets(steps.pipeline, steps.engine), steps.workers:
        for name in names:
            output = steps.run_until(name)
            if name == "fit" and output is not None and not output.success:
                raise FitError(f"the fit did not converge: {output.message}")


def _check_inputs_outside_run_folder(steps: Steps, target: Path) -> None:
    """Check that no input is in the run folder, because the old folder is deleted."""
    for path, location in steps.pipeline.iter_locations():
        if location.is_path() and location.path().resolve().is_relative_to(target.resolve()):
            message = f"{location} is in the run folder {target}"
            problem = Problem(path, message, "choose another run folder")
            raise ConfigError([problem])


def _run_with_hooks(steps: Steps, until: str) -> Result:
    watchers = steps.watchers
    watchers.notify("skyred_run_started", run=steps.record)
    state, error = "failed", ""
    result: Result | None = None
    try:
        try:
            _check_space(steps)
            run_steps(steps, steps_until(until))
        except BaseException:
            result = create_result(steps)
            with hidden_secrets(steps.pipeline):
                _write_after_error(steps, result)
            raise
        result = create_result(steps)  # once: copies of models are slow
        with hidden_secrets(steps.pipeline):
            _write(steps, result)
        state = "finished"
    except KeyboardInterrupt:
        state, error = "interrupted", "interrupted by the user"
        raise
    except Exception as exception:
        error = f"{type(exception).__name__}: {exception}"
        # traceback for the log file; the caller shows only the message
        log.info("the run failed: %s", error, exc_info=True)
        raise
    finally:
        report = create_report(steps, state, error, result or create_result(steps))
        notify_finished(watchers, steps.record, report)
    return result


def _write_after_error(steps: Steps, result: Result) -> None:
    """Write the outputs so far; errors are only logged, because that of the run is raised."""
    try:
        _write(steps, result)
    except DiskError:  # the folder must not be published
        raise
    except Exception as error:
        log.error("the outputs so far cannot be written completely: %s", error)


def _write(steps: Steps, result: Result) -> None:
    folder, catalog = steps.record.folder, steps.watchers.plugins.catalog
    sources = {
        estimator.label: describe_component(estimator, catalog)
        for estimator in steps.pipeline.estimate
    }
    if folder is not None:
        with disk_errors(folder.parent, required_size=size_of(result.datasets or ())):
            repair_folder(steps.watchers, folder)
            result.write_with_sources(folder, sources)


def _check_space(steps: Steps) -> None:
    folder = steps.record.folder
    if folder is not None:
        required_size = minimum_size(
            {name: selection.table for name, selection in steps.run_until("select").items()},
            steps.pipeline.data,
            steps.watchers.plugins.catalog,
        )
        require_space(folder.parent, required_size)
