"""Adjustments of expected energy: dated, with reason, method, magnitude and evidence, valid once another approves.

A routine adjustment is a known, recurring difference in conditions that the model has no driver for; a non-routine one
answers an event or a changed static factor (formulas 5.2). Both enter expected energy in the same way.
"""

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.units import QUANTUM_DECIMALS


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
    kwh_per_day: Decimal | None = Field(default=None, description="kWh per local day, a multiple of 1e-9")
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
