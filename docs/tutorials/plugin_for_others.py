"""
A plugin others can install
===========================

From nothing to a package with a maker in it, which ``pip install`` adds to skyred.
"""

# %%
# Begin
# -----
# ``skyred new-plugin`` writes a package that works: it installs, runs, and passes its tests. Then
# it is yours to change.

import os
import subprocess
import sys
import tempfile
from pathlib import Path

here = Path(tempfile.mkdtemp())
site = here / "site"


def shell(command, folder="."):
    environment = os.environ | {"PYTHONPATH": str(site)}
    ended = subprocess.run(
        command, shell=True, cwd=here / folder, env=environment, text=True, capture_output=True
    )
    print(f"$ {command}\n{ended.stdout}{ended.stderr}".replace(f"{here}/", ""))


shell("skyred new-plugin skyred-dust --maker dust-veto")

# %%
for path in sorted((here / "skyred-dust").rglob("*")):
    if path.is_file():
        print(path.relative_to(here))

# %%
# There is little in it. What makes it a plugin are the last two lines of ``pyproject.toml``: the
# plugin's name, and the module with its hooks.

print((here / "skyred-dust" / "pyproject.toml").read_text())

# %%
# The module: a maker, and the hook that offers it. This one leaves out short runs; put what yours
# does into ``make``.

print((here / "skyred-dust" / "src" / "skyred_dust" / "__init__.py").read_text())

# %%
# Install
# -------
# In your environment that is ``python -m pip install -e skyred-dust``: with ``-e``, what you change
# counts at once. For this page it goes into a folder of its own.

quietly = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
pip = (sys.executable, "-m", "pip", "install", *quietly)
subprocess.run([*pip, "--target", str(site), str(here / "skyred-dust")], check=True)

shell("skyred show dust-veto")

# %%
# ``skyred plugins`` lists what is installed, whose it is, and what is wrong with it: a module that
# cannot be imported, a kind that another distribution offers, a misspelt hook. No such fault stops
# the other plugins.

shell("skyred plugins | grep -A 1 '^dust'")

# %%
# Run
# ---
# An analysis to try it with came with it.

print((here / "skyred-dust" / "example.yaml").read_text())

# %%
# All of its four runs last ten minutes; with a limit of eleven there would be none left, and skyred
# would say so.

shell("skyred run example.yaml -o result", "skyred-dust")

# %%
# Whose each component was is in the report of the run, and a part of the key under which results
# are kept: another version of the plugin never takes what this one made.

import json

report = json.loads((here / "skyred-dust" / "result" / "report.json").read_text())
for owner in report["plugins"]:
    print(owner)

# %%
# Test
# ----
# The test that came with it tries all laws that a maker is under: it is what skyred relies on when
# it sends your maker to workers and keeps what it made.

print((here / "skyred-dust" / "tests" / "test_components.py").read_text())

# %%
shell("python -m pytest -q -p no:cacheprovider", "skyred-dust")

# %%
# Share
# -----
# ``python -m build`` makes a wheel of it; whoever installs that can write ``{kind: dust-veto}``
# into their YAML files. Put the laws into your continuous integration, and pin the minor version of
# skyred, as ``pyproject.toml`` does.
#
# More: :doc:`/how-to/plugin` on hooks, archives and watchers; :doc:`/plugins/index` for plugins to
# learn from; :doc:`your own estimator and fitter <own_estimator_and_fitter>`.
