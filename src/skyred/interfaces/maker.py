"""The maker: one observation to its reduced dataset, link by link."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from skyred.errors import SkipObservation
from skyred.interfaces.adapting import adapted
from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset


class Maker(Component):
    """Makes one part of the reduced dataset of one observation."""

    role: ClassVar[str] = "maker"
    #: Responses that this maker reads, as gammapy names them ("aeff", "edisp", "psf", "bkg"); None
    #: if that is not known, so that an observation must have all.
    needs: tuple[str, ...] | None = ()
    #: Parts of the dataset that this maker makes: "counts", "exposure", "edisp", "psf",
    #: "background", "mask" or "off" (counts off); None if that is not known, so that others do not
    #: judge its place in the chain.
    makes: tuple[str, ...] | None = None
    #: What gammapy's logs call it: its kind.
    tag: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "tag" not in vars(cls):  # a maker may have an option of this name
            cls.tag = cls.kind

    @abstractmethod
    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Give the dataset with this maker's part in it; it may be the one given, changed.

        Raises
        ------
        SkipObservation
            To leave the observation out, with the reason.
        """

    @property
    def largest_offset(self) -> Quantity | None:
        """The largest offset from the pointing at which it leaves events, None without a limit.

        Geometries make the dataset of a run no larger. By default the option ``offset_max`` of a
        maker that makes the mask, or that does not say what it makes, if it is an angle.
        """
        if self.makes is not None and "mask" not in self.makes:
            return None
        found = getattr(self, "offset_max", None)
        unit = getattr(found, "unit", None)  # of an option that only has the name there may be none
        return found if unit is not None and unit.is_equivalent("deg") else None

    def prepare(self, observations: Iterable[Observation]) -> Maker:
        """Learn from all observations before any is made; gives the maker to work with.

        Called once, in the parent process. What it returns is sent to the workers and enters the
        cache key, so what is learnt belongs into fields (`skyred.array` for many numbers).

        Parameters
        ----------
        observations : iterable of Observation
            Those that are sound, each read when its turn comes: keep what was learnt of it, not
            the observation. One with a fault is left out here, and fails when it is made.
        """
        return self

    def run(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Make it, as gammapy's makers do: any maker may stand in gammapy's `DatasetsMaker`.

        That one knows neither `prepare` nor skipped runs; `skyred.DatasetsMaker` does.

        Raises
        ------
        SkipObservation
            If the observation is to be left out.
        """
        try:
            return self.make(dataset, observation)
        except SkipObservation as skip:
            raise SkipObservation(
                f"run {observation.obs_id} is to be left out: {skip.reason} (maker {self.kind}); "
                "gammapy's DatasetsMaker cannot: use skyred.DatasetsMaker, or leave it out before"
            ) from skip

    @classmethod
    def adapt(cls, other: object) -> Component | None:
        """Take a gammapy maker: anything with ``run(dataset, observation)``.

        Raises
        ------
        FieldError
            If its ``run`` takes something else.
        """
        return adapted(cls.role, other)


def largest_offset(makers: Sequence[Maker]) -> Quantity | None:
    """Return the largest offset that all makers leave, None if none of them limits it."""
    offsets = [offset for maker in makers if (offset := maker.largest_offset) is not None]
    return min(offsets, default=None)


def required_irfs(makers: Sequence[Maker]) -> tuple[str, ...] | None:
    """Return the IRFs that makers read, each once; None if one of the makers does not say."""
    needs = [maker.needs for maker in makers]
    if any(each is None for each in needs):
        return None
    return tuple(dict.fromkeys(name for each in needs for name in each or ()))
