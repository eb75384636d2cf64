"""The conformance checks of the components."""

from gammapy.datasets import Datasets
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import small_datasets as small
from skyred import objective_of
from skyred.testing import ComponentCase, Sample, parametrize_with_checks
from skyred_sampling import Nested, Posterior

# few samples are sufficient, because the checks take their precision into account
NESTED = Nested(live_points=50, bound="single", dlogz=0.1)


def spectrum_with_posterior() -> Sample:
    """Return a spectrum and its posterior."""
    datasets = Datasets([small.spectrum_on_off("crab")])
    spectral_model = PowerLawSpectralModel(amplitude="4e-11 cm-2 s-1 TeV-1")
    spectral_model.index.min, spectral_model.index.max = 1, 4
    spectral_model.amplitude.min, spectral_model.amplitude.max = 1e-12, 1e-10
    datasets.models = [SkyModel(spectral_model, name="crab")]
    objective = objective_of(datasets)
    fit = NESTED.fit(objective)
    objective.accept(fit)
    return Sample(datasets=datasets, fit=fit)


@parametrize_with_checks([NESTED, ComponentCase(Posterior(), sample=spectrum_with_posterior())])
def test_fitter_and_estimator_pass_the_checks(check):
    check()
