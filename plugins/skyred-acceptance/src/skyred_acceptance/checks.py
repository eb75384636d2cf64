"""Checks that the model covers the energies and offsets of the pipeline."""

from __future__ import annotations

from collections.abc import Iterable

from astropy import units as u

from skyred import Chain, Maker, Problem, largest_offset, reductions_using


def coverage_problems(
    maker: Maker, energy: u.Quantity, offset_max: u.Quantity, pipeline: Chain
) -> Iterable[Problem]:
    """Yield a problem for each data entry with energies or offsets outside the model."""
    for name, reduction in reductions_using(maker, pipeline):
        axis = getattr(getattr(reduction, "geometry", None), "energy", None)
        if axis is not None and not any(axis.validate()):
            low, high = axis.bounds
            # with a margin for the rounding of unit conversions
            if low < energy[0] * (1 - 1e-9) or high > energy[1] * (1 + 1e-9):
                yield Problem(
                    ("energy",),
                    f"{energy[0]} to {energy[1]} does not cover the energies of data.{name}, "
                    f"{low} to {high}: there would be no background",
                    "use a wider range",
                )
        makers = getattr(reduction, "make", ())
        max_offset = largest_offset(makers)
        if max_offset is not None and max_offset > offset_max:
            yield Problem(
                ("offset_max",),
                f"{offset_max} is less than the largest offset in data.{name}, {max_offset}: "
                "there would be no background",
                f"set it to at least {max_offset}",
            )
        if max_offset is None and not any(entry_maker.makes is None for entry_maker in makers):
            yield Problem(
                ("offset_max",),
                f"no maker of data.{name} limits the offset to {offset_max}, beyond which there "
                "is no background",
                f"add {{kind: safe-mask, methods: [offset-max], offset_max: {offset_max}}}",
            )
