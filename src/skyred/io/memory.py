"""The memory of the machine."""

from __future__ import annotations

import os


def total_memory() -> int | None:
    """Return the physical memory of this machine.

    Returns
    -------
    int or None
        The number of bytes; None if the system does not report it.
    """
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
