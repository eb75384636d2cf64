"""Plots of the datasets and products of a run, in its run folder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.hookspecs import hookimpl
from skyred.io.disk import disk_failure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skyred.interfaces.records import Report, Run

DPI = 120
MAX_DATASETS = 12  # to limit the time for plots of many runs
log = logging.getLogger(__name__)


@hookimpl
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
    plot = _limit_datasets(report.result).plot
    for name in plot:  # plots of datasets are defined in skyred/products/plotting/datasets.py
        try:
            save_plot(partial(plot, name), run.folder / "plots" / f"{name}.png")
        except Exception as error:  # an error in one plot must not prevent the others
            if disk_failure(error):
                raise
            failures.append(f"{name}: {type(error).__name__}: {error}")
    if failures:
        raise RuntimeError(f"cannot draw plots: {'; '.join(failures)}")


def _limit_datasets(result: Any) -> Any:
    """Return the result with at most `MAX_DATASETS` datasets."""
    datasets = result.datasets or ()
    if len(datasets) <= MAX_DATASETS:
        return result
    log.info(
        "plots/ contains plots of the first %d of %d datasets; result.plot can draw all of them",
        MAX_DATASETS,
        len(datasets),
    )
    return attrs.evolve(result, datasets=datasets[:MAX_DATASETS])


def save_plot(draw: Callable[[], Axes], path: Path) -> None:
    """Draw a plot, write it to a file, and close the figure.

    Parameters
    ----------
    draw : callable
        The function that draws the plot and returns its axes.
    path : pathlib.Path
        The file; its folder is created.
    """
    import matplotlib.pyplot as plt

    path.parent.mkdir(exist_ok=True)
    with plt.ioff():
        figure = draw().get_figure(root=True)
        assert figure is not None
        # a fixed "Software" keeps the bytes of a plot independent of the installed version
        figure.savefig(path, dpi=DPI, metadata={"Software": "skyred"})
        plt.close(figure)
