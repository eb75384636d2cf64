"""Traces, strategies of HESSE and confidence intervals, against gammapy's `Fit` on a spectrum."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import skyred
import small_datasets as small
from skyred import Confidence, GammapyFit, Minuit, Newton
from skyred.errors import FieldError, FileError
from skyred.result.files import read_fit, write_fit
from skyred.scripting import Script

NAMES = ["crab.spectral.index", "crab.spectral.amplitude"]
FITTERS = {
    "newton": Newton(store_trace=True),
    "minuit": Minuit(store_trace=True),
    "gammapy": GammapyFit(backend="minuit", store_trace=True),
    "scipy": GammapyFit(backend="scipy", method="L-BFGS-B", store_trace=True),
}


def on_off() -> Datasets:
    spectrum = PowerLawSpectralModel(index=2.2, amplitude="2e-11 cm-2 s-1 TeV-1")
    datasets = Datasets([small.spectrum_on_off("one")])
    datasets.models = [SkyModel(spectrum, name="crab")]
    return datasets


def fitted_by_gammapy(**options: Any) -> tuple[Datasets, Fit]:
    datasets = on_off()
    fit = Fit(optimize_opts={"tol": 1e-3}, **options)
    fit.run(datasets)
    return datasets, fit


@pytest.mark.parametrize("name", FITTERS)
def test_rows_of_the_trace_are_values_of_the_statistic(name: str, tmp_path: Path) -> None:
    datasets = on_off()
    result = skyred.fit(datasets, FITTERS[name])
    table = result.trace_table()
    plain, fit = fitted_by_gammapy(store_trace=True)
    # gammapy's columns: the statistic, and the unique names of the parameters
    assert table.colnames == fit.optimize(plain).trace.colnames == ["total_stat", *NAMES]
    assert str(table[NAMES[1]].unit) == "1 / (TeV s cm2)"
    index, amplitude = (plain.models.parameters[key] for key in ("index", "amplitude"))
    for row in table[:: max(1, len(table) // 10)]:
        index.value, amplitude.value = row[NAMES[0]], row[NAMES[1]]
        assert row["total_stat"] == pytest.approx(plain.stat_sum(), rel=1e-9)
    assert table["total_stat"].min() == pytest.approx(result.stat, abs=1e-6)
    assert table["total_stat"][0] > result.stat + 1
    write_fit(tmp_path, result)
    restored = read_fit(tmp_path)
    assert restored is not None
    assert restored.trace.tolist() == result.trace.tolist()
    assert "trace: trace.ecsv" in (tmp_path / "fit.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("fitter", [Newton(), Minuit(), GammapyFit()], ids=lambda f: f.kind)
def test_trace_changes_no_result_and_is_optional(fitter: Any, tmp_path: Path) -> None:
    result = skyred.fit(on_off(), fitter)
    assert result.trace is None
    with pytest.raises(ValueError, match="store_trace"):
        result.trace_table()
    traced = skyred.fit(on_off(), fitter.evolve(store_trace=True))
    assert traced.values.tolist() == result.values.tolist()
    assert traced.covariance.tolist() == result.covariance.tolist()
    write_fit(tmp_path, traced)
    write_fit(tmp_path, result)
    assert not (tmp_path / "trace.ecsv").exists()


@pytest.mark.parametrize("fault", ["missing", "damaged", "of another fit"])
def test_trace_that_does_not_match_the_fit_is_rejected(fault: str, tmp_path: Path) -> None:
    write_fit(tmp_path, skyred.fit(on_off(), FITTERS["newton"]))
    path = tmp_path / "trace.ecsv"
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        path.write_bytes(path.read_bytes()[:100])
    else:
        Table({"total_stat": [1.0]}).write(path, overwrite=True)
    with pytest.raises(FileError, match=r"trace\.ecsv"):
        read_fit(tmp_path)


@pytest.mark.parametrize("fitter", [Minuit, GammapyFit])
@pytest.mark.parametrize("strategy", [0, 2])
def test_errors_of_each_hesse_strategy_agree_with_gammapy(fitter: Any, strategy: int) -> None:
    result = skyred.fit(on_off(), fitter(hesse_strategy=strategy))
    datasets, _ = fitted_by_gammapy()
    for name, value in zip(("index", "amplitude"), result.values, strict=True):
        datasets.models.parameters[name].value = value
    Fit(covariance_opts={"strategy": strategy}).covariance(datasets)
    expected = [datasets.models.parameters[name].error for name in ("index", "amplitude")]
    # the steps of HESSE depend on its start; without them, strategies differ by up to 1 %
    assert result.errors == pytest.approx(expected, rel=2e-2 if strategy == 0 else 1e-3)


def test_lower_hesse_strategies_need_fewer_calls() -> None:
    calls = [skyred.fit(on_off(), Minuit(hesse_strategy=strategy)).nfev for strategy in (0, 2)]
    assert calls[0] < calls[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "confidence",
    [
        Confidence(),
        Confidence(n_sigma=2, options={"tol": 0.01}),
        Confidence(backend="scipy", n_sigma=2),
        Confidence(backend="scipy", reoptimize=False, options={"rtol": 1e-4}),
    ],
    ids=["minuit", "minuit, 2 sigma", "scipy, 2 sigma", "scipy, fixed"],
)
def test_confidence_intervals_agree_with_gammapy(confidence: Confidence) -> None:
    result = skyred.fit(on_off(), GammapyFit(backend="minuit", confidence=confidence))
    options = {"backend": confidence.backend, **confidence.options}
    datasets, fit = fitted_by_gammapy(confidence_opts=options)
    for number, name in enumerate(("index", "amplitude")):
        parameter = datasets.models.parameters[name]
        if confidence.backend == "scipy":  # which needs limits close to the interval
            parameter.scan_n_sigma = 10
            parameter.min, parameter.max = (
                parameter.value + sign * 8 * parameter.error for sign in (-1, 1)
            )
        expected = fit.confidence(
            datasets, parameter, sigma=confidence.n_sigma, reoptimize=confidence.reoptimize
        )
        # two searches whose minima differ by up to 0.005 sigma
        assert result.errn[number] == pytest.approx(expected["errn"], rel=1e-2)
        assert result.errp[number] == pytest.approx(expected["errp"], rel=1e-2)
    assert result.n_sigma == confidence.n_sigma


def test_confidence_intervals_of_selected_parameters() -> None:
    confidence = Confidence(parameters=["*.index", "vela.*"])
    result = skyred.fit(on_off(), GammapyFit(confidence=confidence))
    assert np.isfinite(result.errn).tolist() == [True, False]
    assert any("vela.*: no free parameter" in note for note in result.notes)


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda: Confidence(reoptimize=False), "MINOS always fits"),
        (lambda: GammapyFit(strategy=1), "set backend: minuit"),
        (lambda: Minuit(hesse_strategy=3), "hesse_strategy"),
    ],
)
def test_options_without_effect_are_rejected(create: Any, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        create()


@pytest.mark.slow
def test_exported_fit_prints_the_selected_intervals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fitter = Minuit(
        minos=True, n_sigma=2, minos_parameters=["*.index"], hesse_strategy=1, store_trace=True
    )
    result = skyred.fit(on_off(), fitter)
    script = Script()
    fitter.write_script(script)
    datasets = on_off()
    script.function("fit(datasets)", "Fit the models.")
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(script.text(["A fit."]), variables)
    variables["fit"](datasets)
    output = capsys.readouterr().out
    assert "total_stat" in output  # the trace
    (line,) = [line for line in output.splitlines() if line.startswith("crab.")]
    name, interval = line.split(" ", 1)
    assert name == NAMES[0]
    printed = eval(interval, {"np": np})
    assert printed["errp"] == pytest.approx(result.errp[0], rel=1e-2)
    assert printed["errn"] == pytest.approx(result.errn[0], rel=1e-2)
    assert datasets.models.parameters["index"].error == pytest.approx(result.errors[0], rel=1e-2)
