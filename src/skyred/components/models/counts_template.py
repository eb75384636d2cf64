"""The model `counts-template`: a map of predicted counts in one dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from astropy import units as u

from skyred.components.models.map_files import geometries_overlap, read_map
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_submodel, is_norm, submodel_problems
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option
from skyred.interfaces import Chain, Model, component
from skyred.interfaces.links import LinkUse, find_link_uses, link_problems
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    from skyred.scripting import Script


@component
class CountsTemplate(Model):
    """A map of predicted counts in one dataset, such as an external background model."""

    kind = "counts-template"
    name: str = option(type=str, doc="Name of the model.")
    map: Location = option(
        type=Location, doc="A FITS map of counts, with an axis of reconstructed energy."
    )
    dataset: str = option(type=str, doc="Name of the dataset to which the template applies.")
    spectral: Mapping[str, Any] = option(
        {"type": "pl-norm"}, type=dict, doc="Type and parameters of the norm model."
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the norm model has a type.

        Yields
        ------
        Problem
            A norm model without a type.
        """
        if "type" not in self.spectral:
            yield Problem(
                ("spectral",), "missing key 'type'", "expected a model type such as pl-norm"
            )

    def links(self) -> Iterable[LinkUse]:
        """Find the link labels.

        Returns
        -------
        iterable of LinkUse
            The uses of link labels.
        """
        return find_link_uses(self.spectral, self.name, ("spectral",))

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the links, the norm model and the map.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        yield from link_problems(self, pipeline)
        problems = list(submodel_problems("spectral", self.spectral))
        if not problems and not is_norm(self.spectral):
            message = f"{self.spectral['type']!r} is not a norm model"
            problems = [Problem(("spectral", "type"), message, "expected one such as pl-norm")]
        yield from problems
        try:
            self._read_counts()
        except ModelError as error:
            yield Problem(("map",), str(error))

    def build(self, datasets: Datasets) -> Models:
        """Build the template.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets to build models for.

        Returns
        -------
        gammapy.modeling.models.Models
            New models.

        Raises
        ------
        ModelError
            If the map cannot be used, does not overlap with the dataset, or has different energy
            bins.
        """
        from gammapy.modeling.models import Models, TemplateNPredModel

        model = TemplateNPredModel(
            map=self._read_counts(),
            spectral_model=build_submodel("spectral", self.spectral),
            name=self.name,
            filename=str(self.map.path().absolute()),
            datasets_names=[self.dataset],
        )
        for dataset in datasets:
            if dataset.name == self.dataset:
                _check_compatible(model, dataset, str(self.map))
        return Models([model])

    def write_script(self, script: Script) -> None:
        """Write the template, with the path of its map.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.modeling.models", "TemplateNPredModel")
        script.use("gammapy.maps", "Map")
        constant = script.constant(f"{self.name}_MAP", literal(self.map))
        norm = ModelWriter(script, script.body).write_submodel(
            build_submodel("spectral", self.spectral), "norm"
        )
        script.body.add(
            f"models.append(TemplateNPredModel(map=Map.read({constant}), spectral_model={norm}, "
            f"name={literal(self.name)}, filename={constant}, "
            f"datasets_names={literal([self.dataset])}))"
        )

    def _read_counts(self) -> Any:
        """Read the map, and check its axes and unit.

        Returns
        -------
        gammapy.maps.Map
            The map of counts, with an axis of reconstructed energy.

        Raises
        ------
        ModelError
            If the map cannot be read, has axes other than energy, or has a unit.
        """
        counts = read_map(self.map.path())
        if counts.geom.axes.names != ["energy"]:
            names = ", ".join(counts.geom.axes.names)
            axes = f"the axes {names}" if names else "no energy axis"
            raise ModelError(f"{self.map} has {axes}; expected only the axis energy")
        if not counts.unit.is_equivalent(""):
            raise ModelError(f"{self.map} is in {counts.unit}; expected counts, without a unit")
        if counts.geom.axes["energy"].node_type != "edges":
            raise ModelError(f"{self.map} has an energy axis without edges; expected bins")
        return counts


def _check_compatible(model: Any, dataset: Any, file: str) -> None:
    """Raise an error if template and dataset do not overlap, or have different energy bins."""
    axis, dataset_axis = (skymap.geom.axes["energy"] for skymap in (model.map, dataset.counts))
    if not geometries_overlap(model.map.geom.to_image(), dataset.counts.geom.to_image()):
        raise ModelError(f"{model.name}: {file} does not overlap with {dataset.name}")
    if axis.nbin != dataset_axis.nbin or not u.allclose(axis.edges, dataset_axis.edges, rtol=1e-5):
        raise ModelError(
            f"{model.name}: {file} has the energy edges {axis.edges}, but {dataset.name} "
            f"has {dataset_axis.edges}; expected the same edges"
        )
