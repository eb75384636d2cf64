"""Errors about values are also `ValueError`, like those of gammapy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gammapy.data import DataStore, HDUIndexTable
from gammapy.datasets import Datasets
from gammapy.modeling import Fit
from gammapy.modeling.models import Models, PowerLawSpectralModel, SkyModel

import skyred
import small_datasets as small
from skyred.errors import (
    ArchiveError,
    ConfigError,
    FieldError,
    FitError,
    ModelError,
    PluginError,
    SkyredError,
)


@pytest.mark.parametrize(
    "error_class", [ArchiveError, ConfigError, FieldError, FitError, ModelError]
)
def test_errors_about_values_are_value_errors(error_class: type[SkyredError]) -> None:
    assert issubclass(error_class, ValueError)


def test_errors_about_the_installation_are_not_value_errors() -> None:
    assert not issubclass(PluginError, ValueError)


def datasets_without_free_parameters() -> Datasets:
    source = SkyModel(spectral_model=PowerLawSpectralModel(), name="source")
    datasets = Datasets([small.spectrum_on_off()])
    datasets.models = [source]
    source.freeze()
    return datasets


@pytest.mark.parametrize("fit", [Fit().run, skyred.fit])
def test_fit_without_free_parameters_raises_a_value_error(
    fit: Callable[[Datasets], object],
) -> None:
    with pytest.raises(ValueError, match="No free parameters for fitting"):
        fit(datasets_without_free_parameters())


def test_duplicate_model_names_raise_a_value_error_in_gammapy() -> None:
    source = SkyModel(spectral_model=PowerLawSpectralModel(), name="source")
    with pytest.raises(ValueError, match="Model names must be unique"):
        Models([source, source.copy(name="source")])


def test_missing_run_raises_a_value_error_in_gammapy() -> None:
    store = DataStore(hdu_table=HDUIndexTable({"OBS_ID": [1]}))
    with pytest.raises(ValueError, match="OBS_ID = 7 not in HDU index table"):
        store.obs(7)
