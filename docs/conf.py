"""Configuration of Sphinx. Nothing is downloaded, unless SKYRED_INTERSPHINX is set."""

from __future__ import annotations

import os
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
    "catalog_pages",  # docs/ext: the pages of components, plugins, configuration and hooks
    "counterpart_pages",  # docs/ext: gammapy's and asgardpy's options beside those of skyred
    "mathml",  # docs/ext: formulas
    "sphinx_gallery.gen_gallery",  # runs docs/tutorials/*.py into docs/generated
]
exclude_patterns = ["_build", "ext", "tutorials", "generated/**.ipynb"]
# in docstrings `name` refers to a Python object
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
html_sidebars = {"onboarding": [], "getting-started": []}

# -- tutorials: their output should be the same in each build -----------------------------------
# commands of tutorials are those of this environment, even if it is not activated
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["SKYRED_CACHE"] = "off"  # the status of all runs is "reduced", not "cached"
os.environ["SKYRED_BLOCK"] = f"{os.environ.get('SKYRED_BLOCK', '')},progress"  # no run times
sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "generated/tutorials",
    "filename_pattern": r"\.py$",  # run all of them
    "within_subsection_order": "tutorials_in_order.position",
    "abort_on_example_error": True,
    "ignore_repr_types": r"[Aa]xes|^<class 'int'>$",  # axes, and return values of write_text
    "thumbnail_size": (480, 320),
    "min_reported_time": 1e6,
    "write_computation_times": False,
    "download_all_examples": False,
    "show_signature": False,
    "first_notebook_cell": '# pip install "skyred[notebook]"\n%matplotlib inline',
}

# -- links to the documentation of other packages ------------------------------------------------
INVENTORIES = {
    "python": "https://docs.python.org/3",
    "numpy": "https://numpy.org/doc/stable",
    "astropy": "https://docs.astropy.org/en/stable",
    "gammapy": "https://docs.gammapy.org/2.1",
    "matplotlib": "https://matplotlib.org/stable",
}
if folder := os.environ.get("SKYRED_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    # NAME.inv in that folder, or downloaded
    intersphinx_mapping = {
        name: (url, (str(Path(folder, f"{name}.inv").resolve()), None))
        for name, url in INVENTORIES.items()
    }
