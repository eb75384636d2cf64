"""Sphinx extension: the reference of a plugin's components, generated from their declarations.

With ``extensions = ["skyred.sphinx_ext"]`` in ``conf.py``, the directive ::

    .. skyred-components:: skyred-dust

inserts a section for each component of the installed distribution ``skyred-dust``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive ``skyred-components``.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application.

    Returns
    -------
    dict
        The metadata of the extension.
    """
    from skyred.sphinx_ext.directive import Components

    app.add_directive("skyred-components", Components)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
