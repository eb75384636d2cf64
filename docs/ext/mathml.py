"""Formulas as MathML: browsers draw it by themselves, so no page fetches a script to do it."""

from __future__ import annotations

from typing import Any

import sphinx
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def inline(page: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    page.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block(page: Any, node: nodes.math_block) -> None:
    """Write a formula that stands by itself."""
    page.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Offer it as ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(inline, None), block_renderers=(block, None)
    )
    return {"version": sphinx.__version__, "parallel_read_safe": True}
