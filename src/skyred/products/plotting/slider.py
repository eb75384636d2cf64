"""Sky maps with a slider for the energy, in notebooks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.maps import WcsNDMap


def draw_slider(cube: WcsNDMap, label: str, **style: Any) -> None:
    """Draw the images of a cube with gammapy's energy slider and a colour bar.

    Parameters
    ----------
    cube : WcsNDMap
        A map with an energy axis.
    label : str
        The label of the colour bar, with unit.
    **style : object
        Passed to ``imshow``.

    Raises
    ------
    ModuleNotFoundError
        If ipywidgets is missing.
    """
    if find_spec("ipywidgets") is None:
        raise ModuleNotFoundError(
            "the slider needs ipywidgets, which is not installed: pip install skyred[notebook]"
        )
    import matplotlib.pyplot as plt

    plt.figure()  # otherwise gammapy draws on the current figure
    # gammapy's default "sqrt" is for counts; a significance can be negative
    cube.plot_interactive(
        stretch="linear", add_cbar=True, kwargs_colorbar={"label": label}, **style
    )
