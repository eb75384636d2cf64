"""Executors of engines of plugins, whose futures and results are checked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Self

from skyred.errors import ComponentError, EngineError, SkyredError
from skyred.interfaces import Engine
from skyred.io.streaming import LOST_TASK_ERRORS, Workers
from skyred.plugins import Catalog
from skyred.plugins.component_errors import describe_component, errors_of, is_default
from skyred.run.worker.identified_task import Caller, TaskResult, run_task

log = logging.getLogger(__name__)

THREADS = (
    "gammapy and astropy are not thread-safe (warning filters, caches and files that are read on "
    "demand are shared), so results may be wrong; an engine must use processes"
)


def require_slots(engine: Engine, catalog: Catalog) -> None:
    """Check the number of slots of an engine.

    Parameters
    ----------
    engine : Engine
        The engine.
    catalog : Catalog
        The components of the plugins.

    Raises
    ------
    ComponentError
        If `slots` is not an integer of at least 1.
    """
    with errors_of(engine, catalog):
        slots: Any = engine.slots
    if not isinstance(slots, int) or slots < 1:
        source = describe_component(engine, catalog)
        raise ComponentError(f"the {source} has slots = {slots!r}; expected an integer >= 1")


def create_workers(engine: Engine, catalog: Catalog) -> Workers:
    """Return the workers of an engine, whose executor is opened when it is used.

    Parameters
    ----------
    engine : Engine
        The engine.
    catalog : Catalog
        The components of the plugins.

    Returns
    -------
    Workers
        The workers.

    Raises
    ------
    ComponentError
        If the engine has no valid number of slots.
    """
    require_slots(engine, catalog)
    return Workers(partial(open_executor, engine, catalog))


def open_executor(engine: Engine, catalog: Catalog) -> Executor:
    """Open the executor of an engine.

    Parameters
    ----------
    engine : Engine
        The engine.
    catalog : Catalog
        The components of the plugins.

    Returns
    -------
    concurrent.futures.Executor
        The executor; that of a plugin's engine is checked.

    Raises
    ------
    ComponentError
        If the engine does not open an executor.
    """
    if is_default(engine, catalog):
        return engine.open()
    source = describe_component(engine, catalog)
    with errors_of(engine, catalog):
        executor: Any = engine.open()
    if not isinstance(executor, Executor):
        raise ComponentError(
            f"open() of the {source} returned {type(executor).__name__}, not a "
            "concurrent.futures.Executor"
        )
    return CheckedExecutor(engine, catalog, executor)


class CheckedExecutor(Executor):
    """An executor of a plugin, with checks of its futures and their results.

    Parameters
    ----------
    engine : Engine
        The engine.
    catalog : Catalog
        The components of the plugins.
    executor : Executor
        The executor that the engine opened.
    """

    def __init__(self, engine: Engine, catalog: Catalog, executor: Executor) -> None:
        self._engine, self._catalog, self._executor = engine, catalog, executor
        self._source = describe_component(engine, catalog)
        self._numbers = count()
        self._caller = Caller.current()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task.

        Parameters
        ----------
        fn : callable
            The task.
        *args : object
            The arguments of the task.
        **kwargs : object
            Not used by skyred.

        Returns
        -------
        concurrent.futures.Future
            The future, whose result is checked.

        Raises
        ------
        ComponentError
            If the engine does not return a future.
        """
        number = next(self._numbers)
        with errors_of(self._engine, self._catalog):
            inner: Any = self._executor.submit(run_task, self._caller, number, fn, *args, **kwargs)
        if not isinstance(inner, Future):
            raise ComponentError(
                f"submit() of the {self._source} returned {type(inner).__name__}, not a "
                "concurrent.futures.Future"
            )
        future = _Future(inner)
        inner.add_done_callback(lambda done: self._finish(future, done, number))
        return future

    def _finish(self, future: _Future, inner: Future[Any], number: int) -> None:
        """Copy the outcome of a future of the engine."""
        future.inner = None  # its result may be large
        if inner.cancelled():
            future.cancel()
            future.set_running_or_notify_cancel()
            return
        with suppress(InvalidStateError):  # it was cancelled before
            try:
                future.set_result(self._get_value(inner, number))
            except BaseException as error:
                future.set_exception(error)

    def _get_value(self, inner: Future[Any], number: int) -> Any:
        error = inner.exception()
        if error is not None:
            if isinstance(error, (SkyredError, *LOST_TASK_ERRORS)):
                raise error
            raise EngineError(
                f"the {self._source} could not run a task: {type(error).__name__}: {error} (if a "
                "worker died, the engine must raise a concurrent.futures.BrokenExecutor, so that "
                "its tasks are repeated)"
            ) from error
        result = inner.result()
        if not isinstance(result, TaskResult):
            raise ComponentError(
                f"the {self._source} returned {type(result).__name__} instead of the result of a "
                "task"
            )
        if result.number != number:
            raise ComponentError(
                f"the {self._source} returned the result of task {result.number} for task {number}"
            )
        if result.violation:
            raise ComponentError(f"the {self._source} {result.violation}; {THREADS}")
        if result.error is not None:
            raise result.error from _WorkerTraceback(f"\n{result.traceback}")
        return result.get()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut the executor down.

        Parameters
        ----------
        wait : bool
            Whether to wait for running tasks.
        cancel_futures : bool
            Whether to cancel tasks that have not started.
        """
        self._executor.shutdown(wait, cancel_futures=cancel_futures)

    def __enter__(self) -> Self:
        with errors_of(self._engine, self._catalog):
            self._executor = self._executor.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._executor.__exit__(exc_type, exc_value, traceback)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # all results have been received
            log.warning(
                "the %s failed when it was closed, and workers may still be running: %s: %s",
                self._source,
                type(error).__name__,
                error,
                exc_info=error,
            )


class _Future(Future[Any]):
    """A future with the checked result of a future of an engine."""

    def __init__(self, inner: Future[Any]) -> None:
        super().__init__()
        self.inner: Future[Any] | None = inner

    def cancel(self) -> bool:
        """Cancel the task unless it is running; return whether it was cancelled."""
        inner = self.inner
        if inner is not None and not inner.cancel():
            return False
        return super().cancel()


class _WorkerTraceback(Exception):  # noqa: N818 - only the cause of an error
    """The cause of an error of a task: its traceback in the worker."""
