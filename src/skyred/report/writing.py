"""Create the HTML report of a result, and write it to a file."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

FILE_NAME = "report.html"
HEIGHT = 800  # of the report in a notebook, in pixels


@attrs.frozen
class HtmlPage:
    """An HTML page in one file, which a notebook shows inline.

    Parameters
    ----------
    content : str
        The HTML.
    """

    content: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return self.content

    def _repr_html_(self) -> str:
        # a frame separates styles and scripts of the page from those of the notebook
        return (
            f'<iframe srcdoc="{html.escape(self.content)}" width="100%" height="{HEIGHT}" '
            'style="border:1px solid #8888" title="report of the run"></iframe>'
        )

    def write(self, path: Path) -> None:
        """Write the page to a file; an existing file is replaced.

        Parameters
        ----------
        path : Path
            The file.
        """
        path.write_text(self.content, encoding="utf-8")


def create_report(result: Any, provenance: Mapping[str, Any], folder: Path | None = None) -> str:
    """Create the HTML report of a result.

    Parameters
    ----------
    result : skyred.Result
        The result of a run, in memory or read from its folder.
    provenance : mapping
        The content of ``report.json``.
    folder : Path, optional
        The folder with the plots; by default that of the result.

    Returns
    -------
    str
        The HTML page, which needs no other file.
    """
    from skyred.report.content import collect_content
    from skyred.report.page import render_page

    folder = result.folder if folder is None else folder
    plots = None if folder is None or not (folder / "plots").is_dir() else folder / "plots"
    return render_page(collect_content(result, provenance, plots))


def write_report(result: Any, provenance: Mapping[str, Any], folder: Path) -> None:
    """Write the HTML report of a run, ``report.html``, to its folder.

    Parameters
    ----------
    result : skyred.Result
        The result of the run.
    provenance : mapping
        The content of ``report.json``.
    folder : Path
        The folder of the run, with its plots.
    """
    HtmlPage(create_report(result, provenance, folder)).write(folder / FILE_NAME)
