"""The counts spectrum of a dataset, and its plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.products.plotting.figures import create_axes
from skyred.products.plotting.sky import format_energy_range

if TYPE_CHECKING:
    from gammapy.maps import RegionNDMap
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ON_COLOR, OFF_COLOR = "tab:red", "tab:blue"


@attrs.frozen(eq=False)
class CountsSpectrum:
    """The counts of a spectrum dataset by energy; arrays have shape (bins,).

    Parameters
    ----------
    name : str
        The name of the dataset.
    edges, centers : array
        The edges of the bins, shape (bins + 1,), and their centres.
    counts : array
        The counts.
    background, excess, error : array or None
        The background, and the excess with its error; None without a background.
    predicted_excess : array or None
        The predicted excess; None without models.
    is_excluded : array of bool
        Whether the bins are outside the mask.
    """

    name: str
    edges: Array
    centers: Array
    counts: Array
    background: Array | None
    excess: Array | None
    error: Array | None
    predicted_excess: Array | None
    is_excluded: NDArray[np.bool_]

    @classmethod
    def from_dataset(cls, dataset: Any, unit: u.UnitBase = u.TeV) -> Self:
        """Return the counts of a dataset.

        Parameters
        ----------
        dataset : SpectrumDataset
            The dataset.
        unit : astropy.units.UnitBase
            The unit of the energies.

        Returns
        -------
        CountsSpectrum
            The counts.
        """
        axis = dataset.counts.geom.axes["energy"]
        counts = _counts_per_energy_bin(dataset.counts)
        background = excess = error = None
        if (background_map := dataset.background) is not None:  # gammapy computes it at each access
            background = _counts_per_energy_bin(background_map)
            excess = counts - background
            # Poisson errors of the counts, and of the off counts scaled by alpha
            alpha = _counts_per_energy_bin(dataset.alpha) if hasattr(dataset, "alpha") else 0.0
            error = np.sqrt(counts + alpha * background)
        predicted = _counts_per_energy_bin(dataset.npred_signal()) if dataset.models else None
        mask = np.ones(len(counts)) if dataset.mask is None else dataset.mask.data.ravel()
        edges, centers = axis.edges.to_value(unit), axis.center.to_value(unit)
        return cls(
            dataset.name, edges, centers, counts, background, excess, error, predicted,
            ~mask.astype(bool),
        )  # fmt: skip

    def by_label(self, label: str) -> Array | None:
        """Return the values that have a label in the legend.

        Parameters
        ----------
        label : {"counts", "background", "predicted excess"}
            The label.

        Returns
        -------
        array or None
            The values, if there are any.
        """
        values: Array | None = getattr(self, label.replace(" ", "_"))
        return values

    def excess_points(self) -> tuple[Array, Array, Array]:
        """Return the excess in the bins with an error.

        Returns
        -------
        energies, excess, error : array
            The centres of the bins, the excess and its error, each of shape (n,); empty without a
            background.
        """
        if self.excess is None or self.error is None:
            return np.empty(0), np.empty(0), np.empty(0)
        has_error = self.error > 0
        return self.centers[has_error], self.excess[has_error], self.error[has_error]

    def values(self) -> Array:
        """Return all values that are drawn.

        Returns
        -------
        array
            Counts, background, predicted excess and the ends of the error bars, shape (n,).
        """
        values = [self.counts, self.background, self.predicted_excess]
        if self.excess is not None and self.error is not None:
            values += [self.excess - self.error, self.excess + self.error]
        return np.concatenate([array for array in values if array is not None])


def draw_counts_spectrum(dataset: Any, ax: Axes | None = None) -> Axes:
    """Draw counts, background, excess and the predicted excess; excluded bins are grey.

    Parameters
    ----------
    dataset : SpectrumDataset
        The dataset.
    ax : matplotlib axes, optional
        The axes to draw on; those of a new figure by default.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    unit = dataset.counts.geom.axes["energy"].unit
    unit = u.TeV if unit == u.keV else unit  # keV is the unit of OGIP files
    spectrum = CountsSpectrum.from_dataset(dataset, unit)
    if ax is None:
        ax = create_axes(6.4, 4.8)
    edges = spectrum.edges
    ax.stairs(spectrum.counts, edges, color=ON_COLOR, label="counts")
    if spectrum.background is not None:
        ax.stairs(spectrum.background, edges, color=OFF_COLOR, label="background", linestyle="--")
    energies, excess, error = spectrum.excess_points()
    if len(energies):
        ax.errorbar(energies, excess, error, fmt="o", color="black", markersize=4, label="excess")
    if spectrum.predicted_excess is not None:
        ax.stairs(spectrum.predicted_excess, edges, color="black", linewidth=0.8,
                  label="predicted excess")  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=1)  # linear around zero, because an excess can be negative
    values = spectrum.values()
    ax.set_ylim(top=3 * float(values[np.isfinite(values)].max(initial=1)))
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    _shade_excluded_bins(spectrum, ax)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(f"Energy [{unit}]")
    ax.set_ylabel("Counts per bin")
    ax.set_title(f"{spectrum.name}, {format_energy_range(edges * unit)}", parse_math=False)
    ax.legend()
    return ax


def _counts_per_energy_bin(counts: RegionNDMap) -> Array:
    array: Array = counts.data.astype(float).ravel()
    return array


def _shade_excluded_bins(spectrum: CountsSpectrum, ax: Axes) -> None:
    label, edges = "not used", spectrum.edges
    is_excluded = spectrum.is_excluded
    for low, high in zip(edges[:-1][is_excluded], edges[1:][is_excluded], strict=True):
        ax.axvspan(low, high, color="0.9", linewidth=0, zorder=-1, label=label)
        label = "_"  # only one entry in the legend
