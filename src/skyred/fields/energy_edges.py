"""Fields for edges of energy bins: a list of energies, or a range and a number of bins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import FieldError, format_value, nearest
from skyred.fields.quantities import quantity
from skyred.fields.spec import REQUIRED, SPEC, FieldSpec, declare

LOWEST = "1e-9 TeV"
MAX_BINS = 10_000
KEYS = ("min", "max", "bins", "per_decade")
_EXPECTED = "expected a list of energies, or a mapping with min, max and bins"


def energy_edges(default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare edges of energy bins, stored as a read-only `astropy.units.Quantity`.

    Values are a list of energies, or a mapping with `min`, `max` and `bins`, and optionally
    `per_decade`, as for the energy axes of geometries: bins of equal width in log(energy), with
    the edges of gammapy's ``MapAxis.from_energy_bounds``.

    Parameters
    ----------
    default : list of str or Quantity or dict
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class. Its values have the shape (bins + 1,).
    """
    doc = f"{doc.rstrip('.')}: a list, or a mapping with min, max and bins (and per_decade)."
    field = quantity(REQUIRED, doc=doc, many=True, unit="TeV", min=LOWEST)
    spec: FieldSpec = field.metadata[SPEC]

    def parse(value: Any) -> Any:
        return spec.parse(_edges_from_range(value) if isinstance(value, Mapping) else value)

    return declare(attrs.evolve(spec, parse=parse), default)


def log_edges(low: u.Quantity, high: u.Quantity, bins: int, *, per_decade: bool) -> u.Quantity:
    """Return the edges of bins of equal width in log(energy).

    Parameters
    ----------
    low, high : astropy.units.Quantity
        Lowest and highest energy, which are the first and the last edge.
    bins : int
        Number of bins.
    per_decade : bool
        Whether `bins` is the number per decade; the total is rounded up.

    Returns
    -------
    astropy.units.Quantity
        The edges, shape (n + 1,), in the unit of `low`.
    """
    first, last = low.value, high.to_value(low.unit)
    n_bins = int(np.ceil(np.log10(last / first) * bins)) if per_decade else bins
    return np.geomspace(first, last, n_bins + 1) * low.unit


def _edges_from_range(settings: Mapping[str, Any]) -> u.Quantity:
    """Return the edges of a mapping with `min`, `max` and `bins`."""
    for key in settings:
        if key not in KEYS:
            raise FieldError(f"unknown key {key!r}", _EXPECTED, nearest(str(key), KEYS))
    for key in KEYS[:3]:
        if settings.get(key) is None:
            raise FieldError(f"missing key {key!r}", _EXPECTED)
    low, high = (_energy(key, settings[key]) for key in ("min", "max"))
    if low >= high:
        raise _error_at("min", f"{low} is not below max ({high})", "expected min below max")
    bins, per_decade = settings["bins"], settings.get("per_decade", False)
    if not isinstance(per_decade, bool):
        message = f"invalid value {format_value(per_decade)}"
        raise _error_at("per_decade", message, "expected true or false")
    n_decades = float(np.log10((high / low).to_value(""))) if per_decade else 1
    is_integer = isinstance(bins, int) and not isinstance(bins, bool)
    if not is_integer or not 1 <= bins <= MAX_BINS / max(n_decades, 1):
        message = f"invalid value {format_value(bins)}"
        raise _error_at("bins", message, f"expected an integer, and at most {MAX_BINS} bins")
    return log_edges(low, high, bins, per_decade=per_decade)


def _energy(key: str, value: Any) -> u.Quantity:
    spec: FieldSpec = quantity(doc="An energy.", unit="TeV", min=LOWEST).metadata[SPEC]
    try:
        return spec.parse(value)
    except FieldError as error:
        raise _error_at(key, error.problem.message, error.problem.expected) from None


def _error_at(key: str, message: str, expected: str) -> FieldError:
    """Return an error whose problem has the path of a key."""
    error = FieldError(message, expected)
    error.problem = error.problem.with_prefix(key)
    return error
