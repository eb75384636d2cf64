"""Components that violate a rule of their interface are stopped, and named with their plugin."""

from __future__ import annotations

import sys
from typing import Any

import attrs
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.data import GTI
from gammapy.modeling.models import ConstantSpectralModel, GaussianPrior

from skyred import (
    Estimator,
    FitResult,
    Fitter,
    Model,
    Orchestrator,
    Product,
    Selector,
    component,
    option,
)
from skyred.errors import ComponentError
from skyred.interfaces.records import Owner
from toys import ToyEstimator, ToyFitter, ToyModel, ToyProduct, toy_pipeline, toy_plugins

OWNER = Owner("badly-made", "0.3", "bad")
ORIGIN = "of badly-made 0.3"


@component
class BadSelector(Selector):
    """A selector with a fault."""

    kind = "bad-selector"
    fault: str = option("", doc="The fault.")

    def select(self, table: Any) -> Any:
        if self.fault == "exit":
            sys.exit("no licence")
        if self.fault == "list":
            return list(table["OBS_ID"])
        if self.fault == "in place":
            table["RA_PNT"] = 83.0
        selected = table[:2].copy()
        if self.fault == "unknown":
            selected["OBS_ID"] = [1, 77]
        if self.fault == "value":
            selected["OBS_ID"].unit = "deg"
        if self.fault == "column":
            selected.remove_column(selected.colnames[-1])
        return selected


@component
class BadModel(Model):
    """A model with a fault."""

    kind = "bad-model"
    fault: str = option("", doc="The fault.")

    def build(self, datasets: Any) -> Any:
        if self.fault == "exit":
            sys.exit(3)
        if self.fault == "raise":
            raise ZeroDivisionError("no parameters")
        if self.fault == "counts":
            datasets[0].counts.data *= 2
            return ToyModel().build(datasets)
        return ["a power law"]


@component
class BadFitter(Fitter):
    """A fitter that changes a valid result."""

    kind = "bad-fitter"
    fault: str = option("", doc="The fault.")

    shift: float = option(0.0, doc="The distance from the minimum, in standard deviations.")

    def fit(self, objective: Any) -> Any:
        result = ToyFitter().fit(objective)
        if self.shift:
            values = result.values + self.shift * result.errors
            result = attrs.evolve(result, values=values, stat=objective.total(values))
        if self.fault == "early":
            return result
        if self.fault == "unconstrained":
            errors = np.full(len(values), np.nan)
            return attrs.evolve(result, errors=errors, unconstrained=result.names)
        if self.fault == "samples":
            return attrs.evolve(result, samples=np.tile(values, (10, 1)))
        n = len(result.names)
        changes: dict[str, dict[str, Any]] = {
            "stat": {"stat": 1.0, "nfev": 0},
            "values": {"values": result.values + 8},
            "negative error": {"errors": -result.errors},
            "no error": {"errors": 0 * result.errors},
            "large error": {"errors": 10 * result.errors},
            "nan covariance": {"covariance": np.full((n, n), np.nan)},
            "negative variance": {"covariance": -result.covariance},
            "units": {"units": ("deg",) * n},
            "nan": {"errors": np.full(n, np.nan)},
            "infinite": {"values": np.full(n, np.inf)},
            "shape": {"covariance": np.eye(n + 1)},
            "names": {"names": tuple(f"{name}!" for name in result.names)},
        }
        if self.fault == "objective":
            objective.stat = lambda values: 1.0
            return attrs.evolve(result, stat=1.0)
        if self.fault == "exit":
            sys.exit(0)
        if self.fault == "none":
            return None
        return attrs.evolve(result, **changes[self.fault])


@component
class ExitingEstimator(Estimator):
    """An estimator that exits Python."""

    kind = "exiting"
    product = ToyProduct

    def estimate(self, datasets: Any, fit: FitResult | None) -> Product:
        raise SystemExit(0)


@component
class ChangingEstimator(ToyEstimator):
    """An estimator that changes its input."""

    kind = "changing"
    change: str = option("", doc="The change.")

    def estimate(self, datasets: Any, fit: FitResult | None) -> Any:
        CHANGES[self.change](datasets, datasets.models.parameters["const"])
        if self.change == "error":
            raise ComponentError("changed counts of toy, then failed")
        return super().estimate(datasets, fit)


