"""Plotting functions for maps, spectra and datasets, independent of skyred's other packages."""

from skyred.products.plotting.datasets import dataset_pictures
from skyred.products.plotting.sky import (
    DIVERGING,
    SEQUENTIAL,
    bin_style,
    draw_map,
    draw_signed,
    energy_text,
)
from skyred.products.plotting.slider import draw_slider

__all__ = [
    "DIVERGING",
    "SEQUENTIAL",
    "bin_style",
    "dataset_pictures",
    "draw_map",
    "draw_signed",
    "draw_slider",
    "energy_text",
]
