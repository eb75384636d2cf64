"""The example on real data: the learnt background beside the one that came with the runs."""

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


def reduce(text):
    # what matters to the background, and no finer than need be
    text = text.replace("bin_size: 0.02", "bin_size: 0.05").replace(", psf, edisp]", "]")
    analysis = Orchestrator(Pipeline.from_yaml(text))
    (dataset,) = analysis.reduce()
    return dataset, {each.obs_id: each for each in analysis.outcomes}


@pytest.fixture(scope="module")
def learnt():
    return reduce(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def delivered():
    """Give the same with the background that is in the files of the four Crab runs."""
    text = EXAMPLE.read_text(encoding="utf-8")
    first, last = text.index("      - kind: acceptance"), text.index("      - {kind: fov-back")
    text = text[:first] + text[last:]
    text = text.replace("counts, exposure,", "counts, exposure, background,")
    return reduce(text.replace("values: [Crab, Off data]", "values: [Crab]"))


def significance(dataset):
    """Give mean and width of the significance (Li & Ma, 0.1 deg) outside the Crab nebula."""
    outside = ~dataset.counts.geom.to_image().region_mask(Regions.parse(CRAB, format="ds9"))
    maps = ExcessMapEstimator("0.1 deg", selection_optional=[], correlate_off=False).run(dataset)
    safe = dataset.mask_safe.reduce_over_axes(np.logical_or).data
    values = maps["sqrt_ts"].data[0][outside.data & safe]
    values = values[np.isfinite(values)]
    return values.mean(), values.std()


def inside(dataset):
    crab = dataset.counts.geom.region_mask(Regions.parse(CRAB.replace("0.35", "0.2"), format="ds9"))
    on = Map.from_geom(dataset.counts.geom, data=crab.data & dataset.mask_safe.data).data
    background = dataset.npred_background().data[on].sum()
    return float(dataset.counts.data[on].sum()), float(background)


def test_runs_that_only_teach_are_in_the_ledger(learnt):
    _, outcomes = learnt
    made = [obs_id for obs_id, each in outcomes.items() if each.status == "reduced"]
    assert made == [23523, 23526, 23559, 23592]
    assert {each.status for each in outcomes.values()} == {"reduced", "skipped"}


def test_off_the_source_the_significance_is_that_of_noise_as_with_the_delivered_background(
    learnt, delivered
):
    mean, width = significance(learnt[0])
    _, other_width = significance(delivered[0])
    # 0.1 deg circles in 12 deg2: about 400 independent ones, so 0.05 each; three of it
    assert mean == pytest.approx(0, abs=0.15)
    assert width == pytest.approx(1, abs=0.15)
    assert width < other_width + 0.1


def test_the_excess_of_the_crab_is_the_same_within_its_error(learnt, delivered):
    counts, background = inside(learnt[0])
    other_counts, other_background = inside(delivered[0])
    assert counts == other_counts
    # both are normalised to the same counts outside, so they share most of their errors
    assert background == pytest.approx(other_background, abs=np.sqrt(background))
