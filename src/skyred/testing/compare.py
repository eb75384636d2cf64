"""The contents of gammapy objects as named arrays and strings, and their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from astropy import units as u

_DATASET_PARTS = (
    "counts", "exposure", "background", "psf", "edisp", "mask_safe", "mask_fit", "gti",
    "counts_off", "acceptance", "acceptance_off", "meta_table", "data",
)  # fmt: skip
_OBSERVATION_PARTS = ("events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "pointing", "meta")

Contents = dict[str, Any]


def contents(item: Any) -> Contents:
    """Return the contents of an object as arrays and strings by name.

    Parameters
    ----------
    item : object
        A table, map, IRF, event list, dataset, observation, model or plain value, good time
        intervals, or a list or mapping of such objects.

    Returns
    -------
    dict of str to array or str
        The contents by dotted name.
    """
    return dict(_walk(item, ""))


def differences(before: Contents, after: Contents, rtol: float = 0.0) -> list[str]:
    """Return the differences between the contents of two objects.

    Floating-point values may differ by `rtol` times their own value, plus a tenth of `rtol` times
    the largest value, because sums of float32 are rounded relative to their largest term.

    Parameters
    ----------
    before, after : dict of str to array or str
        The contents.
    rtol : float
        The relative tolerance of floating-point arrays; 0 for exact equality.

    Returns
    -------
    list of str
        A message for each name that differs.
    """
    messages = [f"{name} is missing" for name in before if name not in after]
    messages += [f"{name} is new" for name in after if name not in before]
    for name in before:
        if name in after and not _is_same(before[name], after[name], rtol):
            messages.append(f"{name} differs{_describe_change(before[name], after[name])}")
    return messages


def _is_same(old: Any, new: Any, rtol: float) -> bool:
    if not (isinstance(old, np.ndarray) and isinstance(new, np.ndarray)):
        return bool(type(old) is type(new) and old == new)
    if old.shape != new.shape or old.dtype.kind != new.dtype.kind:
        return False
    if old.dtype.kind != "f":
        return bool(np.array_equal(old, new))
    if not rtol:
        return bool(np.array_equal(old, new, equal_nan=True))
    finite = np.abs(old[np.isfinite(old)])
    atol = 0.1 * rtol * finite.max() if finite.size else 0.0
    return bool(np.allclose(old, new, rtol=rtol, atol=atol, equal_nan=True))


def _describe_change(old: Any, new: Any) -> str:
    if not isinstance(old, np.ndarray):
        return f" ({old!s:.60} became {new!s:.60})"
    if old.shape != new.shape:
        return f" (shape {old.shape} became {new.shape})"
    if old.dtype.kind != new.dtype.kind:
        return f" ({old.dtype} became {new.dtype})"
    if old.dtype.kind not in "fiu":
        return f" in {int((old != new).sum())} of {old.size} values"
    return f" (sum {np.nansum(old):.8g} became {np.nansum(new):.8g})"


def _walk(item: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(item, u.Quantity):
        yield from ((name, np.array(item.value)), (f"{name}.unit", str(item.unit)))
    elif isinstance(item, np.ndarray):
        yield name, _plain_array(item)
    elif isinstance(item, Mapping):
        for key, value in item.items():
            yield from _walk(value, _join(name, str(key)))
    elif isinstance(item, Sequence) and not isinstance(item, str) and not _is_model(item):
        yield _join(name, "length"), len(item)
        for index, value in enumerate(item):
            yield from _walk(value, f"{name}[{index}]")
    else:
        yield from _walk_object(item, name)


def _walk_object(item: Any, name: str) -> Iterator[tuple[str, Any]]:
    if item is None or isinstance(item, (bool, int, float, str, np.generic)):
        yield name, item if item is None or isinstance(item, str) else repr(item)
    elif hasattr(item, "colnames"):
        yield from _walk_table(item, name)
    elif hasattr(item, "geom") and hasattr(item, "quantity"):
        yield from _walk_map(item, name)
    elif hasattr(item, "stat_type"):
        yield from _walk_dataset(item, name)
    elif hasattr(item, "available_hdus"):
        yield from _walk_observation(item, name)
    elif _is_model(item):
        yield from _walk_models(item, name)
    else:
        yield from _walk_attributes(item, name)


def _walk_attributes(item: Any, name: str) -> Iterator[tuple[str, Any]]:
    for attribute in ("table", "psf_map", "edisp_map", "exposure_map", "axes", "data", "edges"):
        value = getattr(item, attribute, None)
        if value is not None:
            yield from _walk(value, _join(name, attribute))
    if getattr(item, "unit", None) is not None:
        yield _join(name, "unit"), str(item.unit)
    if hasattr(item, "model_dump"):  # gammapy's metadata
        yield name, repr(sorted(item.model_dump(exclude={"creation"}).items()))
    elif hasattr(item, "fixed_icrs"):  # a pointing
        yield name, f"{item.mode} {item.fixed_icrs} {item.fixed_altaz}"


def _walk_table(table: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield _join(name, "columns"), " ".join(table.colnames)
    for column_name in table.colnames:
        column = table[column_name]
        yield _join(name, column_name), _plain_array(np.asarray(getattr(column, "value", column)))
        yield _join(name, f"{column_name}.unit"), str(getattr(column, "unit", None))
    yield _join(name, "meta"), repr(sorted((str(key), str(v)) for key, v in table.meta.items()))


def _walk_map(sky_map: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, np.asarray(sky_map.data)
    yield _join(name, "unit"), str(sky_map.unit)
    yield _join(name, "geom"), f"{type(sky_map.geom).__name__} {sky_map.geom.data_shape}"
    for axis in sky_map.geom.axes:
        if axis.node_type != "label" and hasattr(axis, "edges"):
            yield from _walk(axis.edges, _join(name, axis.name))
    for key, value in (sky_map.meta or {}).items():
        yield from _walk(value, _join(name, f"meta.{key}"))


def _walk_dataset(dataset: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield _join(name, "type"), type(dataset).__name__
    yield _join(name, "name"), dataset.name
    for part in _DATASET_PARTS:
        if (value := getattr(dataset, part, None)) is not None:
            yield from _walk(value, _join(name, part))
    yield _join(name, "models"), None
    if dataset.models is not None:
        yield from _walk_models(dataset.models, _join(name, "models"))


def _walk_observation(observation: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield _join(name, "obs_id"), str(observation.obs_id)
    for part in _OBSERVATION_PARTS:
        yield from _walk(getattr(observation, part, None), _join(name, part))


def _walk_models(models: Any, name: str) -> Iterator[tuple[str, Any]]:
    # not with to_dict, which writes template files
    for model in models if isinstance(models, Sequence) else [models]:
        model_name = f"{name}[{model.name}]"
        yield model_name, type(model).__name__
        for number, par in enumerate(model.parameters):
            limits = f"{par.min!r} to {par.max!r}, frozen={par.frozen}"
            yield f"{model_name}.{number}.{par.name}", f"{par.value!r} {par.unit} {limits}"
    if (covariance := getattr(models, "covariance", None)) is not None:
        yield _join(name, "covariance"), np.array(covariance.data)


def _is_model(item: Any) -> bool:
    return hasattr(item, "parameters") and hasattr(item, "covariance")


def _plain_array(array: Any) -> Any:
    return np.asarray(array.astype(str) if array.dtype.kind == "O" else array)


def _join(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part
