"""Plotting functions for maps, spectra and datasets, independent of skyred's other packages."""

from skyred.products.plotting.datasets import dataset_plot_functions
from skyred.products.plotting.sky import (
    DIVERGING,
    SEQUENTIAL,
    bin_style,
    draw_map,
    draw_significance_image,
    format_energy_range,
)
from skyred.products.plotting.slider import draw_slider

__all__ = [
    "DIVERGING",
    "SEQUENTIAL",
    "bin_style",
    "dataset_plot_functions",
    "draw_map",
    "draw_significance_image",
    "draw_slider",
    "format_energy_range",
]
