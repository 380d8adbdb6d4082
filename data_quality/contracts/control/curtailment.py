"""A curtailment plan: which loads are shed when for an event, what that is expected to be, what it costs."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from data_quality.contracts.baselines.adjustment import canonical_sha256
from data_quality.contracts.model import Model

Preference = Literal["cost", "order", "comfort"]


class ShedStep(Model):
    """One load down by a power over [start, end)."""

    load: str
    start_utc: datetime
    end_utc: datetime
    kw: float = Field(gt=0)
    asset: str | None = None


class ShedReturn(Model):
    """A load that comes back after the event; those that rebound come back one after the other."""

    load: str
    at_utc: datetime
    rebound_kwh: float = Field(ge=0)


class CurtailmentPlan(Model):
    """Amounts in kWh over the event. interval_kwh: of the shed, 90 %. cost: currency of the site; None of `kw`."""

    id: str
    digest: str
    site: str
    start_utc: datetime
    end_utc: datetime
    target_kw: float
    preference: Preference
    expected_kwh: float
    interval_kwh: tuple[float, float]
    rebound_kwh: float
    cost: float
    currency: str
    steps: tuple[ShedStep, ...]
    returns: tuple[ShedReturn, ...]
    limits: tuple[str, ...]

    @classmethod
    def sealed(cls, **content: object) -> "CurtailmentPlan":
        """The plan with id and digest of its content: any other step, power or time makes another digest."""
        draft = cls.model_validate({"id": "", "digest": ""} | content)
        digest = canonical_sha256(draft.model_dump(mode="json", exclude={"id", "digest"}))
        return draft.model_copy(update={"id": f"c{draft.start_utc:%Y%m%dT%H%M}-{digest[:12]}", "digest": digest})
