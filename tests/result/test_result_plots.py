"""The plots of a result, called as methods and by name."""

from collections.abc import Callable
from typing import Any

import attrs
import matplotlib.pyplot as plt
import pytest

import small_datasets as small
from html_parser import parse_html
from skyred import Orchestrator, Result
from skyred.components.watchers import plots
from skyred.interfaces.records import Report, Run
from toys import ToyEstimator, ToyProduct, toy_pipeline, toy_plugins


@attrs.define(eq=False)
class ProductWithPlots(ToyProduct):
    """A product with two plots."""

    def plot_functions(self) -> dict[str, Callable[..., Any]]:
        return {"": self.plot, "-by-run": self.plot_by_run}

    def plot(self, ax: Any = None) -> Any:
        ax = ax or plt.subplots()[1]
        ax.set_title(self.name)
        return ax

    def plot_by_run(self, ax: Any = None) -> Any:
        """Plot the total by run."""
        ax = self.plot(ax)
        ax.set_title(f"{self.name} by run")
        return ax


@attrs.define(eq=False)
class FaultyProduct(ToyProduct):
    """A product with an error in its list of plots."""

    def plot_functions(self) -> dict[str, Callable[..., Any]]:
        raise RuntimeError("no plots available")


def create_result(*names: str) -> Result:
    return Result(estimates={name: ProductWithPlots(name, 1.0) for name in names})


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    plt.close("all")


def test_each_plot_is_a_method_and_has_a_name() -> None:
    plot = create_result("total", "flux-points").plot
    assert list(plot) == ["total", "total-by-run", "flux-points", "flux-points-by-run"]
    assert plot.flux_points_by_run().get_title() == "flux-points by run"
    assert plot("flux-points-by-run").get_title() == "flux-points by run"


def test_plots_are_drawn_on_the_axes_of_the_argument() -> None:
    plot = create_result("total").plot
    _, (left, right) = plt.subplots(ncols=2)
    assert plot.total(ax=left) is left
    assert plot("total-by-run", ax=right) is right


def test_methods_are_in_dir_and_have_docstrings() -> None:
    plot = create_result("flux-points").plot
    methods = [name for name in dir(plot) if not name.startswith("_")]
    assert methods == ["flux_points", "flux_points_by_run"]
    assert plot.flux_points_by_run.__doc__ == "Plot the total by run."


@pytest.mark.slow
@pytest.mark.parametrize("jedi", [False, True])
def test_methods_are_completed_in_a_notebook(jedi: bool) -> None:
    completer = pytest.importorskip("IPython.core.completer")
    shell = completer.IPCompleter(namespace={"result": create_result("total", "flux-points")})
    shell.use_jedi = jedi
    with completer.provisionalcompleter():
        completions = {
            completion.text.lstrip(".") for completion in shell.completions("result.plot.", 12)
        }
    assert completions == {"total", "total_by_run", "flux_points", "flux_points_by_run"}


def test_unknown_plot_is_reported_with_a_suggestion() -> None:
    with pytest.raises(KeyError, match="no plot 'totl'; available: total, total-by-run; did you"):
        create_result("total").plot("totl")


def test_invalid_or_ambiguous_method_names_are_accessible_by_name() -> None:
    plot = create_result("2hwc", "a-b", "a.b", "lambda").plot
    methods = {name for name in dir(plot) if not name.startswith("_")}
    assert methods == {"lambda_by_run"}
    for name in ("2hwc", "a-b", "a.b", "lambda"):
        assert plot(name).get_title() == name
    page = parse_html(plot)
    assert page.row("a.b") == ["a.b", "plot('a.b')"]
    assert page.row("lambda-by-run") == ["lambda-by-run", "plot.lambda_by_run()"]


def test_faulty_product_does_not_affect_other_plots() -> None:
    result = Result(
        estimates={"bad": FaultyProduct("bad", 1.0), "total": ProductWithPlots("total", 1.0)}
    )
    assert result.plot.total().get_title() == "total"
    with pytest.raises(RuntimeError, match="no plots available"):
        result.plot.bad()


def test_run_writes_all_plots_and_reports_failures(tmp_path: Any) -> None:
    result = Result(
        estimates={"bad": FaultyProduct("bad", 1.0), "total": ProductWithPlots("total", 1.0)}
    )
    report = Report("finished", "", (), (), (), (), result)
    with pytest.raises(RuntimeError, match="bad: RuntimeError: no plots available"):
        plots.skyred_run_finished(Run(folder=tmp_path), report)
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "total-by-run.png", "total.png",
    ]  # fmt: skip
    assert plt.get_fignums() == []


def test_result_without_plots_is_empty() -> None:
    pipeline = toy_pipeline(estimate=[ToyEstimator()])
    plot = Orchestrator(pipeline, plugins=toy_plugins()).run().plot
    assert [name for name in plot if name.startswith("toy-total")] == []
    assert repr(Result().plot) == "<Plots: none>"


def test_number_of_plotted_datasets_is_limited_with_a_log_message(
    tmp_path: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gammapy.datasets import Datasets

    monkeypatch.setattr(plots, "MAX_DATASETS", 1)
    datasets = Datasets([small.spectrum_dataset("one"), small.spectrum_dataset("two")])
    result = Result(datasets=datasets, estimates={"total": ProductWithPlots("total", 1.0)})
    with caplog.at_level("INFO"):
        report = Report("finished", "", (), (), (), (), result)
        plots.skyred_run_finished(Run(folder=tmp_path), report)
    names = {path.stem for path in (tmp_path / "plots").iterdir()}
    assert {"counts-one", "total"} <= names
    assert "counts-two" not in names
    assert "first 1 of 2 datasets" in caplog.text
    assert "counts-two" in list(result.plot)
