"""
Your first analysis
===================

Analyse the Crab Nebula from event lists to flux points, with one YAML file and one command.
"""

# %%
# Data
# ----
# An archive contains event lists and IRFs (DL3). With gammapy's example data, this page analyses
# four H.E.S.S. runs on the Crab Nebula; without them, skyred simulates four runs and caches them.
# The rest of this page is the same for both.

import os

archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"

# %%
# Configuration file
# ------------------
# An analysis is a pipeline of components, which the file lists in order. Each component has a
# ``kind`` and options; an omitted option has its default value. The terms are defined in the
# :doc:`glossary </reference/glossary>`.
#
# - ``select`` selects runs from the observation table of the archive.
# - ``geometry`` defines the map and its energy axes.
# - ``make`` lists the makers that reduce each run. They compute counts, exposure, background, PSF
#   and energy dispersion on the map, then the safe mask, then the background norm, from the counts
#   outside a circle around the source.
# - ``stack`` sets how the runs are combined: here they are summed.
# - ``model`` describes the sky and the background, with the initial values of the fit.
# - ``fit`` sets the fitter.
# - ``estimate`` lists the estimators, which compute products such as flux points.

yaml_text = """
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
# Save it in a file:

import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
(folder / "crab.yaml").write_text(yaml_text)

# %%
# Check the configuration
# -----------------------
# When the file is read, names, units and ranges are validated, and the components are checked for
# consistency. No data are read. A notebook displays the components of the pipeline; click one to
# expand it.

from skyred import Pipeline

pipeline = Pipeline.from_yaml(folder / "crab.yaml")
pipeline

# %%
# All errors are reported at once, with line and column and what was expected. This file has two
# errors:

from skyred import ConfigError

invalid = yaml_text.replace("min: 1 TeV", "min: 1 s").replace("offset-max", "offset-mx")
try:
    Pipeline.from_yaml(invalid)
except ConfigError as error:
    print(error)

# %%
# Run the analysis
# ----------------
# In a shell, use ``skyred check crab.yaml`` and ``skyred run crab.yaml -o crab``. In Python:

result = pipeline.run(folder / "crab")
print(result.fit)

# %%
# The fit converged, and the errors are computed from the second derivatives at the minimum. The
# source was simulated with an index of 2.6 and an amplitude of 4e-11; the real Crab has similar
# values.
#
# The observation log lists the outcome of each run. If a run fails, or is skipped by a maker, the
# log states the reason:

log = result.observations["obs_id", "status", "counts", "background_norm"]
log.round({"background_norm": 3})
log

# %%
# Plot the results
# ----------------
# Each plot is a method of ``result.plot``. The counts, summed over energy:

result.plot.counts_crab()

# %%
# The flux points, with the fitted power law and its error band:

result.plot.flux_points()

# %%
# The underlying object is a gammapy ``FluxPoints`` object:

flux = result.estimates["flux-points"].flux
flux.to_table(sed_type="dnde", formatted=True)["e_ref", "dnde", "dnde_err", "sqrt_ts"]

# %%
# Does the model describe the counts? The residual map shows the significance of the residual counts
# in each pixel, in sigma. If the model is complete, the values scatter around zero with a standard
# deviation of one:

result.plot.residuals()

# %%
# Run folder
# ----------
# All results are in the run folder, in gammapy's and other standard formats.

for path in sorted((folder / "crab").rglob("*")):
    if path.is_file():
        print(path.relative_to(folder))

# %%
# :doc:`reading_a_run_folder` shows how to use it. To change an option, edit the file, or override
# the option for one run: ``skyred run crab.yaml -o coarse --set "data.crab.geometry.bin_size=0.05
# deg"``.
#
# Next: :doc:`the same in Python, step by step <low_level_steps>`.
