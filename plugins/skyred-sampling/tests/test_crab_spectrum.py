"""The posterior of the Crab spectrum, compared with HESSE and MINOS.

The priors are flat and much wider than the errors, so that the posterior is proportional to the
likelihood. Mean, standard deviation and quantiles differ from the results of Minuit because the
likelihood is skewed (according to an integral on a grid, means by 6 % of the errors, and errors by
0.2 %), and by chance. With 2700 effective samples, a mean is accurate to 1.9 % of the error, and a
quantile at 1 sigma to 3 %. To save a third of the calls, the limits are narrower than in the
example, 8 times the errors, and the sampling ends earlier.
"""

from pathlib import Path

import numpy as np
import pytest

from skyred import ConfigError, Pipeline, Result, fit, objective_of
from skyred_sampling import weighted

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))
SPECTRUM = next(path for path in EXAMPLES if path.stem == "spectrum")
TOLERANCE = 0.1  # fraction of the error
OVERRIDES = (
    "model.0.spectral.index={value: 2.6, min: 2.1, max: 3.2}",
    "model.0.spectral.amplitude="
    "{value: 4.3e-11 cm-2 s-1 TeV-1, min: 2.6e-11 cm-2 s-1 TeV-1, max: 6e-11 cm-2 s-1 TeV-1}",
    "fit={kind: nested, live_points: 700, bound: single, dlogz: 0.1}",
)

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return Pipeline.from_yaml(SPECTRUM, overrides=OVERRIDES).run(
        tmp_path_factory.mktemp("run") / "crab"
    )


@pytest.fixture(scope="module")
def minuit(result):
    datasets = result.datasets.copy()
    datasets.models = result.models.copy()
    return fit(datasets, minos=True)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_valid(path):
    assert Pipeline.from_yaml(path).fit.kind == "nested"


def test_number_of_effective_samples_is_sufficient(result):
    assert result.fit.success
    assert weighted.effective_size(result.fit.weights) > 2500


def test_means_and_standard_deviations_agree_with_hesse(result, minuit):
    assert result.fit.names == minuit.names
    assert (result.fit.values - minuit.values) / minuit.errors == pytest.approx(0, abs=TOLERANCE)
    assert result.fit.errors / minuit.errors == pytest.approx(1, abs=TOLERANCE)


def test_asymmetric_errors_agree_with_minos(result, minuit):
    assert (result.fit.errn - minuit.errn) / minuit.errors == pytest.approx(0, abs=TOLERANCE)
    assert (result.fit.errp - minuit.errp) / minuit.errors == pytest.approx(0, abs=TOLERANCE)


def test_means_errors_and_evidence_agree_with_integration(result, minuit):
    datasets = result.datasets.copy()
    datasets.models = result.models.copy()
    objective = objective_of(datasets)
    pairs = zip(minuit.values, minuit.errors, strict=True)
    axes = [value + error * np.linspace(-5, 5, 41) for value, error in pairs]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    stat = np.array([objective(x) for x in grid])
    density = np.exp(-0.5 * (stat - stat.min()))
    errors = np.sqrt(np.diag(weighted.covariance(grid, density)))
    tolerance = 4 / np.sqrt(weighted.effective_size(result.fit.weights))
    deviations = (result.fit.values - weighted.mean(grid, density)) / errors
    assert deviations == pytest.approx(0, abs=tolerance)
    assert result.fit.errors / errors == pytest.approx(1, abs=tolerance)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    prior = np.prod(np.diff(objective.limits, axis=1))
    evidence = np.log(density.sum() * cell / prior) - 0.5 * stat.min()
    assert result.fit.evidence == pytest.approx(evidence, abs=3 * result.fit.evidence_error)


def test_models_have_the_means_with_their_covariance(result):
    (crab,) = result.models
    free = crab.parameters.free_parameters
    assert [parameter.value for parameter in free] == list(result.fit.values)
    assert [parameter.error for parameter in free] == pytest.approx(list(result.fit.errors))


def test_samples_and_posterior_read_back_exactly(result):
    loaded_result = Result.read(result.folder)
    for name in ("samples", "weights", "values", "covariance"):
        assert getattr(loaded_result.fit, name).tobytes() == getattr(result.fit, name).tobytes()
    assert loaded_result.fit.evidence == result.fit.evidence
    assert loaded_result.fit.evidence_error == result.fit.evidence_error
    expected, loaded = result.estimates["posterior"], loaded_result.estimates["posterior"]
    assert loaded.samples.tobytes() == expected.samples.tobytes()
    assert loaded.weights.tobytes() == expected.weights.tobytes()
    assert list(loaded.table()["unit"]) == list(expected.table()["unit"]) == list(result.fit.units)
    assert list(loaded.table()["mean"]) == list(expected.table()["mean"])
    assert loaded.table().meta["evidence"] == result.fit.evidence
    assert (result.folder / "plots" / "posterior.png").is_file()
    assert not result.provenance["watchers"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.0.spectral.index=2.6", r"crab\.spectral\.index: neither a prior nor two limits"),
        ("fit={kind: minuit}", "the fitter minuit does not sample"),
        ("fit.method=nuts", "expected one of auto, unif"),
        ("estimate.0.datasets=[hess]", "has no effect: the samples are those of the fit"),
    ],
    ids=["no limits", "no sampler", "method", "datasets"],
)
def test_invalid_configuration_is_reported_before_data_are_read(change, message):
    with pytest.raises(ConfigError, match=message):
        Pipeline.from_yaml(SPECTRUM, overrides=[change])
