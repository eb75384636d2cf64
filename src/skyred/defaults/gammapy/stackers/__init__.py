"""The stackers: how the datasets of observations combine."""

from skyred.defaults.gammapy.stackers.runs import Keep, Sum
from skyred.defaults.gammapy.stackers.stacking import Stack, merge_stacks

__all__ = ["Keep", "Stack", "Sum", "merge_stacks"]
