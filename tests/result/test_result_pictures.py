"""The pictures of a result: a method each, and all by name."""

from collections.abc import Callable
from typing import Any

import attrs
import matplotlib.pyplot as plt
import pytest

import small_datasets as small
from html_reading import read
from skyred import Orchestrator, Result
from skyred.components.watchers import pictures
from skyred.interfaces.records import Report, Run
from toys import ToyEstimator, ToyProduct, toy_pipeline, toy_plugins


@attrs.define(eq=False)
class Drawn(ToyProduct):
    """Two pictures that are drawn into the axes that are given."""

    def pictures(self) -> dict[str, Callable[..., Any]]:
        return {"": self.plot, "-by-run": self.plot_by_run}

    def plot(self, ax: Any = None) -> Any:
        ax = ax or plt.subplots()[1]
        ax.set_title(self.name)
        return ax

    def plot_by_run(self, ax: Any = None) -> Any:
        """Draw it run by run."""
        ax = self.plot(ax)
        ax.set_title(f"{self.name} by run")
        return ax


@attrs.define(eq=False)
class Faulty(ToyProduct):
    """It cannot say which pictures it has."""

    def pictures(self) -> dict[str, Callable[..., Any]]:
        raise RuntimeError("no pictures today")


def result(*names: str) -> Result:
    return Result(estimates={name: Drawn(name, 1.0) for name in names})


@pytest.fixture(autouse=True)
def _no_figures_left() -> Any:
    yield
    plt.close("all")


def test_each_picture_is_a_method_and_has_a_name() -> None:
    plot = result("total", "flux-points").plot
    assert list(plot) == ["total", "total-by-run", "flux-points", "flux-points-by-run"]
    assert plot.flux_points_by_run().get_title() == "flux-points by run"
    assert plot("flux-points-by-run").get_title() == "flux-points by run"


def test_pictures_are_drawn_into_given_axes() -> None:
    plot = result("total").plot
    _, (left, right) = plt.subplots(ncols=2)
    assert plot.total(ax=left) is left
    assert plot("total-by-run", ax=right) is right


def test_methods_are_seen_by_dir_and_have_the_help_of_what_draws() -> None:
    plot = result("flux-points").plot
    methods = [name for name in dir(plot) if not name.startswith("_")]
    assert methods == ["flux_points", "flux_points_by_run"]
    assert plot.flux_points_by_run.__doc__ == "Draw it run by run."


@pytest.mark.slow
@pytest.mark.parametrize("jedi", [False, True])
def test_a_notebook_completes_them(jedi: bool) -> None:
    completer = pytest.importorskip("IPython.core.completer")
    shell = completer.IPCompleter(namespace={"result": result("total", "flux-points")})
    shell.use_jedi = jedi
    with completer.provisionalcompleter():
        completions = {
            completion.text.lstrip(".") for completion in shell.completions("result.plot.", 12)
        }
    assert completions == {"total", "total_by_run", "flux_points", "flux_points_by_run"}


def test_an_unknown_picture_is_named_with_the_nearest() -> None:
    with pytest.raises(
        KeyError, match="no picture 'totl'; available: total, total-by-run; did you"
    ):
        result("total").plot("totl")


def test_names_that_make_no_method_or_not_their_own_are_drawn_by_name() -> None:
    plot = result("2hwc", "a-b", "a.b", "lambda").plot
    methods = {name for name in dir(plot) if not name.startswith("_")}
    assert methods == {"lambda_by_run"}
    for name in ("2hwc", "a-b", "a.b", "lambda"):
        assert plot(name).get_title() == name
    rendered = read(plot)
    assert rendered.row("a.b") == ["a.b", "plot('a.b')"]
    assert rendered.row("lambda-by-run") == ["lambda-by-run", "plot.lambda_by_run()"]


def test_a_product_that_cannot_name_its_pictures_loses_neither_result_nor_others() -> None:
    broken = Result(estimates={"bad": Faulty("bad", 1.0), "total": Drawn("total", 1.0)})
    assert broken.plot.total().get_title() == "total"
    with pytest.raises(RuntimeError, match="no pictures today"):
        broken.plot.bad()


def test_a_run_draws_all_of_them_and_tells_which_it_could_not(tmp_path: Any) -> None:
    broken = Result(estimates={"bad": Faulty("bad", 1.0), "total": Drawn("total", 1.0)})
    report = Report("finished", "", (), (), (), (), broken)
    with pytest.raises(RuntimeError, match="bad: RuntimeError: no pictures today"):
        pictures.skyred_run_finished(Run(folder=tmp_path), report)
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "total-by-run.png", "total.png",
    ]  # fmt: skip
    assert plt.get_fignums() == []


def test_a_result_without_pictures_says_so() -> None:
    pipeline = toy_pipeline(estimate=[ToyEstimator()])
    plot = Orchestrator(pipeline, plugins=toy_plugins()).run().plot
    assert [name for name in plot if name.startswith("toy-total")] == []
    assert repr(Result().plot) == "<Pictures: none>"


def test_of_many_datasets_the_first_are_drawn_and_the_log_says_so(
    tmp_path: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gammapy.datasets import Datasets

    monkeypatch.setattr(pictures, "MAX_DATASETS", 1)
    datasets = Datasets([small.spectrum_dataset("one"), small.spectrum_dataset("two")])
    many = Result(datasets=datasets, estimates={"total": Drawn("total", 1.0)})
    with caplog.at_level("INFO"):
        report = Report("finished", "", (), (), (), (), many)
        pictures.skyred_run_finished(Run(folder=tmp_path), report)
    drawn = {path.stem for path in (tmp_path / "plots").iterdir()}
    assert {"counts-one", "total"} <= drawn
    assert "counts-two" not in drawn
    assert "first 1 of 2 datasets" in caplog.text
    assert "counts-two" in list(many.plot)
