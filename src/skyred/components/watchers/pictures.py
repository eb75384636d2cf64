"""The pictures of a run, drawn into its folder: those of the datasets and of each product."""

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
MOST = 12  # datasets that are drawn: a joint fit of a hundred runs need not wait for their pictures
log = logging.getLogger(__name__)


@hookimpl
def skyred_run_finished(run: Run, report: Report) -> None:
    """Draw into ``plots/``."""
    if run.folder is None:
        return
    faults = []
    plot = _few(report.result).plot
    for name in plot:  # new pictures of datasets: skyred/products/plotting/datasets.py
        try:
            save(partial(plot, name), run.folder / "plots" / f"{name}.png")
        except Exception as error:  # one picture must not cost the others
            if disk_failure(error):  # half a picture
                raise
            faults.append(f"{name}: {type(error).__name__}: {error}")
    if faults:
        raise RuntimeError(f"pictures that could not be drawn: {'; '.join(faults)}")


def _few(result: Any) -> Any:
    """Give a result without the datasets that are too many to be drawn."""
    datasets = result.datasets or ()
    if len(datasets) <= MOST:
        return result
    log.info("plots/ has the first %d of %d datasets; result.plot has all", MOST, len(datasets))
    return attrs.evolve(result, datasets=datasets[:MOST])


def save(draw: Callable[[], Axes], path: Path) -> None:
    """Draw one picture into a file, leaving no figure behind."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(exist_ok=True)
    with plt.ioff():
        figure = draw().get_figure(root=True)
        assert figure is not None
        # a fixed "Software" keeps the bytes of a picture independent of the installed version
        figure.savefig(path, dpi=DPI, metadata={"Software": "skyred"})
        plt.close(figure)
