"""Options of the fit in configurations of asgardpy, the arguments of gammapy's `Fit`."""

from typing import Any

import pytest
import yaml

import skyred
from skyred.errors import path_text

CONTENT = """
general: {steps: [datasets-1d, fit]}
target:
  source_name: crab
  components: [{name: crab, spectral: {type: PowerLawSpectralModel, parameters: [{name: index}]}}]
dataset1d: {instruments: [{name: HESS, input_dl4: true, input_dl4_dir: spectra}]}
"""


def convert(settings: str) -> tuple[dict[str, Any], dict[str, bool]]:
    """Return the fitter, and whether each setting that is not converted changes results."""
    conversion = skyred.convert(CONTENT + f"fit_params: {settings}")
    fitter = yaml.safe_load(conversion.yaml)["fit"]
    skipped = {path_text(item.path): item.changes_results for item in conversion.skipped}
    return fitter, {path: skipped[path] for path in skipped if path.startswith("fit_params")}


@pytest.mark.parametrize(
    ("settings", "fitter"),
    [
        ("{backend: minuit}", {"kind": "newton"}),
        ("{store_trace: true}", {"kind": "newton", "store_trace": True}),
        (
            "{optimize_opts: {tol: 0.1, strategy: 2, migrad_opts: {ncall: 50}}, "
            "covariance_opts: {backend: minuit, strategy: 0}}",
            {"kind": "minuit", "tolerance": 0.1, "strategy": 2, "calls": 50, "hesse_strategy": 0},
        ),
        (
            "{backend: scipy, optimize_opts: {method: L-BFGS-B, tol: 0.001, "
            "options: {maxiter: 9}}, covariance_opts: {strategy: 1}}",
            {"kind": "gammapy", "backend": "scipy", "method": "L-BFGS-B", "tolerance": 0.001,
             "options": {"maxiter": 9}, "hesse_strategy": 1},
        ),
        (
            "{backend: sherpa, optimize_opts: {method: moncar, ftol: 0.01, maxfev: 9}}",
            {"kind": "gammapy", "backend": "sherpa", "method": "moncar", "tolerance": 0.01,
             "options": {"maxfev": 9}},
        ),
    ],
)  # fmt: skip
def test_options_of_the_fit_are_converted(settings: str, fitter: dict[str, Any]) -> None:
    converted, _ = convert(settings)
    assert converted == fitter
    kinds = {"newton": skyred.Newton, "minuit": skyred.Minuit, "gammapy": skyred.GammapyFit}
    kinds[converted.pop("kind")](**converted)


def test_options_that_are_not_converted_are_listed_with_their_effect() -> None:
    fitter, skipped = convert(
        "{optimize_opts: {print_level: 1, migrad_opts: {iterate: 2}}, confidence_opts: {tol: 1}}"
    )
    assert fitter == {"kind": "newton"}
    assert skipped == {
        "fit_params.optimize_opts.print_level": False,
        "fit_params.optimize_opts.migrad_opts.iterate": True,
        "fit_params.confidence_opts": False,
    }
