"""`skyred.fit` fails for unconstrained parameters, and names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets

import skyred
from fit_comparison import (
    assert_as_good_as_gammapy,
    assert_consistent,
    assert_fails,
    free_parameters,
    map_with_source,
    point_source,
    spectrum,
)


def remove_exposure(datasets: Datasets) -> None:
    datasets[0].exposure.data[...] = 0


def test_source_without_exposure_is_reported() -> None:
    datasets = map_with_source(remove_exposure)
    start = [parameter.value for parameter in datasets.models["point"].parameters]
    result = assert_fails(datasets, "constrain point.spectral.index, point.spectral.amplitude:")
    assert [parameter.value for parameter in datasets.models["point"].parameters] == start
    assert "map-bkg" not in result.message


def test_on_off_counts_without_exposure_do_not_constrain_a_source() -> None:
    assert_fails(
        spectrum(remove_exposure, on_off=True), "constrain crab.spectral.index, crab.spectral.amp"
    )


def test_frozen_source_outside_the_map_has_no_effect() -> None:
    datasets = map_with_source()
    far = point_source("far", lon=90)
    far.freeze()
    datasets.models = [*datasets.models, far]
    assert skyred.fit(datasets).values == pytest.approx(
        skyred.fit(map_with_source()).values, rel=1e-9
    )


def test_two_identical_sources_are_reported() -> None:
    datasets = map_with_source()
    datasets.models = [*datasets.models, point_source("twin")]
    for name in ("point", "twin"):
        datasets.models[name].spectral_model.index.frozen = True
    assert_fails(datasets, "constrain point.spectral.amplitude, twin.spectral.amplitude")


def test_template_equal_to_the_background_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # gammapy writes templates with their YAML
    from gammapy.modeling.models import PowerLawNormSpectralModel, TemplateNPredModel

    datasets = map_with_source()
    copy = TemplateNPredModel(
        datasets[0].background.copy(), spectral_model=PowerLawNormSpectralModel(), name="copy"
    )
    datasets.models = [*datasets.models, copy]
    copy.filename = "copy.fits"
    assert_fails(datasets, "does not constrain", "map-bkg.spectral.norm", "copy.spectral.norm")


# -- no counts -------------------------------------------------------------------------------


def remove_counts(datasets: Datasets) -> None:
    datasets[0].counts.data[...] = 0


def remove_counts_and_forbid_negative_fluxes(datasets: Datasets) -> None:
    remove_counts(datasets)
    for parameter in free_parameters(datasets):
        if parameter.name in ("norm", "amplitude"):
            parameter.min = 0


@pytest.mark.parametrize("make", [map_with_source, spectrum])
def test_fit_without_counts_on_a_known_background_fails(make: Any) -> None:
    result = assert_fails(make(remove_counts))
    # predicted counts cannot be negative, so the statistic cannot decrease below zero
    assert result.stat == pytest.approx(0, abs=1e-9)


def test_positive_fluxes_without_counts_end_at_their_limits() -> None:
    datasets = spectrum(remove_counts_and_forbid_negative_fluxes)
    result = assert_fails(datasets, "does not constrain crab.spectral.index")
    assert result.at_limit == ("crab.spectral.amplitude",)
    assert datasets.models["crab"].spectral_model.amplitude.value == pytest.approx(0, abs=1e-16)
    assert result.stat == pytest.approx(2 * datasets[0].background.data.sum())


@pytest.mark.slow
def test_fit_without_on_counts_agrees_with_gammapy() -> None:
    assert_as_good_as_gammapy(lambda: spectrum(remove_counts, on_off=True))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_fit_without_on_and_off_counts_predicts_no_source() -> None:
    def clear_counts(datasets: Datasets) -> None:
        remove_counts(datasets)
        datasets[0].counts_off.data[...] = 0

    datasets = spectrum(clear_counts, on_off=True)
    result = skyred.fit(datasets)  # not differentiable at zero, so the errors are meaningless
    assert_consistent(datasets, result)
    # the minimum is 0; the difference is negligible compared with the statistical errors
    assert result.stat == pytest.approx(0, abs=1e-4)
    assert np.abs(datasets[0].npred_signal().data).max() < 1e-4
