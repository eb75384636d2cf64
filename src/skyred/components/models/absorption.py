"""Absorption by the extragalactic background light (EBL), by the name of its model or a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.models.spec import PartError, set_parameters
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option
from skyred.interfaces import Chain, Fields, value

if TYPE_CHECKING:
    from gammapy.modeling.models import EBLAbsorptionNormSpectralModel, SpectralModel

EBL = ("dominguez", "franceschini", "franceschini17", "finke", "saldana-lopez21")


@value
class Absorption(Fields):
    """How much of the flux of a distant source the extragalactic background light absorbs."""

    ebl: str | None = option(None, choices=EBL, doc="The model of the light, of gammapy's data.")
    file: Location | None = option(
        None, type=Location, doc="A table of another one, in the XSPEC format that gammapy reads."
    )
    redshift: float = option(type=float, min=0.0, doc="Redshift of the source.")
    parameters: Mapping[str, Any] = option(
        {},
        type=dict,
        doc="More on its parameters redshift and alpha_norm (the light over that of the model), "
        "which are held by default: {alpha_norm: {frozen: false, min: 0}}.",
    )

    def validate(self) -> Iterable[Problem]:
        """One of both says which light it is."""
        if (self.ebl is None) == (self.file is None):
            found = "has neither ebl nor file" if self.ebl is None else "has both ebl and file"
            yield Problem((), found, f"expected ebl: one of {', '.join(EBL)}; or file: a table")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of the table, of its range of redshifts, and of the parameters."""
        try:
            self.build()
        except ModelError as error:
            yield Problem(("ebl" if self.file is None else "file",), str(error))
        except PartError as error:
            yield error.problem.with_prefix("parameters")

    def applied(self, spectral: SpectralModel) -> SpectralModel:
        """Give a spectrum after its absorption."""
        return spectral * self.build()

    def build(self) -> EBLAbsorptionNormSpectralModel:
        """Read the table.

        Raises
        ------
        ModelError
            If the table is not there, is none, or does not reach the redshift.
        """
        from gammapy.modeling.models import EBLAbsorptionNormSpectralModel

        path, redshift = self._path(), self.redshift
        try:
            model = EBLAbsorptionNormSpectralModel.read(path, redshift=redshift)
        except Exception as error:  # astropy raises whatever the file leads it to
            raise ModelError(f"{path} cannot be read as a table of absorption: {error}") from error
        highest = float(np.max(model.param))
        if redshift > highest:  # gammapy would go on beyond the table, without a word
            raise ModelError(f"{path} ends at redshift {highest:g}, below {redshift:g}")
        if self.file is not None:
            # gammapy finds its own tables again by name; of others, models.yaml holds the numbers,
            # which it can only write in the machine's own order of bytes
            model.filename = None
            for name in ("param", "energy", "data"):
                setattr(model, name, u.Quantity(getattr(model, name), dtype=float))
        set_parameters(model, self.parameters)
        return model

    def _path(self) -> Path:
        from gammapy.modeling.models import EBL_DATA_BUILTIN

        if self.file is not None:
            path, hint = self.file.path(), "correct the path"
        else:
            place = Location(EBL_DATA_BUILTIN[self.ebl])
            if place.unset():
                raise ModelError(
                    f"the table of {self.ebl!r} is looked for at {place}, and GAMMAPY_DATA is not "
                    "set: set it to the folder of gammapy's data, or give a file"
                )
            path = place.path()
            hint = "it is part of gammapy's data (gammapy download datasets), or give a file"
        if not path.is_file():
            raise ModelError(f"there is no table of absorption at {path}: {hint}")
        return path
