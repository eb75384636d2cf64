"""The exported Crab script runs without skyred, and holds the table of the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import Models

import plain_gammapy as plain
from skyred import Pipeline

pytestmark = pytest.mark.data
# runs a script where skyred cannot be imported
WITHOUT = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "skyred":
            raise ImportError("there is no skyred here")

sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# gammapy finds scans and asymmetric errors by a fit for each: they take longest
FEWER = "estimate.0.columns=[ul]"


@attrs.define
class Exported:
    """What the script wrote."""

    printed: str
    dataset: Any
    models: Models
    flux: FluxPoints


@pytest.fixture(scope="module")
def exported(once: Any) -> Exported:
    def run(folder: Path) -> Exported:
        script, results = folder / "crab.py", folder / "results"
        text = Pipeline.from_yaml(plain.EXAMPLE, overrides=[FEWER]).to_script("crab.yaml")
        script.write_text(text, encoding="utf-8")
        command = [sys.executable, "-I", "-c", WITHOUT, str(script), str(results)]
        environment = os.environ | {"MPLBACKEND": "agg"}
        found = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False
        )
        assert found.returncode == 0, found.stderr
        models = Models.read(results / "models.yaml")
        flux = FluxPoints.read(results / "flux-points.fits")
        assert (results / "flux-points.png").stat().st_size > 1000
        dataset = Datasets.read(results / "datasets.yaml", lazy=False)["hess"]
        return Exported(found.stdout, dataset, models, flux)

    return once("exported-crab", run)


def test_maps_are_the_same(crab: Any, exported: Exported) -> None:
    ours, theirs = crab.result.datasets["hess"], exported.dataset
    for name in ("counts", "mask_safe"):
        np.testing.assert_array_equal(getattr(ours, name).data, getattr(theirs, name).data)
    # float32 sums, in one chunk here and there
    np.testing.assert_allclose(theirs.exposure.data, ours.exposure.data, rtol=1e-6)
    for part in ("psf.psf_map", "edisp.edisp_map"):
        first, second = part.split(".")
        maps = [getattr(getattr(each, first), second).data for each in (theirs, ours)]
        np.testing.assert_allclose(*maps, rtol=1e-5, atol=1e-6 * maps[1].max())
    # gammapy's norms are those of MIGRAD, ours are exact
    np.testing.assert_allclose(theirs.background.data, ours.background.data, rtol=2e-4)


def test_the_fit_is_the_same_or_ours_is_lower(crab: Any, exported: Exported) -> None:
    ours, theirs = crab.result.fit, exported.models.parameters.free_parameters
    found = np.array([parameter.value for parameter in theirs])
    pulls = np.abs(found - ours.values) / ours.errors
    assert [parameter.name for parameter in theirs] == [n.split(".")[-1] for n in ours.names]
    printed = float(exported.printed.split("total stat")[1].split()[1])
    assert printed == pytest.approx(ours.stat, abs=0.01)  # it has two decimals
    # beside pixel centres, where the likelihood has kinks, MIGRAD stops above the minimum
    position = np.array([name.endswith(("lon_0", "lat_0")) for name in ours.names])
    assert np.all(pulls[~position] < 0.01)
    assert np.all(pulls < 0.5)
    errors = np.array([parameter.error for parameter in theirs])
    np.testing.assert_allclose(errors[~position], ours.errors[~position], rtol=0.01)


def test_flux_points_are_the_same(crab: Any, exported: Exported) -> None:
    ours = crab.result.estimates["flux-points"].flux
    for name in ("dnde", "dnde_err", "dnde_ul"):
        values, expected = (getattr(each, name).data for each in (exported.flux, ours))
        # the position of the source differs a little too
        np.testing.assert_allclose(values, expected, rtol=1e-3)
    np.testing.assert_array_equal(exported.flux.counts.data, ours.counts.data)
