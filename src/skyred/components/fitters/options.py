"""Options that several fitters share."""

from __future__ import annotations

from skyred.fields import option

N_SIGMA = option(
    1.0, min=0.1, max=10.0, doc="Confidence level of the asymmetric errors, in standard deviations."
)
MINOS_PARAMETERS = option(
    ("*",),
    type=str,
    many=True,
    doc="Parameters with asymmetric errors, with wildcards, such as crab.spectral.*; by default "
    "all.",
)
STORE_TRACE = option(
    False,
    doc="Whether to store each evaluation of the fit statistic, in trace.ecsv of the run folder.",
)
