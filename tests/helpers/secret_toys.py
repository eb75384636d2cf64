"""Toy components with a secret, which they put into errors, warnings and the log."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from skyred import Maker, component, secret
from toys import ToyEstimator


@component
class Downloader(Maker):
    """A maker with a token that appears in an error, a warning and the log."""

    kind = "toy-downloader"
    token: Any = secret(doc="A token.")
    backup: Any = secret(None, doc="Another token.")

    def make(self, dataset: Any, observation: Any) -> Any:
        warnings.warn(f"the token {self.token.reveal()} expires", UserWarning, stacklevel=1)
        if observation.obs_id == 2:
            raise ConnectionError(f"https://archive?token={self.token.reveal()}")
        return dataset


@component
class Uploader(ToyEstimator):
    """An estimator that raises an error with a token."""

    kind = "toy-uploader"
    token: Any = secret(doc="A token.")

    def estimate(self, datasets: Any, fit: Any) -> Any:
        logging.getLogger("skyred.toy").warning("upload with %s", self.token.reveal())
        try:
            raise KeyError(self.token.reveal())
        except KeyError as error:
            raise RuntimeError(f"cannot upload with {self.token.reveal()}") from error
