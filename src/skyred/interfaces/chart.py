"""Interactive figures of the HTML report, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs


@attrs.frozen
class Chart:
    """An interactive figure of the HTML report: traces and layout of plotly.js as plain data.

    plotly is not imported; its reference lists traces and layouts
    (https://plotly.com/javascript/reference/). Names of CSS variables are replaced by the colours
    of the page: ``--c1`` to ``--c6``, ``--point``, ``--band``.

    Parameters
    ----------
    caption : str
        What the figure shows, in a sentence, also for readers who do not see it.
    data : sequence of mapping
        The traces.
    layout : mapping
        The layout; the page adds fonts, colours and margins.
    """

    caption: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any] = attrs.field(factory=dict)
