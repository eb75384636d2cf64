"""Replacement of gammapy's `Fit.run` and `FluxPointsEstimator.run` by skyred, as a pytest plugin.

``pytest -p gammapy_adapter`` replaces both methods for the session. `Fit.run` still returns
gammapy's `FitResult`, and `FluxPointsEstimator.run` gammapy's `FluxPoints`. Calls with options that
skyred does not support use the original method; ``--adapter-calls FILE`` writes the number of calls
of skyred and of the original methods.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.datasets.actors import DatasetsActor
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.fit import CovarianceResult, FitResult, OptimizeResult

import skyred
from skyred.components.fitters.minuit import Minuit

if TYPE_CHECKING:
    import pytest

ESTIMATOR_OPTIONS = (
    "source", "energy_edges", "selection_optional", "n_sigma", "n_sigma_ul", "n_sigma_sensitivity",
    "reoptimize", "norm", "allow_multiple_telescopes",
)  # fmt: skip
MINUIT_OPTIONS = {"tol": "tolerance", "strategy": "strategy"}  # skyred's names by gammapy's names
SKYRED = "skyred"

calls: Counter[str] = Counter()
_running = False


@contextmanager
def use_original_methods() -> Iterator[None]:
    """Use the original methods of gammapy for calls by skyred itself."""
    global _running
    _running = True
    try:
        yield
    finally:
        _running = False


def replace_method(
    original: Callable[..., Any],
    replacement: Callable[..., Any],
    reason_for_gammapy: Callable[[Any, Any], str],
) -> Callable[..., Any]:
    """Return a method that calls skyred, or the original method if skyred cannot replace it.

    Parameters
    ----------
    original : callable
        The method of gammapy, a function of an object and datasets.
    replacement : callable
        The function of skyred with the same arguments.
    reason_for_gammapy : callable
        Function that returns the reason to call the original method; "" to call skyred.
    """

    @wraps(original)
    def run(self: Any, datasets: Any) -> Any:
        if _running:
            return original(self, datasets)
        reason = reason_for_gammapy(self, datasets)
        calls[f"{original.__qualname__}: {reason or SKYRED}"] += 1
        if reason:
            return original(self, datasets)
        with use_original_methods():
            return replacement(self, datasets)

    return run


def reason_for_gammapy_fit(fit: Fit, datasets: Any) -> str:
    """Return the reason to fit with gammapy; "" to fit with skyred."""
    backends = {fit.backend, fit.optimize_opts.get("backend", fit.backend)}
    if backends != {"minuit"}:
        return f"the backend is {', '.join(sorted(backends - {'minuit'}))}"
    if unsupported := set(fit.optimize_opts) - {"backend", *MINUIT_OPTIONS}:
        return f"options of Minuit without a counterpart ({', '.join(sorted(unsupported))})"
    if fit.store_trace:
        return "the trace is stored"
    return "the datasets are Ray actors" if isinstance(datasets, DatasetsActor) else ""


def reason_for_gammapy_flux_points(estimator: FluxPointsEstimator, datasets: Any) -> str:
    """Return the reason to estimate flux points with gammapy; "" to use skyred."""
    if isinstance(datasets, DatasetsActor):
        return "the datasets are Ray actors"
    if estimator.sum_over_energy_groups:
        return "counts are summed over energy groups"
    backend = estimator.fit.optimize_opts.get("backend", estimator.fit.backend)
    return "" if backend == "minuit" else f"the backend is {backend}"


def fit_with_skyred(fit: Fit, datasets: Any) -> FitResult:
    """Fit with `skyred.fit`, and return a `FitResult` of gammapy."""
    datasets_to_fit = datasets if isinstance(datasets, Datasets) else Datasets(datasets)
    options = {
        name: fit.optimize_opts[gammapy_name]
        for gammapy_name, name in MINUIT_OPTIONS.items()
        if gammapy_name in fit.optimize_opts
    }
    result = skyred.fit(datasets_to_fit, Minuit(**options) if options else None)
    fit._minuit = result  # skyred has no Minuit object
    models = datasets_to_fit.models
    state = {"backend": "minuit", "success": result.success, "message": result.message}
    optimize_result = OptimizeResult(
        models=models.copy(),
        nfev=result.nfev,
        total_stat=result.stat,
        trace=Table(),
        minuit=result,
        method="migrad",
        **state,
    )
    matrix = models.covariance.data.copy()
    optimize_result.models.covariance = matrix
    covariance_result = CovarianceResult(matrix=matrix, method="hesse", **state)
    return FitResult(optimize_result=optimize_result, covariance_result=covariance_result)


def estimate_with_skyred(estimator: FluxPointsEstimator, datasets: Any) -> Any:
    """Estimate flux points with `skyred.flux_points` and the options of an estimator."""
    options = {name: getattr(estimator, name) for name in ESTIMATOR_OPTIONS}
    return skyred.flux_points(datasets, **options)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--adapter-calls`."""
    parser.addoption("--adapter-calls", help="file for the number of calls of each method")


def pytest_configure() -> None:
    """Replace gammapy's methods."""
    Fit.run = replace_method(Fit.run, fit_with_skyred, reason_for_gammapy_fit)
    FluxPointsEstimator.run = replace_method(
        FluxPointsEstimator.run, estimate_with_skyred, reason_for_gammapy_flux_points
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the number of calls of each method."""
    path = session.config.getoption("--adapter-calls")
    if path:
        Path(path).write_text(json.dumps(calls, indent=2) + "\n")
