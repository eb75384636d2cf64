"""Files written atomically, locks, checksums, streaming, captured warnings and HTML.

Every package may use these tools: they know nothing of pipelines, components or likelihoods.
"""
