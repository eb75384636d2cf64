"""The interface of makers that reduce observations to datasets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from skyred.errors import SkipObservation
from skyred.interfaces.adapting import adapt_object
from skyred.interfaces.component import Component
from skyred.interfaces.modified_observations import are_observations_modified
from skyred.interfaces.observation_rows import running_maker

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset


class Maker(Component):
    """Computes parts of the reduced dataset of an observation, such as the counts or the mask.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.
    """

    role: ClassVar[str] = "maker"
    #: IRFs that this maker reads, with their names in gammapy ("aeff", "edisp", "psf", "bkg"). If
    #: None, the IRFs are unknown, and an observation must have all of them.
    needs: tuple[str, ...] | None = ()
    #: Parts of the dataset that this maker computes: "counts", "exposure", "edisp", "psf",
    #: "background", "mask" or "off" (off counts). If None, the parts are unknown, and the order of
    #: makers is not checked.
    makes: tuple[str, ...] | None = None
    #: The name of the maker in log messages of gammapy; by default the kind of the maker.
    tag: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "tag" not in vars(cls):  # a maker may have an option of this name
            cls.tag = cls.kind

    @abstractmethod
    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Compute the parts of the dataset that this maker provides.

        Parameters
        ----------
        dataset : Dataset
            The output of the previous maker; it may be modified.
        observation : Observation
            The observation, or a part of it if selectors cut it; it must not be modified.

        Returns
        -------
        Dataset
            The dataset with these parts, either `dataset` itself or a new one.

        Raises
        ------
        SkipObservation
            If the observation must be skipped, with the reason.
        """

    def modify_observation(self, observation: Observation) -> Observation:
        """Return the observation to use in place of another one, for example with scaled IRFs.

        Called for each observation before the first maker, also for makers that come later in
        ``make:``. All makers, the geometry and the stacker receive the returned observation.

        Parameters
        ----------
        observation : Observation
            The observation, or a part of it if selectors cut it; it must not be modified.

        Returns
        -------
        Observation
            A new observation with the same OBS_ID, for example from `skyred.with_irfs`, or
            `observation` itself if nothing is changed.

        Raises
        ------
        SkipObservation
            If the observation must be skipped, with the reason.
        """
        return observation

    @property
    def largest_offset(self) -> Quantity | None:
        """Maximum offset of used events from the pointing; None if there is no limit.

        It limits the size of the dataset of a run. By default it is the option ``offset_max``, if
        that is an angle and `makes` contains "mask" or is unknown.
        """
        if self.makes is not None and "mask" not in self.makes:
            return None
        offset_max = getattr(self, "offset_max", None)
        unit = getattr(offset_max, "unit", None)  # a plugin may define it as something else
        return offset_max if unit is not None and unit.is_equivalent("deg") else None

    def prepare(self, observations: Iterable[Observation]) -> Maker:
        """Prepare the maker with all observations, before any of them is reduced.

        Called once for each entry of ``data:``, in the parent process. The returned maker is sent
        to the workers and is part of the cache key, so store results in its fields (`skyred.array`
        for many numbers). Makers with `modify_observation` are prepared first, and the others
        receive the observations that those return.

        Parameters
        ----------
        observations : iterable of Observation
            The observations, or their parts if selectors cut them. Each is read during iteration:
            do not keep references to them. Observations that will fail because of faults in their
            input are not included.

        Returns
        -------
        Maker
            The maker to use.
        """
        return self

    def run(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Run the maker with the interface of gammapy's makers.

        The maker can therefore be used in gammapy's `DatasetsMaker`, which supports neither
        `prepare` nor skipped runs; `skyred.DatasetsMaker` supports both.

        Parameters
        ----------
        dataset : Dataset
            The dataset; it may be modified.
        observation : Observation
            The observation.

        Returns
        -------
        Dataset
            The dataset with the parts that this maker provides.

        Raises
        ------
        SkipObservation
            If the observation must be skipped.
        TypeError
            If the maker modifies observations, which gammapy's class does not support.
        """
        is_modifying = type(self).modify_observation is not Maker.modify_observation
        if is_modifying and not are_observations_modified():
            raise TypeError(
                f"the maker {self.kind} modifies observations (modify_observation), but gammapy's "
                "DatasetsMaker gives the original ones to other makers; use skyred.DatasetsMaker"
            )
        try:
            with running_maker(f"maker {self.kind}", id(self)):
                return self.make(dataset, observation)
        except SkipObservation as skip:
            raise SkipObservation(
                f"run {observation.obs_id} must be skipped: {skip.reason} (maker {self.kind}), "
                "but gammapy's DatasetsMaker cannot skip runs; use skyred.DatasetsMaker, or remove "
                "the run from the observations"
            ) from skip

    @classmethod
    def adapt(cls, candidate: object) -> Component | None:
        """Return a gammapy maker as a component.

        Parameters
        ----------
        candidate : object
            The maker: an object with ``run(dataset, observation)``.

        Returns
        -------
        Component or None
            The component; None if `candidate` has no ``run``.

        Raises
        ------
        FieldError
            If the ``run`` of `candidate` takes other arguments.
        """
        return adapt_object(cls.role, candidate)