def change_counts(datasets, parameter):
    datasets[0].counts.data[0] += 1


CHANGES: dict[str, Any] = {
    "value": lambda datasets, parameter: setattr(parameter, "value", 2.0),
    "frozen": lambda datasets, parameter: setattr(parameter, "frozen", True),
    "limits": lambda datasets, parameter: setattr(parameter, "max", 100),
    "unit": lambda datasets, parameter: setattr(parameter, "unit", "m-2 s-1 TeV-1"),
    "quantity": lambda datasets, parameter: setattr(
        parameter, "quantity", parameter.quantity.to("m-2 s-1 TeV-1")
    ),
    "prior": lambda datasets, parameter: setattr(
        parameter, "prior", GaussianPrior(mu=2, sigma=0.01)
    ),
    "models": lambda datasets, parameter: setattr(datasets, "models", None),
    "datasets_names": lambda datasets, parameter: setattr(
        datasets.models[0], "datasets_names", ["another"]
    ),
    "spectral_model": lambda datasets, parameter: setattr(
        datasets.models[0], "spectral_model", ConstantSpectralModel()
    ),
    "counts": change_counts,
    "error": change_counts,
    "mask_fit": lambda datasets, parameter: setattr(datasets[0], "mask_fit", datasets[0].mask_safe),
    "exposure": lambda datasets, parameter: setattr(
        datasets[0], "exposure", datasets[0].exposure * 2
    ),
    "gti": lambda datasets, parameter: setattr(
        datasets[0], "gti", GTI.create([0] * u.s, [10] * u.s)
    ),
    "meta_table": lambda datasets, parameter: setattr(
        datasets[0], "meta_table", Table({"OBS_ID": [1]})
    ),
    "name": lambda datasets, parameter: setattr(datasets[0], "_name", "another"),
}


def create_orchestrator(**options: Any) -> Orchestrator:
    plugins = toy_plugins()
    for cls in (BadSelector, BadModel, BadFitter, ExitingEstimator, ChangingEstimator):
        assert plugins.catalog.add(cls, OWNER) == ""
    changes = {name: options.pop(name) for name in ("model",) if name in options}
    pipeline = toy_pipeline(3, **options)
    return Orchestrator(attrs.evolve(pipeline, **changes), plugins=plugins)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("exit", r"selector bad-selector of badly-made 0\.3.* exits Python \(code no licence\)"),
        ("list", "returned list, not ObservationTable"),
        ("unknown", "observations that are not in the table: 77"),
        ("value", "changed OBS_ID of the observations 1, 2"),
    ],
)
def test_selector_that_does_not_return_rows_of_the_table_is_stopped(fault, message):
    orchestrator = create_orchestrator(select=[BadSelector(fault=fault)])
    with pytest.raises(ComponentError, match=message) as excinfo:
        orchestrator.reduce()
    assert ORIGIN in str(excinfo.value)


@pytest.mark.parametrize("fault", ["exit", "list"])
def test_model_that_builds_no_models_is_stopped(fault):
    orchestrator = create_orchestrator(model=[BadModel(fault=fault)])
    with pytest.raises(ComponentError, match=r"the model bad-model of badly-made 0\.3"):
        orchestrator.model()


def test_model_that_changes_datasets_is_stopped():
    orchestrator = create_orchestrator(model=[BadModel(fault="counts")])
    with pytest.raises(ComponentError, match=r"bad-model of badly-made.* changed counts of"):
        orchestrator.model()


