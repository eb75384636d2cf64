"""Stackers that combine the datasets of observations."""

from skyred.components.stackers.group import GroupRuns
from skyred.components.stackers.runs import Keep, Sum
from skyred.components.stackers.stacking import Stack, merge_stacks, merge_totals, stack_dataset

__all__ = ["GroupRuns", "Keep", "Stack", "Sum", "merge_stacks", "merge_totals", "stack_dataset"]
