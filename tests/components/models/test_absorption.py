"""Absorption by the extragalactic background light, against gammapy's model of the same table."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling.models import (
    EBL_DATA_BUILTIN,
    EBLAbsorptionNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
)

import plain_gammapy
import skyred
from component_checks import problems_of
from ebl_table import write_table
from skyred import Pipeline
from skyred.components.gammapy import Absorption, Source
from skyred.components.models.absorption import EBL_MODELS
from skyred.errors import ConfigError, FieldError
from skyred.likelihood import objective_of
from small_datasets import spectrum_dataset

POWER_LAW = {"type": "pl", "index": 2.3, "amplitude": "4e-11 cm-2 s-1 TeV-1", "reference": "1 TeV"}
ENERGIES = [0.1, 1, 8] * u.TeV


@pytest.fixture
def table_path(tmp_path) -> str:
    return str(write_table(tmp_path / "ebl.fits"))


@pytest.fixture
def gammapy_data(tmp_path, monkeypatch) -> None:
    """Set $GAMMAPY_DATA to a folder that contains only the table of `dominguez`."""
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    write_table(tmp_path / "ebl" / "ebl_dominguez11.fits.gz")


def source(**absorption: object) -> Source:
    return Source(name="agn", spectral=POWER_LAW, absorption=Absorption(**absorption))


def build(component: Source) -> SkyModel:
    assert problems_of(component.absorption) == []
    (model,) = component.build(Datasets())
    return model


def absorbed_power_law(ebl: EBLAbsorptionNormSpectralModel) -> object:
    return PowerLawSpectralModel(index=2.3, amplitude="4e-11 cm-2 s-1 TeV-1") * ebl


def test_spectrum_of_a_file_agrees_with_gammapy(table_path):
    model = build(source(file=table_path, redshift=0.116))
    expected = absorbed_power_law(EBLAbsorptionNormSpectralModel.read(table_path, redshift=0.116))
    np.testing.assert_array_equal(model.spectral_model(ENERGIES), expected(ENERGIES))
    unabsorbed = PowerLawSpectralModel(index=2.3, amplitude="4e-11 cm-2 s-1 TeV-1")(ENERGIES)
    # the optical depth in the table is 10 z E / TeV
    np.testing.assert_allclose(
        (model.spectral_model(ENERGIES) / unabsorbed)[:2], np.exp([-0.116, -1.16]), rtol=0.02
    )


@pytest.mark.usefixtures("gammapy_data")
def test_model_can_be_selected_by_name():
    model = build(source(ebl="dominguez", redshift=0.2))
    expected = absorbed_power_law(
        EBLAbsorptionNormSpectralModel.read_builtin("dominguez", redshift=0.2)
    )
    np.testing.assert_array_equal(model.spectral_model(ENERGIES), expected(ENERGIES))


def test_ebl_model_names_agree_with_gammapy():
    assert set(EBL_MODELS) == set(EBL_DATA_BUILTIN)


def test_parameters_are_frozen_by_default(table_path):
    model = build(source(file=table_path, redshift=0.1))
    assert {parameter.name: parameter.frozen for parameter in model.parameters} == {
        "index": False, "amplitude": False, "reference": True, "redshift": True, "alpha_norm": True,
    }  # fmt: skip
    free = {"alpha_norm": {"value": 0.9, "frozen": False, "min": 0,
                           "prior": {"type": "gaussian", "mu": 1, "sigma": 0.2}}}  # fmt: skip
    alpha = build(source(file=table_path, redshift=0.1, parameters=free)).parameters["alpha_norm"]
    assert (alpha.value, alpha.frozen, alpha.min) == (0.9, False, 0)
    assert alpha.prior.sigma.value == 0.2


def test_fit_recovers_the_simulated_normalisation(table_path):
    dataset = spectrum_dataset("agn")
    free = {"alpha_norm": {"value": 0.7, "frozen": False, "min": 0}}
    model = build(source(file=table_path, redshift=0.1, parameters=free))
    model.parameters["alpha_norm"].value = 1
    dataset.models = [model]
    dataset.counts.data = dataset.npred().data  # no Poisson noise: the best fit is the true value
    model.parameters["alpha_norm"].value = 0.7
    model.parameters["index"].frozen = True
    datasets = Datasets([dataset])
    objective = objective_of(datasets)
    assert objective.notes == ()  # compiled, not evaluated by gammapy
    assert objective(objective.start) == pytest.approx(datasets.stat_sum(), abs=1e-3)
    result = skyred.fit(datasets)
    assert result.success
    index = result.names.index("agn.spectral.model2.alpha_norm")
    assert result.values[index] == pytest.approx(1, abs=0.05 * result.errors[index])


@pytest.mark.usefixtures("gammapy_data")
def test_missing_table_is_reported_with_the_download_command(tmp_path, monkeypatch):
    (problem,) = problems_of(Absorption(ebl="finke", redshift=0.1))
    assert f"no such file: {tmp_path}/ebl/frd_abs.fits.gz" in str(problem)
    assert "gammapy download datasets" in str(problem)
    monkeypatch.delenv("GAMMAPY_DATA")
    (problem,) = problems_of(Absorption(ebl="finke", redshift=0.1))
    assert "GAMMAPY_DATA is not set" in str(problem)


def test_redshift_outside_the_table_is_rejected(table_path):
    (problem,) = problems_of(Absorption(file=table_path, redshift=0.9))
    assert "ends at redshift 0.6; expected at least 0.9" in str(problem)


def test_invalid_file_is_reported(tmp_path):
    path = tmp_path / "odd.fits"
    path.write_text("no FITS")
    (problem,) = problems_of(Absorption(file=str(path), redshift=0.1))
    assert "odd.fits cannot be read as an absorption table" in str(problem)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 1}, r"parameters\.alpha: unknown parameter.*'alpha_norm'"),
        ({"alpha_norm": {"value": 1, "fozen": False}}, r"alpha_norm\.fozen.*did you mean 'frozen'"),
        ({"redshift": "1 TeV"}, "is in TeV"),
    ],
)
def test_invalid_parameters_are_reported(table_path, parameters, message):
    (problem,) = problems_of(Absorption(file=table_path, redshift=0.1, parameters=parameters))
    assert re.search(message, str(problem))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redshift": 0.1}, "neither ebl nor file"),
        ({"redshift": 0.1, "ebl": "finke", "file": "a.fits"}, "both ebl and file"),
        ({"redshift": -0.1, "ebl": "finke"}, "at least 0"),
        ({"redshift": 0.1, "ebl": "dominguez11"}, "did you mean 'dominguez'"),
        ({"ebl": "finke"}, "redshift"),
    ],
)
def test_invalid_options_are_rejected(options, message):
    with pytest.raises((FieldError, TypeError), match=message):
        Absorption(**options)


def test_absorption_of_a_source_is_read_and_written_as_yaml(table_path):
    absorption = f"model.0.absorption={{file: {table_path}, redshift: 0.1}}"
    pipeline = Pipeline.from_yaml(
        plain_gammapy.EXAMPLE, overrides=["data.hess.archive=sim:crab", absorption]
    )
    assert pipeline.model[0].absorption.redshift == 0.1
    assert Pipeline.from_yaml(pipeline.to_yaml()).digest() == pipeline.digest()
    with pytest.raises(ConfigError, match=r"model\[0\]\.absorption\.file: no such file or folder:"):
        Pipeline.from_yaml(
            plain_gammapy.EXAMPLE,
            overrides=["data.hess.archive=sim:crab", "model.0.absorption={file: no, redshift: 1}"],
        )
