"""Checks of the pipeline report all independent mistakes at once, without duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ebl_table import write_table
from skyred import Pipeline, Problem, component
from skyred.errors import ConfigError
from skyred.interfaces import Fields, value
from skyred.plugins import Plugins
from toys import ToyEstimator, toy_pipeline

PROFILES = "  - {kind: profile-likelihood, parameters: [crab.%s]}\n"
SPECTRAL = "spectral: {type: pl, index: 2.702"
UNSET = "$SKYRED_TEST_NOWHERE"


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.load()


@pytest.fixture(autouse=True)
def unset_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(UNSET[1:], raising=False)


def mistakes(content: str, plugins: Plugins) -> list[str]:
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(content, plugins=plugins)
    return [str(problem) for problem in exc_info.value.problems]


def replace_strings(content: str, **replacements: str) -> str:
    """Replace strings of `ORIGINALS`, which occur once in the example."""
    for name, replacement in replacements.items():
        assert content.count(ORIGINALS[name]) == 1
        content = content.replace(ORIGINALS[name], replacement)
    return content


ORIGINALS = {
    "archive": "$GAMMAPY_DATA/hess-dl3-dr1",
    "exclude": "icrs; circle(83.63, 22.14, 0.2)",
    "spatial": "spatial: {type: point",
    "spectral": SPECTRAL,
    "source": "source: crab",
    "region": "icrs; circle(83.63, 22.01, 0.5)",
    "last": "  - {kind: excess-map}\n",
}


@pytest.mark.parametrize("ebl", ["dominguezz", "dominguez"], ids=["cannot be built", "no table"])
def test_independent_mistakes_are_reported_together(
    crab_yaml: str, plugins: Plugins, ebl: str
) -> None:
    content = replace_strings(
        crab_yaml,
        archive=f"{UNSET}/dl3",  # detected by the pipeline
        exclude="icrs; circel(83.63, 22.14, 0.2)",  # detected by regions
        spatial=f"absorption: {{ebl: {ebl}, redshift: 0.1}}\n    spatial: {{type: point",
        source="source: carb",  # detected by an estimator
        region="icrs; circle(83.63)",  # detected by regions
    )
    starts = [
        "data.hess.archive: the environment variable SKYRED_TEST_NOWHERE is not set",
        "data.hess.make[2].exclude: 'icrs; circel(83.63, 22.14, 0.2)' is not a DS9 region",
        "model[0].absorption.ebl: ",
        "estimate[0].source: unknown source 'carb'",
        "estimate[1].region: 'icrs; circle(83.63)' is not a DS9 region",
    ]
    problems = mistakes(content, plugins)
    assert len(problems) == len(starts), problems
    for problem, start in zip(problems, starts, strict=True):  # in the order of the file
        assert problem.startswith(start)


def test_parameters_of_a_valid_source_are_checked_despite_other_mistakes(
    crab_yaml: str, plugins: Plugins
) -> None:
    profiles = PROFILES % "indxe" + PROFILES.replace("{", "{name: b, ") % "reference"
    content = replace_strings(crab_yaml, region="icrs; circle(83.63)", last=profiles)
    region, unknown, frozen = mistakes(content, plugins)
    assert region.startswith("estimate[1].region: ")
    assert "unknown parameter 'crab.indxe'" in unknown
    assert "the parameter 'crab.reference' is frozen" in frozen


@pytest.mark.parametrize(
    "changes",
    [
        {"spectral": "spectral: {type: plaw, index: 2.702"},
        {"spectral": "spectral: {type: pl, indxe: 2.702"},
        {"spectral": "spectral: {index: 2.702"},
        {"spectral": f"absorption: {{file: {UNSET}/ebl.fits, redshift: 1}}\n    {SPECTRAL}"},
        {"spectral": f"absorption: {{file: nowhere.fits, redshift: 1}}\n    {SPECTRAL}"},
        {"spectral": f"absorption: {{redshift: 1}}\n    {SPECTRAL}"},
        {"exclude": f"{UNSET}/mask.reg"},
        {"exclude": "nowhere.reg"},
        {"exclude": "nowhere.fits"},
        {"region": "nowhere.reg"},
    ],
    ids=lambda changes: ", ".join(changes.values()).strip(),
)
def test_single_mistake_is_reported_once(
    crab_yaml: str, plugins: Plugins, changes: dict[str, str]
) -> None:
    # the profile needs the parameters of the source, which has none without a valid spectrum
    (problem,) = mistakes(replace_strings(crab_yaml, last=PROFILES % "index", **changes), plugins)
    assert problem.startswith({"spectral": "model[0].", "region": "estimate[1].region: "}.get(
        next(iter(changes)), "data.hess.make[2].exclude: "
    ))  # fmt: skip


def test_invalid_redshift_is_reported_once(
    crab_yaml: str, plugins: Plugins, tmp_path: Path
) -> None:
    write_table(tmp_path / "data" / "ebl" / "ebl_dominguez11.fits.gz")
    absorption = f"absorption: {{ebl: dominguez, redshift: far}}\n    {SPECTRAL}"
    (problem,) = mistakes(replace_strings(crab_yaml, spectral=absorption), plugins)
    assert problem.startswith("model[0].absorption.redshift: ")


SINGLE_MODELS = [
    ("{kind: catalog, catalog: 3fhl, file: nowhere.fits, sources: [Crab]}", "file: "),
    ("{kind: catalog, catalog: 3fhl, model: best, sources: [Crab]}", "model: "),
    ("{kind: catalog, catalog: 3fhl}", "model[1]: selects no sources"),
    ("{kind: template, name: x, map: nowhere.fits, spectral: {type: pl-norm}}", "map: "),
    ("{kind: template, name: x, spectral: {type: pl-norm}}", "model[1]: has neither map nor"),
    ("{kind: counts-template, name: x, map: nowhere.fits, dataset: hess}", "map: "),
    ("{kind: file, path: nowhere.yaml}", "path: "),
]


@pytest.mark.parametrize(
    ("model", "message"), SINGLE_MODELS, ids=[model for model, _ in SINGLE_MODELS]
)
def test_single_mistake_in_a_model_is_reported_once(
    crab_yaml: str, plugins: Plugins, model: str, message: str
) -> None:
    content = crab_yaml.replace("{kind: fov-background}\nfit", f"{model}\nfit")
    (problem,) = mistakes(content, plugins)
    assert problem.startswith("model[1]")
    assert message in problem


def test_replacement_without_type_is_reported_once(crab_yaml: str, plugins: Plugins) -> None:
    alternative = "{name: b, replace: {crab: {spectral: {index: 2}}}, fix: {crab.beta: 0}}"
    comparison = f"  - {{kind: model-comparison, alternatives: [{alternative}]}}\n"
    (problem,) = mistakes(replace_strings(crab_yaml, last=comparison), plugins)
    assert "alternatives[0].replace.crab.spectral: missing key 'type'" in problem


@component
class FailingCheck(ToyEstimator):
    """An estimator with an error in its check."""

    kind = "failing-check"

    def check(self, pipeline: Any) -> Any:
        yield from ()
        raise LookupError("no such thing")


@component
class AlwaysInvalid(ToyEstimator):
    """An estimator that always reports a problem."""

    kind = "always-invalid"

    def check(self, pipeline: Any) -> Any:
        yield Problem(("fails",), "is wrong")


def test_error_in_a_check_is_raised_if_there_are_no_problems() -> None:
    with pytest.raises(LookupError, match="no such thing"):
        toy_pipeline(estimate=[FailingCheck()]).problems()


@pytest.mark.parametrize(
    "estimators", [(FailingCheck, AlwaysInvalid), (AlwaysInvalid, FailingCheck)]
)
def test_error_in_a_check_does_not_hide_problems(estimators: Any) -> None:
    (problem,) = toy_pipeline(estimate=[estimator() for estimator in estimators]).problems()
    assert problem.message == "is wrong"


def test_second_problem_of_a_field_is_not_reported() -> None:
    pipeline = toy_pipeline(estimate=[AlwaysInvalid()])
    for path in (("estimate", 0, "fails"), ("estimate", 0, "fails", 3)):
        first_problem = Problem(path, "is wrong")
        assert pipeline.problems([first_problem]) == [first_problem]
    for path in (("estimate", 0), ("estimate", 0, "name"), ("estimate", 1, "fails")):
        assert len(pipeline.problems([Problem(path, "is also wrong")])) == 2


@pytest.mark.parametrize("name", ["check_deeply", "check_whole_deeply"])
def test_misnamed_check_is_rejected(name: str) -> None:
    def check(self: Fields) -> list[Problem]:
        return []

    message = rf"Custom.{name} is never called; move it to check\(pipeline\)"
    with pytest.raises(TypeError, match=message):
        component(type("Custom", (ToyEstimator,), {"kind": "custom", name: check}))
    with pytest.raises(TypeError, match=message):
        value(type("Custom", (Fields,), {name: check}))


def test_misnamed_check_of_a_plugin_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "old.py"
    path.write_text(
        "from skyred import Selector, component\n\n\n"
        "@component\nclass Old(Selector):\n    kind = 'old'\n\n"
        "    def check_deeply(self):\n        return ()\n\n"
        "    def select(self, table):\n        return table\n"
    )
    faults = list(Plugins.load(files=[path]).faults())
    assert any("Old.check_deeply is never called; move it to check(pipeline)" in fault
               for fault in faults)  # fmt: skip
