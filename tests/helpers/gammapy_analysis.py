"""Analyses by gammapy's high-level classes, to compare converted configurations with them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gammapy.analysis import Analysis
    from gammapy.datasets import Datasets

    from skyred import Result


def run_analysis(path: Path, models: Path | None, sections: set[str]) -> Analysis:
    """Run all steps of gammapy's `Analysis` that the configuration has sections for."""
    from gammapy.analysis import Analysis, AnalysisConfig

    config = AnalysisConfig.read(path)
    config.general.log.filename = None
    config.general.log.level = "error"
    root = logging.getLogger()
    log_level = root.level
    analysis = Analysis(config)
    root.setLevel(log_level)
    analysis.get_observations()
    analysis.get_datasets()
    if models is not None:
        analysis.read_models(models)
        analysis.run_fit()
    for section in ("flux_points", "light_curve", "excess_map"):
        if section in sections:
            getattr(analysis, f"get_{section}")()
    return analysis


def check_datasets(result: Result, datasets: Datasets) -> None:
    """Compare counts, masks, livetimes and exposures; gammapy keeps the order of the runs."""
    ours = sorted(result.datasets, key=start_time)
    gammapys = sorted(datasets, key=start_time)
    assert len(ours) == len(gammapys)
    for dataset, expected in zip(ours, gammapys, strict=True):
        np.testing.assert_array_equal(dataset.counts.data, expected.counts.data)
        assert dataset.gti.time_sum.to_value("s") == _approx(expected.gti.time_sum.to_value("s"))
        np.testing.assert_array_equal(dataset.mask.data, expected.mask.data)
        _check_close(
            getattr(dataset, "counts_off", None), getattr(expected, "counts_off", None), 1e-6
        )
        # float32 sums; IRF pixels of zero exposure are zero in both
        _check_close(dataset.exposure, expected.exposure, 1e-6)
        # norms of fitted backgrounds, because MIGRAD stops early
        _check_close(dataset.background, expected.background, 2e-4)


def start_time(dataset: Any) -> float:
    """Return the start of the first good time interval, in days."""
    return float(dataset.gti.time_start[0].tt.mjd)


def check_fit(result: Result, analysis: Analysis) -> None:
    """Compare the minimum, within 0.01, and free parameters.

    They may differ by 5 % of their errors and, where gammapy's fit stops early, by the distance in
    sigma at which the statistic rises by the difference.
    """
    assert result.fit is not None
    assert result.fit.success
    gain = analysis.fit_result.total_stat - result.fit.stat
    assert gain > -0.01
    tolerance = 0.05 + np.sqrt(max(gain, 0))
    ours, gammapys = result.models["source"], analysis.models["source"]
    for parameter in gammapys.parameters.free_parameters:
        value = ours.parameters[parameter.name].value
        assert abs(value - parameter.value) < tolerance * parameter.error, parameter.name


def check_tables(table: Any, expected: Any, columns: list[str], rtol: float) -> None:
    """Compare columns of two tables."""
    for name in columns:
        np.testing.assert_allclose(
            np.ma.filled(table[name].quantity.to_value(expected[name].unit), np.nan),
            np.ma.filled(expected[name].quantity.value, np.nan), rtol=rtol, err_msg=name,
        )  # fmt: skip


def _approx(value: float) -> Any:
    import pytest

    return pytest.approx(value, rel=1e-9)


def _check_close(actual: Any, expected: Any, rtol: float) -> None:
    assert (actual is None) == (expected is None)
    if expected is not None:
        np.testing.assert_allclose(actual.data, expected.data, rtol=rtol, atol=0)
