"""Toy components with a secret, which they put into errors, warnings and the log."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from skyred import Maker, component, option, secret
from skyred.errors import Problem
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
class Checker(Maker):
    """A maker whose methods show its token, or raise an error."""

    kind = "toy-checker"
    token: Any = secret(doc="A token.")
    act = option("", doc="What to do, and where.")

    def validate(self) -> Any:
        return self._act("validate")

    def check(self, pipeline: Any) -> Any:
        return self._act("check")

    def make(self, dataset: Any, observation: Any) -> Any:
        list(self._act("make"))
        return dataset

    def _act(self, method: str) -> Any:
        token = self.token.reveal()
        if self.act == f"{method}: problem":
            yield Problem(("token",), f"bad token {token}", f"expected another than {token}")
        if self.act == f"{method}: messages":
            logging.getLogger("skyred.toy").warning("%s with %s", method, token)
            warnings.warn(f"{method} with {token}", UserWarning, stacklevel=1)
        if self.act == f"{method}: error":
            raise RuntimeError(f"{method} fails with {token}")
        if self.act == f"{method}: exit":
            raise SystemExit(f"{method} exits with {token}")


def call_with_token(token: Any, method: str) -> str:
    """Log and raise an error with a token, as a task of an estimator."""
    logging.getLogger("skyred.toy").warning("%s with %s", method, token.reveal())
    raise RuntimeError(f"{method} fails with {token.reveal()}")


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
