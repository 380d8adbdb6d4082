"""Detector models learned from faults put into meters, as a versioned file."""

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data_quality.contracts.quick_yaml import read_model
from ml.anomalies.logistic import Logistic

FILE = Path(__file__).with_name("learned.yaml")


class Learned(BaseModel):
    """Models by what they judge, with the version of their figures.

    learned_from: the meters and seeds, in words. night: of waste; drift: of a gain that still moves; returned: of one
    that moved and is back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    learned_from: str
    night: Logistic
    drift: Logistic
    returned: Logistic


@cache
def learned() -> Learned:
    """The models that came with this version."""
    return read_model(FILE, Learned)
