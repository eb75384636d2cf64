"""Files written whole or not at all, locks, checksums, streaming, captured warnings, HTML.

The tools that every package may use: they know nothing of pipelines, components or likelihoods.
"""
