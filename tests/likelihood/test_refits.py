"""Flux points with free backgrounds agree with and without reuse of the compiled likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling.models import FoVBackgroundModel, GaussianPrior, Models

import flux_points_comparison as comparison
import plain_gammapy
import skyred
import small_datasets as small
from skyred.likelihood.flux import flux_points
from skyred.likelihood.flux.refit import Refit

EDGES = [1, 2.5, 10] * u.TeV


def two_maps(free_tilt: bool = False) -> Datasets:
    datasets = Datasets([small.map_dataset("one"), small.map_dataset("two", seed=7)])
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in ("one", "two")]
    for background in backgrounds:
        background.spectral_model.tilt.frozen = not free_tilt
    source = plain_gammapy.models()["crab"].copy(name="crab")
    datasets.models = Models([source, *backgrounds])
    return datasets


def find_fast_refits(
    monkeypatch: pytest.MonkeyPatch, datasets: Datasets, source: str
) -> list[bool]:
    """Return, for each bin, whether the norm was fitted without compiling the likelihood again."""
    was_fast: list[bool] = []
    slow_refit = flux_points.CompiledFluxPointsEstimator._refit_compiled_bin
    fast_fit = Refit.fit

    def slow(self: Any, *args: Any) -> Any:
        was_fast.append(False)
        return slow_refit(self, *args)

    def fast(self: Any, *args: Any) -> Any:
        was_fast.append(True)
        return fast_fit(self, *args)

    monkeypatch.setattr(flux_points.CompiledFluxPointsEstimator, "_refit_compiled_bin", slow)
    monkeypatch.setattr(Refit, "fit", fast)
    skyred.flux_points(datasets, source, EDGES, reoptimize=True)
    return was_fast


@pytest.mark.slow
@pytest.mark.parametrize("free_tilt", [False, True], ids=["norm", "norm and tilt"])
def test_norms_agree_with_those_of_newly_compiled_likelihoods(
    monkeypatch: pytest.MonkeyPatch, free_tilt: bool
) -> None:
    datasets = two_maps(free_tilt)
    options = {"selection_optional": ["ul"], "reoptimize": True}
    points = skyred.flux_points(datasets, "crab", EDGES, **options)
    monkeypatch.setattr(Refit, "from_likelihood", lambda *_: None)
    expected = skyred.flux_points(datasets, "crab", EDGES, **options)
    assert points.available_quantities == expected.available_quantities
    for name in points.available_quantities:
        actual, reference = (
            getattr(result, name).data.astype(float) for result in (points, expected)
        )
        # norm and tilt are degenerate in one bin, where the error of the source is that with only
        # the constrained parameters
        rtol = 1e-2 if name == "norm_err" else 1e-4
        np.testing.assert_allclose(actual, reference, rtol=rtol, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_negative_norm_of_a_hole_agrees_with_gammapy() -> None:
    datasets = two_maps()
    for dataset in datasets:
        separation = dataset.counts.geom.to_image().separation(small.centre()).to_value("deg")
        dataset.counts.data *= separation > 0.1
    norm = {"min": -10.0, "max": 10.0}
    options = {"reoptimize": True, "norm": norm}
    points = skyred.flux_points(datasets, "crab", EDGES[:2], **options)
    expected = comparison.flux_points_by_gammapy(datasets, "crab", EDGES[:2], **options)
    assert (points.norm.data < 0).all()
    assert (points.stat.data <= expected.stat.data + 1e-3).all()
    pulls = (points.norm.data - expected.norm.data) / expected.norm_err.data
    assert np.abs(pulls).max() < 0.01


@pytest.mark.slow
def test_likelihood_is_reused_only_for_free_background_norms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_fast_refits(monkeypatch, two_maps(), "crab") == [True, True]
    datasets = comparison.simulated_map()
    with monkeypatch.context() as patch:
        assert find_fast_refits(patch, datasets, "steep") == [
            False,
            False,
        ]  # the other source is free
    datasets.models["hard"].parameters.freeze_all()
    assert all(find_fast_refits(monkeypatch, datasets, "steep"))
    datasets.models["sim-bkg"].spectral_model.norm.prior = GaussianPrior(mu=1, sigma=0.1)
    assert not any(find_fast_refits(monkeypatch, datasets, "steep"))
