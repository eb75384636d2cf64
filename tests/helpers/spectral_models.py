"""One or more instances of every spectral model of gammapy, by class."""

from __future__ import annotations

import operator
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from astropy import units as u
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import models as m

Spectral = Callable[[], m.SpectralModel]
FLUX = u.Unit("cm-2 s-1 TeV-1")
AMPLITUDE = 2e-11 * FLUX


def _table(unit: str, scale: float) -> RegionNDMap:
    """Return a table of spectra on axes of energy and two parameters."""
    energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=9, name="energy_true")
    slope = MapAxis.from_nodes([1.5, 2, 2.5, 3], name="slope", unit="")
    size = MapAxis.from_nodes([1, 2, 4], name="size", unit="cm", interp="log")
    table = RegionNDMap.create(region=None, axes=[energy, slope, size], unit=unit)
    value = energy.center.value ** -slope.center.value[:, None]
    size_factor = np.sqrt(size.center.value)[:, None, None]
    table.data = (scale * size_factor * value)[..., None, None]
    return table


def _template(scale: u.Quantity, **options: Any) -> m.TemplateSpectralModel:
    energy = np.geomspace(0.2, 40, 12) * u.TeV
    return m.TemplateSpectralModel(energy, scale * energy.value**-2.2, interp_kwargs=options)


def _fixed_norm() -> m.SpectralModel:
    """Return a tabulated norm without parameters."""
    energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=9, name="energy_true")
    table = RegionNDMap.create(region=None, axes=[energy])
    table.data = np.linspace(0.6, 1.8, 9).reshape(9, 1, 1)
    return m.TemplateNDSpectralModel(table, filename="table.fits")


def absorption(redshift: float = 0.2, alpha_norm: float = 1.1) -> m.SpectralModel:
    """Return a plausible absorption by the extragalactic background light."""
    energy, redshifts = np.geomspace(5e6, 5e11, 30) * u.keV, np.linspace(0.01, 1, 8)
    depth = 2 * redshifts[:, None] * (energy.to_value("TeV") / 1.0) ** 0.9
    return m.EBLAbsorptionNormSpectralModel(
        energy, redshifts, np.exp(-depth), redshift=redshift, alpha_norm=alpha_norm
    )


def power_law(**options: Any) -> m.SpectralModel:
    """Return a power law."""
    return m.PowerLawSpectralModel(**{"index": 2.3, "amplitude": AMPLITUDE, **options})


def _piecewise(**options: Any) -> m.SpectralModel:
    energy = [0.3, 1, 4, 30] * u.TeV
    return m.PiecewiseNormSpectralModel(energy, norms=[1.1, 0.8, 1.3, 0.9], **options)


def _naima() -> m.SpectralModel:
    import naima

    electrons = naima.models.PowerLaw(2e33 / u.eV, 10 * u.TeV, 2.5)
    return m.NaimaSpectralModel(naima.models.InverseCompton(electrons), distance=2 * u.kpc)


PER_AREA = u.Unit("cm-2 s-1")
PL2 = {"amplitude": 5e-11 * PER_AREA, "index": 2.2, "emin": 500 * u.GeV, "emax": 30 * u.TeV}
BUMP = {"amplitude": 3e-11 * PER_AREA, "mean": 2 * u.TeV, "sigma": 900 * u.GeV}
SEPL = {"amplitude": AMPLITUDE, "index_1": 1.8, "index_2": 0.8}
LOG = {"amplitude": AMPLITUDE, "reference": 2 * u.TeV, "alpha": 2.1, "beta": 0.2}
BROKEN = {"amplitude": AMPLITUDE, "index1": 1.7, "index2": 2.6, "ebreak": 3 * u.TeV}
LOG_NORM = {"norm": 1.2, "reference": 2 * u.TeV, "alpha": 0.2, "beta": 0.1}
CUT = {"index": 1.9, "amplitude": AMPLITUDE, "lambda_": 0.08 / u.TeV}

