"""
Your first analysis
===================

From event lists to a spectrum of the Crab nebula: one YAML file, one command, one folder.
"""

# %%
# Where the data come from
# ------------------------
# An archive is a folder of event lists and responses (DL3) with its index. With gammapy's example
# data these are four runs of H.E.S.S. on the Crab nebula; without them, four runs that skyred
# simulates once and keeps. The rest of this page is the same for both.

import os

archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"

# %%
# The file
# --------
# An analysis is a chain of links, and the file lists them in their order. Each link has a ``kind``,
# and its options; those that are left out have their defaults.
#
# - ``select`` chooses runs from the index of the archive.
# - ``geometry`` says where the reduced data lie: the map and its axes of energy.
# - ``make`` is what is done with each run: counts, exposure, PSF and background on the map, then
#   the safe range, then the norm of the background, from the counts outside a circle around the
#   source.
# - ``stack`` says how the runs combine: here to their sum.
# - ``model`` is what is on the sky and in the background, with the values that the fit starts from.
# - ``estimate`` is what is derived in the end.

text = """
data:
  crab:
    archive: sim:crab
    select:
      - {kind: cone, center: [83.633 deg, 22.014 deg], radius: 5 deg}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [2 deg, 2 deg]
      bin_size: 0.02 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 4}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 20}
    make:
      - {kind: map}
      - {kind: safe-mask, methods: [offset-max, aeff-max], offset_max: 2.5 deg}
      - {kind: fov-background, exclude: ["icrs; circle(83.633, 22.014, 0.3)"]}
    stack: {kind: sum}
model:
  - kind: source
    name: crab
    spatial: {type: point, lon_0: 83.6 deg, lat_0: 22.0 deg, frame: icrs}
    spectral: {type: pl, index: 2.3, amplitude: 3e-11 cm-2 s-1 TeV-1, reference: 1 TeV}
  - {kind: fov-background}
fit: {kind: newton}
estimate:
  - {kind: flux-points, source: crab, energy_edges: [1 TeV, 2 TeV, 4 TeV, 10 TeV]}
  - {kind: residuals, region: "icrs; circle(83.633, 22.014, 0.5)"}
""".replace("sim:crab", archive)

# %%
# It goes into a file, in a folder of your own.

import tempfile
from pathlib import Path

here = Path(tempfile.mkdtemp())
(here / "crab.yaml").write_text(text)

# %%
# Look before you run
# -------------------
# Reading the file checks all of it: names, units, ranges, and whether the parts fit together. No
# data are read for that. A notebook shows the chain link by link; a click opens a link.

from skyred import Pipeline

pipeline = Pipeline.from_yaml(here / "crab.yaml")
pipeline

# %%
# Mistakes are named all at once, each with its line and what was expected. Here are two:

from skyred import ConfigError

wrong = text.replace("min: 1 TeV", "min: 1 s").replace("offset-max", "offset-mx")
try:
    Pipeline.from_yaml(wrong)
except ConfigError as error:
    print(error)

# %%
# Run it
# ------
# From a shell, ``skyred check crab.yaml`` and ``skyred run crab.yaml -o crab``. The same in Python:

result = pipeline.run(here / "crab")
print(result.fit)

# %%
# The fit has converged, and the errors are those of the second derivatives at its minimum. The
# source was simulated with an index of 2.6 and an amplitude of 4e-11; the real Crab is not far from
# that.
#
# What became of each run is in the ledger. A run that fails, or that a maker leaves out, stands
# there with the reason.

ledger = result.observations["obs_id", "status", "counts", "background_norm"]
ledger.round({"background_norm": 3})
ledger

# %%
# Look at the result
# ------------------
# Each picture is a method of ``result.plot``. The counts, all energies together:

result.plot.counts_crab()

# %%
# The flux points, on the fitted power law with its error band:

result.plot.flux_points()

# %%
# Behind them is gammapy's ``FluxPoints``:

flux = result.estimates["flux-points"].flux
flux.to_table(sed_type="dnde", formatted=True)["e_ref", "dnde", "dnde_err", "sqrt_ts"]

# %%
# Does the model describe the counts? In each pixel of the residual map is the significance of what
# is left, in sigma. If nothing is missing from the model, its values scatter around zero with a
# width of one.

result.plot.residuals()

# %%
# The folder
# ----------
# Everything is in the run folder, in the field's file formats.

for path in sorted((here / "crab").rglob("*")):
    if path.is_file():
        print(path.relative_to(here))

# %%
# :doc:`reading_a_run_folder` shows what can be done with it. To change something, change the file,
# or one option for one run: ``skyred run crab.yaml -o coarse --set
# "data.crab.geometry.bin_size=0.05 deg"``.
#
# Next: :doc:`the same in Python, link by link <low_level_steps>`.
