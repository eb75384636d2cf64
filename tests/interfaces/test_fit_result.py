"""Fit results with any content can be written and read back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from skyred import FitResult
from skyred.config import Document, dump
from skyred.errors import FileError
from skyred.result.files import read_fit, write_fit

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def fit_results(draw: st.DrawFn) -> FitResult:
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True))
    n, n_samples = len(names), draw(st.integers(0, 3))
    samples = None
    if n_samples:
        samples = draw(st.none() | arrays(float, (n_samples, n), elements=NUMBERS))
    return FitResult(
        names=names,
        units=draw(
            st.lists(st.sampled_from(["", "TeV", "1 / (TeV s cm2)"]), min_size=n, max_size=n)
        ),
        values=draw(arrays(float, n, elements=NUMBERS)),
        errors=draw(arrays(float, n, elements=NUMBERS)),
        covariance=draw(arrays(float, (n, n), elements=NUMBERS)),
        stat=draw(NUMBERS),
        success=draw(st.booleans()),
        message=draw(st.text(max_size=20)),
        nfev=draw(st.integers(0, 10**6)),
        edm=draw(NUMBERS),
        at_limit=draw(st.lists(st.sampled_from(names), unique=True)),
        samples=samples,
        weights=None if samples is None else draw(arrays(float, n_samples, elements=NUMBERS)),
        evidence=draw(st.none() | NUMBERS),
        evidence_error=draw(st.none() | NUMBERS),
    )


def assert_same(actual: FitResult, expected: FitResult) -> None:
    for name in FitResult.__annotations__:
        value, expected_value = getattr(actual, name), getattr(expected, name)
        if isinstance(value, np.ndarray):
            assert value.shape == expected_value.shape
            np.testing.assert_array_equal(value, expected_value)
        elif isinstance(value, float):
            np.testing.assert_equal(value, expected_value)
        else:
            assert value == expected_value


@given(fit_results())
def test_result_is_read_back_from_its_dictionary(result: FitResult) -> None:
    assert_same(FitResult.from_dict(result.to_dict()), result)


@given(fit_results())
def test_result_is_read_back_from_yaml_exactly(result: FitResult) -> None:
    data = Document.parse(dump(result.to_dict())).data
    assert_same(FitResult.from_dict(data), result)


def test_arrays_are_read_only_copies() -> None:
    values = np.array([1.0, 2.0])
    result = FitResult(
        names="ab", units=["", ""], values=values, errors=values, covariance=np.eye(2), stat=0,
        success=True,
    )  # fmt: skip
    values[0] = 9
    assert result.values[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        result.values[0] = 3


@pytest.mark.parametrize(
    ("success", "message"), [(True, "converged: "), (False, "did NOT converge")]
)
def test_result_as_string_starts_with_its_status(success: bool, message: str) -> None:
    fields: dict[str, Any] = {"names": ["x"], "units": ["TeV"], "values": [1], "errors": [0.5]}
    result = FitResult(**fields, covariance=[[0.25]], stat=3, success=success, message="")
    assert str(result).startswith(message)
    assert " 1 +- 0.5 TeV" in str(result)


@pytest.mark.slow
def test_result_with_many_parameters_is_read_back_from_its_folder(tmp_path: Path) -> None:
    n = 150
    result = FitResult(
        names=[f"p{index}" for index in range(n)],
        units=[""] * n,
        values=np.arange(n),
        errors=np.ones(n),
        covariance=np.eye(n),
        stat=1.0,
        success=True,
    )
    write_fit(tmp_path, result)
    loaded_result = read_fit(tmp_path)
    assert loaded_result is not None
    assert_same(loaded_result, result)


@given(fit_results())
def test_result_is_read_back_from_its_folder_exactly(result: FitResult) -> None:
    with TemporaryDirectory() as folder:
        write_fit(Path(folder), result)
        loaded_result = read_fit(Path(folder))
    assert loaded_result is not None
    assert_same(loaded_result, result)


def test_samples_are_a_table_with_names_and_units(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).normal(size=(4, 3))
    result = FitResult(
        names=["a.lon_0", "b.x", "B.x"], units=["deg", "1 / (TeV s cm2)", ""], values=[0, 0, 0],
        errors=[1, 1, 1], covariance=np.eye(3), stat=0, success=True, samples=samples,
        weights=[0.1, 0.2, 0.3, 0.4],
    )  # fmt: skip
    write_fit(tmp_path, result)
    table = Table.read(tmp_path / "samples.fits")
    # column names in FITS are not case-sensitive
    assert table.colnames == ["WEIGHT", "a_lon_0", "b_x_2", "B_x_3"]
    assert table["a_lon_0"].unit == u.deg
    assert table["b_x_2"].unit == u.Unit("TeV-1 s-1 cm-2")
    assert table["B_x_3"].tolist() == samples[:, 2].tolist()
    assert "samples: samples.fits" in (tmp_path / "fit.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", ["missing", "truncated", "of another fit"])
def test_samples_that_do_not_match_the_fit_are_rejected(fault: str, tmp_path: Path) -> None:
    fit = FitResult(
        names=["a", "b"], units=["", ""], values=[1, 2], errors=[1, 1], covariance=np.eye(2),
        stat=0, success=True, samples=np.ones((4, 2)),
    )  # fmt: skip
    write_fit(tmp_path, fit)
    path = tmp_path / "samples.fits"
    if fault == "missing":
        path.unlink()
    elif fault == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    else:
        Table({"WEIGHT": np.ones(4)}).write(path, overwrite=True)
    with pytest.raises(FileError, match=r"samples\.fits"):
        read_fit(tmp_path)


def test_writing_a_fit_without_samples_deletes_the_old_samples_file(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"names": ["x"], "units": [""], "values": [1], "errors": [1]}
    fields |= {"covariance": [[1]], "stat": 0, "success": True}
    write_fit(tmp_path, FitResult(**fields, samples=[[1.0], [2.0]]))
    loaded_result = read_fit(tmp_path)
    assert loaded_result is not None
    assert loaded_result.weights is None
    write_fit(tmp_path, FitResult(**fields))
    assert not (tmp_path / "samples.fits").exists()


def test_result_of_a_sampler_shows_evidence_instead_of_edm() -> None:
    result = FitResult(
        names=["x"], units=[""], values=[1], errors=[1], covariance=[[1]], stat=0, success=True,
        evidence=-12.345, evidence_error=0.1,
    )  # fmt: skip
    assert "log evidence -12.3" in str(result)
    assert "+- 0.10" in str(result)
    assert "edm" not in str(result)
