"""Files written atomically, locks, checksums, streaming, captured warnings and HTML.

Every package may use these tools: they do not depend on pipelines, components or likelihoods.
"""
