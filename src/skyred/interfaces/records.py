"""What is written down about a run: frozen records, handed to plugins and saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.io.html import Html, bold, join, page, paragraph, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = ("select", "reduce", "model", "fit", "estimate")
STATUSES = ("made", "cached", "skipped", "failed")


@attrs.frozen
class Owner:
    """Who a component comes from: the distribution, its version and the plugin's name.

    A one-file plugin has its `file` and the `source` that was read from it, the file's name as
    distribution and its sum as version.
    """

    distribution: str
    version: str
    plugin: str
    file: str = attrs.field(default="", eq=False)  # where it lies plays no part
    source: bytes = attrs.field(default=b"", eq=False, repr=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (plugin {self.plugin!r})"


@attrs.frozen
class Outcome:
    """What became of one observation.

    Parameters
    ----------
    entry : str
        The `data:` entry that asked for it.
    obs_id : int
        The observation.
    status : {"made", "cached", "skipped", "failed"}
        What became of it.
    reason : str
        Why it was skipped, or the error it failed with.
    maker : str
        The kind of the maker that skipped or failed it, and whose it is.
    traceback : str
        Where it failed.
    notes : tuple of str
        What libraries warned of while it was made.
    seconds : float
        Time spent on it, in seconds.
    counts : int
        Counts inside its safe mask.
    background_norm : float
        The fitted norm of its background; NaN if none was fitted.
    """

    entry: str
    obs_id: int
    status: str = attrs.field(validator=attrs.validators.in_(STATUSES))
    reason: str = ""
    maker: str = ""
    traceback: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    counts: int = 0
    background_norm: float = float("nan")


@attrs.frozen
class StepRecord:
    """One step of a run, finished: its name, time in seconds, and what it says of itself.

    `inputs` are the files that it read, and `sums` the sha256 of those of which it was taken.
    """

    name: str
    seconds: float
    summary: str = ""
    inputs: tuple[Path, ...] = ()
    sums: Mapping[Path, str] = attrs.field(factory=dict)


@attrs.frozen
class Run:
    """A run that watchers see.

    Parameters
    ----------
    config : str
        The complete, normalised configuration as YAML ("" if the pipeline has none).
    digest : str
        The pipeline's digest ("" if it has none).
    folder : Path or None
        Where the run is being written; before publication this is the staging folder.
    steps : tuple of str
        The steps that will be taken.
    observations : int
        How many observations will be reduced; 0 until they are selected.
    replaced : tuple of str
        Steps whose result was replaced from Python: what follows is not of `config` alone.
    """

    config: str = ""
    digest: str = ""
    folder: Path | None = None
    steps: tuple[str, ...] = STEPS
    observations: int = 0
    replaced: tuple[str, ...] = ()


@attrs.frozen
class Report:
    """How a run ended, for watchers of its end.

    Parameters
    ----------
    state : {"finished", "failed", "interrupted"}
        How it ended.
    error : str
        What it ended with, if not well.
    steps : tuple of StepRecord
        The steps that were taken.
    outcomes : tuple of Outcome
        One for each requested observation.
    watchers : tuple of str
        What went wrong in plugins that watch.
    owners : tuple of Owner
        Whose components took part.
    result : object
        The `skyred.Result` as far as it got.
    engine : mapping of str to object
        Where the work ran: the engine's kind and options.
    """

    state: str
    error: str
    steps: tuple[StepRecord, ...]
    outcomes: tuple[Outcome, ...]
    watchers: tuple[str, ...]
    owners: tuple[Owner, ...]
    result: Any
    engine: Mapping[str, Any] = attrs.field(factory=dict)


def _array(value: Any) -> NDArray[np.float64]:
    # a copy: the record must not change when its maker goes on working with the array
    array = np.array(value, dtype=float)
    array.setflags(write=False)
    return array


def _maybe_array(value: Any) -> NDArray[np.float64] | None:
    return None if value is None else _array(value)


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.frozen(kw_only=True, eq=False)
class FitResult:
    """What a fitter found, parameter by parameter in the order of the objective.

    Parameters
    ----------
    names, units : tuple of str
        Names and units of the free parameters, shape (n,).
    values, errors : array
        Best values and their symmetric errors, in those units, shape (n,).
    covariance : array
        Covariance matrix, shape (n, n).
    stat : float
        The fit statistic (-2 log L, with priors) at the best values.
    success : bool
        Whether this is a minimum with a valid covariance. Never true for a fit that is not.
    message : str
        What the fitter says; where `success` is false, why.
    nfev : int
        Calls of the objective and its derivatives.
    edm : float
        Estimated distance to the minimum.
    at_limit : tuple of str
        Parameters that ended at one of their limits.
    samples, weights : array, optional
        Posterior samples, shape (m, n), and their weights, shape (m,).
    evidence, evidence_error : float, optional
        Natural logarithm of the evidence, and its error.
    notes : tuple of str
        What should be known of it, such as what was evaluated by gammapy itself, and why.
    errn, errp : array, optional
        Asymmetric errors, downwards and upwards, both positive, shape (n,).
    unconstrained : tuple of str
        Parameters that the likelihood does not constrain; errors of the others may hold all the
        same.
    """

    names: tuple[str, ...] = attrs.field(converter=_texts)
    units: tuple[str, ...] = attrs.field(converter=_texts)
    values: NDArray[np.float64] = attrs.field(converter=_array)
    errors: NDArray[np.float64] = attrs.field(converter=_array)
    covariance: NDArray[np.float64] = attrs.field(converter=_array)
    stat: float = attrs.field(converter=float)
    success: bool = attrs.field(converter=bool)
    message: str = ""
    nfev: int = 0
    edm: float = float("nan")
    at_limit: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    samples: NDArray[np.float64] | None = attrs.field(default=None, converter=_maybe_array)
    weights: NDArray[np.float64] | None = attrs.field(default=None, converter=_maybe_array)
    evidence: float | None = None
    evidence_error: float | None = None
    notes: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    errn: NDArray[np.float64] | None = attrs.field(default=None, converter=_maybe_array)
    errp: NDArray[np.float64] | None = attrs.field(default=None, converter=_maybe_array)
    unconstrained: tuple[str, ...] = attrs.field(default=(), converter=_texts)

    def to_dict(self) -> dict[str, Any]:
        """Give plain Python values, all that `from_dict` needs."""
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
        """Build the result that `to_dict` described."""
        return cls(**data)

    def __str__(self) -> str:
        width = max((len(name) for name in self.names), default=0)
        lines = [self._line(index, width) for index in range(len(self.names))]
        head = f"{self._verdict}: {self._quality}"
        return "\n".join([head, *lines, *(f"  note: {note}" for note in self.notes)])

    @property
    def _verdict(self) -> str:
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
        if self.errn is not None and self.errp is not None:
            return f"-{self.errn[index]:.2g} +{self.errp[index]:.2g}"
        return f"+- {self.errors[index]:.2g}"

    def _repr_html_(self) -> str:
        return page(self.html())

    def html(self) -> Html:
        """Give it as a notebook shows it."""
        errors = [self._error(index).replace("+-", "\N{PLUS-MINUS SIGN}")
                  for index in range(len(self.names))]  # fmt: skip
        remarks = [bold("at its limit") if name in self.at_limit else "" for name in self.names]
        values = [f"{value:.5g}" for value in self.values]
        rows = zip(self.names, values, errors, self.units, remarks, strict=True)
        return join(
            paragraph("The fit ", bold(self._verdict), ": ", self._quality),
            table(("Parameter", "Value", "Error", "Unit", ""), rows),
            *(paragraph("Note: ", note) for note in self.notes),
        )
