"""Plots of the datasets and products of a run, in its run folder."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.hookspecs import hookimpl
from skyred.io.disk import disk_failure
from skyred.products.plotting import MAX_PANELS, dataset_type_or_none

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skyred.interfaces.records import Report, Run

log = logging.getLogger(__name__)


@hookimpl(tryfirst=True)  # the report shows the plots
def skyred_run_finished(run: Run, report: Report) -> None:
    """Write the plots to ``plots/`` in the folder of the run, unless the run has none.

    Parameters
    ----------
    run : Run
        The run.
    report : Report
        The report of the run, with its result.

    Raises
    ------
    RuntimeError
        If some plots cannot be drawn; all others are written first. An error that is caused by the
        disk is raised at once.
    """
    if run.folder is None or not run.plots:
        return
    failures = []
    result = report.result
    plot = result.overview_plots()
    for name in plot:  # plots of datasets are defined in skyred/products/plotting/datasets.py
        try:
            save_plot(partial(plot, name), run.folder / "plots" / f"{name}.png")
        except Exception as error:  # an error in one plot must not prevent the others
            if disk_failure(error):
                raise
            failures.append(f"{name}: {type(error).__name__}: {error}")
    _log_limit(result.datasets or ())
    if failures:
        raise RuntimeError(f"cannot draw plots: {'; '.join(failures)}")


def _log_limit(datasets: Iterable[Any]) -> None:
    """Log that plots do not show all datasets of a type."""
    types = Counter(dataset_type_or_none(dataset) for dataset in datasets)
    for kind, total in types.items():
        if kind and total > MAX_PANELS:
            log.info(
                "plots/ shows the first %d of %d datasets with a %s; "
                "result.plot has a plot of each",
                MAX_PANELS,
                total,
                kind,
            )


def save_plot(draw: Callable[[], Axes], path: Path) -> None:
    """Draw a plot, write it to a file, and close the figure, even if it cannot be drawn.

    Parameters
    ----------
    draw : callable
        The function that draws the plot and returns its axes.
    path : pathlib.Path
        The file; its folder is created.
    """
    import matplotlib.pyplot as plt

    from skyred.products.plotting.images import write_png

    path.parent.mkdir(exist_ok=True)
    earlier_figures = set(plt.get_fignums())
    with plt.ioff():
        try:
            figure = draw().get_figure(root=True)
            assert figure is not None
            write_png(figure, path)
        finally:
            for number in set(plt.get_fignums()) - earlier_figures:
                plt.close(number)
