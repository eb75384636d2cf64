"""The posterior of the Crab spectrum, compared with Newton steps and MINOS.

Without priors, the posterior is proportional to the likelihood. Means and quantiles differ from the
results of the minimiser because the likelihood is skewed (according to an integral on a grid, means
by 6 % of the errors), and by chance: with 1600 samples, a mean is accurate to 2.5 % of the error,
and a quantile at 1 sigma to 4 %.
"""

from pathlib import Path

import numpy as np
import pytest
from gammapy.datasets import Datasets

from skyred import Pipeline, Result, fit
from skyred_emcee import Emcee

SPECTRUM = Path(__file__).parents[1] / "examples" / "spectrum.yaml"
TOLERANCE = 0.15  # fraction of the error

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return Pipeline.from_yaml(SPECTRUM).run(tmp_path_factory.mktemp("run") / "crab")


@pytest.fixture(scope="module")
def datasets(result):
    datasets = Datasets([dataset.copy(name=dataset.name) for dataset in result.datasets])
    datasets.models = result.models.copy()
    return datasets


@pytest.fixture(scope="module")
def minimum(datasets):
    return fit(datasets, minos=True)


def test_sampling_converges_and_the_verdict_is_recorded(result):
    assert result.fit.success
    assert "acceptance" in result.fit.message
    assert len(result.fit.samples) >= 32 * 50


def test_means_and_standard_deviations_agree_with_newton(result, minimum):
    assert result.fit.names == minimum.names
    assert (result.fit.values - minimum.values) / minimum.errors == pytest.approx(0, abs=TOLERANCE)
    assert result.fit.errors / minimum.errors == pytest.approx(1, abs=TOLERANCE)
    correlation, expected = (f.covariance[0, 1] / f.errors.prod() for f in (result.fit, minimum))
    assert correlation == pytest.approx(expected, abs=TOLERANCE)


def test_asymmetric_errors_agree_with_minos(result, minimum):
    assert (result.fit.errn - minimum.errn) / minimum.errors == pytest.approx(0, abs=TOLERANCE)
    assert (result.fit.errp - minimum.errp) / minimum.errors == pytest.approx(0, abs=TOLERANCE)


def test_statistic_is_that_of_gammapy_at_the_values(result, datasets):
    datasets.parameters.free_parameters.value = result.fit.values
    assert result.fit.stat == pytest.approx(datasets.stat_sum(), abs=1e-6)


def test_models_have_the_means_with_their_covariance(result):
    (crab,) = result.models
    free = crab.parameters.free_parameters
    assert [parameter.value for parameter in free] == list(result.fit.values)
    assert [parameter.error for parameter in free] == pytest.approx(list(result.fit.errors))


def test_samples_read_back_exactly(result):
    loaded_fit = Result.read(result.folder).fit
    for name in ("samples", "weights", "values", "covariance"):
        assert getattr(loaded_fit, name).tobytes() == getattr(result.fit, name).tobytes()


def test_posterior_of_skyred_sampling_summarises_the_samples(result, datasets, tmp_path):
    posterior = pytest.importorskip("skyred_sampling").Posterior()
    product = posterior.estimate(datasets, result.fit)
    table = product.table()
    assert list(table["mean"]) == pytest.approx(list(result.fit.values))
    assert list(table["std"]) == pytest.approx(list(result.fit.errors))
    assert table.meta["effective_samples"] == pytest.approx(len(result.fit.samples))
    assert "evidence" not in table.meta
    product.write(tmp_path)
    loaded_product = type(product).read(tmp_path, product.name, datasets.models)
    assert np.array_equal(loaded_product.samples, product.samples)
    assert product.plot().has_data() or product.plot().child_axes


@pytest.mark.filterwarnings("ignore:divide by zero")  # of gammapy, for 0 to the power alpha
def test_unconstrained_parameter_is_no_success(datasets):
    from gammapy.modeling.models import ExpCutoffPowerLawSpectralModel, SkyModel

    copies = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    model = ExpCutoffPowerLawSpectralModel(amplitude="4e-11 cm-2 s-1 TeV-1", lambda_="0 TeV-1")
    model.lambda_.frozen, model.alpha.frozen = True, False  # without a cutoff, alpha has no effect
    copies.models = [SkyModel(model, name="crab")]
    assert not fit(copies, Emcee(steps=300)).success
