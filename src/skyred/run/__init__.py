"""Runs of pipelines: select, reduce, model, fit and estimate, without console output.

This module imports nothing: workers and `skyred cache` need only a part of this package.
"""
