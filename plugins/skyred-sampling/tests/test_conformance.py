"""The requirements that every component meets."""

from gammapy.datasets import Datasets
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import small_datasets as small
from skyred import objective_of
from skyred.testing import ComponentCase, Sample, parametrize_with_checks
from skyred_sampling import Nested, Posterior

# the requirements allow for the precision of the samples that there are
NESTED = Nested(live_points=50, bound="single", dlogz=0.1)


def sampled() -> Sample:
    """Give a spectrum and its posterior."""
    datasets = Datasets([small.spectrum_on_off("crab")])
    spectral = PowerLawSpectralModel(amplitude="4e-11 cm-2 s-1 TeV-1")
    spectral.index.min, spectral.index.max = 1, 4
    spectral.amplitude.min, spectral.amplitude.max = 1e-12, 1e-10
    datasets.models = [SkyModel(spectral, name="crab")]
    objective = objective_of(datasets)
    fit = NESTED.fit(objective)
    objective.accept(fit)
    return Sample(datasets=datasets, fit=fit)


@parametrize_with_checks([NESTED, ComponentCase(Posterior(), sample=sampled())])
def test_fitter_and_estimator_obey_the_laws(check):
    check()
