"""Drawing: what the pictures of all products share."""

from __future__ import annotations

from skyred.drawing import DIVERGING, SEQUENTIAL, draw_map, draw_signed, draw_slider, energy_text

__all__ = ["DIVERGING", "SEQUENTIAL", "bin_style", "draw_map", "draw_signed",
           "draw_slider", "energy_text"]  # fmt: skip

COLOURS = ("black", "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")
MARKERS = ("o", "s", "D", "^", "v", "P")  # with the colours: told apart in greyscale too


def bin_style(number: int) -> tuple[str, str]:
    """Give the colour and the marker of one of several bins of energy."""
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
