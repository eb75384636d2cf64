"""Declarations of the options that flux estimators share."""

from __future__ import annotations

from typing import Any

from skyred.components.estimators.norm_range import NormRange
from skyred.fields import energy_edges, nested_object, option

OPTIONAL_COLUMNS = ("errn-errp", "ul", "scan", "sensitivity")


def energy_edges_option(default: str) -> Any:
    """Declare the option of the energy edges.

    Parameters
    ----------
    default : str
        Description of the default bins.

    Returns
    -------
    Any
        The option.
    """
    return energy_edges(None, doc=f"Edges of the energy bins, by default {default}.")


def columns_option() -> Any:
    """Declare the option of optional columns, by default all of them.

    Returns
    -------
    Any
        The option.
    """
    doc = "Optional columns: asymmetric errors, upper limit, likelihood scan, sensitivity."
    return option(OPTIONAL_COLUMNS, choices=OPTIONAL_COLUMNS, many=True, doc=doc)


def reoptimize_option() -> Any:
    """Declare the option to refit the other free parameters (``reoptimize`` of gammapy).

    Returns
    -------
    Any
        The option.
    """
    return option(False, doc="Whether the other free parameters are fitted again.")


def n_sigma_option() -> Any:
    """Declare the option of the confidence level of the errors, in sigma.

    Returns
    -------
    Any
        The option.
    """
    return option(1.0, min=0.1, doc="Confidence level of the errors, in sigma.")


def n_sigma_ul_option() -> Any:
    """Declare the option of the confidence level of upper limits, in sigma.

    Returns
    -------
    Any
        The option.
    """
    return option(2.0, min=0.1, doc="Confidence level of the upper limits, in sigma.")


def n_sigma_sensitivity_option() -> Any:
    """Declare the option of the significance that defines the sensitivity, in sigma.

    Returns
    -------
    Any
        The option.
    """
    return option(5.0, min=0.1, doc="Significance that defines the sensitivity, in sigma.")


def norm_option() -> Any:
    """Declare the option of the limits and the scan of the norm.

    Returns
    -------
    Any
        The option.
    """
    doc = "Limits of the norm in each bin, and the norms of the scan."
    return nested_object(NormRange, None, doc=doc)


def sum_over_energy_groups_option() -> Any:
    """Declare the option to sum counts over energy (``sum_over_energy_groups`` of gammapy).

    Returns
    -------
    Any
        The option.
    """
    return option(
        False,
        doc="Whether the counts in each bin are summed over energy before the fit, so that the "
        "shape of the spectrum within a bin has no effect.",
    )


def shared_settings(estimator: Any) -> dict[str, Any]:
    """Return the options that flux estimators share, as arguments of skyred's functions.

    Parameters
    ----------
    estimator : Estimator
        The estimator.

    Returns
    -------
    dict of str to object
        The arguments: confidence levels, optional columns and norm.
    """
    return {
        "selection_optional": list(estimator.columns),
        "n_sigma": estimator.n_sigma,
        "n_sigma_ul": estimator.n_sigma_ul,
        "n_sigma_sensitivity": estimator.n_sigma_sensitivity,
        "norm": None if estimator.norm is None else estimator.norm.settings(),
    }
