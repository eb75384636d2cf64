"""The pictures of a run: smoothed counts of each dataset, and what each product draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.defaults.gammapy.estimators.drawing import SEQUENTIAL, draw_map, energy_text
from skyred.fields import file_name
from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skyred.records import Report, Run

SMOOTHING = "0.05 deg"
DPI = 120


@hookimpl
def skyred_run_finished(run: Run, report: Report) -> None:
    """Draw into ``plots/``."""
    if run.folder is None:
        return
    faults = []
    for name, draw in pictures(report.result):
        try:
            save(draw, run.folder / "plots" / f"{name}.png")
        except Exception as error:  # one picture must not cost the others
            faults.append(f"{name}: {type(error).__name__}: {error}")
    if faults:
        raise RuntimeError(f"pictures that could not be drawn: {'; '.join(faults)}")


def pictures(result: Any) -> Iterator[tuple[str, Callable[[], Axes]]]:
    """Yield the name of each picture and what draws it."""
    for dataset in result.datasets or ():
        geom = getattr(getattr(dataset, "counts", None), "geom", None)
        if geom is not None and not geom.is_region:
            yield f"counts-{file_name(dataset.name)}", partial(draw_counts, dataset)
    for product in result.estimates.values():
        for suffix, draw in product.pictures().items():
            yield file_name(product.name) + suffix, draw


def draw_counts(dataset: Any, ax: Axes | None = None) -> Axes:
    """Draw the counts of a map dataset, smoothed with a Gaussian."""
    counts = dataset.counts if dataset.mask is None else dataset.counts * dataset.mask
    image = counts.sum_over_axes(keepdims=False).smooth(SMOOTHING)
    ax = draw_map(image, ax, f"Counts per pixel (smoothed, {SMOOTHING})", cmap=SEQUENTIAL, vmin=0)
    ax.set_title(f"{dataset.name}, {energy_text(dataset.counts.geom.axes['energy'].edges)}")
    return ax


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
