"""What gammapy's objects hold, as named arrays and texts that can be compared one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from astropy import units as u

_PARTS = (
    "counts", "exposure", "background", "psf", "edisp", "mask_safe", "mask_fit", "gti",
    "counts_off", "acceptance", "acceptance_off", "meta_table", "data",
)  # fmt: skip
_OF_OBSERVATION = ("events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "pointing", "meta")

Contents = dict[str, Any]


def contents(held: Any) -> Contents:
    """Give all that an object holds: from a name to an array or a text.

    Knows tables, maps, responses, event lists, good time intervals, datasets, observations, models
    and plain values; lists and mappings of them.
    """
    return dict(_walk(held, ""))


def differences(before: Contents, after: Contents, rtol: float = 0.0) -> list[str]:
    """Name what is not the same in two contents.

    Floating-point arrays may differ by `rtol` of the value, and by a tenth of it of the largest:
    sums of float32 are rounded relative to their largest summand.
    """
    found = [f"{name} is gone" for name in before if name not in after]
    found += [f"{name} is new" for name in after if name not in before]
    for name in before:
        if name in after and not _same(before[name], after[name], rtol):
            found.append(f"{name} differs{_by(before[name], after[name])}")
    return found


def _same(one: Any, other: Any, rtol: float) -> bool:
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return bool(type(one) is type(other) and one == other)
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    if not rtol:
        return bool(np.array_equal(one, other, equal_nan=True))
    finite = np.abs(one[np.isfinite(one)])
    scale = 0.1 * rtol * finite.max() if finite.size else 0.0
    return bool(np.allclose(one, other, rtol=rtol, atol=scale, equal_nan=True))


def _by(one: Any, other: Any) -> str:
    if not isinstance(one, np.ndarray):
        return f" ({one!s:.60} became {other!s:.60})"
    if one.shape != other.shape:
        return f" (shape {one.shape} became {other.shape})"
    if one.dtype.kind != other.dtype.kind:
        return f" ({one.dtype} became {other.dtype})"
    if one.dtype.kind not in "fiu":
        return f" in {int((one != other).sum())} of {one.size} values"
    return f" (sum {np.nansum(one):.8g} became {np.nansum(other):.8g})"


def _walk(held: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(held, u.Quantity):
        yield from ((name, np.array(held.value)), (f"{name}.unit", str(held.unit)))
    elif isinstance(held, np.ndarray):
        yield name, _plain_array(held)
    elif isinstance(held, Mapping):
        for key, item in held.items():
            yield from _walk(item, _below(name, str(key)))
    elif isinstance(held, Sequence) and not isinstance(held, str) and not _is_model(held):
        yield _below(name, "length"), len(held)
        for index, item in enumerate(held):
            yield from _walk(item, f"{name}[{index}]")
    else:
        yield from _walk_object(held, name)


def _walk_object(held: Any, name: str) -> Iterator[tuple[str, Any]]:
    if held is None or isinstance(held, (bool, int, float, str, np.generic)):
        yield name, held if held is None or isinstance(held, str) else repr(held)
    elif hasattr(held, "colnames"):
        yield from _walk_table(held, name)
    elif hasattr(held, "geom") and hasattr(held, "quantity"):
        yield from _walk_map(held, name)
    elif hasattr(held, "stat_type"):
        yield from _walk_dataset(held, name)
    elif hasattr(held, "available_hdus"):
        yield from _walk_observation(held, name)
    elif _is_model(held):
        yield from _walk_models(held, name)
    else:
        yield from _walk_inner(held, name)


def _walk_inner(held: Any, name: str) -> Iterator[tuple[str, Any]]:
    for attribute in ("table", "psf_map", "edisp_map", "exposure_map", "axes", "data", "edges"):
        inner = getattr(held, attribute, None)
        if inner is not None:
            yield from _walk(inner, _below(name, attribute))
    if getattr(held, "unit", None) is not None:
        yield _below(name, "unit"), str(held.unit)
    if hasattr(held, "model_dump"):  # gammapy's metadata
        yield name, repr(sorted(held.model_dump(exclude={"creation"}).items()))
    elif hasattr(held, "fixed_icrs"):  # a pointing
        yield name, f"{held.mode} {held.fixed_icrs} {held.fixed_altaz}"


def _walk_table(table: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield _below(name, "columns"), " ".join(table.colnames)
    for column in table.colnames:
        held = table[column]
        yield _below(name, column), _plain_array(np.asarray(getattr(held, "value", held)))
        yield _below(name, f"{column}.unit"), str(getattr(held, "unit", None))
    yield _below(name, "meta"), repr(sorted((str(key), str(v)) for key, v in table.meta.items()))


def _walk_map(held: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, np.asarray(held.data)
    yield _below(name, "unit"), str(held.unit)
    yield _below(name, "geom"), f"{type(held.geom).__name__} {held.geom.data_shape}"
    for axis in held.geom.axes:
        if axis.node_type != "label" and hasattr(axis, "edges"):
            yield from _walk(axis.edges, _below(name, axis.name))
    for key, item in (held.meta or {}).items():
        yield from _walk(item, _below(name, f"meta.{key}"))


def _walk_dataset(dataset: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield _below(name, "type"), type(dataset).__name__
    yield _below(name, "name"), dataset.name
    for part in _PARTS:
        if (inner := getattr(dataset, part, None)) is not None:
            yield from _walk(inner, _below(name, part))
    yield _below(name, "models"), None
    if dataset.models is not None:
        yield from _walk_models(dataset.models, _below(name, "models"))


def _walk_observation(observation: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield _below(name, "obs_id"), str(observation.obs_id)
    for part in _OF_OBSERVATION:
        yield from _walk(getattr(observation, part, None), _below(name, part))


def _walk_models(models: Any, name: str) -> Iterator[tuple[str, Any]]:
    # not by to_dict: that writes template files
    for model in models if isinstance(models, Sequence) else [models]:
        where = f"{name}[{model.name}]"
        yield where, type(model).__name__
        for number, each in enumerate(model.parameters):
            limits = f"{each.min!r} to {each.max!r}, frozen={each.frozen}"
            yield f"{where}.{number}.{each.name}", f"{each.value!r} {each.unit} {limits}"
    if (covariance := getattr(models, "covariance", None)) is not None:
        yield _below(name, "covariance"), np.array(covariance.data)


def _is_model(held: Any) -> bool:
    return hasattr(held, "parameters") and hasattr(held, "covariance")


def _plain_array(array: Any) -> Any:
    return np.asarray(array.astype(str) if array.dtype.kind == "O" else array)


def _below(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part