SOURCES: dict[type[m.SpectralModel], dict[str, Spectral]] = {
    m.ConstantSpectralModel: {"const": lambda: m.ConstantSpectralModel(const=2e-12 * FLUX)},
    m.PowerLawSpectralModel: {
        "pl": power_law,
        "pl-1": lambda: power_law(index=1.0),
        "pl-gev": lambda: power_law(amplitude=1.5e-10 / u.MeV / u.cm**2 / u.s, reference="1 GeV"),
    },
    m.PowerLaw2SpectralModel: {"pl2": lambda: m.PowerLaw2SpectralModel(**PL2)},
    m.BrokenPowerLawSpectralModel: {"bpl": lambda: m.BrokenPowerLawSpectralModel(**BROKEN)},
    m.SmoothBrokenPowerLawSpectralModel: {
        "sbpl": lambda: m.SmoothBrokenPowerLawSpectralModel(**BROKEN, beta=0.7)
    },
    m.ExpCutoffPowerLawSpectralModel: {
        "ecpl": lambda: m.ExpCutoffPowerLawSpectralModel(**CUT, alpha=1.2),
        "ecpl-uncut": lambda: m.ExpCutoffPowerLawSpectralModel(**CUT | {"lambda_": 0 / u.TeV}),
    },
    m.ExpCutoffPowerLaw3FGLSpectralModel: {
        "ecpl-3fgl": lambda: m.ExpCutoffPowerLaw3FGLSpectralModel(
            index=1.7, amplitude=AMPLITUDE, ecut=8 * u.TeV
        )
    },
    m.SuperExpCutoffPowerLaw3FGLSpectralModel: {
        "secpl-3fgl": lambda: m.SuperExpCutoffPowerLaw3FGLSpectralModel(**SEPL, ecut=7 * u.TeV)
    },
    m.SuperExpCutoffPowerLaw4FGLSpectralModel: {
        "secpl-4fgl": lambda: m.SuperExpCutoffPowerLaw4FGLSpectralModel(**SEPL, expfactor=1e-6)
    },
    m.SuperExpCutoffPowerLaw4FGLDR3SpectralModel: {
        "secpl-dr3": lambda: m.SuperExpCutoffPowerLaw4FGLDR3SpectralModel(**SEPL, expfactor=0.2),
        "secpl-dr3-0": lambda: m.SuperExpCutoffPowerLaw4FGLDR3SpectralModel(
            **SEPL | {"index_2": 1e-4}, expfactor=0.2
        ),
    },
    m.LogParabolaSpectralModel: {"lp": lambda: m.LogParabolaSpectralModel(**LOG)},
    m.LogParabola2SpectralModel: {
        "lp2": lambda: m.LogParabola2SpectralModel(**LOG, escale=2 * u.TeV)
    },
    m.GaussianSpectralModel: {"gauss": lambda: m.GaussianSpectralModel(**BUMP)},
    m.TemplateSpectralModel: {
        "template-fixed": lambda: _template(AMPLITUDE),
        "template-fixed-short": lambda: m.TemplateSpectralModel(
            [0.4, 3, 21] * u.TeV, [3e-11, 1e-11, 1e-13] * FLUX
        ),
    },
    m.TemplateNDSpectralModel: {
        "template-nd": lambda: m.TemplateNDSpectralModel(
            _table("cm-2 s-1 TeV-1", 2e-11), filename="table.fits"
        )
    },
    m.ScaleSpectralModel: {"scale": lambda: m.ScaleSpectralModel(power_law(), norm=1.3)},
    m.CompoundSpectralModel: {
        "sum": lambda: power_law() + m.LogParabolaSpectralModel(**LOG),
        "sum-const": lambda: power_law() + 1e-12 * FLUX,
        "difference": lambda: power_law() - power_law(index=3, amplitude=1e-12 * FLUX),
        "quotient": lambda: m.CompoundSpectralModel(
            power_law(), m.PowerLawNormSpectralModel(tilt=0.3), operator.truediv
        ),
        "absorbed": lambda: power_law() * absorption(),
        "absorbed-template": lambda: _template(AMPLITUDE) * absorption(),
        "nested": lambda: (power_law() + power_law(index=1.8)) * absorption() * _piecewise(),
    },
    m.NaimaSpectralModel: {"naima": _naima} if find_spec("naima") else {},
}

NORMS: dict[type[m.SpectralModel], dict[str, Spectral]] = {
    m.PowerLawNormSpectralModel: {
        "pl-norm": lambda: m.PowerLawNormSpectralModel(tilt=0.2, norm=1.2)
    },
    m.LogParabolaNormSpectralModel: {"lp-norm": lambda: m.LogParabolaNormSpectralModel(**LOG_NORM)},
    m.ExpCutoffPowerLawNormSpectralModel: {
        "ecpl-norm": lambda: m.ExpCutoffPowerLawNormSpectralModel(
            index=0.1, norm=1.2, lambda_=0.05 / u.TeV
        )
    },
    m.PiecewiseNormSpectralModel: {
        "piecewise-norm": _piecewise,
        "piecewise-norm-lin": lambda: _piecewise(interp="lin"),
    },
    m.EBLAbsorptionNormSpectralModel: {"ebl-norm": absorption},
    m.TemplateNDSpectralModel: {
        "template-nd-norm": lambda: m.TemplateNDSpectralModel(
            _table("", 1.0), filename="table.fits"
        ),
        "template-fixed-norm": _fixed_norm,
    },
}


def free_all(model: Any) -> None:
    """Free all parameters except reference energies."""
    for parameter in model.parameters:
        parameter.frozen = parameter.name in ("reference", "emin", "emax")
