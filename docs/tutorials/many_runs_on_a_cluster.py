"""
Many runs on a cluster
======================

The same command on one core, on several, or on a cluster: the same numbers; and what happens
when a run is broken.
"""

# %%
# An analysis of many runs
# ------------------------
# With gammapy's example data these are 21 runs of H.E.S.S. on the blazar PKS 2155-304; without
# them, 8 short simulated runs on the Crab. One thing in the file is about many runs:
# ``stack.chunk``. Runs are reduced in chunks of consecutive ones, wherever there is a worker free,
# and what the chunks gave is merged in their order. So neither how many workers there are, nor
# which of them is quicker, plays any part in the numbers.

import os
import tempfile
from pathlib import Path

here = Path(tempfile.mkdtemp())
real = "GAMMAPY_DATA" in os.environ
archive = "$GAMMAPY_DATA/hess-dl3-dr1" if real else "sim:crab?runs=8&livetime=5min"
around = f"icrs; circle({'329.717, -30.226' if real else '83.633, 22.014'}, 0.3)"
center = "[329.717 deg, -30.226 deg]" if real else "[83.633 deg, 22.014 deg]"

(here / "many.yaml").write_text(f"""
data:
  many:
    archive: {archive}
    select:
      - {{kind: cone, center: {center}, radius: 3 deg}}
    geometry:
      kind: map
      center: {center}
      width: [2 deg, 2 deg]
      bin_size: 0.04 deg
      energy: {{min: 0.5 TeV, max: 10 TeV, bins: 3}}
      energy_true: {{min: 0.3 TeV, max: 20 TeV, bins: 8}}
    make:
      - {{kind: map}}
      - {{kind: safe-mask, methods: offset-max, offset_max: 2.5 deg}}
      - {{kind: fov-background, exclude: ["{around}"]}}
    stack: {{kind: sum, chunk: 2}}
""")

# %%
# The commands of this page are those of a shell; here a function runs them.

import subprocess


def shell(command):
    environment = os.environ | {"SKYRED_CACHE": "on", "SKYRED_CACHE_DIR": str(here / "cache")}
    ended = subprocess.run(
        command, shell=True, cwd=here, env=environment, text=True, capture_output=True
    )
    output = (ended.stdout + ended.stderr * (ended.returncode != 0)).replace(f"{here}/", "")
    print(f"$ {command}\n{output}(exit code {ended.returncode})")


# %%
# Look at the data first
# ----------------------
# ``skyred check`` reads all that the chosen runs consist of, and names damaged files, wrong indexes
# and responses that cannot be true, before a long run depends on them.

shell("skyred check many.yaml")

# %%
# On the cores of one machine
# ---------------------------
# ``--until reduce`` stops before the fit: there is no model in this file.

shell("skyred run many.yaml -o many --engine processes --workers 2 --until reduce")

# %%
# Each run is in the ledger, with what became of it, how long it took, and its numbers:

from skyred import Result

many = Result.read(here / "many")
ledger = many.observations["obs_id", "status", "counts", "background_norm"]
ledger["background_norm"].info.format = ".3f"
ledger

# %%
# The counts of all runs together:

many.plot.counts_many()

# %%
# What is finished is kept
# ------------------------
# Each chunk goes into a cache as soon as it is finished. If the run is killed now, or the job's
# time is up, the same command goes on where it stopped; so does any other that needs the same
# chunks. Here one core takes all of them from there:

shell("skyred run many.yaml -o again --until reduce")

again = Result.read(here / "again")
print(set(map(str, again.observations["status"])))

# %%
# On a cluster
# ------------
# With the plugin ``skyred-dask`` an engine is any scheduler of `dask.distributed
# <https://distributed.dask.org>`_. Its workers must see the archive under the same path, and have
# the same versions of skyred and its plugins; both are verified. In a job of SLURM:
#
# .. code-block:: bash
#
#    #!/bin/bash
#    #SBATCH --ntasks=20 --cpus-per-task=1 --mem-per-cpu=4G --time=02:00:00
#    file=$PWD/scheduler-$SLURM_JOB_ID.json
#    dask scheduler --scheduler-file "$file" --no-dashboard &
#    srun dask worker --scheduler-file "$file" --nthreads 1 --memory-limit 0 --no-dashboard &
#    until [ -s "$file" ]; do sleep 1; done
#    skyred run many.yaml --until reduce --engine "{kind: dask, scheduler: $file, workers: 20}"
#
# Without a scheduler's address it starts workers on this machine. They take nothing from the cache
# here, so that there is something to do:

shell("skyred run many.yaml -o by-dask --engine dask --workers 2 --no-cache --until reduce")

# %%
# Processes, one core with the cache, and dask: the stacked maps are the same, to the bit.

import numpy as np

by_dask = Result.read(here / "by-dask")
for name in ("counts", "background", "exposure", "mask_safe"):
    maps = [getattr(result.datasets["many"], name).data for result in (many, again, by_dask)]
    print(f"{name:<11}", all(np.array_equal(maps[0], other) for other in maps[1:]))

# %%
# A broken run
# ------------
# Among many runs some are broken. This copy of the archive has one file that ends in the middle, as
# after a copy that was cut off.

import shutil

from skyred import Plugins

table = Plugins.load().open_archive(os.path.expandvars(archive)).hdu_table
shutil.copytree(table.meta["BASE_DIR"], here / "copy")
chosen = table[
    (table["OBS_ID"] == many.observations["obs_id"][5]) & (table["HDU_TYPE"] == "events")
][0]
broken = here / "copy" / str(chosen["FILE_DIR"]) / str(chosen["FILE_NAME"])
os.truncate(broken, broken.stat().st_size // 2)

shell("skyred run many.yaml -o broken --set data.many.archive=copy --until reduce")

# %%
# It is named, with the file and what is wrong with it; the others were finished all the same, and
# are kept. By default nothing is fitted as long as a requested run is missing, and the exit code
# says so. To go on without it is a decision, which stands in the file:

shell(
    "skyred run many.yaml -o without --until reduce "
    "--set data.many.archive=copy --set data.many.on_error=skip"
)

without = Result.read(here / "without")
print(
    {
        str(status): int((without.observations["status"] == status).sum())
        for status in np.unique(without.observations["status"])
    }
)

# %%
# The exit code is 3 still, so that no script overlooks it; but the results are there.
#
# More: :doc:`/how-to/cluster` on workers that die, TLS and ``dask-jobqueue``; :doc:`/how-to/resume`
# on the cache; :doc:`/how-to/check-input`; :doc:`/explanation/many-runs` on what grows with the
# number of runs.
