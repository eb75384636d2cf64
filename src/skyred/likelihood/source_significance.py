"""The test statistic (TS) of sources, with all other parameters fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    from skyred.interfaces.objective import Objective

NORM_NAMES = ("amplitude", "norm", "const")  # of the parameters of gammapy's spectral models
MAX_FACTOR = 1e6  # of the norm, in the search for an upper bound of its best value
ACCURACY = 1e-6  # of the best norm


def compute_test_statistics(
    datasets: Datasets, models: Models, names: Sequence[str]
) -> dict[str, float]:
    """Compute the TS of sources before a fit: only the norm of the source is fitted.

    The TS is the difference of the fit statistic without the source, and with the best norm that is
    not negative. All other parameters of all models have their current values.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets; their models are set during the computation.
    models : gammapy.modeling.models.Models
        All models; the state of their parameters is restored.
    names : sequence of str
        The names of the sources.

    Returns
    -------
    dict of str to float
        The TS; 0 if the best norm is 0, and NaN if a source has no norm that can be fitted.
    """
    from skyred.likelihood.objective import objective_of  # needs scipy, unlike `NORM_NAMES`

    if not names:
        return {}
    previous_models = datasets.models
    frozen_states = [(parameter, parameter.frozen) for parameter in models.parameters]
    norms = {
        name: next(
            (item for item in models[name].spectral_model.parameters if item.name in NORM_NAMES),
            None,
        )
        for name in names
    }
    test_statistics = dict.fromkeys(names, float("nan"))
    try:
        for parameter, _ in frozen_states:
            parameter.frozen = True
        for norm in norms.values():
            if norm is not None:
                norm.frozen = False
        datasets.models = models
        if any(not parameter.frozen for parameter in datasets.models.parameters):
            objective = objective_of(datasets)
            free_parameters = list(datasets.models.parameters.unique_parameters.free_parameters)
            for name, norm in norms.items():
                for index, parameter in enumerate(free_parameters):
                    if parameter is norm:
                        test_statistics[name] = _test_statistic(objective, index)
    finally:
        datasets.models = previous_models
        for parameter, frozen in frozen_states:
            parameter.frozen = frozen
    return test_statistics


def _test_statistic(objective: Objective, index: int) -> float:
    """Return the TS of the source with this norm, by a search along the norm."""
    from scipy.optimize import minimize_scalar

    start = np.array(objective.start)
    scale = abs(start[index]) or 1.0

    def stat(norm: float) -> float:
        point = start.copy()
        point[index] = norm * scale
        return float(objective(point))

    high, stat_high = 1.0, stat(1.0)
    while high < MAX_FACTOR and (stat_next := stat(2 * high)) < stat_high:
        high, stat_high = 2 * high, stat_next
    null = stat(0.0)
    best = minimize_scalar(stat, bounds=(0.0, 2 * high), method="bounded",
                           options={"xatol": ACCURACY * high})  # fmt: skip
    return max(null - float(best.fun), 0.0)
