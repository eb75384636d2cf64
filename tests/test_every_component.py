"""What holds for every component that is installed, over random instances of each."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from drawing import field_values, instances, instances_of
from skyred import Pipeline
from skyred.config import Document, dump
from skyred.config.structure import Structurer
from skyred.errors import FieldError
from skyred.fields import specs
from skyred.interfaces import ROLES, Component
from skyred.plugins import Catalog, Plugins

CATALOG = Plugins.load().catalog
CLASSES = sorted((entry.cls for entry in CATALOG), key=lambda cls: (cls.role, cls.kind))
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.role}-{cls.kind}")
some = settings(
    max_examples=12, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


def read(text: str, cls: type[Any], catalog: Catalog = CATALOG) -> Any:
    """Build from YAML without the checks of the whole: random sources are in no model."""
    structurer = Structurer(catalog, Document.parse(text).problems)
    made = structurer.build(cls, Document.parse(text).data)
    assert structurer.problems == []
    return made


@each_class
@some
@given(data=st.data())
def test_a_component_reads_back_from_yaml(cls: type[Component], data: st.DataObject) -> None:
    made = data.draw(instances(CATALOG, cls))
    for complete in (False, True):
        text = dump(made.to_plain(complete))
        again = read(text, ROLES[cls.role])
        assert again == made
        assert hash(again) == hash(made)
        assert again.digest() == made.digest()
        assert dump(again.to_plain(complete)) == text


@each_class
@some
@given(data=st.data())
def test_every_option_of_a_component_matters(cls: type[Component], data: st.DataObject) -> None:
    if not specs(cls):
        return
    made = data.draw(instances(CATALOG, cls))
    name, spec = data.draw(st.sampled_from(list(specs(cls).items())))
    other = data.draw(field_values(CATALOG, cls, name, spec))
    try:
        changed = made.evolve(**{name: other})
    except FieldError:
        assume(False)
    same = spec.key(getattr(changed, name)) == (
        None if getattr(made, name) is None else spec.key(getattr(made, name))
    )
    assert (changed == made) is same
    assert (changed.digest() == made.digest()) is same


@each_class
@some
@given(data=st.data())
def test_a_component_survives_pickling(cls: type[Component], data: st.DataObject) -> None:
    made = data.draw(instances(CATALOG, cls))
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.digest() == made.digest()
    assert again.to_plain(complete=True) == made.to_plain(complete=True)


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_pipeline_of_anything_reads_back_from_its_yaml(data: st.DataObject) -> None:
    parts = {
        name: data.draw(field_values(CATALOG, Pipeline, name, spec))
        for name, spec in specs(Pipeline).items()
    }
    made = Pipeline(**parts)
    for complete in (False, True):
        again = read(made.to_yaml(complete=complete), Pipeline)
        assert again == made
        assert again.digest() == made.digest()


@each_class
def test_every_field_says_what_it_is_and_is_for(cls: type[Component]) -> None:
    for name, spec in specs(cls).items():
        assert spec.type_name, name
        assert spec.doc.endswith((".", "?")), f"{cls.kind}.{name}: a sentence ends with a stop"
        assert spec.doc[0].isupper(), f"{cls.kind}.{name}: a sentence starts with a capital"
    assert cls.summary().endswith(".")


def test_every_role_has_a_component() -> None:
    assert {cls.role for cls in CLASSES} == set(ROLES)


def test_the_kinds_of_the_example_are_installed(crab_yaml: str, tmp_path: Path) -> None:
    assert instances_of(CATALOG, ROLES["maker"]) is not None
    pipeline = Pipeline.from_yaml(crab_yaml)
    assert all(CATALOG.owner(held) for held in pipeline.components())
