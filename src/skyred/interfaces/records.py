"""Frozen records of a run and of a fit, passed to plugins and saved in the run folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.interfaces.outcome import STATUSES, Outcome
from skyred.io.html import Html, bold, join, paragraph, styled_div, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "STATUSES", "STEPS", "FitResult", "Outcome", "Owner", "Report", "Run", "StepRecord",
]  # fmt: skip

STEPS = ("select", "reduce", "model", "fit", "estimate")


@attrs.frozen
class Owner:
    """The distribution, version and plugin that a component comes from.

    Parameters
    ----------
    distribution : str
        The name of the distribution; for a one-file plugin, the name of the file.
    version : str
        The version of the distribution; for a one-file plugin, its checksum.
    plugin : str
        The name of the plugin.
    file : str
        The path of a one-file plugin; "" for installed plugins. Ignored in comparisons.
    source : bytes
        The content of a one-file plugin. Ignored in comparisons.
    """

    distribution: str
    version: str
    plugin: str
    file: str = attrs.field(default="", eq=False)  # it may differ between workers
    source: bytes = attrs.field(default=b"", eq=False, repr=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (plugin {self.plugin!r})"


@attrs.frozen
class StepRecord:
    """The record of a finished step of a run.

    Parameters
    ----------
    name : str
        The name of the step, one of `STEPS`.
    seconds : float
        The duration, in seconds.
    summary : str
        A one-line summary of the result.
    inputs : tuple of Path
        The files that were read.
    sums : mapping of Path to str
        The sha256 checksums of input files, for those that were computed.
    notes : tuple of str
        Details, such as sources that were left out of the models, or whose parameters were frozen.
    """

    name: str
    seconds: float
    summary: str = ""
    inputs: tuple[Path, ...] = ()
    sums: Mapping[Path, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


@attrs.frozen
class Run:
    """A description of the run, passed to lifecycle hooks.

    Parameters
    ----------
    config : str or callable
        The complete, normalised configuration as YAML ("" if the pipeline has none), or a function
        that returns it.
    digest : str
        The pipeline's digest ("" if it has none).
    folder : Path or None
        The folder that the run is written to: the staging folder, until the run is published.
    steps : tuple of str
        The steps that will be executed.
    observations : int
        The number of observations to reduce; 0 until they are selected.
    replaced : tuple of str
        Steps with outputs that were replaced from Python, so that later outputs do not depend on
        `config` alone.
    plots : bool
        Whether plots are drawn in the folder.
    """

    _config: str | Callable[[], str] = attrs.field(default="", repr=False, eq=False)
    digest: str = ""
    folder: Path | None = None
    steps: tuple[str, ...] = STEPS
    observations: int = 0
    replaced: tuple[str, ...] = ()
    plots: bool = True

    @property
    def config(self) -> str:
        """The complete, normalised configuration as YAML ("" if the pipeline has none)."""
        return self._config if isinstance(self._config, str) else self._config()


@attrs.frozen
class Report:
    """The report at the end of a finished, failed or interrupted run.

    Parameters
    ----------
    state : {"finished", "failed", "interrupted"}
        The final state.
    error : str
        The error message; "" if there was no error.
    steps : tuple of StepRecord
        The steps that were executed.
    outcomes : tuple of Outcome
        One for each requested observation.
    watchers : tuple of str
        Messages about lifecycle hooks of plugins that raised errors or damaged the run folder.
    owners : tuple of Owner
        The owners of the components that were used.
    result : object
        The `skyred.Result`, complete up to the last step that was executed.
    engine : mapping of str to object
        The kind and options of the engine.
    watcher_seconds : mapping of str to float
        The time that the lifecycle hooks of each plugin took; no step includes it.
    """

    state: str
    error: str
    steps: tuple[StepRecord, ...]
    outcomes: tuple[Outcome, ...]
    watchers: tuple[str, ...]
    owners: tuple[Owner, ...]
    result: Any
    engine: Mapping[str, Any] = attrs.field(factory=dict)
    watcher_seconds: Mapping[str, float] = attrs.field(factory=dict)


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

    @property
    def confidence_level(self) -> float:
        """The probability that corresponds to `n_sigma`: 0.683 for 1."""
        return math.erf(self.n_sigma / math.sqrt(2))

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
