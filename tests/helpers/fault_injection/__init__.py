"""Faults that are real: killed and interrupted processes, damaged archives."""
