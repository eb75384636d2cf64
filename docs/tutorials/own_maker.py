"""
Your own maker
==============

A link of your own in the chain: a class of a few lines, tried on one run, then on all of them, then
from a YAML file.
"""

# %%
# What it is for
# --------------
# Clouds lower the rate of events for minutes. A run with clouds has too few counts for its
# exposure, and nothing in the index of the archive tells. A maker sees the events, so it can.
#
# A maker takes the dataset of one observation from the maker before it, and gives it to the next.
# Let us look at what it is given.

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


def counts_by_minute(observation, minutes=2.0):
    times = observation.events.time.mjd
    start, stop = observation.tstart.mjd, observation.tstop.mjd
    number = round((stop - start) * 24 * 60 / minutes)
    return np.histogram(times, np.linspace(start, stop, number + 1))[0]


counts = counts_by_minute(observation)
figure, ax = plt.subplots()
ax.stairs(counts, baseline=None)
_ = ax.set(xlabel="Interval of two minutes", ylabel="Counts", ylim=(0, 1.2 * counts.max()))

# %%
# The class
# ---------
# A maker says what it is in its docstring, what it is called in its ``kind``, and what can be
# chosen in its fields, each with a default and a word on what it is for. ``component`` makes it a
# frozen value. To leave a run out, it raises ``SkipObservation`` with the reason.

from skyred import Maker, SkipObservation, component, option, quantity


@component
class SteadyRate(Maker):
    """Leave out runs whose rate of events is not steady."""

    kind = "steady-rate"
    interval = quantity("2 min", min="10 s", doc="Intervals in which events are counted.")
    chi2_max = option(2.0, min=0.0, doc="Largest chi2 per degree of freedom of a constant rate.")

    def make(self, dataset, observation):
        counts = counts_by_minute(observation, self.interval.to_value("min"))
        chi2 = counts.var(ddof=1) / counts.mean() if counts.any() else 0.0
        if chi2 > self.chi2_max:
            raise SkipObservation(f"chi2 per degree of freedom of {chi2:.2f} for a steady rate")
        return dataset


# %%
# That is all. It can be tried alone. It does not touch the dataset, so there need not be one:

steady = SteadyRate(chi2_max=0.5)
try:
    steady.make(None, observation)
except SkipObservation as reason:
    print(f"skipped: {reason}")

# %%
# A notebook shows what it holds. Its options were checked when it was made; a mistake names the
# field:

from skyred import FieldError

try:
    SteadyRate(interval="2 TeV")
except FieldError as error:
    print(error)

SteadyRate(interval="90 s")

# %%
# In the chain
# ------------
# It stands in ``make``, here before all others, so that no time is spent on a run that is left out.
# The threshold is too strict on purpose.

from skyred import Orchestrator, Pipeline

chain = f"""
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
pipeline = Pipeline.from_yaml(chain)
crab = pipeline.data["crab"]
strict = crab.evolve(make=[SteadyRate(chi2_max=1.0), *crab.make])
orchestrator = Orchestrator(pipeline.evolve(data={"crab": strict}))
orchestrator.reduce()

for outcome in orchestrator.outcomes:
    print(outcome.obs_id, outcome.status, outcome.reason)

# %%
# Nothing is dropped silently: each run that was asked for is in this ledger, and in
# ``observations.ecsv`` of a run folder.
#
# A plugin in one file
# --------------------
# With three lines more, a Python file with the class in it is a plugin: the hook tells skyred what
# the file offers.

import tempfile
from pathlib import Path

here = Path(tempfile.mkdtemp())
(here / "steady.py").write_text('''
"""Runs with clouds are left out."""

import numpy as np
from skyred import Maker, SkipObservation, component, hookimpl, option, quantity


@component
class SteadyRate(Maker):
    """Leave out runs whose rate of events is not steady."""

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
# Now ``{kind: steady-rate}`` can stand in a YAML file, and every command takes ``--plugin
# steady.py``:

import subprocess

with_rate = "make:\n      - {kind: steady-rate, chi2_max: 1.0}\n"
(here / "crab.yaml").write_text(chain.replace("make:\n", with_rate))


def shell(command):
    ended = subprocess.run(command, shell=True, cwd=here, text=True, capture_output=True)
    print(f"$ {command}\n{ended.stdout}{ended.stderr}".replace(f"{here}/", ""))


shell("skyred show steady-rate --plugin steady.py")

# %%
shell("skyred run crab.yaml --plugin steady.py --engine processes --workers 2 --until reduce")

# %%
# The workers found it too, and the run folder keeps a copy of the file, since no version number
# would bring it back.
#
# Does it obey the laws?
# ----------------------
# skyred sends components to workers, keeps what they made, and writes them to files. That is only
# right if a maker leaves the observation as it was, gives the same result twice, can be written as
# YAML and read again, and so on. The conformance kit tries all of that on a small simulated
# archive, and says nothing if all is well:

from skyred.testing import check

steady = Plugins.load(files=[here / "steady.py"]).catalog.get("maker", "steady-rate")
check(steady)

# %%
# Here is one with two faults.


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
# Next: :doc:`a plugin that others can install <plugin_for_others>`. All kinds of fields, and the
# rules for makers, are in :doc:`/how-to/own-maker`; the laws in :doc:`/how-to/conformance`.
