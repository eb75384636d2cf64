"""The estimates in the report: interactive figures, images and tables."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.fields import file_name
from skyred.report.tables import Grid, grid_from_table

if TYPE_CHECKING:
    from skyred.interfaces import Chart, Product

SUFFIXES = (".fits", ".ecsv", ".yaml")


@attrs.frozen
class Figure:
    """An interactive figure with its identifier in the page.

    Parameters
    ----------
    id : str
        The identifier.
    caption : str
        What the figure shows.
    data, layout : object
        The traces and the layout of plotly.js.
    """

    id: str
    caption: str
    data: Any
    layout: Any

    @classmethod
    def from_chart(cls, chart: Chart, identifier: str) -> Figure:
        """Create the figure of a chart.

        Parameters
        ----------
        chart : Chart
            The chart.
        identifier : str
            The identifier.

        Returns
        -------
        Figure
            The figure.
        """
        return cls(identifier, chart.caption, list(chart.data), dict(chart.layout))


@attrs.frozen
class Picture:
    """An image that is embedded in the page.

    Parameters
    ----------
    source : str
        The image as a data URL.
    caption : str
        What it shows.
    """

    source: str
    caption: str

    @classmethod
    def from_file(cls, path: Path) -> Picture:
        """Create the picture of a PNG file.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        Picture
            The picture, captioned with the name of the plot.
        """
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        return cls(f"data:image/png;base64,{data}", path.stem)


@attrs.frozen
class Estimate:
    """What the report shows of an estimate.

    Parameters
    ----------
    id, title, kind : str
        The identifier in the page, the name of the estimate, and the kind of its estimator.
    figures : sequence of Figure
        The interactive figures.
    pictures : sequence of Picture
        The plots, if there are no interactive figures.
    table : Grid or None
        The table.
    problems : sequence of str
        What could not be shown, and why.
    """

    id: str
    title: str
    kind: str
    figures: Sequence[Figure]
    pictures: Sequence[Picture]
    table: Grid | None
    problems: Sequence[str]


def describe_estimates(
    estimates: Mapping[str, Product], kinds: Mapping[str, str], plots: Path | None
) -> Iterator[Estimate]:
    """Yield what the report shows of each estimate.

    Errors of a product are part of the report, and do not prevent it.

    Parameters
    ----------
    estimates : mapping of str to Product
        The estimates by name.
    kinds : mapping of str to str
        The kinds of their estimators.
    plots : Path or None
        The folder with the plots of the run; None if it has none.

    Yields
    ------
    Estimate
        The estimates, in their order.
    """
    names = [file_name(name) for name in estimates]
    for number, (name, product) in enumerate(estimates.items()):
        problems: list[str] = []
        figures = [
            Figure.from_chart(chart, f"figure-{number}-{index}")
            for index, chart in enumerate(
                _try(product.charts, "interactive figures", problems) or ()
            )
        ]
        table = _try(product.table, "table", problems)
        file = _find_file(plots, names[number])
        yield Estimate(
            f"estimate-{number}",
            name,
            kinds.get(name, ""),
            figures,
            [] if figures or plots is None else list(_pictures(plots, names[number], names)),
            None if table is None else grid_from_table(table, f"Table of {name}", file),
            problems,
        )


def _try(function: Any, name: str, problems: list[str]) -> Any:
    try:
        return function()
    except Exception as error:  # the product of a plugin may raise anything
        problems.append(f"no {name}: {type(error).__name__}: {error}")
        return None


def _pictures(plots: Path, name: str, names: Sequence[str]) -> Iterator[Picture]:
    """Yield the plots of an estimate: those with its name, or with its name and a suffix."""
    longer = [item for item in names if item != name and item.startswith(f"{name}-")]
    for path in sorted(plots.glob(f"{name}*.png")):
        belongs = path.stem == name or path.stem.startswith(f"{name}-")
        if belongs and not any(path.stem == o or path.stem.startswith(f"{o}-") for o in longer):
            yield Picture.from_file(path)


def _find_file(plots: Path | None, name: str) -> str:
    """Return the table of an estimate in the run folder, or its first file."""
    if plots is not None:
        for suffix in (".ecsv", *SUFFIXES):
            if (plots.parent / "estimates" / f"{name}{suffix}").exists():
                return f"estimates/{name}{suffix}"
    return f"estimates/{name}"
