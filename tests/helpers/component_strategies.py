"""Hypothesis strategies for random instances of any component, from its declared fields."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from hypothesis import assume, strategies as st

from skyred.components.gammapy import Alternative
from skyred.errors import FieldError
from skyred.fields import REQUIRED, FieldSpec, default_of, specs
from skyred.interfaces import Component, DataEntry, Fields, ReducedData, Reduction
from skyred.plugins import Catalog

# strings that a YAML reader could interpret as another type
STRINGS = st.sampled_from(
    ["crab", "Crab nebula", "yes", "null", "1e3", "0x10", "2004-12-06", "~", "a: b", "# no", "- x",
     "'", '"', "ü", "1_000", ".inf", "{a}", "[b]", "*c", "&d", "!e", "%f", "@g", "12:30", "off", ""]
) | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6)  # fmt: skip
NAMES = st.sampled_from(["hess", "a.b", "1", "yes", "1e3", "null", "2004-12-06", "a+-_", "x" * 80])
PLAIN = st.recursive(
    st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(STRINGS, inner, max_size=2),
    max_leaves=4,
)
NUMBERS = st.integers(1, 99999).flatmap(
    lambda mantissa: st.integers(-4, 2).map(lambda exponent: mantissa * 10.0**exponent)
)
LOCATIONS = st.sampled_from(
    ["$SOMEWHERE/a b", "${SOMEWHERE}/c", "~/d", "sim:crab?runs=2", "e.fits"]
)
REGIONS = st.sampled_from(
    ["icrs; circle(83.63, 22.14, 0.2)", "galactic; box(1, 2, 3, 4, 5)", "a.reg", "$B/mask.fits"]
)
LON = st.floats(0, 360).map(lambda angle: f"{angle!r} deg")
LAT = st.floats(-90, 90).map(lambda angle: f"{angle!r} deg")
POSITIONS = st.tuples(LON, LAT).map(list) | st.fixed_dictionaries(
    {"lon": LON, "lat": LAT, "frame": st.sampled_from(["icrs", "galactic"])}
)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(datetime.isoformat)


def raw_values(spec: FieldSpec) -> st.SearchStrategy[Any]:
    """Return a strategy for valid YAML values of a leaf field."""
    type_name = spec.type_name
    if type_name.startswith("a list of quantities"):
        numbers = st.lists(NUMBERS, min_size=2, max_size=4, unique=True).map(sorted)
        strategy: Any = numbers.map(lambda values: [f"{value!r} {spec.unit}" for value in values])
    elif type_name.startswith("a list of values, each "):
        item_type = type_name.removeprefix("a list of values, each ")
        strategy = st.lists(_single_value(item_type, spec), min_size=1, max_size=3)
    else:
        strategy = _single_value(type_name, spec)
    return strategy.filter(lambda raw: _is_valid(spec, raw))


def _single_value(type_name: str, spec: FieldSpec) -> st.SearchStrategy[Any]:
    if type_name.startswith("one of "):
        return st.sampled_from(type_name.removeprefix("one of ").split(", "))
    bounds = [
        float(number) for number in re.findall(r"(?:from|to|least|most) (-?[\d.e+-]+)", type_name)
    ]
    low = bounds[0] if bounds else -1000.0
    high = bounds[1] if len(bounds) > 1 else low + 2000.0
    if type_name.startswith("an integer"):
        return st.integers(int(low), int(high))
    if re.match("a number (from|of)|a number$", type_name):
        return st.floats(low, high)
    strategies = {
        "true or false": st.booleans(),
        "a string": STRINGS,
        "a string or number": STRINGS | st.integers(-9, 9),
        "a number, with or without a unit": NUMBERS.map(lambda number: f"{number!r} deg"),
        "a name": NAMES,
        "a mapping": st.dictionaries(STRINGS, PLAIN, max_size=3),
        "a location": LOCATIONS,
        "a position on the sky": POSITIONS,
        "regions of the sky": st.lists(REGIONS, min_size=1, max_size=2),
        "a date and time": INSTANTS,
        "a phase interval, or a list of phase intervals": st.sampled_from(
            [[0.1, 0.2], [[0, 0.05], [0.1, 0.4]], [0.9, 0.1], [[0.6, 0.7]]]
        ),
    }
    if type_name in strategies:
        return strategies[type_name]
    if spec.unit or type_name == "a number without a unit":
        return NUMBERS.map(lambda number: f"{number!r} {spec.unit}".rstrip())
    raise AssertionError(
        f"no strategy for {type_name!r}: add one to tests/helpers/component_strategies.py"
    )


def _is_valid(spec: FieldSpec, raw: Any) -> bool:
    try:
        spec.parse(raw)
    except FieldError:
        return False
    return True


# strategies for classes and fields whose validation rejects most random values
SPECIAL: dict[str, Any] = {
    "EnergyAxis": st.one_of(
        st.builds(
            lambda low, factor, bins, per_decade: {
                "min": f"{low!r} TeV", "max": f"{low * factor!r} TeV", "bins": bins,
                "per_decade": per_decade,
            },
            st.floats(0.01, 1), st.floats(2, 100), st.integers(1, 20), st.booleans(),
        ),
        st.lists(st.floats(0.01, 100), min_size=2, max_size=4, unique=True).map(
            lambda edges: {"edges": [f"{edge!r} TeV" for edge in sorted(edges)]}
        ),
    ),
    "Source.spectral": st.dictionaries(STRINGS, PLAIN, max_size=3).map(
        lambda options: {**options, "type": "pl"}
    ),
    "Source.spatial": st.none() | st.just({"type": "point", "lon_0": "83.6 deg"}),
    "Source.temporal": st.none() | st.just({"type": "const"}),
    "Absorption": st.builds(
        lambda table, redshift: {**table, "redshift": redshift},
        st.sampled_from([{"ebl": "dominguez"}, {"file": "ebl.fits"}]), st.floats(0, 2),
    ),
    "Alternative.replace": st.sampled_from(
        [{}, {"crab": {"spectral": {"type": "pl", "index": 2}}}, {"a": {"spatial": None}}]
    ),
    "TemplateSource.spectral": st.just({"type": "pl"}),
    "TemplateSource.spatial": st.none() | st.just({"type": "point", "lon_0": "83.6 deg"}),
    "CountsTemplate.spectral": st.just({"type": "pl-norm"}),
    "ModelComparison.alternatives": st.sampled_from([["a"], ["b", "c"]]).map(
        lambda names: [Alternative(name=name, without=["crab"]) for name in names]
    ),
    "CatalogSources": st.builds(
        lambda catalog, options: {"catalog": catalog, **options},
        st.sampled_from(["3fhl", "gamma-cat"]),
        st.sampled_from(
            [{"sources": ["Crab"]}, {"center": ["83 deg", "22 deg"], "radius": "1 deg"}]
        ),
    ),
    "Freeze": st.sampled_from([{}, {"center": ["1 deg", "2 deg"], "within": "1 deg"}]),
    "Free": st.sampled_from([{}, {"around": "crab", "beyond": "1 deg", "min_ts": 9.0}]),
    "AdaptiveRingBackground": st.builds(
        lambda r_in, width, margin, alpha, method: {
            "r_in": f"{r_in!r} deg", "width": f"{width!r} deg", "threshold_alpha": alpha,
            "r_out_max": f"{r_in + width + margin!r} deg", "method": method,
        },
        st.floats(0, 2), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 1),
        st.sampled_from(["fixed_width", "fixed_r_in"]),
    ),
    "GroupRuns": st.one_of(
        st.fixed_dictionaries({"by": st.sampled_from(["night", "telescope"])}),
        st.builds(lambda name: {"by": "column", "column": name}, STRINGS),
        st.builds(
            lambda low, width: {"by": "zenith", "edges": [f"{low!r} deg", f"{low + width!r} deg"]},
            st.floats(0, 40), st.floats(1, 40),
        ),
        st.lists(INSTANTS, min_size=2, max_size=3, unique=True).map(
            lambda times: {"by": "time", "times": sorted(times)}
        ),
        st.builds(
            lambda width, start: {"by": "time", "width": f"{width!r} d", "start": start},
            st.floats(0.01, 30), INSTANTS,
        ),
    ),
    "PhaseBackground": st.builds(
        lambda edges, wraps, column: {
            "on_phase": [edges[0], edges[1]] if not wraps else [edges[3], edges[1]],
            "off_phase": [[edges[2], edges[3]]], "column": column,
        },
        st.lists(st.floats(0, 1), min_size=4, max_size=4, unique=True).map(sorted),
        st.booleans(), STRINGS,
    ),
    "ReflectedRegions": st.one_of(
        st.builds(
            lambda number, exclude: {
                "finder": "wobble", "n_off_regions": number, "exclude": exclude,
            },
            st.integers(1, 9), st.lists(REGIONS, max_size=2),
        ),
        st.builds(
            lambda step, distance, number: {
                "angle_increment": f"{step!r} rad", "min_distance": f"{distance!r} rad",
                "max_region_number": number,
            },
            st.floats(0.01, 1), st.floats(0, 1), st.integers(1, 99),
        ),
    ),
    "ColumnRange": st.one_of(
        st.fixed_dictionaries({"column": STRINGS, "values": st.lists(STRINGS, min_size=1)}),
        st.fixed_dictionaries(
            {"column": STRINGS, "min": st.just("1 deg"), "max": st.just("9 deg")}
        ),
    ),
}  # fmt: skip


def instances(catalog: Catalog, cls: type[Fields]) -> st.SearchStrategy[Any]:
    """Return a strategy for instances of a component or value class."""

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        if cls.__name__ in SPECIAL:
            return cls(**draw(SPECIAL[cls.__name__]))
        options: dict[str, Any] = {}
        for name, spec in specs(cls).items():
            if default_of(cls, name) is not REQUIRED and draw(st.booleans()):
                continue
            options[name] = draw(field_values(catalog, cls, name, spec))
        try:
            return cls(**options)
        except FieldError:
            assume(False)

    return build()


def field_values(
    catalog: Catalog, cls: type[Fields], name: str, spec: FieldSpec
) -> st.SearchStrategy[Any]:
    """Return a strategy for values of one field."""
    special = SPECIAL.get(f"{cls.__name__}.{name}")
    if special is not None:
        return special
    if spec.shape == "leaf":
        return raw_values(spec)
    assert spec.of is not None
    instance = instances_of(catalog, spec.of)
    if spec.shape == "one":
        return instance
    if spec.shape == "many":
        return st.lists(instance, min_size=1, max_size=2)
    return st.dictionaries(NAMES, instance, min_size=1, max_size=2)


def instances_of(catalog: Catalog, cls: type[Fields]) -> st.SearchStrategy[Any]:
    """Return a strategy for instances of a value class, or of any component of a role."""
    if cls is DataEntry:
        classes: list[type[Fields]] = [Reduction, ReducedData]
    elif issubclass(cls, Component):
        classes = [entry.cls for entry in catalog if entry.cls.role == cls.role]
    else:
        return instances(catalog, cls)
    return st.sampled_from(classes).flatmap(lambda subclass: instances(catalog, subclass))
