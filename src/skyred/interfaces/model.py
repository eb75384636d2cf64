"""The interface of models of sources and background."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from skyred.interfaces.adapting import adapt_object
from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


@attrs.frozen(eq=False)
class ModelContext:
    """The models of a pipeline and their data, for components that select or adjust models.

    Parameters
    ----------
    datasets : Datasets
        The datasets.
    report : callable
        Function of a string, which is logged and added to the report of the run.
    test_statistics : mapping of str to float
        The test statistic (TS) of sources by name, where it has been published.
    """

    datasets: Datasets
    report: Callable[[str], None]
    test_statistics: Mapping[str, float] = attrs.field(factory=dict)


class Model(Component):
    """Builds gammapy models; the models of all components in `model:` are joined in that order.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.
    """

    role: ClassVar[str] = "model"

    @abstractmethod
    def build(self, datasets: Datasets) -> Models:
        """Build new models for datasets.

        Parameters
        ----------
        datasets : Datasets
            The datasets that the models are fitted to.

        Returns
        -------
        Models
            New gammapy models.
        """

    def source_names(self) -> Iterable[str]:
        """Return the names of the models that are known before the models are built.

        Returns
        -------
        iterable of str
            Names of models that `build` will return; more may follow if `knows_names` is false.
        """
        return ()

    def knows_names(self) -> bool:
        """Return whether `source_names` returns the names of all models.

        Returns
        -------
        bool
            If False, references to sources in the pipeline are not checked before the models are
            built.
        """
        return True

    def select(
        self, models: Sequence[Any], other_models: Sequence[Any], context: ModelContext
    ) -> Sequence[Any]:
        """Return the models of this component to use, once those of all components are built.

        Parameters
        ----------
        models : sequence of gammapy models
            The models that `build` returned.
        other_models : sequence of gammapy models
            The models of the components of other kinds in the pipeline.
        context : ModelContext
            The datasets, and a function to report models that are left out.

        Returns
        -------
        sequence of gammapy models
            The models to use; by default all.
        """
        return models

    def adjust(self, models: Models, context: ModelContext) -> None:
        """Change the models of all components, for example freeze parameters.

        It is called after all models have been selected, in the order of the components; by default
        it does nothing.

        Parameters
        ----------
        models : Models
            The models of all components, whose parameters can be changed.
        context : ModelContext
            The datasets, and a function to report the changes.
        """

    def test_statistics(self) -> Mapping[str, float]:
        """Return the published test statistic (TS) of sources.

        Returns
        -------
        mapping of str to float
            The TS by name of the model; by default empty.
        """
        return {}

    @classmethod
    def adapt(cls, candidate: object) -> Component | None:
        """Return gammapy models as a component.

        Parameters
        ----------
        candidate : object
            A `Models`, or one model with a name and parameters.

        Returns
        -------
        Component or None
            The component; None if `candidate` is not a model.
        """
        return adapt_object(cls.role, candidate)
