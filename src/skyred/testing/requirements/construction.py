"""Requirements for all components: construction, comparison, pickling and YAML."""

from __future__ import annotations

import pickle

from skyred.config import Document, dump, load_component
from skyred.errors import ConfigError
from skyred.fields import specs
from skyred.interfaces import ROLES, Component
from skyred.interfaces.records import Owner
from skyred.plugins import Catalog
from skyred.testing.case import ComponentCase, digest_or_skip, stored_options
from skyred.testing.construction_probe import BuildRecord, shared_probe
from skyred.testing.requirement import RequirementViolated, require, requirement
from skyred.testing.variations import variations


@requirement(
    "is frozen",
    fix="Add @component above the class, and do not define __setattr__: if a component changes, "
    "its digest and the cache become invalid.",
)
def is_frozen(case: ComponentCase) -> None:
    """Check that neither options nor other attributes can be set.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    for name in [*specs(case.cls), "skyred_testing"]:
        try:
            setattr(case.component, name, getattr(case.component, name, None))
        except AttributeError:
            continue
        vars(case.component).pop("skyred_testing", None)
        require(False, f"{name} can be set")


@requirement(
    "stores its options and does nothing else when it is built",
    fix="Move the work to the method of the role (select, make, ...) or to prepare: components "
    "are also built just to check a configuration, without access to data or the network.",
)
def has_no_side_effects(case: ComponentCase) -> None:
    """Check in another process that no file is opened, no connection made and no process started.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    actions = _build_record(case).actions
    require(not actions, f"building it {'; '.join(actions[:3])}")


@requirement(
    "does not import gammapy before it is used",
    fix="Import gammapy, astropy.coordinates and regions inside the functions that need them: "
    "then loading all plugins takes 0.5 s instead of 3 s.",
)
def imports_no_gammapy(case: ComponentCase) -> None:
    """Check that neither the module nor the component imports gammapy.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    record = _build_record(case)
    require(not record.imports_gammapy, f"importing {case.cls.__module__} imports gammapy")
    require(not record.build_imports_gammapy, "building it imports gammapy")


@requirement(
    "is equal to a component built from the same options, with the same hash and digest",
    fix="Do not define __eq__, __hash__, key or digest, and use no default that changes between "
    "calls.",
)
def is_equal_if_rebuilt(case: ComponentCase) -> None:
    """Check that equality, hash and digest depend on the options only.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    rebuilt = case.cls(**stored_options(case.component))
    require(rebuilt == case.component, "rebuilt from the same options, it is not equal")
    digest = digest_or_skip(case.component)
    try:
        hashes = hash(rebuilt), hash(case.component)
    except TypeError as error:
        raise RequirementViolated(f"it cannot be hashed: {error}") from error
    require(hashes[0] == hashes[1], "rebuilt from the same options, its hash differs")
    require(rebuilt.digest() == digest, "rebuilt from the same options, its digest differs")


@requirement(
    "survives pickling",
    fix="Define the class at the top level of a module, and store plain values: components are "
    "pickled when they are sent to workers.",
)
def is_picklable(case: ComponentCase) -> None:
    """Check that the unpickled component is equal and has the same digest.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    try:
        unpickled = pickle.loads(pickle.dumps(case.component))
    except Exception as error:  # pickling an option may raise any exception
        raise RequirementViolated(f"{type(error).__name__}: {error}") from error
    digest = digest_or_skip(case.component)  # components without a digest compare by identity
    require(unpickled == case.component, "the unpickled component is not equal")
    require(unpickled.digest() == digest, "the digest of the unpickled component differs")


@requirement(
    "is equal after writing to YAML and reading back",
    fix="Do not define to_plain, and declare every option with option(), quantity(), ...",
)
def survives_yaml_round_trip(case: ComponentCase) -> None:
    """Check the component with and without defaults, and with each option changed.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    digest_or_skip(case.component)
    catalog = _catalog(case)
    for name, component in [("", case.component), *_cached_variations(case)]:
        for complete in (False, True):
            _check_round_trip(component, catalog, complete, name)


@requirement(
    "includes all options in its equality and digest",
    old_names=("distinguishes all options by equality and digest",),
    fix="Do not define __eq__, key or digest: an option that they ignore leads to outdated results "
    "from the cache.",
)
def includes_all_options(case: ComponentCase) -> None:
    """Check equality and digest with each option changed in turn.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    digest = digest_or_skip(case.component)
    for name, variation in _cached_variations(case):
        require(variation != case.component, f"with another value of {name} it is still equal")
        same = variation.digest() == digest
        require(not same, f"with another value of {name} it has the same digest")


def _build_record(case: ComponentCase) -> BuildRecord:
    if "build record" not in case.memo:
        case.memo["build record"] = shared_probe().build(case.component)
    record = case.memo["build record"]
    assert isinstance(record, BuildRecord)
    return record


def _cached_variations(case: ComponentCase) -> list[tuple[str, Component]]:
    if "variations" not in case.memo:
        case.memo["variations"] = list(variations(case.component))
    variations_of_case: list[tuple[str, Component]] = case.memo["variations"]
    return variations_of_case


def _check_round_trip(
    component: Component, catalog: Catalog, complete: bool, changed_option: str
) -> None:
    document = dump(component.to_plain(complete))
    prefix = f"with another value of {changed_option}, " if changed_option else ""
    try:
        loaded_component = load_component(ROLES[component.role], Document.parse(document), catalog)
    except ConfigError as error:
        raise RequirementViolated(
            f"{prefix}it is written as {document!r}, which cannot be read: {error}"
        ) from error
    require(
        loaded_component == component,
        f"{prefix}it is written as {document!r}, and is not equal when read back",
    )
    require(
        loaded_component.digest() == component.digest(),
        f"{prefix}its digest differs after writing and reading back",
    )


def _catalog(case: ComponentCase) -> Catalog:
    # without other components of the same kind, whose names would be ambiguous
    catalog = Catalog()
    catalog.add(case.cls, Owner("checked", "", "checked"))
    names = {(case.cls.role, kind) for kind in (case.cls.kind, *case.cls.old_kinds)}
    for entry in case.crab.plugins.catalog:
        if names.isdisjoint(
            (entry.cls.role, kind) for kind in (entry.cls.kind, *entry.cls.old_kinds)
        ):
            catalog.add(entry.cls, entry.owner)
    return catalog
