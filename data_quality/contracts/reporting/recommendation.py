"""Recommendations: a saving with interval, cost and payback, the sentences that explain it, and its life."""

from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from pydantic import Field

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import Figure

RecommendationState = Literal["new", "acknowledged", "scheduled", "accepted", "dismissed", "done", "measured"]
# States that an act may lead to, by the state before it.
NEXT_STATES: dict[RecommendationState, tuple[RecommendationState, ...]] = {
    "new": ("acknowledged", "scheduled", "accepted", "dismissed"),
    "acknowledged": ("scheduled", "accepted", "dismissed"),
    "scheduled": ("accepted", "dismissed"),
    "accepted": ("done", "measured", "dismissed"),
    "done": ("measured",),
    "measured": ("measured",),
    "dismissed": (),
}
ConfidenceLabel = Literal["low", "medium", "high"]
Interval = tuple[Decimal, Decimal]


def confidence_label(confidence: float) -> ConfidenceLabel:
    """The word for a confidence of 0 to 1: high from 0.8, medium from 0.5."""
    return "high" if confidence >= 0.8 else "medium" if confidence >= 0.5 else "low"


class AdvicePlace(Model):
    """One place of a sentence: the name of a figure, or a name of the site's that is data and never a command."""

    figure: str = ""
    text: str = ""


class AdviceSentence(Model):
    """A pattern of the message catalogue with what stands in its places."""

    pattern: str
    places: tuple[AdvicePlace, ...] = ()


class MeasuredSaving(Model):
    """The realised saving of an accepted recommendation: baseline's expected energy less metered energy.

    interval_kwh: at 90 %, None where no uncertainty can be told; days: local days compared. baseline: `id@version`.
    claimed_kwh: the saving where nothing stands against claiming it; None: what does, in `findings`.
    """

    start: date
    end: date
    days: int
    savings_kwh: Decimal
    interval_kwh: Interval | None
    baseline: str
    claimed_kwh: Decimal | None = None
    findings: tuple[Finding, ...] = ()


class Recommendation(Model):
    """One recommendation as an act left it. start, end: local days that it was made of, the savings are theirs.

    interval_*: at 90 %. savings_money, cost_money: None where the tariff or the cost is unknown; then there is no
    payback. figures: every number with its trace, found by the last part of its path. baseline: `id@version` that
    stood when it was accepted; order_id: its work order.
    """

    recommendation_id: str
    site_id: str
    kind: str
    scope: str
    start: date
    end: date
    status: RecommendationState = "new"
    savings_kwh: Decimal
    interval_kwh: Interval
    savings_money: Decimal | None
    interval_money: Interval | None
    currency: str
    savings_kgco2e: Decimal | None
    interval_kgco2e: Interval | None
    cost_money: Decimal | None
    interval_cost: Interval | None = None
    cost_source: str
    payback_months: Decimal | None
    interval_months: Interval | None
    difficulty: int = Field(ge=1, le=5)
    confidence: float = Field(ge=0, le=1)
    workflow: str
    sentences: tuple[AdviceSentence, ...]
    figures: tuple[Figure, ...] = ()
    is_synthetic: bool = False
    estimated_share: float = 0.0
    due: date | None = None
    order_id: str = ""
    baseline: str = ""
    measured: MeasuredSaving | None = None
    person_id: str = ""
    reason: str = ""
    recorded_at_utc: datetime | None = None

    @property
    def is_open(self) -> bool:
        """True where somebody still has to act on it."""
        return self.status in ("new", "acknowledged", "scheduled", "accepted", "done")

    @property
    def project_id(self) -> str:
        """Id of the M&V project that measures it once it is accepted."""
        return f"advice-{self.recommendation_id}"

    @property
    def confidence_label(self) -> ConfidenceLabel:
        """The word for its confidence."""
        return confidence_label(self.confidence)

    def figure(self, name: str) -> Figure | None:
        """The figure of that name, or None."""
        return next((each for each in self.figures if each.path.rpartition("/")[2] == name), None)


class Answer(Model):
    """A person's answer to a recommendation: the act that accepted or dismissed it."""

    recommendation_id: str
    site_id: str
    kind: str
    status: RecommendationState
    person_id: str
    recorded_at_utc: datetime


def recommendation_id_of(site_id: str, kind: str, scope: str, start: date, end: date) -> str:
    """The same for the same advice on the same days, so that a second run adds nothing."""
    return sha256("\n".join((site_id, kind, scope, str(start), str(end))).encode()).hexdigest()[:12]
