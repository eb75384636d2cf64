"""Laws of models: new gammapy models at each build, that predict counts and can be written."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.copies import duplicate
from skyred.testing.law import NotTried, law, require


@law(
    "builds gammapy models with names of their own",
    "model",
    mend="Return Models([...]). If it needs other datasets, give them: check(model, "
    "sample=Sample(datasets=...)).",
)
def unique_names(case: ComponentCase) -> None:
    """At least one."""
    from gammapy.modeling.models import Models

    built = case.component.build(_datasets(case))
    require(isinstance(built, Models), f"build gives {type(built).__name__}, and not Models")
    require(len(built) > 0, "it builds no model")
    names = list(built.names)
    require(len(set(names)) == len(names), f"it builds {', '.join(names)}")


@law(
    "builds new models each time, and the same",
    "model",
    mend="Make the models in build(), or copy them there, with names that come from the options: a "
    "fit changes what it is given.",
)
def new_each_time(case: ComponentCase) -> None:
    """What is changed in one is not in the next."""
    first = _build(case)
    before = contents(duplicate(first))
    for parameter in first.parameters:
        parameter.value = parameter.value * 1.5 + 1
    changed = differences(before, contents(_build(case)))
    require(not changed, f"the second time, {'; '.join(changed[:3])}")


@law(
    "leaves the datasets as they were when it builds",
    "model",
    mend="Do not set datasets.models in build: those of all parts are set together.",
)
def leaves_datasets(case: ComponentCase) -> None:
    """Their models too."""
    datasets = _datasets(case)
    before = contents(_datasets(case))
    _build(case, datasets)
    changed = differences(before, contents(datasets))
    require(not changed, "; ".join(changed[:3]))


@law(
    "starts from values that are finite and inside their limits",
    "model",
    mend="Give every parameter a value, and limits around it.",
)
def finite(case: ComponentCase) -> None:
    """A fit from NaN ends nowhere."""
    for each in _build(case).parameters:
        require(np.isfinite(each.value), f"{each.name} is {each.value}")
        # a limit that is NaN is none
        outside = each.value < each.min or each.value > each.max
        limits = f"{each.min:g} to {each.max:g}"
        require(not outside, f"{each.name} = {each.value:g} is outside its limits {limits}")


@law(
    "predicts a finite number of counts",
    "model",
    mend="Set the models on the datasets, look at dataset.npred(), and mend units and ranges.",
)
def predicts(case: ComponentCase) -> None:
    """In every bin that is safe."""
    datasets = _datasets(case)
    datasets.models = _build(case)
    for dataset in datasets:
        npred = dataset.npred().data[dataset.mask_safe.data]
        bad = int((~np.isfinite(npred)).sum())
        require(not bad, f"npred of {dataset.name} is not finite in {bad} bins")


@law(
    "names the sources that it builds",
    "model",
    mend="Return the names in source_names(), or let knows_names() be False where only building "
    "tells: estimators are checked against them before any data are read.",
)
def names_truly(case: ComponentCase) -> None:
    """What it says before is what it does."""
    told = set(case.component.source_names())
    built = set(_build(case).names)
    require(told <= built, f"it names {', '.join(sorted(told - built))}, and builds no such model")


@law(
    "builds what gammapy writes and reads",
    "model",
    mend="Use gammapy's model classes, or register your own in its MODEL_REGISTRY: the run folder "
    "holds models.yaml.",
)
def written(case: ComponentCase) -> None:
    """Values, units, limits and whether they are frozen."""
    from gammapy.modeling.models import Models

    built = _build(case)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        for model in built:  # maps of templates are written beside
            for part in (model, getattr(model, "spatial_model", None)):
                if part is not None and getattr(part, "filename", None) is not None:
                    part.filename = str(Path(folder) / Path(part.filename).name)
        built.write(path, full_output=True, overwrite_templates=True)
        again = Models.read(path)
        changed = differences(_values(built), _values(again))
    require(not changed, f"read again, {'; '.join(changed[:3])}")


def _values(models: Any) -> dict[str, Any]:
    held = contents(models)
    return {name: value for name, value in held.items() if not name.endswith("covariance")}


def _build(case: ComponentCase, datasets: Any = None) -> Any:
    """Build; that it can is a law of its own."""
    try:
        return case.component.build(_datasets(case) if datasets is None else datasets)
    except Exception as error:  # whatever the model raises
        raise NotTried(f"it builds nothing: {type(error).__name__}: {error}") from error


def _datasets(case: ComponentCase) -> Any:
    if case.sample.datasets is not None:
        return duplicate(case.sample.datasets)
    return case.crab.stacked()
