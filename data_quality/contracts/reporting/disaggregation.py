"""Load disaggregation: classes of load, described loads, and a circuit's energy shared out among classes."""

from datetime import datetime, time, timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.text import each_id_once

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Mode = Literal["campaign", "signature"]
Label = Literal["low", "medium", "high"]
# Least confidence of each label.
MEDIUM, HIGH = 0.5, 0.8

# Sentence of each finding, and which of its facts stand in the places.
SENTENCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "submeters_above_circuit": (
        "sub-meters hold more than the circuit in {0} of {1} training intervals.", ("intervals", "of"),
    ),
    "copied_days": (
        "training days that repeat the day before reading by reading: {0}; left out of the training.", ("days",),
    ),
    "class_not_estimable": (
        "{0} is not estimable: on in {1} of {2} training hours, with {3} of the circuit's energy; expected {4} of the "
        "hours and {5} of the energy.", ("class", "hours_on", "hours", "share", "least_hours", "least_energy"),
    ),
    "member_not_estimable": (
        "{0}, a sub-meter of {4}, was on in {1} of {2} training hours, with {3} of the circuit's energy: {4} holds it "
        "all the same, and is the weaker where it runs.", ("class", "hours_on", "hours", "share", "of"),
    ),
    "extrapolated": (
        "of {0} days {1} are of a season and {2} of a load that the training never saw: every class is extrapolated "
        "there, and its band does not hold.", ("days", "season_days", "load_days"),
    ),
    "gaps": (
        "{0} of {1} intervals of the report span have no reading: no class is estimated there.", ("intervals", "of"),
    ),
    "no_band": (
        "the training has fewer than three weeks to measure errors on: the classes have no interval.", (),
    ),
    "described_loads": ("{0}: described, never measured; the answer is weak.", ("loads",)),
    "negative_readings": ("readings of {0} below zero: {1}; taken as gaps.", ("file", "readings")),
    "is_synthetic": ("readings of this circuit are simulated: proof of nothing.", ()),
}  # fmt: skip


def finding_of(code: str, severity: Literal["info", "warning"] = "warning", /, **facts: str | float | int) -> Finding:
    """A finding of a disaggregation by its code and facts; its sentence is worded at the edge."""
    return worded(Finding(code=code, message="", severity=severity, facts=dict(facts)))


def worded(finding: Finding) -> Finding:
    """A finding with the sentence of its code and facts; as it is where it is none of a disaggregation's."""
    if finding.code not in SENTENCES:
        return finding
    pattern, names = SENTENCES[finding.code]
    given = [finding.facts[name] for name in names]
    shown = [f"{each:.1%}" if isinstance(each, float) else str(each) for each in given]
    return finding.model_copy(update={"message": Sentence(pattern, *shown)})


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


class StoredClass(Model):
    """A class's intervals in little room. wh: whole Wh, null as in ClassInterval; on: 1, 0, or - where null."""

    name: str
    wh: tuple[int | None, ...]
    on: str


class StoredDisaggregation(Model):
    """A disaggregation of a site's circuit as it is kept: intervals by class, in whole Wh.

    result_id: 16 hexadecimal digits of the SHA-256 of what follows. step_minutes: of the intervals, without a hole from
    found.start_utc on. found: without rows; model: name and version in the registry, empty where it was away.
    """

    result_id: str = ""
    site_id: str
    circuit: str
    train: str
    step_minutes: int
    found: Disaggregation
    kept: tuple[StoredClass, ...]
    is_synthetic: bool
    model: str = ""
    recorded_at_utc: datetime | None = None

    @property
    def rows(self) -> list[ClassInterval]:
        """Intervals by time and class."""
        step = timedelta(minutes=self.step_minutes)
        length = len(self.kept[0].on) if self.kept else 0
        return [
            ClassInterval.model_construct(
                start_utc=self.found.start_utc + place * step, name=each.name,
                kwh=None if (wh := each.wh[place]) is None else wh / 1000,
                on=None if each.on[place] == "-" else each.on[place] == "1",
            )
            for place in range(length)
            for each in self.kept
        ]  # fmt: skip
