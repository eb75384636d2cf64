"""Watchers of a run: progress, provenance and plots."""
