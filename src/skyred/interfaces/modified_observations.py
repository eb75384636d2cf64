"""Whether the caller of a maker passes modified observations to all makers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IS_MODIFIED: ContextVar[bool] = ContextVar("_IS_MODIFIED", default=False)


def are_observations_modified() -> bool:
    """Return whether makers are called inside `observations_are_modified`.

    Returns
    -------
    bool
        Whether they are.
    """
    return _IS_MODIFIED.get()


@contextmanager
def observations_are_modified() -> Iterator[None]:
    """Accept makers that modify observations in `Maker.run`, because the caller does so.

    Yields
    ------
    None
        Makers are run inside the context.
    """
    token = _IS_MODIFIED.set(True)
    try:
        yield
    finally:
        _IS_MODIFIED.reset(token)
