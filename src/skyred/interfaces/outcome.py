"""The outcome of one observation: its status, messages and counts, and rows of the makers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from skyred.interfaces.observation_rows import ObservationRows

STATUSES = ("reduced", "cached", "skipped", "failed")
_OLD_STATUSES = {"made": "reduced"}  # in folders of earlier versions


def _current_status(status: str) -> str:
    return _OLD_STATUSES.get(status, status)


@attrs.frozen
class Outcome:
    """The outcome of one observation.

    Parameters
    ----------
    entry : str
        The data entry that requested the observation.
    obs_id : int
        The identifier of the observation.
    status : {"reduced", "cached", "skipped", "failed"}
        Whether the observation was reduced in this run, read from the cache, skipped, or failed.
    reason : str
        The reason for skipping the observation, or the error message.
    maker : str
        The component that skipped the observation or failed (role, kind and owner), or another step
        such as inspection.
    traceback : str
        The traceback of the error.
    notes : tuple of str
        Notes of the inspection and the reduction, and the warnings captured during them.
    seconds : float
        The duration of the reduction, in seconds.
    counts : int
        The number of counts inside the safe mask.
    background_norm : float
        The fitted norm of the background; NaN if none was fitted, or if the observation was cut
        into several parts.
    rows : tuple of ObservationRows
        Rows of observation tables, which the makers recorded. Ignored in comparisons, and not part
        of the observation log.
    """

    entry: str
    obs_id: int
    status: str = attrs.field(converter=_current_status, validator=attrs.validators.in_(STATUSES))
    reason: str = ""
    maker: str = ""
    traceback: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    counts: int = 0
    background_norm: float = float("nan")
    rows: tuple[ObservationRows, ...] = attrs.field(default=(), eq=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields except `rows`.

        Returns
        -------
        dict of str to object
            The values by field.
        """
        return attrs.asdict(self, filter=lambda attribute, _: attribute.name != "rows")
