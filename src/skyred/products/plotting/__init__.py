"""Plotting functions for maps, spectra and datasets, independent of skyred's other packages."""

from skyred.products.plotting.datasets import (
    dataset_plot_functions,
    dataset_type,
    dataset_type_or_none,
    overview_plot_functions,
)
from skyred.products.plotting.figures import (
    create_axes,
    draw_legend,
    format_power,
    format_unit,
)
from skyred.products.plotting.panels import MAX_PANELS
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
    "MAX_PANELS",
    "SEQUENTIAL",
    "bin_style",
    "create_axes",
    "dataset_plot_functions",
    "dataset_type",
    "dataset_type_or_none",
    "draw_legend",
    "draw_map",
    "draw_significance_image",
    "draw_slider",
    "format_energy_range",
    "format_power",
    "format_unit",
    "overview_plot_functions",
]
