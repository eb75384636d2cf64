"""The plots of a result, called as methods and by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import matplotlib.pyplot as plt
import numpy as np
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


def test_figure_is_closed_if_a_plot_fails(tmp_path: Path) -> None:
    def draw() -> Any:
        plt.subplots()
        raise RuntimeError("no values")

    earlier = plt.figure()
    with pytest.raises(RuntimeError, match="no values"):
        plots.save_plot(draw, tmp_path / "plots" / "a.png")
    assert plt.get_fignums() == [earlier.number]


def test_result_without_plots_is_empty() -> None:
    pipeline = toy_pipeline(estimate=[ToyEstimator()])
    plot = Orchestrator(pipeline, plugins=toy_plugins()).run().plot
    assert [name for name in plot if name.startswith("toy-total")] == []
    assert repr(Result().plot) == "<Plots: none>"


def create_spectra(total: int) -> Any:
    from gammapy.datasets import Datasets

    return Datasets([small.spectrum_on_off(f"run-{number}") for number in range(total)])


def write_plots(result: Result, folder: Path) -> dict[str, bytes]:
    """Write the plots of a run, and return the content of the files by name."""
    folder.mkdir()
    report = Report("finished", "", (), (), (), (), result)
    plots.skyred_run_finished(Run(folder=folder), report)
    return {path.stem: path.read_bytes() for path in (folder / "plots").iterdir()}


@pytest.mark.parametrize(
    ("total", "names"),
    [(1, {"counts-run-0"}), (2, {"datasets-spectra"}), (3, {"datasets-spectra"})],
)
def test_several_spectra_are_drawn_in_one_figure(
    tmp_path: Path, total: int, names: set[str]
) -> None:
    result = Result(datasets=create_spectra(total))
    assert write_plots(result, tmp_path / "run").keys() == names
    assert {f"counts-run-{number}" for number in range(total)} | names == set(result.plot)


def test_several_maps_are_drawn_in_one_figure_relative_to_their_maxima(tmp_path: Path) -> None:
    from gammapy.datasets import Datasets

    first, second = small.map_dataset("one"), small.map_dataset("two")
    second.counts.data *= 3
    result = Result(datasets=Datasets([first, second]))
    assert write_plots(result, tmp_path / "run").keys() == {"datasets-maps"}
    ax = result.plot.datasets_maps()
    assert len(ax.images) == 2
    for image in ax.images:
        assert image.get_array().max() == pytest.approx(1)
    maxima = [float(label.get_text().split("max ")[1]) for label in ax.texts]
    assert maxima[1] == pytest.approx(3 * maxima[0], rel=0.1)


def test_panels_show_the_values_of_each_dataset() -> None:
    datasets = create_spectra(2)
    ax = Result(datasets=datasets).plot.datasets_spectra()
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    highest = [dataset.counts.data.max() for dataset in datasets]
    heights = [lines["counts"][lines["counts"][:, 0] < 1, 1], lines["counts"][:, 1]]
    assert np.nanmax(heights[0]) == pytest.approx(np.nanmax(heights[1]))  # the same counts
    # the scale is linear up to 1, and logarithmic above
    tick_heights = dict(zip([label.get_text() for label in ax.get_yticklabels()],
                            ax.get_yticks(), strict=True))  # fmt: skip
    decade = tick_heights["10"] - tick_heights["1"]
    expected = tick_heights["1"] + decade * np.log10(highest[0])
    assert np.nanmax(heights[0]) == pytest.approx(expected)
    assert [label.get_text() for label in ax.texts] == ["run-0", "run-1"]


def test_figure_and_log_contain_the_number_of_datasets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = Result(datasets=create_spectra(30))
    with caplog.at_level("INFO"):
        names = set(write_plots(result, tmp_path / "run"))
    assert names == {"datasets-spectra"}
    assert "first 24 of 30 datasets" in caplog.text
    ax = result.plot.datasets_spectra()
    assert ax.get_legend().get_title().get_text() == "The first 24 of 30 datasets"
    assert len(ax.texts) == 24
    assert "counts-run-29" in result.plot


def test_estimates_with_the_names_of_other_plots_replace_none() -> None:
    estimates = {name: ProductWithPlots(name, 1.0)
                 for name in ("datasets-spectra", "counts-run-1", "a", "a-by-run")}  # fmt: skip
    result = Result(datasets=create_spectra(2), estimates=estimates)
    plot = result.plot
    assert plot("datasets-spectra").get_legend().get_title().get_text() == "2 datasets"
    assert plot("datasets-spectra-2").get_title() == "datasets-spectra"
    assert plot("counts-run-1").get_title().startswith("run-1, ")
    assert plot("counts-run-1-2").get_title() == "counts-run-1"
    assert plot("a-by-run").get_title() == "a by run"
    assert plot("a-by-run-2").get_title() == "a-by-run"
    # the names in the run folder are the same
    single = {"counts-run-0", "counts-run-1"}
    assert list(result.overview_plots()) == [name for name in plot if name not in single]


class DatasetWithoutCounts:
    """A dataset with an error in its counts."""

    name = "faulty"

    @property
    def counts(self) -> Any:
        raise RuntimeError("no counts available")


def test_datasets_with_errors_do_not_hide_failed_plots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    datasets: Any = [*create_spectra(25), DatasetWithoutCounts()]
    result = Result(datasets=datasets, estimates={"bad": FaultyProduct("bad", 1.0)})
    message = "cannot draw plots: dataset-faulty: .*no counts available; bad: .*no plots available"
    with caplog.at_level("INFO"), pytest.raises(RuntimeError, match=message):
        write_plots(result, tmp_path / "run")
    assert "first 24 of 25 datasets with a spectrum; result.plot has a plot of each" in caplog.text


def test_plots_have_the_same_bytes_each_time(tmp_path: Path) -> None:
    result = Result(datasets=create_spectra(2), estimates={"a": ProductWithPlots("a", 1.0)})
    assert write_plots(result, tmp_path / "one") == write_plots(result, tmp_path / "two")
