"""The stackers: how the datasets of observations combine."""

from skyred.components.stackers.group import GroupRuns
from skyred.components.stackers.runs import Keep, Sum
from skyred.components.stackers.stacking import Stack, add_to, merge_stacks, merged

__all__ = ["GroupRuns", "Keep", "Stack", "Sum", "add_to", "merge_stacks", "merged"]
