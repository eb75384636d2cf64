"""Formulas as MathML, so that browsers need no script to display them."""

from __future__ import annotations

from typing import Any

import sphinx
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def write_inline(translator: Any, node: nodes.math) -> None:
    """Write an inline formula."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def write_block(translator: Any, node: nodes.math_block) -> None:
    """Write a displayed formula."""
    translator.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(write_inline, None), block_renderers=(write_block, None)
    )
    return {"version": sphinx.__version__, "parallel_read_safe": True}
