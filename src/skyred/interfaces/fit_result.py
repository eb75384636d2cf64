"""The result of a fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.io.html import Html, bold, join, paragraph, styled_div, table

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray


def _array(value: Any) -> NDArray[np.float64]:
    # a copy: the record must not change when the caller modifies the array
    array = np.array(value, dtype=float)
    array.setflags(write=False)
    return array


def _optional_array(value: Any) -> NDArray[np.float64] | None:
    return None if value is None else _array(value)


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.frozen(kw_only=True, eq=False)
class FitResult:
    """The result of a fit, with the parameters in the order of the objective.

    Parameters
    ----------
    names, units : tuple of str
        Names and units of the free parameters, shape (n,).
    values, errors : array
        Best-fit values and their symmetric errors, in `units`, shape (n,).
    covariance : array
        Covariance matrix, shape (n, n).
    stat : float
        The fit statistic (-2 log L, with priors) at the best-fit values.
    success : bool
        Whether the fit converged to a minimum with a valid covariance matrix.
    message : str
        The message of the fitter; if `success` is False, the reason.
    nfev : int
        The number of calls of the objective and its derivatives.
    edm : float
        Estimated vertical distance to the minimum of the statistic.
    at_limit : tuple of str
        Parameters that ended at one of their limits.
    samples, weights : array, optional
        Posterior samples, shape (m, n), and their weights, shape (m,).
    evidence, evidence_error : float, optional
        Natural logarithm of the evidence, and its error.
    notes : tuple of str
        Remarks on the fit, such as models that were evaluated by gammapy, with the reason.
    errn, errp : array, optional
        Asymmetric errors, downwards and upwards, both positive, shape (n,); NaN where they were not
        computed.
    unconstrained : tuple of str
        Parameters that the likelihood does not constrain; errors of the other parameters may still
        be valid.
    n_sigma : float
        The confidence level of `errn` and `errp`, in standard deviations.
    trace : array, optional
        The evaluations of the statistic, in their order, shape (m, n + 1): the statistic with
        priors, and the values of the parameters. `trace_table` returns it with names and units.
    """

    names: tuple[str, ...] = attrs.field(converter=_strings)
    units: tuple[str, ...] = attrs.field(converter=_strings)
    values: NDArray[np.float64] = attrs.field(converter=_array)
    errors: NDArray[np.float64] = attrs.field(converter=_array)
    covariance: NDArray[np.float64] = attrs.field(converter=_array)
    stat: float = attrs.field(converter=float)
    success: bool = attrs.field(converter=bool)
    message: str = ""
    nfev: int = 0
    edm: float = float("nan")
    at_limit: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    samples: NDArray[np.float64] | None = attrs.field(default=None, converter=_optional_array)
    weights: NDArray[np.float64] | None = attrs.field(default=None, converter=_optional_array)
    evidence: float | None = None
    evidence_error: float | None = None
    notes: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    errn: NDArray[np.float64] | None = attrs.field(default=None, converter=_optional_array)
    errp: NDArray[np.float64] | None = attrs.field(default=None, converter=_optional_array)
    unconstrained: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    n_sigma: float = attrs.field(default=1.0, converter=float)
    trace: NDArray[np.float64] | None = attrs.field(default=None, converter=_optional_array)

    @property
    def confidence_level(self) -> float:
        """The probability that corresponds to `n_sigma`: 0.683 for 1."""
        return math.erf(self.n_sigma / math.sqrt(2))

    def trace_table(self) -> Table:
        """Return the evaluations of the statistic as a table, as gammapy's `FitResult.trace`.

        Returns
        -------
        Table
            A row for each evaluation, in their order: `total_stat`, and a column for each
            parameter, with its unit.

        Raises
        ------
        ValueError
            If the fitter did not store the evaluations.
        """
        from astropy.table import Column, Table
        from astropy.units import Unit

        if self.trace is None:
            raise ValueError("the fit has no trace: set the option store_trace of the fitter")
        columns = [Column(self.trace[:, 0], "total_stat")]
        for name, unit, values in zip(self.names, self.units, self.trace.T[1:], strict=True):
            columns.append(Column(values, name, unit=Unit(unit, parse_strict="silent")))
        return Table(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain Python values.

        Returns
        -------
        dict of str to object
            The fields that are set, with arrays and tuples as lists, as `from_dict` expects them.
        """
        return {
            name: value.tolist()
            if isinstance(value, np.ndarray)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in attrs.asdict(self, recurse=False).items()
            if value is not None
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FitResult:
        """Create a result from plain Python values.

        Parameters
        ----------
        data : mapping of str to object
            The fields, as returned by `to_dict`.

        Returns
        -------
        FitResult
            The result.
        """
        return cls(**data)

    def __str__(self) -> str:
        width = max((len(name) for name in self.names), default=0)
        lines = [self._line(index, width) for index in range(len(self.names))]
        header = f"{self._status}: {self._quality}"
        notes = (f"  note: {note}" for note in self.notes)
        return "\n".join([header, *lines, *(f"  {line}" for line in self._error_levels), *notes])

    @property
    def _error_levels(self) -> tuple[str, ...]:
        """The confidence level of asymmetric errors, if there are any."""
        if self.errn is None:
            return ()
        return (
            f"asymmetric errors: {self.n_sigma:g} sigma ({self.confidence_level:.2%} confidence)",
        )

    @property
    def _status(self) -> str:
        return "converged" if self.success else "did NOT converge"

    @property
    def _quality(self) -> str:
        quality = f"stat {self.stat:.2f} after {self.nfev} calls"
        if self.evidence is None:
            quality += f", edm {self.edm:.1e}"
        else:
            error = "" if self.evidence_error is None else f" +- {self.evidence_error:.2f}"
            quality += f", log evidence {self.evidence:.2f}{error}"
        return quality + (f" ({self.message})" if self.message else "")

    def _line(self, index: int, width: int) -> str:
        name, error = self.names[index], self._error(index)
        line = f"  {name:<{width}}  {self.values[index]: .5g} {error} {self.units[index]}".rstrip()
        return line + ("  (at its limit)" if name in self.at_limit else "")

    def _error(self, index: int) -> str:
        if (
            self.errn is not None
            and self.errp is not None
            and not (np.isnan(self.errn[index]) and np.isnan(self.errp[index]))
        ):
            return f"-{self.errn[index]:.2g} +{self.errp[index]:.2g}"
        return f"+- {self.errors[index]:.2g}"

    def _repr_html_(self) -> str:
        return styled_div(self.html())

    def html(self) -> Html:
        """Return the result as HTML for notebooks.

        Returns
        -------
        Html
            A paragraph with the status, a table of the parameters, and the notes.
        """
        errors = [self._error(index).replace("+-", "\N{PLUS-MINUS SIGN}")
                  for index in range(len(self.names))]  # fmt: skip
        remarks = [bold("at its limit") if name in self.at_limit else "" for name in self.names]
        values = [f"{value:.5g}" for value in self.values]
        rows = zip(self.names, values, errors, self.units, remarks, strict=True)
        return join(
            paragraph("The fit ", bold(self._status), ": ", self._quality),
            table(("Parameter", "Value", "Error", "Unit", ""), rows),
            *(paragraph(line) for line in self._error_levels),
            *(paragraph("Note: ", note) for note in self.notes),
        )
