"""Absorption by the extragalactic background light (EBL), from a named model or a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.errors import ModelError, Problem
from skyred.fields import Location, option
from skyred.fields.parameter_entries import SubmodelError, set_parameters
from skyred.interfaces import Chain, Fields, value

if TYPE_CHECKING:
    from gammapy.modeling.models import EBLAbsorptionNormSpectralModel, SpectralModel

EBL_MODELS = ("dominguez", "franceschini", "franceschini17", "finke", "saldana-lopez21")


@value
class Absorption(Fields):
    """Absorption of the flux of a distant source by the extragalactic background light."""

    ebl: str | None = option(None, choices=EBL_MODELS, doc="The EBL model, from gammapy's data.")
    file: Location | None = option(
        None, type=Location, doc="A table of another model, in the XSPEC format that gammapy reads."
    )
    redshift: float = option(type=float, min=0.0, doc="Redshift of the source.")
    parameters: Mapping[str, Any] = option(
        {},
        type=dict,
        doc="Settings of the parameters redshift and alpha_norm (the opacity relative to the EBL "
        "model), which are frozen by default: {alpha_norm: {frozen: false, min: 0}}.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that exactly one of ebl and file is set.

        Yields
        ------
        Problem
            Both options, or neither of them.
        """
        if (self.ebl is None) == (self.file is None):
            message = "has neither ebl nor file" if self.ebl is None else "has both ebl and file"
            yield Problem((), message, f"set ebl (one of {', '.join(EBL_MODELS)}) or file")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the table, its range of redshifts, and the parameters.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        try:
            self.build()
        except ModelError as error:
            yield Problem(("ebl" if self.file is None else "file",), str(error))
        except SubmodelError as error:
            yield error.problem.with_prefix("parameters")

    def apply_to(self, spectral: SpectralModel) -> SpectralModel:
        """Apply the absorption to a spectrum.

        Parameters
        ----------
        spectral : gammapy.modeling.models.SpectralModel
            The intrinsic spectrum.

        Returns
        -------
        gammapy.modeling.models.SpectralModel
            The product of spectrum and absorption.
        """
        return spectral * self.build()

    def build(self) -> EBLAbsorptionNormSpectralModel:
        """Build the absorption model from its table.

        Returns
        -------
        gammapy.modeling.models.EBLAbsorptionNormSpectralModel
            The absorption at the redshift.

        Raises
        ------
        ModelError
            If the table is missing, cannot be read, or does not reach the redshift.
        SubmodelError
            If a parameter is not valid.
        """
        from gammapy.modeling.models import EBLAbsorptionNormSpectralModel

        path, redshift = self._path(), self.redshift
        try:
            model = EBLAbsorptionNormSpectralModel.read(path, redshift=redshift)
        except Exception as error:  # astropy raises various errors for invalid files
            raise ModelError(f"{path} cannot be read as an absorption table: {error}") from error
        max_redshift = float(np.max(model.param))
        if redshift > max_redshift:  # gammapy would silently extrapolate
            raise ModelError(
                f"{path} ends at redshift {max_redshift:g}; expected at least {redshift:g}"
            )
        if self.file is not None:
            # gammapy finds its own tables by file name; the values of other tables are written to
            # models.yaml, for which they must have the native byte order
            model.filename = None
            for name in ("param", "energy", "data"):
                setattr(model, name, u.Quantity(getattr(model, name), dtype=float))
        set_parameters(model, self.parameters)
        return model

    def _path(self) -> Path:
        """Return the path of the table; raise an error if it does not exist.

        Returns
        -------
        pathlib.Path
            The path.

        Raises
        ------
        ModelError
            If the table does not exist.
        """
        from gammapy.modeling.models import EBL_DATA_BUILTIN

        if self.file is not None:
            path, hint = self.file.path(), "check the path"
        else:
            location = Location(EBL_DATA_BUILTIN[self.ebl])
            if location.unset_variables():
                raise ModelError(
                    f"the table of {self.ebl!r} is expected at {location}, but GAMMAPY_DATA is "
                    "not set; set it to the folder of gammapy's data, or set the option file"
                )
            path = location.path()
            hint = (
                f"the table of {self.ebl!r} is part of gammapy's data: download it "
                "(gammapy download datasets), or set the option file"
            )
        if not path.is_file():
            raise ModelError(f"no such file: {path}; {hint}")
        return path
