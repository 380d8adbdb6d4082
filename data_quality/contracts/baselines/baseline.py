"""A fitted baseline and its statistics, free of the library that fitted it, and the levels of a use's status; and
adjustments of expected energy: dated, with reason, method, magnitude and evidence, valid once another approves.

A routine adjustment is a known, recurring difference in conditions that the model has no driver for; a non-routine one
answers an event or a changed static factor (formulas 5.2). Both enter expected energy in the same way.
"""

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.units import QUANTUM_DECIMALS


class BaselineType(StrEnum):
    """Five meanings that never mix (resolution X14)."""

    MONITORING = "monitoring"
    ENB = "enb"
    MV_PROJECT = "mv_project"
    DR_EVENT = "dr_event"
    COUNTERFACTUAL = "counterfactual"


class BaselineStatus(StrEnum):
    """Life of a version. A provisional or rejected one never feeds a published report."""

    PROVISIONAL = "provisional"
    APPROVED = "approved"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"

    @property
    def has_approval(self) -> bool:
        """True where somebody approved it, in force or not."""
        return self in (BaselineStatus.APPROVED, BaselineStatus.SUPERSEDED)


class Coefficient(Model):
    """One term by name, kWh/day per unit of the feature (kWh/day for the intercept)."""

    name: str
    value: float
    standard_error: float
    ci_low: float
    ci_high: float
    p_value: float
    vif: float | None = None


class FitStatistics(Model):
    """Statistics of formulas 5.3; n observations, p parameters including the intercept."""

    n: int
    p: int
    r2: float
    r2_adj: float
    rmse_n: float
    rmse_dof: float
    # Three definitions are in use: RMSE by n, by n - p (ASHRAE Guideline 14), by n less the coefficients without the
    # intercept (CalTRACK 4.3.2.2). A threshold means nothing without the one it was written for.
    cvrmse_n: float
    cvrmse_g14: float
    cvrmse_caltrack: float
    # Zero by construction for least squares with an intercept: only the one out of sample says anything.
    nmbe_in_sample: float
    nmbe_out_of_sample: float
    cvrmse_out_of_sample: float
    # By the interquartile range: spares loads whose mean is near zero, as net metering has.
    pnrmse: float
    f_p_value: float
    # Days resemble the day before: this is what makes n observations count as fewer (formulas 5.5).
    rho1: float
    durbin_watson: float


class BandTerms(Model):
    """Terms of a fit for the uncertainty of a later saving, without its training rows (formulas 5.5).

    spread: covariance of the coefficients (intercept first) per unit of variance, rows by column; variance: of one
    day's noise, kWh², with its longer memory; rho1: first-order autocorrelation of that noise, 0 to 0.98; dof: of t.
    """

    spread: tuple[tuple[float, ...], ...]
    variance: float
    rho1: float
    dof: int


class Baseline(Model):
    """One fitted model of daily energy: y_hat = sum(coefficient * feature), in kWh per local day."""

    seu_id: str
    site_id: str
    baseline_type: BaselineType
    model: str
    target_unit: str = "kwh/day"
    feature_order: tuple[str, ...]
    coefficients: tuple[Coefficient, ...]
    # Beyond what it was trained on a line may go anywhere: such days are reported as extrapolated.
    driver_ranges: dict[str, tuple[float, float]]
    train_start: date
    train_end: date
    confidence: float
    statistics: FitStatistics
    findings: tuple[Finding, ...]
    dataset_digest: str
    is_synthetic: bool
    band: BandTerms | None = None

    @property
    def is_blocked(self) -> bool:
        """True where a finding blocks approval."""
        return any(finding.is_blocking for finding in self.findings)


class BaselineVersion(Model):
    """A registered baseline: MLflow version, digest, who fitted, and who approved or rejected it for which reason."""

    baseline_id: str
    version: int
    status: BaselineStatus
    mlflow_run_id: str
    model_checksum: str
    fitted_by: str
    fitted_at_utc: datetime
    approved_by: str | None = None
    approved_role: str | None = None
    approved_at_utc: datetime | None = None
    rejected_by: str | None = None
    rejected_at_utc: datetime | None = None
    reason: str = ""
    baseline: Baseline


Policy = Literal["signed", "symmetric", "target"]
# What each judges; `signed` alone is also said of what has a signature.
POLICY_WORDS: dict[Policy, str] = {
    "signed": "signed deviation", "symmetric": "absolute deviation", "target": "target",
}  # fmt: skip


class StatusRule(Model):
    """The organisation's own alert levels; ISO 50001 has none. Percent of expected energy, bounds inclusive."""

    policy: Policy = "signed"
    warn_percent: float = Field(default=3.0, ge=0, le=100)
    crit_percent: float = Field(default=5.0, ge=0, le=100)
    target_percent: float = Field(default=0.0, ge=0, le=100, description="Policy `target`: required improvement")
    implausible_saving_percent: float = Field(default=-15.0, ge=-100, le=0)
    min_days_share: float = Field(default=0.9, ge=0, le=1, description="Share of days that must be comparable")

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.crit_percent < self.warn_percent:
            raise ValueError(f"critical ({self.crit_percent:g} %) begins below the warning ({self.warn_percent:g} %)")
        return self


