"""How the documentation is built. Nothing is fetched: it builds without network."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "ext"))

project = "skyred"
author = "The skyred developers"
copyright = "The skyred developers"
version = release = version_of("skyred")

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "catalog_pages",  # docs/ext: the pages of components, configuration and hooks
    "mathml",  # docs/ext: formulas
]
exclude_patterns = ["_build", "ext"]
# in docstrings `name` is a thing in Python, linked where it is documented
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the types are in the numpydoc sections
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "skyred"
html_static_path = ["_static"]
html_css_files = ["skyred.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_nav_level": 1,
}
html_sidebars = {"onboarding": [], "getting-started": [], "explanation/*": []}
