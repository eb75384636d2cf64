"""Stackers: the combination of the datasets of observations."""

from skyred.components.stackers.group import GroupRuns
from skyred.components.stackers.runs import Keep, Sum
from skyred.components.stackers.stacking import Stack, add_to, merge_stacks, merge_totals

__all__ = ["GroupRuns", "Keep", "Stack", "Sum", "add_to", "merge_stacks", "merge_totals"]
