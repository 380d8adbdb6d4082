"""A curtailment plan: which loads are shed when for an event, what that is expected to be, what it costs."""

from datetime import datetime
from math import ceil
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from data_quality.contracts.baselines.baseline import canonical_sha256
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Stored

Preference = Literal["cost", "order", "comfort"]
# A larger gap to the best plan is worth a word, a share.
REPORTED_GAP = 1e-4


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
    """Amounts in kWh over the event. interval_kwh: of the shed, 90 %. cost: currency of the site; None of `kw`.

    gap: how much better by its preference another plan may be, a share; 0 of the proven best, None in plans from
    before it was kept.
    """

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
    gap: float | None = Field(default=None, ge=0)

    @model_serializer(mode="wrap")
    def _as_digested(self, to_dict: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What people approved before plans had a gap has its digest still.
        content: dict[str, Any] = to_dict(self)
        if self.gap is None:
            content.pop("gap", None)
        return content

    @property
    def gap_text(self) -> str:
        """The sentence of a plan that is not proved the best; empty of one that is."""
        if self.gap is None or self.gap <= REPORTED_GAP:
            return ""
        return Sentence(
            "Not proved the best: by its preference another plan may be better by up to {0} %.",
            ceil(100 * self.gap),
        )

    @property
    def limit_texts(self) -> list[str]:
        """Limits, and how far it may be from the best, as sentences that the edge words."""
        return [*(Stored(each) for each in self.limits), *filter(None, [self.gap_text])]

    @classmethod
    def sealed(cls, **content: object) -> "CurtailmentPlan":
        """The plan with id and digest of its content: any other step, power or time makes another digest."""
        draft = cls.model_validate({"id": "", "digest": ""} | content)
        digest = canonical_sha256(draft.model_dump(mode="json", exclude={"id", "digest"}))
        return draft.model_copy(update={"id": f"c{draft.start_utc:%Y%m%dT%H%M}-{digest[:12]}", "digest": digest})
