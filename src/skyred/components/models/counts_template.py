"""The model `counts-template`: counts that a map predicts in one dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from astropy import units as u

from skyred.components.models.links import Use, link_problems, uses
from skyred.components.models.map_files import overlap, read_map
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_part, is_norm, part_problems
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option
from skyred.interfaces import Chain, Model, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    from skyred.scripting import Script


@component
class CountsTemplate(Model):
    """Counts that a map predicts in one dataset, as of a background that is known otherwise."""

    kind = "counts-template"
    name: str = option(type=str, doc="Name of the model.")
    map: Location = option(
        type=Location, doc="A FITS map of counts, with an axis of reconstructed energy."
    )
    dataset: str = option(type=str, doc="Name of the dataset it is for.")
    spectral: Mapping[str, Any] = option(
        {"type": "pl-norm"}, type=dict, doc="Type and parameters of the norm model."
    )

    def validate(self) -> Iterable[Problem]:
        """The norm says its type."""
        if "type" not in self.spectral:
            yield Problem(("spectral",), "has no type", "expected type: ..., such as pl-norm")

    def links(self) -> Iterable[Use]:
        """Find the link labels."""
        return uses(self.spectral, self.name, ("spectral",))

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of links, the norm model and the map of counts."""
        yield from link_problems(self, pipeline)
        problems = list(part_problems("spectral", self.spectral))
        if not problems and not is_norm(self.spectral):
            found = f"{self.spectral['type']!r} is no norm model"
            problems = [Problem(("spectral", "type"), found, "expected one such as pl-norm")]
        yield from problems
        try:
            self._counts()
        except ModelError as error:
            yield Problem(("map",), str(error))

    def build(self, datasets: Datasets) -> Models:
        """Build the template.

        Raises
        ------
        ModelError
            If the map cannot be used, or lies outside the dataset.
        """
        from gammapy.modeling.models import Models, TemplateNPredModel

        model = TemplateNPredModel(
            map=self._counts(),
            spectral_model=build_part("spectral", self.spectral),
            name=self.name,
            filename=str(self.map.path().absolute()),
            datasets_names=[self.dataset],
        )
        for dataset in datasets:
            if dataset.name == self.dataset:
                _refuse_other_bins(model, dataset, str(self.map))
        return Models([model])

    def write_script(self, script: Script) -> None:
        """Write the template, its map by its path."""
        script.use("gammapy.modeling.models", "TemplateNPredModel")
        script.use("gammapy.maps", "Map")
        place = script.constant(f"{self.name}_MAP", literal(self.map))
        norm = ModelWriter(script, script.body).part(build_part("spectral", self.spectral), "norm")
        script.body.add(
            f"models.append(TemplateNPredModel(map=Map.read({place}), spectral_model={norm}, "
            f"name={literal(self.name)}, filename={place}, "
            f"datasets_names={literal([self.dataset])}))"
        )

    def _counts(self) -> Any:
        found = read_map(self.map.path())
        if found.geom.axes.names != ["energy"]:
            axes = ", ".join(found.geom.axes.names) or "none"
            raise ModelError(f"{self.map} has the axes: {axes}; expected energy alone")
        if not found.unit.is_equivalent(""):
            raise ModelError(f"{self.map} is in {found.unit}; expected counts, without unit")
        if found.geom.axes["energy"].node_type != "edges":
            raise ModelError(f"{self.map} has an energy axis without edges; expected bins")
        return found


def _refuse_other_bins(model: Any, dataset: Any, file: str) -> None:
    ours, theirs = (each.geom.axes["energy"] for each in (model.map, dataset.counts))
    if not overlap(model.map.geom.to_image(), dataset.counts.geom.to_image()):
        raise ModelError(f"{model.name}: {file} does not overlap {dataset.name}")
    if ours.nbin != theirs.nbin or not u.allclose(ours.edges, theirs.edges, rtol=1e-5):
        raise ModelError(
            f"{model.name}: {file} has the energy edges {ours.edges}, and {dataset.name} "
            f"{theirs.edges}; expected the same"
        )