def test_error_of_a_model_names_its_plugin():
    orchestrator = create_orchestrator(model=[BadModel(fault="raise")])
    with pytest.raises(ZeroDivisionError) as excinfo:
        orchestrator.model()
    assert excinfo.value.__notes__ == [f"raised in the model bad-model {ORIGIN} (plugin 'bad')"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("exit", r"fitter bad-fitter of badly-made 0\.3.* exits Python \(code 0\)"),
        ("none", "returned NoneType, not a FitResult"),
        ("stat", "returned the statistic 1, but the objective is"),
        ("values", "but the objective is"),
        ("nan", "success, but no finite, positive error of toy"),
        ("negative error", "success, but no finite, positive error of toy"),
        ("no error", "success, but no finite, positive error of toy"),
        ("large error", "errors that are not those of the covariance: toy"),
        ("nan covariance", "a covariance that is not finite"),
        ("negative variance", "a covariance with negative eigenvalues"),
        ("units", r"the units \('deg',\), not"),
        ("objective", "returned the statistic 1, but the objective is"),
        ("infinite", "values or a statistic that are not finite"),
        ("shape", r"covariance with the shape \(2, 2\); expected \(1, 1\)"),
        ("names", r"the parameters \('toy.*!',\), not"),
    ],
)
def test_fitter_with_a_wrong_result_is_stopped(fault, message):
    orchestrator = create_orchestrator(fit=BadFitter(fault=fault))
    with pytest.raises(ComponentError, match=message) as excinfo:
        orchestrator.fit()
    message_and_notes = "\n".join([str(excinfo.value), *getattr(excinfo.value, "__notes__", ())])
    assert ORIGIN in message_and_notes
    assert orchestrator.models.parameters["const"].value == pytest.approx(
        create_orchestrator().model().parameters["const"].value
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("value", r"changed the parameter toy\.const"),
        ("frozen", r"changed the parameter toy\.const"),
        ("models", "changed the model toy"),
        ("counts", "changed counts of toy"),
        ("mask_fit", "changed mask_fit of toy"),
        ("exposure", "changed exposure of toy"),
        ("error", "changed counts of toy, then failed"),
        ("unit", r"changed the parameter toy\.const"),
        ("quantity", r"changed the parameter toy\.const"),
        ("prior", r"changed the parameter toy\.const"),
        ("limits", r"changed the parameter toy\.const"),
        ("datasets_names", "changed the model toy"),
        ("spectral_model", "changed the model toy"),
        ("gti", "changed gti of toy"),
        ("meta_table", "changed meta_table of toy"),
        ("name", "changed the names or the order of the datasets"),
    ],
)
def test_estimator_that_changes_its_input_is_stopped(change, message):
    orchestrator = create_orchestrator(
        fit=ToyFitter(), estimate=[ChangingEstimator(change=change), ToyEstimator()]
    )
    result = orchestrator.fit()
    expected = create_orchestrator(fit=ToyFitter(), estimate=[ToyEstimator()])
    with pytest.raises(ComponentError, match=message) as excinfo:
        orchestrator.estimate()
    message_and_notes = "\n".join([str(excinfo.value), *getattr(excinfo.value, "__notes__", ())])
    assert f"estimator changing {ORIGIN}" in message_and_notes
    assert list(orchestrator.estimates) == ["toy-total"]
    total, expected_total = orchestrator.estimates["toy-total"], expected.estimate()["toy-total"]
    assert total.counts == expected_total.counts
    dataset, expected_dataset = orchestrator.datasets[0], expected.datasets[0]
    for name in ("counts", "exposure", "mask_safe"):
        np.testing.assert_array_equal(
            getattr(dataset, name).data, getattr(expected_dataset, name).data
        )
    assert dataset.mask_fit is None
    assert (dataset.name, dataset.gti, dataset.meta_table) == ("toy", None, None)
    parameter = orchestrator.models.parameters["const"]
    assert (parameter.value, parameter.error) == (result.values[0], result.errors[0])
    assert (parameter.unit, parameter.prior, parameter.frozen) == (result.units[0], None, False)
    assert np.isnan(parameter.max)
    assert orchestrator.models["toy"].datasets_names is None


@pytest.mark.parametrize(
    ("fault", "shift"),
    [("early", 0.5), ("early", 100.0), ("unconstrained", 2.0), ("samples", 20.0)],
)
def test_fitter_that_stops_away_from_the_minimum_has_no_success(fault, shift):
    orchestrator = create_orchestrator(fit=BadFitter(fault=fault, shift=shift))
    result = orchestrator.fit()
    assert not result.success
    assert "the fitter 'bad-fitter' reported success, but the statistic is lower by" in str(result)


def test_estimator_that_exits_does_not_stop_the_others():
    orchestrator = create_orchestrator(
        fit=ToyFitter(), estimate=[ExitingEstimator(), ToyEstimator()]
    )
    with pytest.raises(ComponentError, match=r"estimator exiting of badly-made 0\.3.* exits"):
        orchestrator.estimate()
    assert list(orchestrator.estimates) == ["toy-total"]
