"""Tasks of estimators: functions that workers can import, and workers emulated in one process."""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from typing import Any

import attrs

from skyred import SERIAL_TASKS, Tasks, component
from skyred.errors import SkyredWarning
from skyred.io.exact_pickle import dump_exactly
from toys import ToyEstimator, ToyProduct

unpickled: list[int] = []  # one entry for each time that `CountedData` were unpickled
process_ids: set[int] = set()  # of the tasks of the last estimate of TotalByDataset


@attrs.define
class EmulatedWorkers(Tasks):
    """Runs tasks in this process, each in the state that it would have in one of the workers.

    Each worker has its own copy of the shared data, and runs its tasks in reverse order.
    """

    workers: int

    def map(self, function: Any, shared: Any, items: Any) -> list[Any]:
        results = {}
        for worker in range(self.workers):
            called, copy = pickle.loads(dump_exactly((function, shared)))
            for index in reversed(range(worker, len(items), self.workers)):
                result = called(copy, pickle.loads(dump_exactly(items[index])))
                results[index] = pickle.loads(dump_exactly(result))
        return [results[index] for index in range(len(items))]


class CountedData:
    """Data that count how often they are unpickled in a process."""

    def __reduce__(self) -> Any:
        return _unpickle_counted, ()


def _unpickle_counted() -> CountedData:
    unpickled.append(os.getpid())
    return CountedData()


def count_unpickled(shared: CountedData, item: int) -> tuple[int, int]:
    """Return the process id, and how often the data have been unpickled in this process."""
    return os.getpid(), len(unpickled)


def scale(shared: float, item: float) -> float:
    return shared * item


def raise_for_large(shared: int, item: int) -> int:
    if item >= shared:
        raise ArithmeticError(f"{item} is too large")
    return item


class UnpicklableError(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def raise_unpicklable(shared: None, item: int) -> None:
    raise UnpicklableError("one", "two")


class NumberedError(ArithmeticError):
    """An error whose unpickled copy has another message."""

    def __init__(self, number: object) -> None:
        super().__init__(f"number {number}")


class NumberedWarning(SkyredWarning):
    """A warning whose unpickled copy has another message."""

    def __init__(self, number: object) -> None:
        super().__init__(f"number {number}")


def warn_and_raise_numbered(shared: None, item: int) -> None:
    warnings.warn(NumberedWarning(item), stacklevel=1)
    raise NumberedError(item)


def log_about(shared: str, item: int) -> int:
    logging.getLogger("gammapy.estimators").warning("%s %d", shared, item)
    return item


class NoisyData:
    """Data that issue a warning and a log message when they are unpickled."""

    def __reduce__(self) -> Any:
        return _unpickle_noisy, ()


def _unpickle_noisy() -> NoisyData:
    warnings.warn("prepared again", SkyredWarning, stacklevel=1)
    logging.getLogger("gammapy.estimators").warning("prepared again")
    return NoisyData()


def return_item(shared: object, item: int) -> int:
    return item


def kill_worker(shared: int, item: int) -> int:
    if os.getpid() != shared:
        os._exit(3)
    return item


def warn_about(shared: str, item: int) -> int:
    warnings.warn(f"{shared} {item}", SkyredWarning, stacklevel=1)
    return item


def warn_and_fail(shared: str, item: int) -> int:
    warnings.warn(f"{shared} {item}", SkyredWarning, stacklevel=1)
    raise ArithmeticError(f"{item} failed")


def warn_repeatedly(shared: str, item: int) -> int:
    for _ in range(3):
        warnings.warn(shared, SkyredWarning, stacklevel=1)
    return item


def call_shared(shared: Any, item: Any) -> Any:
    """Call a function or method that the shared data contain."""
    return shared(item)


class OnlyIn:
    """Data or items that can be unpickled in one process only, like a class of a notebook."""

    def __init__(self, process_id: int) -> None:
        self.process_id = process_id

    def __reduce__(self) -> Any:
        return _unpickle_only_in, (self.process_id,)

    def __call__(self, item: int) -> int:
        return 2 * item


def _unpickle_only_in(process_id: int) -> OnlyIn:
    if os.getpid() != process_id:
        raise AttributeError("Can't get attribute 'OnlyIn' on <module '__main__'>")
    return OnlyIn(process_id)


def create_function(shared: None, item: int) -> Any:
    """Return a result that cannot be pickled."""
    return lambda: item


def sum_counts(datasets: Any, name: str) -> tuple[int, float]:
    """Return the process id, and the sum of counts of a dataset."""
    return os.getpid(), float(datasets[name].counts.data.sum())


@component
class TotalByDataset(ToyEstimator):
    """A third party's estimator that divides its work into tasks."""

    kind = "toy-total-by-dataset"

    def estimate(self, datasets: Any, fit: Any, tasks: Tasks = SERIAL_TASKS) -> ToyProduct:
        results = tasks.map(sum_counts, datasets, datasets.names)
        process_ids.clear()
        process_ids.update(process_id for process_id, _ in results)
        return ToyProduct(self.label, sum(counts for _, counts in results))
