"""Nested objects and locations are listed with their paths."""

from skyred import FitRange, ReducedData
from skyred.interfaces import locations, walk
from toys import toy_pipeline

FIT_RANGE = FitRange(energy=["1 TeV", "2 TeV"])
DATA = ReducedData(datasets=["$DATA/a.fits", "b.fits"], fit_range=FIT_RANGE)


def test_nested_objects_are_listed_after_the_objects_that_contain_them() -> None:
    assert list(walk(DATA)) == [((), DATA), (("fit_range",), FIT_RANGE)]


def test_paths_contain_names_and_indices() -> None:
    pipeline = toy_pipeline()
    (name, reduction), *_ = pipeline.entries()
    objects_by_path = dict(walk(pipeline))
    assert objects_by_path["data", name, "make", 0] is reduction.make[0]
    assert objects_by_path["data", name, "stack"] is reduction.stack


def test_locations_are_not_expanded() -> None:
    assert list(locations(DATA)) == [
        (("datasets", 0), "$DATA/a.fits"),
        (("datasets", 1), "b.fits"),
    ]


def test_path_of_one_location_has_no_index() -> None:
    assert list(locations(ReducedData(datasets=["a.fits"]))) == [(("datasets",), "a.fits")]
