"""Load disaggregation: classes of load, described loads, and a circuit's energy shared out among classes."""

from datetime import datetime, time
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.text import each_id_once

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Mode = Literal["campaign", "signature"]
Label = Literal["low", "medium", "high"]
# Name of the energy that no class holds.
REST = "rest"
# Least confidence of each label.
MEDIUM, HIGH = 0.5, 0.8


def label_of(confidence: float) -> Label:
    """Label of a confidence from 0 to 1."""
    if confidence >= HIGH:
        return "high"
    return "medium" if confidence >= MEDIUM else "low"


class LoadClass(Model):
    """A class of load. meters: sub-meters that add up to it. on_kw: power above which it is on; None: learnt."""

    name: str = Field(min_length=1, max_length=80)
    meters: tuple[str, ...] = Field(min_length=1)
    on_kw: float | None = Field(default=None, ge=0)


class LoadSignature(Model):
    """A load described without a sub-meter. since, until: local times, equal for the whole day.

    rating_kw: power at full load; duty: mean share of it within its hours.
    """

    name: str = Field(min_length=1, max_length=80)
    rating_kw: float = Field(gt=0)
    duty: float = Field(default=1.0, gt=0, le=1)
    days: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1)
    since: time = time(0)
    until: time = time(0)


class LoadSignatures(Model):
    """Described loads of a circuit."""

    loads: tuple[LoadSignature, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        each_id_once("loads", [load.name for load in self.loads])
        return self


class ClassEnergy(Model):
    """A class over the report span. kwh and what follows from it: None where it is not estimable.

    share: of the circuit. interval_kwh: 90 % interval. extrapolated: the span leaves the training's seasons or loads.
    f1_held_out: on-state in training weeks that the model had not seen; None where the class never switches.
    """

    name: str
    mode: Mode
    kwh: float | None
    share: float | None
    interval_kwh: tuple[float, float] | None
    confidence: float = Field(ge=0, le=1)
    confidence_label: Label
    estimable: bool
    extrapolated: bool
    on_seconds: int | None
    f1_held_out: float | None


class ClassInterval(Model):
    """A class in one interval. kwh and on: None where the circuit has no reading or the class is not estimable."""

    start_utc: datetime
    name: str
    kwh: float | None
    on: bool | None


class ClassWeek(Model):
    """A class in one whole local week, from Monday. interval_kwh: 90 % interval."""

    start_utc: datetime
    name: str
    kwh: float
    interval_kwh: tuple[float, float]


class Disaggregation(Model):
    """A circuit's energy by class. rest_kwh: what no class holds. digest: SHA-256 of readings, classes and spans."""

    zone: str
    start_utc: datetime
    end_utc: datetime
    circuit_kwh: float
    rest_kwh: float
    classes: tuple[ClassEnergy, ...]
    weeks: tuple[ClassWeek, ...]
    rows: tuple[ClassInterval, ...]
    digest: str
    findings: tuple[Finding, ...]
