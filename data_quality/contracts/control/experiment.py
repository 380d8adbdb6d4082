"""An experiment of a site: spans of time drawn beforehand that follow the former habit instead of the plan."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

Arm = Literal["plan", "habit"]
Act = Literal["start", "day", "stop"]
# Of all spans at most: the rest of the days are for saving.
MOST_SHARE = 0.3
# With fewer nothing could be detected.
LEAST_DAYS = 14
LONGEST_DAYS = 365
_Share = Annotated[float, Field(gt=0, le=MOST_SHARE)]


class Drawn(Model):
    """A local day, or half of one, and its arm: drawn before it begins."""

    start_utc: datetime
    end_utc: datetime
    arm: Arm


class Experiment(Model):
    """The whole design as it is stored before the first day. spans: in order, without a hole.

    seed: of the draw, which is recomputed from it. half_days: whether a day has two spans, parted at noon.
    """

    experiment_id: str
    site_id: str
    seed: int = Field(ge=0)
    share: _Share
    half_days: bool = False
    spans: tuple[Drawn, ...]

    @model_validator(mode="after")
    def _spans_follow_each_other(self) -> Self:
        ends = [one.end_utc for one in self.spans]
        if any(one.start_utc != end for one, end in zip(self.spans[1:], ends, strict=False)):
            raise ValueError("the spans of an experiment follow one another without a hole")
        if self.end_utc - self.start_utc < timedelta(days=LEAST_DAYS, hours=-2):
            raise ValueError(f"an experiment lasts {LEAST_DAYS} days or more")
        return self

    @property
    def start_utc(self) -> datetime:
        """Begin of its first span."""
        return self.spans[0].start_utc

    @property
    def end_utc(self) -> datetime:
        """End of its last span."""
        return self.spans[-1].end_utc

    def at(self, moment_utc: datetime) -> Drawn | None:
        """The span that a moment lies in."""
        return next((one for one in self.spans if one.start_utc <= moment_utc < one.end_utc), None)


class FollowedDay(Model):
    """Arm and reason of a span, as stored with its first plan.

    is_comparable: whether the habit would have kept every limit, asked on days of either arm alike, so that leaving a
    day out does not depend on its arm. followed: what it did; why: where that is not the arm, or nothing is comparable.
    """

    start_utc: datetime
    arm: Arm
    followed: Arm
    is_comparable: bool
    plan_id: str = ""
    why: str = ""


class ExperimentAct(Model):
    """One row of an experiment: its design at the start, a day of it, or its end. person_id: empty for the planner."""

    experiment_id: str
    site_id: str
    act: Act
    person_id: str = ""
    reason: str = ""
    experiment: Experiment | None = None
    day: FollowedDay | None = None
    recorded_at_utc: datetime | None = None