class ExpectedDay(Model):
    """One row of core_seu__expected_days; null where a driver of the day is missing."""

    site_id: str
    seu_id: str
    local_date: date
    baseline_id: str
    baseline_version: int
    expected_kwh: float | None = Field(description="kWh of the local day, a multiple of 1e-9")
    is_extrapolated: bool = Field(description="A driver lies outside the range that the baseline was trained on")


class ShadowTerm(Model):
    """One coefficient then and now, kWh/day per unit; in_standard_errors: |now - then| over the error of then."""

    name: str
    then: float | None
    now: float | None
    difference: float | None
    in_standard_errors: float | None


class ShadowComparison(Model):
    """One version against its recomputation. largest_difference: max |now - then| / max(|then|, error of then).

    is_same_data: the training table of today has the digest that the version carries; without it nothing is compared.
    is_equal: every coefficient agrees to one part in 10^9 and the terms are the same.
    """

    baseline_id: str
    version: int
    model: str
    is_same_data: bool
    dataset_digest_then: str
    dataset_digest_now: str
    terms: tuple[ShadowTerm, ...] = ()
    largest_difference: float | None = None
    is_equal: bool = False
    libraries: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()


class YearSpan(Model):
    """Local dates [start, end)."""

    start: date
    end: date

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"the span {self.start}/{self.end} is empty")
        return self


class YearRule(Model):
    """Best of these training years for this reporting period of a use: the one that asks the least energy."""

    site_id: str
    seu_id: str
    rule: Literal["best_of"] = "best_of"
    trains: tuple[YearSpan, ...] = Field(min_length=1)
    report: YearSpan


class YearRuleRecord(Model):
    """A rule as a person approved it."""

    rule: YearRule
    approved_by: str
    reason: str
    recorded_at_utc: datetime


class AdjustmentKind(StrEnum):
    """Reason why expected energy changes other than by the drivers."""

    ROUTINE = "routine"
    NON_ROUTINE = "non_routine"


class AdjustmentStatus(StrEnum):
    """Life of an adjustment; only an approved one enters expected energy."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


class Adjustment(Model):
    """Adjustment of the expected energy: exactly one of `kwh_per_day` and `percent`, over local days [start, end).

    kwh_per_day: added to the expected energy of each day; positive where the use now needs more. percent: of the
    expected energy as the model alone gives it, so that several adjustments of a day do not depend on their order.
    """

    baseline_id: str = Field(min_length=1, description="site/seu/type")
    kind: AdjustmentKind = AdjustmentKind.NON_ROUTINE
    start: date
    end: date
    # A TWh a day is more than any meter counts.
    kwh_per_day: Decimal | None = Field(
        default=None, ge=-(10**9), le=10**9, description="kWh per local day, a multiple of 1e-9"
    )
    # At -100 nothing would be expected at all; above 1000 the decimal mark is in the wrong place.
    percent: Decimal | None = Field(default=None, gt=-100, le=1000, description="Of the model's expected energy")
    reason: str = Field(min_length=1)
    method: str = Field(min_length=1, description="How the magnitude was found: submeter, engineering estimate …")
    evidence: str = Field(min_length=1, description="Text or link that a second person can check")
    evidence_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="Of the evidence file")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"an adjustment ends ({self.end}) before it starts ({self.start})")
        if (self.kwh_per_day is None) == (self.percent is None):
            raise ValueError("an adjustment needs kwh_per_day or percent, and not both")
        given = self.kwh_per_day if self.kwh_per_day is not None else self.percent
        if not given:
            raise ValueError("an adjustment of zero changes nothing")
        if self.kwh_per_day is not None and self.kwh_per_day != round(self.kwh_per_day, QUANTUM_DECIMALS):
            raise ValueError(f"kwh_per_day {self.kwh_per_day} has more than {QUANTUM_DECIMALS} decimals")
        if not all(text.strip() for text in (self.reason, self.method, self.evidence)):
            raise ValueError("reason, method and evidence must say something")
        return self

    @property
    def adjustment_id(self) -> str:
        """12 hex digits over everything that is adjusted: the same proposal twice has one id."""
        # 48 bits: two of a site's adjustments would share an id by chance only among millions.
        return canonical_sha256(self.model_dump(mode="json"))[:12]


class AdjustmentRecord(Model):
    """An adjustment with its life: who proposed it, who approved or withdrew it, when each was recorded."""

    adjustment_id: str
    site_id: str
    status: AdjustmentStatus
    adjustment: Adjustment
    proposed_by: str
    proposed_at_utc: datetime
    approved_by: str | None = None
    approved_at_utc: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_at_utc: datetime | None = None
    withdrawn_because: str = ""


def canonical_sha256(document: object) -> str:
    """SHA-256 over a JSON document with sorted keys and no spaces."""
    # NaN is no JSON and equals nothing, itself included: a digest over one would prove nothing.
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
