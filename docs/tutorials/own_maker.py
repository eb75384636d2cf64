"""
Your own maker
==============

Write a maker in a few lines, and use it for one run, for all runs, and from a YAML file.
"""

# %%
# Purpose
# -------
# Clouds can reduce the event rate for minutes. A run with clouds has too few counts for its
# exposure, but the index of the archive does not show this. A maker has access to the events, so it
# can detect clouds.
#
# A maker receives the dataset of one observation from the previous maker, and returns it for the
# next maker. This is an observation:

import os

from skyred import Plugins

archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"
obs_id = 23523 if "GAMMAPY_DATA" in os.environ else 900001

observation = Plugins.load().open_archive(os.path.expandvars(archive)).obs(obs_id)
print(observation)

# %%
# The events of this run, in intervals of two minutes:

import matplotlib.pyplot as plt
import numpy as np


def counts_by_interval(observation, minutes=2.0):
    times = observation.events.time.mjd
    start, stop = observation.tstart.mjd, observation.tstop.mjd
    number = round((stop - start) * 24 * 60 / minutes)
    return np.histogram(times, np.linspace(start, stop, number + 1))[0]


counts = counts_by_interval(observation)
figure, ax = plt.subplots()
ax.stairs(counts, baseline=None)
_ = ax.set(xlabel="Interval of two minutes", ylabel="Counts", ylim=(0, 1.2 * counts.max()))

# %%
# The class
# ---------
# A maker has a docstring, a name in YAML (``kind``), and options, each with a default and a
# description. ``component`` makes the class frozen. To skip a run, a maker raises
# ``SkipObservation`` with the reason.

from skyred import Maker, SkipObservation, component, option, quantity


@component
class SteadyRate(Maker):
    """Skip runs with an unsteady event rate."""

    kind = "steady-rate"
    interval = quantity("2 min", min="10 s", doc="Intervals in which events are counted.")
    chi2_max = option(2.0, min=0.0, doc="Largest chi2 per degree of freedom of a constant rate.")

    def make(self, dataset, observation):
        counts = counts_by_interval(observation, self.interval.to_value("min"))
        chi2 = counts.var(ddof=1) / counts.mean() if counts.any() else 0.0
        if chi2 > self.chi2_max:
            raise SkipObservation(f"chi2 per degree of freedom of {chi2:.2f} for a steady rate")
        return dataset


# %%
# The maker can be used by itself. It does not use the dataset, so None is passed:

maker = SteadyRate(chi2_max=0.5)
try:
    maker.make(None, observation)
except SkipObservation as reason:
    print(f"skipped: {reason}")

# %%
# Options are validated when a maker is created, and the error message names the option. A notebook
# displays the options of a maker:

from skyred import FieldError

try:
    SteadyRate(interval="2 TeV")
except FieldError as error:
    print(error)

SteadyRate(interval="90 s")

# %%
# Use it in a pipeline
# --------------------
# Add the maker to ``make``, here before all others, so that the other makers do not run for skipped
# runs. The limit is deliberately too strict.

from skyred import Orchestrator, Pipeline

config = f"""
data:
  crab:
    archive: {archive}
    select:
      - {{kind: cone, center: [83.633 deg, 22.014 deg], radius: 5 deg}}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: 2 deg
      bin_size: 0.05 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 3}}
      energy_true: {{min: 0.5 TeV, max: 20 TeV, bins: 8}}
    make:
      - {{kind: map}}
      - {{kind: safe-mask, methods: offset-max, offset_max: 2.5 deg}}
    stack: {{kind: sum}}
"""
pipeline = Pipeline.from_yaml(config)
reduction = pipeline.data["crab"]
reduction = reduction.evolve(make=[SteadyRate(chi2_max=1.0), *reduction.make])
orchestrator = Orchestrator(pipeline.evolve(data={"crab": reduction}))
orchestrator.reduce()

for outcome in orchestrator.outcomes:
    print(outcome.obs_id, outcome.status, outcome.reason)

# %%
# No run is dropped silently: each requested run is in this list, and in ``observations.ecsv`` of a
# run folder.
#
# A plugin in one file
# --------------------
# Three more lines turn a Python file with the class into a plugin: the hook, which registers the
# class.

import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
(folder / "steady.py").write_text('''
"""Skip runs with clouds."""

import numpy as np
from skyred import Maker, SkipObservation, component, hookimpl, option, quantity


@component
class SteadyRate(Maker):
    """Skip runs with an unsteady event rate."""

    kind = "steady-rate"
    interval = quantity("2 min", min="10 s", doc="Intervals in which events are counted.")
    chi2_max = option(2.0, min=0.0, doc="Largest chi2 per degree of freedom of a constant rate.")

    def make(self, dataset, observation):
        start, stop = observation.tstart.mjd, observation.tstop.mjd
        number = max(2, round((stop - start) / self.interval.to_value("day")))
        edges = np.linspace(start, stop, number + 1)
        counts = np.histogram(observation.events.time.mjd, edges)[0]
        chi2 = counts.var(ddof=1) / counts.mean() if counts.any() else 0.0
        if chi2 > self.chi2_max:
            raise SkipObservation(f"chi2 per degree of freedom of {chi2:.2f} for a steady rate")
        return dataset


@hookimpl
def skyred_components():
    return [SteadyRate]
''')

# %%
# Now you can use ``{kind: steady-rate}`` in a YAML file, if you pass ``--plugin steady.py`` to the
# commands ``run``, ``check``, ``show``, ``plugins`` and ``export``:

import subprocess

make = "make:\n      - {kind: steady-rate, chi2_max: 1.0}\n"
(folder / "crab.yaml").write_text(config.replace("make:\n", make))


def shell(command):
    process = subprocess.run(command, shell=True, cwd=folder, text=True, capture_output=True)
    print(f"$ {command}\n{process.stdout}{process.stderr}".replace(f"{folder}/", ""))


shell("skyred show steady-rate --plugin steady.py")

# %%
shell("skyred run crab.yaml --plugin steady.py --engine processes --workers 2 --until reduce")

# %%
# The workers load the plugin too. The run folder contains a copy of the file, because it has no
# version number.
#
# Check the maker
# ---------------
# skyred sends components to workers, caches their results, and writes them to files. This requires
# that a maker does not modify the observation, is deterministic, can be written as YAML and read
# back, and more. The conformance kit checks these requirements on a small simulated archive, and
# prints nothing if all checks pass:

from skyred.testing import check

cls = Plugins.load(files=[folder / "steady.py"]).catalog.get("maker", "steady-rate")
check(cls)

# %%
# This maker has two errors:


@component
class CalibratedEnergies(Maker):
    """Correct the energies of events."""

    kind = "calibrated-energies"
    factor = option(1.1, min=0.5, max=2.0, doc="what energies are multiplied with")

    def make(self, dataset, observation):
        observation.events.table["ENERGY"] *= self.factor
        return dataset


try:
    check(CalibratedEnergies)
except AssertionError as error:
    print(error)

# %%
# Next: :doc:`a plugin that others can install <plugin_for_others>`. :doc:`/how-to/own-maker` has
# all types of options and the requirements for makers, :doc:`/how-to/conformance` the checks.
