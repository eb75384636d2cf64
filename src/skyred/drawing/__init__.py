"""Drawing: what all pictures share, and the pictures of datasets; knows gammapy's objects only."""

from skyred.drawing.datasets import dataset_pictures
from skyred.drawing.sky import DIVERGING, SEQUENTIAL, draw_map, draw_signed, energy_text
from skyred.drawing.slider import draw_slider

__all__ = [
    "DIVERGING",
    "SEQUENTIAL",
    "dataset_pictures",
    "draw_map",
    "draw_signed",
    "draw_slider",
    "energy_text",
]
