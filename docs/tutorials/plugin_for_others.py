"""
A plugin that others can install
================================

Create a package with a maker that can be installed with ``pip install``.
"""

# %%
# Create the package
# ------------------
# ``skyred new-plugin`` creates a working package: it can be installed and run, and it passes its
# tests. Adapt it to your needs.

import os
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
site = folder / "site"


def shell(command, subfolder="."):
    environment = os.environ | {"PYTHONPATH": str(site)}
    process = subprocess.run(
        command, shell=True, cwd=folder / subfolder, env=environment, text=True, capture_output=True
    )
    print(f"$ {command}\n{process.stdout}{process.stderr}".replace(f"{folder}/", ""))


shell("skyred new-plugin skyred-dust --maker dust-veto")

# %%
for path in sorted((folder / "skyred-dust").rglob("*")):
    if path.is_file():
        print(path.relative_to(folder))

# %%
# The files are those of a complete repository: the package, tests, documentation, workflows, a
# licence. The entry point in ``pyproject.toml``, in ``[project.entry-points.skyred]``, makes the
# package a plugin: it sets the name of the plugin, and the module with its hooks.

print((folder / "skyred-dust" / "pyproject.toml").read_text())

# %%
# The module contains a maker, and the hook that registers it. This maker skips short runs; replace
# ``make`` with your own code.

print((folder / "skyred-dust" / "src" / "skyred_dust" / "__init__.py").read_text())

# %%
# Install
# -------
# In your environment, use ``python -m pip install -e skyred-dust``; with ``-e``, changes to the
# code take effect at once. For this page, the package is installed into a separate folder.

options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
pip = (sys.executable, "-m", "pip", "install", *options)
subprocess.run([*pip, "--target", str(site), str(folder / "skyred-dust")], check=True)

shell("skyred show dust-veto")

# %%
# ``skyred plugins`` lists the installed plugins, their distributions, and their errors: modules
# that cannot be imported, misspelt hooks, requirements that are not met. A run that does not use a
# faulty plugin warns of it; ``SKYRED_BLOCK`` disables the plugin, and the warning.

shell("skyred plugins | grep -A 1 '^dust'")

# %%
# Run
# ---
# The package contains an example analysis.

print((folder / "skyred-dust" / "example.yaml").read_text())

# %%
# All four runs last ten minutes. With a limit of eleven minutes, all would be skipped, and the
# command would end with an error that says so.

shell("skyred run example.yaml -o result", "skyred-dust")

# %%
# The report of the run lists the distribution of each component, with its version. Both are also
# part of the cache key: chunks that were reduced by another version of the plugin are not used.

import json

report = json.loads((folder / "skyred-dust" / "result" / "report.json").read_text())
for owner in report["plugins"]:
    print(owner)

# %%
# Test
# ----
# The generated tests check all requirements for makers, on which skyred relies when it sends your
# maker to workers and caches its results, compare the maker with plain gammapy, and run the
# example.

print((folder / "skyred-dust" / "tests" / "test_conformance.py").read_text())

# %%
print((folder / "skyred-dust" / "tests" / "test_numbers.py").read_text())

# %%
shell("python -m pytest -q -p no:cacheprovider tests/test_conformance.py", "skyred-dust")

# %%
# Share
# -----
# ``python -m build`` builds a wheel; users who install it can write ``{kind: dust-veto}`` in their
# YAML files. :doc:`/how-to/publish-plugin` describes versions, releases on PyPI and conda-forge,
# and citation.
#
# More: :doc:`/how-to/plugin` on hooks, archives and watchers; :doc:`/plugins/index` for more
# plugins; :doc:`your own estimator and fitter <own_estimator_and_fitter>`.
