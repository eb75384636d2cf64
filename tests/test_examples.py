"""Every example runs from its file to its pictures, and its folder reads back."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from skyred import Pipeline, Result

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest) -> Path:
    text = request.param.read_text(encoding="utf-8")
    if "$GAMMAPY_DATA" in text and not Path(os.environ.get("GAMMAPY_DATA", "?")).is_dir():
        pytest.skip("needs GAMMAPY_DATA")
    if "zenith-veto" in text and not importlib.util.find_spec("skyred_example"):
        pytest.skip("needs the plugin skyred-example")
    return Path(request.param)


def test_the_example_runs(example: Path, tmp_path: Path) -> None:
    result = Pipeline.from_yaml(example).run(tmp_path / "run")
    assert result.folder is not None
    assert result.report["state"] == "finished"
    assert not result.report["watchers"], "a picture could not be drawn"
    assert result.fit is None or result.fit.success
    assert not [each for each in result.outcomes if each.status == "failed"]
    _has_pictures(result)
    _reads_back(result)


def _has_pictures(result: Result) -> None:
    drawn = {path.stem for path in (result.folder / "plots").glob("*.png")}  # type: ignore[operator]
    for product in result.estimates.values():
        assert {product.name + suffix for suffix in product.pictures()} <= drawn


def _reads_back(result: Result) -> None:
    assert result.folder is not None
    again = Result.read(result.folder)
    assert list(again.estimates) == list(result.estimates)
    for name, product in result.estimates.items():
        _same(again.estimates[name].table(), product.table())
    if result.datasets is not None and result.fit is not None:
        assert again.datasets is not None
        # float32 maps, and PSF kernels at where the models are now
        assert again.datasets.stat_sum() == pytest.approx(result.datasets.stat_sum(), abs=0.1)


def _same(read: Table, made: Table) -> None:
    assert read.colnames == made.colnames
    for name in made.colnames:
        assert read[name].unit == made[name].unit
        ours, theirs = _plain(read[name]), _plain(made[name])
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
        else:
            assert ours.astype(str).tolist() == theirs.astype(str).tolist()


def _plain(column: Any) -> Any:
    return np.asarray(column.filled() if hasattr(column, "filled") else column)
