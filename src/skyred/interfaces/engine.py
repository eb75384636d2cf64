"""The engine: where the work runs."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import Executor
from typing import ClassVar

from skyred.interfaces.component import Component


class Engine(Component):
    """Opens an executor that makes chunks of observations."""

    role: ClassVar[str] = "engine"
    #: How many pieces of work may run at once.
    slots: int = 1

    @abstractmethod
    def open(self) -> Executor:
        """Give an executor, to be used as a context manager."""
