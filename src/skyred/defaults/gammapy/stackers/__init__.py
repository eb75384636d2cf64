"""The stackers: how the datasets of observations combine."""

from skyred.defaults.gammapy.stackers.group import GroupRuns
from skyred.defaults.gammapy.stackers.runs import Keep, Sum
from skyred.defaults.gammapy.stackers.stacking import Stack, add_to, merge_stacks, merged

__all__ = ["GroupRuns", "Keep", "Stack", "Sum", "add_to", "merge_stacks", "merged"]
