"""Laws of being built, compared, copied and written: what holds for all components."""

from __future__ import annotations

import pickle

from skyred.config import Document, dump, load_component
from skyred.errors import ConfigError
from skyred.fields import specs
from skyred.interfaces import ROLES, Component
from skyred.interfaces.records import Owner
from skyred.plugins import Catalog
from skyred.testing.case import ComponentCase, digest_or_skip, stored
from skyred.testing.construction_probe import Built, shared_watch
from skyred.testing.law import LawBroken, law, require
from skyred.testing.variations import variations


@law(
    "is frozen",
    mend="Put @component above the class, and write no __setattr__: a component that changes "
    "makes its digest, and so the cache, tell untruths.",
)
def frozen(case: ComponentCase) -> None:
    """No option can be set, nor anything else."""
    for name in [*specs(case.cls), "skyred_testing"]:
        try:
            setattr(case.component, name, getattr(case.component, name, None))
        except AttributeError:
            continue
        vars(case.component).pop("skyred_testing", None)
        require(False, f"{name} can be set")


@law(
    "stores its options and does nothing else when it is built",
    mend="Move the work to its verb (select, make, ...) or to prepare: configurations are built "
    "to be checked, where there may be neither data nor network.",
)
def only_stores(case: ComponentCase) -> None:
    """No file is opened, nothing is connected to; watched in another process."""
    deeds = _built(case).deeds
    require(not deeds, f"building it {'; '.join(deeds[:3])}")


@law(
    "does not import gammapy before it is used",
    mend="Import gammapy, astropy.coordinates and regions inside the functions that need them: "
    "loading all plugins then takes 0.5 s and not 3 s.",
)
def light(case: ComponentCase) -> None:
    """Neither with its module nor when it is built."""
    built = _built(case)
    require(not built.importing, f"importing {case.cls.__module__} imports gammapy")
    require(not built.building, "building it imports gammapy")


@law(
    "is equal to what is built again from its options, with the same hash and digest",
    mend="Write no __eq__, __hash__, key or digest, and no default that differs from time to time.",
)
def equal_again(case: ComponentCase) -> None:
    """Equality is that of the options."""
    again = case.cls(**stored(case.component))
    require(again == case.component, "built again from the same options, it is not equal")
    digest = digest_or_skip(case.component)
    try:
        hashes = hash(again), hash(case.component)
    except TypeError as error:
        raise LawBroken(f"it cannot be hashed: {error}") from error
    require(hashes[0] == hashes[1], "built again from the same options, it has another hash")
    require(again.digest() == digest, "built again from the same options, it has another digest")


@law(
    "survives pickling",
    mend="Define the class at the top level of a module, and hold plain values: it is sent to "
    "workers by pickle.",
)
def picklable(case: ComponentCase) -> None:
    """Equal, with the same digest."""
    try:
        again = pickle.loads(pickle.dumps(case.component))
    except Exception as error:  # whatever its options raise
        raise LawBroken(f"{type(error).__name__}: {error}") from error
    digest = digest_or_skip(case.component)  # what has none compares by identity
    require(again == case.component, "what comes back is not equal")
    require(again.digest() == digest, "what comes back has another digest")


@law(
    "reads back from its YAML as it was",
    mend="Write no to_plain, and declare every option with option(), quantity(), ...",
)
def in_yaml(case: ComponentCase) -> None:
    """With and without defaults, and with each option changed."""
    digest_or_skip(case.component)
    catalog = _catalog(case)
    for name, held in [("", case.component), *_varied(case)]:
        for complete in (False, True):
            _reads_back(held, catalog, complete, name)


@law(
    "tells every option apart, by equality and by digest",
    mend="Write no __eq__, key or digest: an option that does not matter to them gives stale "
    "results from the cache.",
)
def every_option_matters(case: ComponentCase) -> None:
    """Each option is changed in turn."""
    digest = digest_or_skip(case.component)
    for name, changed in _varied(case):
        require(changed != case.component, f"with another {name} it is still equal")
        require(changed.digest() != digest, f"with another {name} it has the same digest")


def _built(case: ComponentCase) -> Built:
    if "built" not in case.memo:
        case.memo["built"] = shared_watch().build(case.component)
    built = case.memo["built"]
    assert isinstance(built, Built)
    return built


def _varied(case: ComponentCase) -> list[tuple[str, Component]]:
    if "variations" not in case.memo:
        case.memo["variations"] = list(variations(case.component))
    found: list[tuple[str, Component]] = case.memo["variations"]
    return found


def _reads_back(held: Component, catalog: Catalog, complete: bool, changed: str) -> None:
    text = dump(held.to_plain(complete))
    what = f"with another {changed}, " if changed else ""
    try:
        again = load_component(ROLES[held.role], Document.parse(text), catalog)
    except ConfigError as error:
        raise LawBroken(
            f"{what}it is written as {text!r}, which cannot be read: {error}"
        ) from error
    require(again == held, f"{what}it is written as {text!r}, and reads back unequal")
    require(again.digest() == held.digest(), f"{what}it reads back with another digest")


def _catalog(case: ComponentCase) -> Catalog:
    # itself first: whether its kind is taken is another law
    catalog = Catalog()
    catalog.add(case.cls, Owner("checked", "", "checked"))
    for entry in case.crab.plugins.catalog:
        catalog.add(entry.cls, entry.owner)
    return catalog
