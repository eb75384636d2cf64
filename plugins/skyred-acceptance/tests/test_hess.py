"""The example on real data: the estimated background, compared with the background IRFs."""

import os
from pathlib import Path

import numpy as np
import pytest
from gammapy.estimators import ExcessMapEstimator
from gammapy.maps import Map
from regions import Regions

from skyred import Orchestrator, Pipeline

EXAMPLE = Path(__file__).parents[1] / "examples" / "hess.yaml"
ARCHIVE = Path(os.environ.get("GAMMAPY_DATA", "nowhere")) / "hess-dl3-dr1"
CRAB = "icrs;circle(83.633,22.014,0.35)"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not ARCHIVE.is_dir(), reason="needs $GAMMAPY_DATA/hess-dl3-dr1"),
]


def reduce(config):
    # without PSF and energy dispersion, which do not affect the background, and with larger pixels
    config = config.replace("bin_size: 0.02", "bin_size: 0.05").replace(", psf, edisp]", "]")
    analysis = Orchestrator(Pipeline.from_yaml(config))
    (dataset,) = analysis.reduce()
    return dataset, {outcome.obs_id: outcome for outcome in analysis.outcomes}


@pytest.fixture(scope="module")
def acceptance_reduction():
    """Return the dataset and the outcomes of the example."""
    return reduce(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def irf_reduction():
    """Return the dataset and the outcomes with the background IRFs, for the four Crab runs."""
    config = EXAMPLE.read_text(encoding="utf-8")
    first = config.index("      - kind: acceptance")
    last = config.index("      - {kind: fov-back")
    config = config[:first] + config[last:]
    config = config.replace("counts, exposure,", "counts, exposure, background,")
    return reduce(config.replace("values: [Crab, Off data]", "values: [Crab]"))


def significance(dataset):
    """Return mean and width of the significances (Li & Ma, 0.1 deg) outside the Crab Nebula."""
    off_mask = ~dataset.counts.geom.to_image().region_mask(Regions.parse(CRAB, format="ds9"))
    maps = ExcessMapEstimator("0.1 deg", selection_optional=[], correlate_off=False).run(dataset)
    safe = dataset.mask_safe.reduce_over_axes(np.logical_or).data
    values = maps["sqrt_ts"].data[0][off_mask.data & safe]
    values = values[np.isfinite(values)]
    return values.mean(), values.std()


def counts_and_background(dataset):
    crab = dataset.counts.geom.region_mask(Regions.parse(CRAB.replace("0.35", "0.2"), format="ds9"))
    on = Map.from_geom(dataset.counts.geom, data=crab.data & dataset.mask_safe.data).data
    background = dataset.npred_background().data[on].sum()
    return float(dataset.counts.data[on].sum()), float(background)


def test_runs_without_the_source_are_skipped_in_the_observation_log(acceptance_reduction):
    _, outcomes = acceptance_reduction
    reduced = [obs_id for obs_id, outcome in outcomes.items() if outcome.status == "reduced"]
    assert reduced == [23523, 23526, 23559, 23592]
    assert {outcome.status for outcome in outcomes.values()} == {"reduced", "skipped"}


def test_significance_outside_the_source_is_normal(acceptance_reduction, irf_reduction):
    mean, width = significance(acceptance_reduction[0])
    _, irf_width = significance(irf_reduction[0])
    # 3 sigma: there are about 400 independent circles of 0.1 deg in 12 deg2, so sigma is 0.05
    assert mean == pytest.approx(0, abs=0.15)
    assert width == pytest.approx(1, abs=0.15)
    assert width < irf_width + 0.1


def test_excess_of_the_crab_agrees_within_its_error(acceptance_reduction, irf_reduction):
    counts, background = counts_and_background(acceptance_reduction[0])
    irf_counts, irf_background = counts_and_background(irf_reduction[0])
    assert counts == irf_counts
    # both backgrounds are normalised to the same counts, so they share most of their errors
    assert background == pytest.approx(irf_background, abs=np.sqrt(background))
