"""The result of a run, and the files of its folder."""

from skyred.result.core import Result

__all__ = ["Result"]
