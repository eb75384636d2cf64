"""
Reading a run folder
====================

Read the output of a run with or without skyred, verify it, and run the analysis again.
"""

# %%
# Create a run folder
# -------------------
# This short analysis computes a spectrum from an on region and reflected off regions. Reduced
# chunks are cached; this page uses a separate cache folder, which is empty at first.

import os
import tempfile
from pathlib import Path

from astropy import units as u

from skyred import Pipeline

folder = Path(tempfile.mkdtemp())
archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"

yaml_text = """
data:
  crab:
    archive: sim:crab
    select:
      - {kind: cone, center: [83.633 deg, 22.014 deg], radius: 5 deg}
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.633, 22.014, 0.11)"
      energy: {min: 0.6 TeV, max: 40 TeV, bins: 10}
      energy_true: {min: 0.3 TeV, max: 80 TeV, bins: 24}
    make:
      - {kind: spectrum, containment_correction: true}
      - {kind: reflected-regions}
      - {kind: safe-mask, methods: aeff-max, aeff_percent: 10}
    stack: {kind: keep, chunk: 2}
model:
  - kind: source
    name: crab
    spectral: {type: pl, index: 2.3, amplitude: 3e-11 cm-2 s-1 TeV-1, reference: 1 TeV}
fit: {kind: newton}
estimate:
  - {kind: flux-points, source: crab, energy_edges: [0.7 TeV, 1 TeV, 2 TeV, 4 TeV, 10 TeV, 30 TeV]}
""".replace("sim:crab", archive)
pipeline = Pipeline.from_yaml(yaml_text)
pipeline.run(folder / "crab", cache=folder / "cache")

# %%
# The folder is created at the end of the run, with all its files:

for path in sorted((folder / "crab").rglob("*")):
    if path.is_file():
        print(f"{path.relative_to(folder)}")

# %%
# With skyred
# -----------
# ``Result.read`` returns the same result as ``run``. The files are first compared with
# ``SHA256SUMS``.

from skyred import Result

result = Result.read(folder / "crab")
print(result.fit)

# %%
result.estimates["flux-points"].plot()

# %%
# The models are set on the datasets, so further results can be computed directly:

flux, errn, errp = result.models["crab"].spectral_model.integral_error(1 * u.TeV, 10 * u.TeV)
print(f"flux from 1 to 10 TeV: {flux:.3g} -{errn.value:.1g} +{errp.value:.1g}")

# %%
# With gammapy alone
# ------------------
# The files are in gammapy's formats.

from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import Models

datasets = Datasets.read(folder / "crab" / "datasets" / "datasets.yaml")
models = Models.read(folder / "crab" / "models.yaml")
datasets.models = models
points = FluxPoints.read(
    folder / "crab" / "estimates" / "flux-points.fits", reference_model=models["crab"]
)
print(f"stat {datasets.stat_sum():.2f}, {len(points.to_table())} flux points")

# %%
# Observation log
# ---------------
# One row per requested run: ``reduced`` or ``cached``, ``skipped`` with the reason, or ``failed``
# with the error.

from astropy.table import Table

log = Table.read(folder / "crab" / "observations.ecsv")
log["entry", "obs_id", "status", "reason", "counts"]

# %%
# Provenance
# ----------
# ``config.yaml`` is the complete configuration, with all defaults: ``skyred run crab/config.yaml
# -o again`` repeats the analysis. ``report.json`` has the versions, the plugins, and each file
# that was read, with its sha256.

import json

report = json.loads((folder / "crab" / "report.json").read_text())
print("state:", report["state"])
for package, version in report["versions"].items():
    print(f"{package:8} {version}")
for step in report["steps"]:
    print(f"{step['name']:8} {step['summary']}")
for input_file in report["inputs"]:
    print(input_file["sha256"][:16], Path(input_file["path"]).name)

# %%
# The digest identifies the pipeline. Two runs with the same digest have the same configuration:

print(report["digest"] == pipeline.digest())

# %%
# Detect changed files
# --------------------
# This code changes one word in the fitted models:

from skyred import OutputError

path = folder / "crab" / "models.yaml"
original = path.read_text()
path.write_text(original.replace("frozen: true", "frozen: false", 1))
try:
    Result.read(folder / "crab")
except OutputError as error:
    print(str(error).replace(str(folder), "..."))

path.write_text(original)
print(Result.read(folder / "crab").fit.success)

# %%
# In a shell, ``sha256sum -c SHA256SUMS`` in the folder does the same without skyred.
#
# Use the cache
# -------------
# Reduced runs are cached in chunks, here of two runs, and used again by the same analysis and by
# others with the same reduction. Here only the model is changed, so no run is reduced again:

shape = "{type: lp, alpha: 2.3, beta: 0.1, amplitude: 3e-11 cm-2 s-1 TeV-1, reference: 1 TeV}"
curved_pipeline = Pipeline.from_yaml(yaml_text, overrides=[f"model[0].spectral={shape}"])
curved_result = curved_pipeline.run(cache=folder / "cache")
curved_result.observations["obs_id", "status", "counts"]

# %%
print(curved_result.fit)

# %%
# Cached runs are bit-identical to newly reduced runs: a chunk is only read from the cache if the
# options of the reduction, the input files, the source code of the components, and the versions of
# the numerical packages are the same. If the geometry is changed, the runs are reduced again.
#
# :doc:`/how-to/resume` explains what is cached, and how to delete it;
# :doc:`/how-to/run-folder` is a summary of this page.
