"""Check that components leave an observation unchanged, with copies of objects that runs share."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import Any

import attrs

from skyred.run.worker.irf_state import IrfState, is_large, iter_arrays
from skyred.run.worker.open_observation import InMemoryHDU
from skyred.run.worker.part_states import PartState, protect

IRFS = ("aeff", "edisp", "psf", "_bkg", "_rad_max")
LAZY = ("_rad_max", "_gti", "_pointing", "_meta")  # kept by gammapy once they are read
PARTS = (*IRFS, "_events", "_gti", "_pointing", "_meta", "obs_filter")
HDUS = {name: f"_{name}_hdu" for name in PARTS}  # as gammapy's LazyFitsData stores them
NAMES = (*PARTS, "obs_id", "_location", *HDUS.values())
LABELS = {
    "aeff": "effective area",
    "edisp": "energy dispersion",
    "psf": "PSF",
    "_bkg": "background",
    "_rad_max": "RAD_MAX",
    "_events": "events",
    "_gti": "good time intervals",
    "_meta": "metadata",
    "obs_filter": "filter of the events",
    "obs_id": "OBS_ID",
}
EARLY_HESS = ("SASH FITS::EventListWriter", "0.2")  # CREATOR and HDUVERS
_MISSING = object()


def protect_observation(observation: Any) -> Any:
    """Return a copy of an observation whose IRFs and events cannot be changed for other runs.

    Large arrays are read-only views, and small ones are copied. Parts that are read from the bytes
    of the inspection are protected when they are read.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The observation, not changed.

    Returns
    -------
    gammapy.data.Observation
        The copy; the observation itself if it is not one of gammapy's.
    """
    if not _is_from_gammapy(observation):  # an observation of a plugin, such as a proxy
        return observation
    protected = copy.copy(observation)
    attributes = vars(protected)
    loaded = {id(hdu.loaded) for hdu in attributes.values() if isinstance(hdu, InMemoryHDU)}
    for name in IRFS:
        irf = attributes.get(name)
        if irf is not None and id(irf) not in loaded:
            attributes[name] = _copy_irf(irf)
    events = attributes.get("_events")
    if events is not None and hasattr(events, "table"):
        attributes["_events"] = _copy_events(events)
    return protected


@attrs.frozen(eq=False)
class ObservationGuard:
    """The state of an observation before it is used by a component.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The observation, from `protect_observation`.
    values : dict of str to object
        The objects that it consists of, by attribute.
    states : dict of str to PartState
        The states of those that are not read from the bytes of the inspection, by attribute.
    """

    observation: Any
    values: dict[str, Any] = attrs.field(factory=dict)
    states: dict[str, PartState] = attrs.field(factory=dict)

    @classmethod
    def create(cls, observation: Any) -> ObservationGuard:
        """Return the guard of an observation.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The observation, from `protect_observation`.

        Returns
        -------
        ObservationGuard
            The guard; it checks nothing if the observation is not one of gammapy's.
        """
        guard = cls(observation)
        if _is_from_gammapy(observation):
            attributes = vars(observation)
            for name in NAMES:
                if name in attributes:
                    if isinstance(attributes[name], InMemoryHDU):
                        attributes[name].protect()  # a deep copy is not protected
                    guard._add(name, attributes[name])
        return guard

    def find_change(self) -> str:
        """Return which part of the observation has changed.

        Parts that gammapy has read since then, or computed from others, are no changes.

        Returns
        -------
        str
            For example "the effective area (values)"; "" if nothing has changed.
        """
        changes = list(self._iter_changes()) if self.values else []  # all axes are restored
        return changes[0] if changes else ""

    def _iter_changes(self) -> Iterator[str]:
        attributes = vars(self.observation)
        for name in NAMES:
            part, old_part = attributes.get(name, _MISSING), self.values.get(name, _MISSING)
            if part is old_part:
                continue
            if self._is_read_by_gammapy(name, part, old_part):
                self._add(name, part)
            else:
                yield f"the {_label(name)} (replaced)"
        for name, hdu_name in HDUS.items():
            for state in (self._hdu_state(name, hdu_name), self.states.get(name)):
                if state is None or not (change := state.find_change()):
                    continue
                if not self._is_reversed_by_gammapy(name, state):
                    yield f"the {_label(name)} ({change})"

    def _hdu_state(self, name: str, hdu_name: str) -> PartState | None:
        """Return the state of a part that is read from the bytes of the inspection, if it is."""
        attributes = vars(self.observation)
        hdu = attributes.get(hdu_name)
        if not isinstance(hdu, InMemoryHDU) or attributes.get(name, hdu.loaded) is not hdu.loaded:
            return None
        return hdu.state

    def _add(self, name: str, part: Any) -> None:
        self.values[name] = part
        if name not in PARTS or part is None or self._is_from_memory(name, part):
            return
        self.states[name] = protect(part)

    def _is_from_memory(self, name: str, part: Any) -> bool:
        hdu = vars(self.observation).get(HDUS.get(name, ""))
        return isinstance(hdu, InMemoryHDU) and hdu.loaded is part

    def _is_read_by_gammapy(self, name: str, part: Any, old_part: Any) -> bool:
        if name not in LAZY or not (old_part is _MISSING or old_part is None):
            return False
        hdu = vars(self.observation).get(HDUS.get(name, ""))
        if hdu is not None:
            return hdu.loaded is part if isinstance(hdu, InMemoryHDU) else True
        return name == "_rad_max" and self._is_derived(part)

    def _is_derived(self, rad_max: Any) -> bool:
        """Return whether RAD_MAX is that of point-like IRFs, as in gammapy's property."""
        from gammapy.irf import RadMax2D

        for irf in (self.observation.aeff, self.observation.edisp):
            if irf is not None and irf.is_pointlike:
                expected = RadMax2D.from_irf(irf)
                return bool(
                    rad_max is not None
                    and expected.unit == rad_max.unit
                    and expected.data.tobytes() == rad_max.data.tobytes()
                )
        return rad_max is None

    def _is_reversed_by_gammapy(self, name: str, state: PartState) -> bool:
        """Return whether only the background of an early format of H.E.S.S. was mirrored."""
        key = "_fov_alignment"
        if name != "_bkg" or not isinstance(state, IrfState) or key not in state.attributes:
            return False
        if state.irf._fov_alignment != "REVERSE_LON_RADEC" or not self._is_early_hess():
            return False
        state.attributes[key] = state.irf._fov_alignment
        return not state.find_change()

    def _is_early_hess(self) -> bool:
        hdu = vars(self.observation).get("__meta_hdu")
        # without a conversion of all metadata, which takes as long as projecting an IRF
        header = hdu.header if isinstance(hdu, InMemoryHDU) else self.observation.meta.optional
        header = header or {}
        return (header.get("CREATOR"), header.get("HDUVERS")) == EARLY_HESS


