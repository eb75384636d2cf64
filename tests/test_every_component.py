"""Property tests of random instances of all components.

The conformance checks are tested in `tests/testing`.
"""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from component_strategies import field_values, instances
from skyred import Pipeline
from skyred.config import Document, dump
from skyred.config.structure import Structurer
from skyred.errors import FieldError
from skyred.fields import specs
from skyred.interfaces import ROLES, Component
from skyred.plugins import Catalog, Plugins

CATALOG = Plugins.load().catalog
CLASSES = sorted((entry.cls for entry in CATALOG), key=lambda cls: (cls.role, cls.kind))
component_settings = settings(
    max_examples=80, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


def build_from_yaml(content: str, cls: type[Any], catalog: Catalog = CATALOG) -> Any:
    """Build an instance without the checks of the pipeline, which random names would not pass."""
    structurer = Structurer(catalog, Document.parse(content).problems)
    instance = structurer.build(cls, Document.parse(content).data)
    assert structurer.problems == []
    return instance


@pytest.mark.slow
@component_settings
@given(data=st.data())
def test_component_reads_back_from_yaml_and_pickle(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(CLASSES))
    instance = data.draw(instances(CATALOG, cls))
    copy = pickle.loads(pickle.dumps(instance))
    assert copy == instance
    assert copy.to_plain(complete=True) == instance.to_plain(complete=True)
    for complete in (False, True):
        content = dump(instance.to_plain(complete))
        copy = build_from_yaml(content, ROLES[cls.role])
        assert copy == instance
        assert hash(copy) == hash(instance)
        assert copy.digest() == instance.digest()
        assert dump(copy.to_plain(complete)) == content


@component_settings
@given(data=st.data())
def test_every_option_affects_equality_and_digest(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from([cls for cls in CLASSES if specs(cls)]))
    instance = data.draw(instances(CATALOG, cls))
    name, spec = data.draw(st.sampled_from(list(specs(cls).items())))
    new_value = data.draw(field_values(CATALOG, cls, name, spec))
    try:
        changed = instance.evolve(**{name: new_value})
    except FieldError:
        assume(False)
    is_same = spec.key(getattr(changed, name)) == (
        None if getattr(instance, name) is None else spec.key(getattr(instance, name))
    )
    assert (changed == instance) is is_same
    assert (changed.digest() == instance.digest()) is is_same


@pytest.mark.slow
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_pipeline_reads_back_from_yaml(data: st.DataObject) -> None:
    fields = {
        name: data.draw(field_values(CATALOG, Pipeline, name, spec))
        for name, spec in specs(Pipeline).items()
    }
    pipeline = Pipeline(**fields)
    for complete in (False, True):
        copy = build_from_yaml(pipeline.to_yaml(complete=complete), Pipeline)
        assert copy == pipeline
        assert copy.digest() == pipeline.digest()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.role}-{cls.kind}")
def test_every_field_has_a_type_name(cls: type[Component]) -> None:
    for name, spec in specs(cls).items():
        assert spec.type_name, name
