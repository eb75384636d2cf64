"""Independent tasks of an estimator, which an engine may distribute over its workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

SharedT = TypeVar("SharedT")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Tasks:
    """Runs tasks one after the other, in this process.

    In a run with several workers, the orchestrator passes a subclass to the estimators that have
    a parameter `tasks`, which distributes the tasks over the workers. Results must not depend on
    where a task runs. This holds for functions that depend on their arguments only, and do not
    change them.
    """

    def map(
        self,
        function: Callable[[SharedT, ItemT], ResultT],
        shared: SharedT,
        items: Sequence[ItemT],
    ) -> list[ResultT]:
        """Call a function for each item.

        If the function, an argument or a result cannot be pickled, or not be read in a worker, the
        remaining tasks run in this process.

        Parameters
        ----------
        function : callable
            Called as ``function(shared, item)``; it must change neither argument. Workers can only
            run functions that are defined at the top level of a module.
        shared : object
            The data that all tasks need, such as the datasets. Workers receive a pickled copy, and
            keep it for all their tasks.
        items : sequence
            One small object for each task; it is pickled with the task.

        Returns
        -------
        list
            The results, in the order of the items. They are pickled if they are from workers.

        Raises
        ------
        Exception
            The exception of the first item, in order, for which the function fails.
        EngineError
            If a task repeatedly kills its worker, or no worker can be started.
        """
        return [function(shared, item) for item in items]


#: The tasks of estimators that are called directly, such as in a notebook.
SERIAL_TASKS = Tasks()
