"""Options that estimators of fluxes share."""

from __future__ import annotations

from typing import Any

from skyred.fields import option, quantity

OPTIONAL = ("errn-errp", "ul", "scan", "sensitivity")


def energy_bins(default: str) -> Any:
    """Declare edges of energy bins that may be left out; `default` says what is taken then."""
    doc = f"Edges of the energy bins; {default} if left out."
    return quantity(None, many=True, unit="TeV", min="1e-9 TeV", doc=doc)


def optional_columns() -> Any:
    """Declare which optional columns there are: all by default."""
    doc = "Optional columns: asymmetric errors, upper limit, likelihood scan, sensitivity."
    return option(OPTIONAL, choices=OPTIONAL, many=True, doc=doc)


def refit_others() -> Any:
    """Declare whether the free parameters of the rest are fitted again, as gammapy calls it."""
    return option(False, doc="Whether the other free parameters are fitted again.")


def error_width() -> Any:
    """Declare the width of the errors, in sigma."""
    return option(1.0, min=0.1, doc="Width of the errors in sigma.")


def limit_confidence() -> Any:
    """Declare the confidence of upper limits, in sigma."""
    return option(2.0, min=0.1, doc="Confidence of the upper limits in sigma.")
