"""The directive ``skyred-components``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sphinx.util.docutils import SphinxDirective

from skyred.plugins import Plugins
from skyred.sphinx_ext.sections import component

if TYPE_CHECKING:
    from docutils import nodes


class Components(SphinxDirective):
    """Insert a section for each component of an installed distribution."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections.

        Returns
        -------
        list of docutils.nodes.Node
            The sections.

        Raises
        ------
        docutils.parsers.rst.DirectiveError
            If a plugin of the distribution is faulty, or if it has no components.
        """
        (name,) = self.arguments
        plugins = Plugins.load()
        owned = [plugin for plugin in plugins.loaded if plugin.owner.distribution == name]
        if faults := [plugin.fault for plugin in owned if plugin.fault]:
            raise self.error(f"{name} cannot be loaded: {'; '.join(faults)}")
        entries = [entry for entry in plugins.catalog if entry.owner.distribution == name]
        if not entries:
            raise self.error(
                f"no installed plugin of a distribution {name!r} has components; install it in "
                "the environment that builds the documentation: python -m pip install -e ."
            )
        lines = [line for entry in entries for line in component(entry, plugins, line="-")]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)
