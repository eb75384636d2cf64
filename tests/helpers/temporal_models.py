"""One or more instances of every temporal model of gammapy, by class.

The models vary within the good time intervals of the small datasets: 4.5 hours from MJD 58849.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from astropy import units as u
from astropy.table import Table
from astropy.time import Time
from gammapy.modeling import models as m

Temporal = Callable[[], m.TemporalModel]
T_REF = 58849.07 * u.d


def _light_curve() -> m.TemporalModel:
    table = Table({"TIME": np.linspace(-0.1, 0.4, 9) * u.d, "NORM": np.linspace(0.5, 2, 9) ** 2})
    table.meta = {"MJDREFI": 58849, "MJDREFF": 0.0, "TIMEUNIT": "d", "TIMESYS": "utc"}
    return m.LightCurveTemplateTemporalModel.from_table(table)


def _phase_curve() -> m.TemporalModel:
    phase = np.linspace(0, 1, 12)
    table = Table({"PHASE": phase, "NORM": 1.2 + np.sin(2 * np.pi * phase)})
    return m.TemplatePhaseCurveTemporalModel(
        table, filename="phases.fits", t_ref=T_REF, phi_ref=0.1, f0=2.3 / u.d, f1=0 / u.d**2
    )


def _factory(cls: type[m.TemporalModel], **options: u.Quantity) -> Temporal:
    return lambda: cls(t_ref=T_REF, **options)


LIGHT_CURVES: dict[type[m.TemporalModel], dict[str, Temporal]] = {
    m.ConstantTemporalModel: {"const": m.ConstantTemporalModel},
    m.LinearTemporalModel: {
        "linear": lambda: m.LinearTemporalModel(t_ref=T_REF, alpha=1.2, beta=2 / u.d)
    },
    m.ExpDecayTemporalModel: {
        "exp-decay": lambda: m.ExpDecayTemporalModel(t_ref=T_REF, t0=3 * u.h)
    },
    m.GaussianTemporalModel: {
        "gauss": _factory(m.GaussianTemporalModel, sigma=0.08 * u.d),
        "gauss-tt": lambda: m.GaussianTemporalModel(t_ref=T_REF, sigma=2 * u.h, scale="tt"),
    },
    m.GeneralizedGaussianTemporalModel: {
        "gauss-general": _factory(
            m.GeneralizedGaussianTemporalModel, t_rise=0.05 * u.d, t_decay=0.1 * u.d, eta=0.6
        )
    },
    m.LightCurveTemplateTemporalModel: {"light-curve": _light_curve},
    m.PowerLawTemporalModel: {
        "power-law": lambda: m.PowerLawTemporalModel(
            t_ref=Time("2019-12-31").mjd * u.d, alpha=-0.7, t0=1 * u.d
        )
    },
    m.SineTemporalModel: {
        "sine": lambda: m.SineTemporalModel(t_ref=T_REF, amp=0.4, omega=20 * u.rad / u.d)
    },
    m.TemplatePhaseCurveTemporalModel: {"phase-curve": _phase_curve},
}