def _is_from_gammapy(observation: Any) -> bool:
    data = sys.modules.get("gammapy.data")  # not imported: there is no observation of gammapy
    return data is not None and isinstance(observation, data.Observation)


def _label(name: str) -> str:
    name = name.removesuffix("_hdu")
    name = name if name in LABELS else name.removeprefix("_")
    return LABELS.get(name, name.lstrip("_"))


def _copy_irf(irf: Any) -> Any:
    """Return a copy of an IRF: large arrays are read-only views, and the others are copied."""
    copied = copy.copy(irf)
    for name in ("meta", "interp_kwargs"):
        if isinstance(getattr(copied, name, None), dict):
            setattr(copied, name, dict(getattr(irf, name)))
    if "_data" not in vars(copied):
        return copied
    arrays = {name: _copy_array(array) for name, array in iter_arrays(irf._data)}
    if "" in arrays:
        copied._data = arrays[""]
    elif arrays and isinstance(irf._data, dict):
        copied._data = {**irf._data, **arrays}
    return copied


def _copy_array(array: Any) -> Any:
    if not is_large(array):
        return array.copy()
    view = array.view()
    view.flags.writeable = False
    return view


def _copy_events(events: Any) -> Any:
    copied = copy.copy(events)
    copied.table = events.table.copy(copy_data=False)
    return copied
