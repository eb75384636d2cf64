"""Checks by the whole pipeline: beyond the reach of the model there is no background."""

from __future__ import annotations

from collections.abc import Iterable

from astropy import units as u

from skyred import Chain, Maker, Problem, largest_offset, reductions_using


def reach_problems(
    maker: Maker, energy: u.Quantity, offset_max: u.Quantity, pipeline: Chain
) -> Iterable[Problem]:
    """Name energies and offsets of a data entry that the model does not reach."""
    for entry, reduction in reductions_using(maker, pipeline):
        axis = getattr(getattr(reduction, "geometry", None), "energy", None)
        if axis is not None and not any(axis.validate()):
            low, high = axis.bounds
            # rounding of units must not make a range reach beyond itself
            if low < energy[0] * (1 - 1e-9) or high > energy[1] * (1 + 1e-9):
                yield Problem(
                    ("energy",),
                    f"{energy[0]} to {energy[1]} does not cover the energies of data.{entry}, "
                    f"{low} to {high}: there would be no background",
                    "take a wider range",
                )
        makers = getattr(reduction, "make", ())
        reach = largest_offset(makers)
        if reach is not None and reach > offset_max:
            yield Problem(
                ("offset_max",),
                f"{offset_max} is less than that of the masks of data.{entry}, {reach}: "
                "there would be no background",
                "let it be as large",
            )
        if reach is None and not any(other.makes is None for other in makers):
            yield Problem(
                ("offset_max",),
                f"no maker of data.{entry} keeps to {offset_max}, beyond which there is no "
                "background",
                f"add {{kind: safe-mask, methods: [offset-max], offset_max: {offset_max}}}",
            )
