"""Convert the sections `flux_points`, `light_curve` and `excess_map`."""

from __future__ import annotations

from typing import Any

from skyred.conversion.gammapy.observations import convert_windows
from skyred.conversion.parameters import convert_parameters
from skyred.conversion.plain_values import plain_energy_axis
from skyred.conversion.source import Source
from skyred.fields.quantities import plain as plain_quantity

COLUMNS_WITHOUT_OFF_COUNTS = ("errn-errp", "ul", "sensitivity")


def convert_flux_points(source: Source, config: Any) -> dict[str, Any]:
    """Convert the section `flux_points`.

    Parameters
    ----------
    source : Source
        The configuration.
    config : AnalysisConfig or WorkflowConfig
        The configuration with gammapy's defaults.

    Returns
    -------
    dict
        The estimator.
    """
    settings = config.flux_points
    source.mark_converted("flux_points.source", "flux_points.energy")
    return {
        "kind": "flux-points",
        "source": settings.source,
        **_required_edges(source, "flux_points.energy", settings.energy),
        **convert_parameters(
            source,
            "flux_points.parameters",
            "FluxPointsEstimator",
            settings.parameters,
            ("energy_edges", "source", "fit", "n_jobs"),
        ),
    }


def convert_light_curve(source: Source, config: Any) -> dict[str, Any]:
    """Convert the section `light_curve`.

    Parameters
    ----------
    source : Source
        The configuration.
    config : AnalysisConfig or WorkflowConfig
        The configuration with gammapy's defaults.

    Returns
    -------
    dict
        The estimator.
    """
    settings = config.light_curve
    source.mark_converted(
        "light_curve.source", "light_curve.energy_edges", "light_curve.time_intervals"
    )
    times = settings.time_intervals
    is_complete = times.start is not None and times.stop is not None  # or ignored by gammapy
    windows = convert_windows(source, "light_curve.time_intervals", times) if is_complete else []
    intervals = {"by": "interval", "intervals": windows} if windows else {"by": "run"}
    return {
        "kind": "light-curve",
        "source": settings.source,
        **intervals,
        **_required_edges(source, "light_curve.energy_edges", settings.energy_edges),
        **convert_parameters(
            source,
            "light_curve.parameters",
            "LightCurveEstimator",
            settings.parameters,
            ("time_intervals", "energy_edges", "source", "fit", "n_jobs"),
        ),
    }


def convert_excess_map(source: Source, config: Any, subtract_sources: bool) -> dict[str, Any]:
    """Convert the section `excess_map`.

    Parameters
    ----------
    source : Source
        The configuration.
    config : AnalysisConfig or WorkflowConfig
        The configuration with gammapy's defaults.
    subtract_sources : bool
        Whether gammapy computes the map after the fit, so that it shows the residuals.

    Returns
    -------
    dict
        The estimator.
    """
    settings = config.excess_map
    source.mark_converted("excess_map.correlation_radius", "excess_map.energy_edges")
    estimator: dict[str, Any] = {
        "kind": "excess-map",
        "correlation_radius": plain_quantity(settings.correlation_radius),
    }
    if subtract_sources:
        estimator["subtract_sources"] = True
    if (edges := _edges(settings.energy_edges)) is not None:
        estimator["energy_edges"] = edges
    options = convert_parameters(
        source,
        "excess_map.parameters",
        "ExcessMapEstimator",
        settings.parameters,
        ("correlation_radius", "energy_edges"),
        () if config.datasets.background.method == "ring" else COLUMNS_WITHOUT_OFF_COUNTS,
    )
    options.pop("sum_over_energy_groups", None)  # gammapy always uses one bin
    return estimator | options


def _edges(axis: Any) -> dict[str, Any] | None:
    """Return energy edges; None if the axis is incomplete, as gammapy does."""
    if axis.min is None or axis.max is None or not axis.nbins or axis.nbins < 1:
        return None
    return plain_energy_axis(axis.min, axis.max, axis.nbins)


def _required_edges(source: Source, path: str, axis: Any) -> dict[str, Any]:
    if (edges := _edges(axis)) is None:
        source.add_problem(path, "is incomplete", "expected min, max and nbins")
        return {}
    return {"energy_edges": edges}
