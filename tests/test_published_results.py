"""Published results are reproduced from event lists."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from skyred import Pipeline

EXAMPLES = Path(__file__).parents[1] / "examples"
# Joint fit of Nigro et al. 2019, A&A 625, A10, table 2: value, error, and the factor that converts
# values of gammapy. The amplitude is at 1 TeV, in cm-2 s-1 TeV-1. The published curvature refers to
# log10 of the energy, and that of gammapy to the natural logarithm.
PUBLISHED = {
    "amplitude": (38.5e-12, 1.1e-12, 1),
    "alpha": (2.51, 0.03, 1),
    "beta": (0.24, 0.02, np.log(10)),
}
N_RUNS = {"hess": 4, "magic": 2, "veritas": 2, "fact": 125}


@pytest.mark.slow
@pytest.mark.data("hess-dl3-dr1", "joint-crab")
def test_joint_crab_spectrum_from_events_agrees_with_nigro_et_al_2019(tmp_path: Path) -> None:
    if not Path(os.environ.get("JOINT_CRAB_DL3", "?")).is_dir():
        pytest.skip("needs $JOINT_CRAB_DL3: the event lists of Nigro et al. 2019")
    result = Pipeline.from_yaml(EXAMPLES / "joint-crab-events.yaml").run(tmp_path / "run")
    entries = [outcome.entry for outcome in result.outcomes]
    assert {entry: entries.count(entry) for entry in entries} == N_RUNS
    assert {outcome.status for outcome in result.outcomes} == {"reduced"}
    assert result.fit is not None
    assert result.fit.success
    for name, (value, error, factor) in PUBLISHED.items():
        index = result.fit.names.index(f"crab.spectral.{name}")
        assert factor * result.fit.values[index] == pytest.approx(value, abs=error)
        # the errors agree to the one or two digits that are published
        assert factor * result.fit.errors[index] == pytest.approx(error, abs=0.25 * error)
