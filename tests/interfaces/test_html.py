"""Notebook views of components, values and pipelines."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from component_strategies import instances
from html_parser import parse_html
from skyred import Maker, component, option, quantity
from skyred.fields import specs
from skyred.interfaces import Component
from skyred.plugins import Plugins
from skyred.products.gammapy_product import GammapyProduct
from toys import ToyEstimator, ToyFitter, ToyGeometry, ToyMaker, ToyModel, ToyProduct, toy_pipeline

MALICIOUS = "<script>alert('1')</script>"
CATALOG = Plugins.load().catalog
CLASSES = sorted((entry.cls for entry in CATALOG), key=lambda cls: (cls.role, cls.kind))


@component
class MaliciousMaker(Maker):
    __doc__ = f"Summary {MALICIOUS}."
    kind = "malicious"
    label = option(MALICIOUS, doc=f"Doc {MALICIOUS}.")
    angle = quantity("1.2 arcmin", doc="An angle.")

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.role}-{cls.kind}")
@settings(max_examples=5, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(data=st.data())
def test_every_component_shows_its_kind_and_all_its_options(
    cls: type[Component], data: st.DataObject
) -> None:
    page = parse_html(data.draw(instances(CATALOG, cls)))
    assert page.text.startswith(f"{cls.role} {cls.kind} {cls.summary()}")
    for name, spec in specs(cls).items():
        if spec.shape == "leaf":
            row = next(row for row in page.tables[0] if row[0] == name)
            assert row[3] == spec.doc
            assert spec.type_name in page.tooltips
        else:
            assert name in page.text
            assert spec.doc in page.tooltips


def test_value_is_shown_with_its_unit_and_its_default() -> None:
    page = parse_html(ToyMaker(scale="0.5 TeV", skip=[1, 2]))
    assert page.row("scale")[1:3] == ["0.5 TeV", "700 GeV"]
    assert page.row("threshold")[1:3] == ["0.02 deg", "0.02 deg"]
    assert page.row("skip")[1:3] == ["1, 2", "none"]


def test_required_and_unset_options_are_labelled() -> None:
    cls = CATALOG.get("estimator", "flux-points")
    page = parse_html(cls(source="crab", energy_edges=["1 TeV", "2 TeV"]))
    assert page.row("source")[1:3] == ["crab", "required"]
    assert page.row("energy_edges")[1:3] == ["1, 2 TeV", "required"]
    assert page.row("name")[1:3] == ["not set", "not set"]
    assert page.row("reoptimize")[1:3] == ["false", "false"]


def test_values_other_than_the_default_are_bold() -> None:
    html = ToyMaker(scale="1 TeV")._repr_html_()
    assert "<b>1 TeV</b>" in html
    assert "<b>0.02 deg</b>" not in html


def test_all_strings_are_escaped() -> None:
    injection = "</td><img src=x onerror=alert(1)>"
    page = parse_html(MaliciousMaker(label=injection))  # raises an error for unknown tags
    assert MALICIOUS in page.text
    assert page.row("label") == ["label", injection, MALICIOUS, f"Doc {MALICIOUS}."]
    assert (
        MALICIOUS
        in parse_html(toy_pipeline(make=[ToyMaker(), MaliciousMaker(label=f"2{MALICIOUS}")])).text
    )


def test_pipeline_shows_its_components_in_order() -> None:
    pipeline = toy_pipeline(3, fit=ToyFitter(), estimate=[ToyEstimator(name="total")])
    page = parse_html(pipeline)
    kinds = ("data", "toy:3", "toy-region", "toy-fill", "toy-sum", "toy-flat", "toy-newton",
             "toy-total")  # fmt: skip
    positions = [page.text.index(kind) for kind in kinds]
    assert positions == sorted(positions)


def test_folded_component_lists_options_other_than_the_defaults() -> None:
    html = toy_pipeline(make=[ToyMaker(skip=[3])], geometry=ToyGeometry(bins=4))._repr_html_()
    assert "<summary>toy-fill <small>skip: 3</small></summary>" in html
    assert "toy-region <small>bins: 4</small></summary>" in html


def test_long_value_is_truncated_in_the_line_but_not_in_the_table() -> None:
    ids = list(range(1000, 1100))
    page = parse_html(toy_pipeline(make=[ToyMaker(skip=ids)]))
    assert page.row("skip")[1].endswith("1098, 1099")
    assert f"skip: {', '.join(map(str, ids))}" not in page.text


def test_gammapy_objects_in_a_pipeline_are_shown_by_their_repr() -> None:
    class Veto:
        def run(self, dataset: Any, observation: Any) -> Any:
            return dataset

    veto = Veto()
    assert repr(veto) in parse_html(toy_pipeline(make=[veto])).text


def test_product_shows_its_summary_and_table() -> None:
    page = parse_html(ToyProduct("total", 2.5))
    assert page.text.startswith("total The sum of counts.")
    assert page.tables == [[["counts"], ["2.5"]]]


def test_product_without_a_table_shows_the_reason() -> None:
    page_text = parse_html(GammapyProduct("x", object())).text
    message = (
        "x: an object of type object cannot be shown as a table: it has no `to_table`; "
        "use the attribute"
    )
    assert message in page_text


def test_fit_results_show_values_errors_units_limits_and_notes() -> None:
    from skyred import FitResult

    fit = FitResult(
        names=[f"crab.{MALICIOUS}", "crab.index"], units=["TeV", ""], values=[1.23456789, 2],
        errors=[0.123, 0.2], covariance=[[1, 0], [0, 1]], stat=3, success=False,
        message=f"failed {MALICIOUS}", at_limit=["crab.index"], notes=[f"note {MALICIOUS}"],
    )  # fmt: skip
    page = parse_html(fit)
    assert page.row(f"crab.{MALICIOUS}")[1:] == ["1.2346", "\N{PLUS-MINUS SIGN} 0.12", "TeV", ""]
    assert page.row("crab.index")[1:] == ["2", "\N{PLUS-MINUS SIGN} 0.2", "", "at its limit"]
    assert "did NOT converge" in page.text
    assert f"failed {MALICIOUS}" in page.text
    assert f"note {MALICIOUS}" in page.text
    asymmetric = parse_html(attrs.evolve(fit, success=True, errn=[0.1, 0.2], errp=[0.3, 0.4]))
    assert asymmetric.row("crab.index")[2] == "-0.2 +0.4"
    assert "The fit converged" in asymmetric.text


@pytest.mark.slow
def test_views_do_not_import_gammapy() -> None:
    code = (
        "import sys; from toys import *; from skyred.components.fitters.minuit import Minuit\n"
        "from skyred.components.gammapy import FluxPoints, SafeMask\n"
        "html = toy_pipeline(fit=Minuit(), model=False, estimate=[FluxPoints(source='crab', "
        "energy_edges=['1 TeV', '2 TeV'])], make=[SafeMask()])._repr_html_()\n"
        "assert 'aeff-default' in html; print([name for name in sys.modules if name == 'gammapy' "
        "or name.startswith(('matplotlib', 'IPython'))])"
    )
    path = str(Path(__file__).parents[1] / "helpers")
    process = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert process.stdout.strip() == "[]"


def test_model_shows_its_configuration() -> None:
    spectral = {"type": "pl", "index": {"value": 2.7, "frozen": True}}
    source = CATALOG.get("model", "source")(name="crab", spectral=spectral)
    assert parse_html(source).row("spectral")[1] == "(type: pl, index: (value: 2.7, frozen: true))"
    assert parse_html(ToyModel()).row("name")[1] == "toy"
