"""
Your own estimator and fitter
=============================

Write your own estimator, for fluxes in units of the Crab, and your own fitter, which searches for
lower minima.
"""

# %%
# Fitted datasets
# ---------------
# An estimator needs fitted datasets: here a map of the Crab and a model.

import os

from skyred import Orchestrator, Pipeline

archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"
pipeline = Pipeline.from_yaml(f"""
data:
  crab:
    archive: {archive}
    select:
      - {{kind: cone, center: [83.633 deg, 22.014 deg], radius: 5 deg}}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: 2 deg
      bin_size: 0.04 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 4}}
      energy_true: {{min: 0.5 TeV, max: 20 TeV, bins: 12}}
    make:
      - {{kind: map}}
      - {{kind: safe-mask, methods: offset-max, offset_max: 2.5 deg}}
      - {{kind: fov-background, exclude: ["icrs; circle(83.633, 22.014, 0.3)"]}}
    stack: {{kind: sum}}
model:
  - kind: source
    name: crab
    spatial: {{type: point, lon_0: 83.633 deg, lat_0: 22.014 deg, frame: icrs}}
    spectral: {{type: pl, index: 2.5, amplitude: 4e-11 cm-2 s-1 TeV-1, reference: 1 TeV}}
  - {{kind: fov-background}}
fit: {{kind: newton}}
""")
orchestrator = Orchestrator(pipeline)
fit = orchestrator.fit()
print(fit)

# %%
# An estimator
# ------------
# It needs only one method, ``estimate``, which computes a product from datasets with fitted models.
# A product can be written, read, shown as a table and plotted. ``TableProduct`` implements this for
# tables: units and descriptions of the columns are written to the file, and the plot shows names
# and units on its axes.
#
# This estimator computes the integral flux of a source above some energies, in units of the flux
# of the Crab Nebula as published by H.E.S.S. (`Aharonian et al. 2006, A&A 457, 899
# <https://doi.org/10.1051/0004-6361:20065351>`_).

import numpy as np
from astropy import units as u
from astropy.table import Table

from skyred import Estimator, Problem, TableProduct, component, option, quantity


@component
class CrabUnits(Estimator):
    """Integral fluxes of a source in units of the Crab Nebula."""

    kind = "crab-units"
    product = TableProduct
    source = option(type=str, doc="Name of the source.")
    energy_min = quantity(["1 TeV", "2 TeV", "5 TeV"], many=True, doc="Lower energy limits.")

    def check(self, pipeline):
        names = [model.name for model in pipeline.model if getattr(model, "name", None)]
        if self.source not in names:
            yield Problem(
                ("source",), f"no model {self.source!r}", f"available: {', '.join(names)}"
            )

    def estimate(self, datasets, fit):
        from gammapy.modeling.models import create_crab_spectral_model

        crab = create_crab_spectral_model("hess_pl")
        spectrum = datasets.models[self.source].spectral_model
        rows = []
        for energy in self.energy_min:
            crab_flux = crab.integral(energy, 100 * u.TeV)
            flux, errn, errp = spectrum.integral_error(energy, 100 * u.TeV)
            ratios = [float(value / crab_flux) for value in (flux, (errn + errp) / 2)]
            rows.append((energy.to_value("TeV"), *np.round(ratios, 3)))
        names = ["energy_min", "crab_units", "crab_units_err"]
        table = Table(rows=rows, names=names, units=["TeV", "", ""])
        table["crab_units"].description = "Integral flux above energy_min, in Crab units."
        return TableProduct(self.label, table)


# %%
# The estimator can be used without a pipeline:

crab_units = CrabUnits(source="crab")
product = crab_units.estimate(orchestrator.datasets, fit)
product.table()

# %%
product.plot()

# %%
# In a pipeline, add it to ``estimate``. Its table and its plot are then written to the run folder.
# Its method ``check`` has access to the whole pipeline before any data are read. Here it reports a
# misspelt source:

from skyred import ConfigError

try:
    Orchestrator(pipeline.evolve(estimate=[CrabUnits(source="carb")]))
except ConfigError as error:
    print(error)

# %%
# A fitter
# --------
# A fitter does not depend on gammapy: it receives an objective, a function of the vector of free
# parameters, with their names, starting values and limits:

from skyred import objective_of

objective = objective_of(orchestrator.datasets)
print(*objective.names, sep="\n")
print(f"{objective(objective.start):.3f}")

# %%
# Gradient-based searches usually end in the nearest minimum. This fitter searches the surrounding
# region by `differential evolution
# <https://docs.scipy.org/doc/scipy/reference/generated/scipy.optimize.differential_evolution.html>`_,
# and then uses skyred's own search, which computes the errors and checks that the result is a
# minimum.

import attrs

from skyred import Fitter, minimise


@component
class GlobalSearch(Fitter):
    """Search for lower minima around the nearest minimum."""

    kind = "global-search"
    width = option(10.0, min=1.0, doc="Half width of the search region, in units of the errors.")
    seed = option(0, min=0, doc="Seed of the random numbers.")

    def fit(self, objective):
        from scipy.optimize import differential_evolution

        nearest = minimise(objective)
        if not nearest.success:
            return nearest
        width = self.width * nearest.errors
        low = np.maximum(nearest.values - width, objective.limits[:, 0])
        high = np.minimum(nearest.values + width, objective.limits[:, 1])
        search = differential_evolution(
            objective.total,
            list(zip(low, high, strict=True)),
            rng=self.seed,
            popsize=6,
            maxiter=30,
            tol=0,
            atol=0.01,
            polish=False,
        )
        best = minimise(attrs.evolve(objective, start=search.x))
        best = best if best.success and best.stat < nearest.stat else nearest
        return attrs.evolve(best, nfev=best.nfev + nearest.nfev + search.nfev)


# %%
# First, test it on an objective with minima near -3 and 3, of which the second is lower. A search
# from -2 ends in the first.

from skyred import Objective

double_well = Objective(
    names=["x"],
    start=[-2.0],
    limits=[[-5, 5]],
    stat=lambda x: float((x[0] ** 2 - 9) ** 2 / 9 - x[0]),
)
print(minimise(double_well))
print(GlobalSearch().fit(double_well))

# %%
# Then use it for the Crab, instead of ``newton``. Here it finds no lower minimum:

global_orchestrator = Orchestrator(pipeline.evolve(fit=GlobalSearch()))
global_orchestrator.datasets = orchestrator.datasets
print(global_orchestrator.fit())

# %%
# The conformance kit checks the requirements of a fitter, with objectives that have a known
# minimum, a minimum at a limit, no minimum, or values that are not finite.

from skyred.testing import check

check(GlobalSearch)

# %%
# If the simulated Crab of the kit is not suitable, you can pass other data: see
# :doc:`/how-to/conformance`. To use the classes in YAML, add them to a plugin, :doc:`in one file
# <own_maker>` or :doc:`as a package <plugin_for_others>`.
