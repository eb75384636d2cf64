"""HTML primitives for notebooks: all content is escaped, except objects of the class `Html`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.table import Table

# colours are inherited and grey is transparent, so that light and dark pages are readable
STYLE = """
div.skyred{font-size:.9em;line-height:1.45;color:inherit}
div.skyred table{border-collapse:collapse;margin:.2em 0 .6em;border:0;font-size:1em}
div.skyred th,div.skyred td{text-align:left;vertical-align:top;padding:.12em 1em .12em 0;
 color:inherit;background:none;border:0;border-bottom:1px solid rgba(128,128,128,.3);
 font-variant-numeric:tabular-nums;max-width:48em;white-space:normal}
div.skyred th{font-weight:600;white-space:nowrap}
div.skyred td small,div.skyred small{font-size:.9em;opacity:.7}
div.skyred .wide{overflow-x:auto}
div.skyred .wide td{white-space:nowrap}
div.skyred summary{cursor:pointer}
div.skyred p{margin:.2em 0}
div.skyred details>:not(summary),div.skyred>:not(p):not(style):not(details){margin-left:1.1em}
"""


class Html(str):
    """A string that contains HTML, so that it is not escaped."""

    __slots__ = ()


def escape(content: object) -> Html:
    """Convert any content to HTML; HTML is returned unchanged, everything else is escaped.

    Parameters
    ----------
    content : object
        The content.

    Returns
    -------
    Html
        The HTML.
    """
    return content if isinstance(content, Html) else Html(html.escape(str(content)))


def join(*contents: object) -> Html:
    """Concatenate content.

    Parameters
    ----------
    *contents : object
        The pieces of content, escaped unless they are HTML.

    Returns
    -------
    Html
        The HTML.
    """
    return Html("".join(escape(content) for content in contents))


def bold(content: object) -> Html:
    """Return content in bold type.

    Parameters
    ----------
    content : object
        The content.

    Returns
    -------
    Html
        The HTML.
    """
    return Html(f"<b>{escape(content)}</b>")


def muted(content: object) -> Html:
    """Return content in small, pale type.

    Parameters
    ----------
    content : object
        The content.

    Returns
    -------
    Html
        The HTML.
    """
    return Html(f"<small>{escape(content)}</small>")


def hint(content: object, tooltip: str) -> Html:
    """Return content with a tooltip.

    Parameters
    ----------
    content : object
        The content.
    tooltip : str
        The text of the tooltip.

    Returns
    -------
    Html
        The HTML.
    """
    return Html(f'<span title="{html.escape(tooltip)}">{escape(content)}</span>')


def paragraph(*contents: object) -> Html:
    """Return content as a paragraph.

    Parameters
    ----------
    *contents : object
        The pieces of content.

    Returns
    -------
    Html
        The HTML.
    """
    return Html(f"<p>{join(*contents)}</p>")


def table(headings: Sequence[object], rows: Iterable[Sequence[object]]) -> Html:
    """Return a table.

    Parameters
    ----------
    headings : sequence of object
        The headings of the columns.
    rows : iterable of sequence of object
        The rows.

    Returns
    -------
    Html
        The HTML.
    """
    head = _row("th", headings)
    body = "".join(_row("td", row) for row in rows)
    return Html(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")


def details(summary: object, *body: object, expanded: bool = False) -> Html:
    """Return content that expands when its summary is clicked.

    Parameters
    ----------
    summary : object
        The summary.
    *body : object
        The pieces of content.
    expanded : bool
        Whether the content is expanded at first.

    Returns
    -------
    Html
        The HTML.
    """
    state = " open" if expanded else ""
    return Html(f"<details{state}><summary>{escape(summary)}</summary>{join(*body)}</details>")


def styled_div(*contents: object) -> str:
    """Return content in a div, together with the style sheet.

    Parameters
    ----------
    *contents : object
        The pieces of content.

    Returns
    -------
    str
        The HTML.
    """
    return f'<div class="skyred"><style>{STYLE}</style>{join(*contents)}</div>'


def data_table(data: Table, rows: int = 5) -> Html:
    """Return the first rows of an astropy table with units; descriptions are tooltips of headings.

    Parameters
    ----------
    data : Table
        The table.
    rows : int
        The maximum number of rows.

    Returns
    -------
    Html
        The HTML.
    """
    data_head = data[:rows]
    for column in data_head.itercols():
        if column.info.format is None and getattr(column, "dtype", np.dtype("O")).kind == "f":
            column.info.format = ".5g"  # of this slice only
    cells = zip(*(column.info.iter_str_vals() for column in data_head.itercols()), strict=True)
    remaining = len(data) - len(data_head)
    footer = paragraph(muted(f"and {remaining} more rows")) if remaining > 0 else ""
    first_rows = table([_heading(column) for column in data.itercols()], cells)
    return Html(f'<div class="wide">{first_rows}{footer}</div>')


def _row(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _heading(column: object) -> Html:
    info = column.info  # type: ignore[attr-defined]
    unit = join(" ", muted(f"[{info.unit}]")) if info.unit else ""
    name = hint(info.name, info.description) if info.description else info.name
    return join(name, unit)
