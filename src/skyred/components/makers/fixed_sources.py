"""Sources with fixed parameters beside a background that is normalised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_submodel, submodel_problems
from skyred.errors import Problem
from skyred.fields import option
from skyred.interfaces import Fields, value
from skyred.interfaces.links import find_link_uses

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.scripting import Script

SUBMODELS = ("spectral", "spatial")


@value
class FixedSource(Fields):
    """Source whose parameters are not changed while the background is normalised."""

    name: str = option(type=str, doc="Name of the source.")
    spectral: Mapping[str, Any] = option(
        type=dict, doc="Type and parameters of the spectral model, without file."
    )
    spatial: Mapping[str, Any] = option(
        type=dict, doc="Type and parameters of the spatial model, without file."
    )

    def validate(self) -> Iterable[Problem]:
        """Check that both submodels have a type, but no links or files.

        Yields
        ------
        Problem
            A submodel without type, or with a link or a file.
        """
        for name in SUBMODELS:
            yield from run_model_problems(name, getattr(self, name))

    def model_problems(self) -> Iterator[Problem]:
        """Yield problems with the submodels; no data are needed.

        Yields
        ------
        Problem
            The first problem of each submodel.
        """
        for name in SUBMODELS:
            spec = getattr(self, name)
            problems = list(submodel_problems(name, spec))
            yield from problems or foreign_model_problems(name, build_submodel(name, spec))

    def build(self) -> SkyModel:
        """Build the sky model.

        Returns
        -------
        gammapy.modeling.models.SkyModel
            A new model, whose parameters are frozen.
        """
        from gammapy.modeling.models import SkyModel

        submodels = {
            f"{name}_model": build_submodel(name, getattr(self, name)) for name in SUBMODELS
        }
        model = SkyModel(name=self.name, **submodels)
        model.freeze()
        return model


def run_model_problems(name: str, spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield problems with a submodel that a maker uses for each run.

    Parameters
    ----------
    name : {"spectral", "spatial"}
        The option, as the path of the problems.
    spec : mapping
        Its value.

    Yields
    ------
    Problem
        A missing type, a file or a link.
    """
    if "type" not in spec:
        example = {"spectral": "pl", "spatial": "gauss"}[name]
        yield Problem((name,), "missing key 'type'", f"expected a model type such as {example}")
    if "filename" in spec:  # its content is not part of the key of cached runs
        yield Problem((name, "filename"), "is not supported", "use a model without file")
    for use in find_link_uses(spec, "each run", (name,)):
        yield Problem((*use.path, "link"), "each run has its own model", "remove the link")


def foreign_model_problems(name: str, model: Any) -> Iterator[Problem]:
    """Yield a problem if the class of a submodel is not gammapy's.

    Workers do not load the models of plugins, nor do keys of cached runs include their code.

    Parameters
    ----------
    name : {"spectral", "spatial"}
        The option, as the path of the problem.
    model : gammapy.modeling.models.ModelBase or None
        The submodel.

    Yields
    ------
    Problem
        The problem.
    """
    module = type(model).__module__
    if model is not None and module.split(".")[0] != "gammapy":
        yield Problem((name, "type"), f"is a model of {module}", "use a model of gammapy")


def predict_counts(dataset: MapDataset, sources: Sequence[SkyModel]) -> NDArray[np.float64]:
    """Predict the counts of sources.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset of the run, without models.
    sources : sequence of gammapy.modeling.models.SkyModel
        The sources.

    Returns
    -------
    numpy.ndarray
        The counts, of the shape of the counts of the dataset.

    Raises
    ------
    ValueError
        If the dataset has no exposure.
    """
    if dataset.exposure is None:
        raise ValueError("maker fov-background: sources need the exposure of the run")
    dataset.models = list(sources)
    try:
        return np.asarray(dataset.npred_signal().data, dtype=float)
    finally:
        dataset.models = None


def write_sources(script: Script, sources: Iterable[FixedSource]) -> str:
    """Write the models of sources.

    Parameters
    ----------
    script : Script
        The script to add code to.
    sources : iterable of FixedSource
        The sources.

    Returns
    -------
    str
        The name of the variable with the list of models.
    """
    writer = ModelWriter(script, script.body)
    calls = [writer.write_sky_model(source.build()) for source in sources]
    name = script.local("fixed_sources")
    script.body.add(f"{name} = [{', '.join(calls)}]")
    return name
