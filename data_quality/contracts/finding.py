"""A typed "the data do not suffice": a third answer besides a value and an exception."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from data_quality.contracts.sentence import Text


class Finding(BaseModel):
    """One named reason why a figure is missing, provisional or to be read with care.

    `blocking` findings stop approval and publication unless waived in writing; others are printed.
    `facts` holds the numbers behind the sentence, e.g. {"days_found": 212, "days_wanted": 365}. `measures` names the
    figures of its scope that it touches, by KPI or field; none named: all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: str
    message: Text
    severity: Literal["info", "warning", "blocking"] = "warning"
    scope: str = ""
    facts: dict[str, str | float | int | bool | None] = {}
    # Left out where none is named, so that what was stored before it existed reads and digests as it did.
    measures: tuple[str, ...] = Field(default=(), exclude_if=lambda named: not named)

    def touches(self, measure: str) -> bool:
        """True where it belongs to a figure of that KPI or field."""
        return not self.measures or measure in self.measures

    @property
    def is_blocking(self) -> bool:
        """True where the finding stops approval and publication."""
        return self.severity == "blocking"


class Verdict(BaseModel):
    """Verdict of a pure evaluator for an asset check: passed or not, and the facts for the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    passed: bool
    facts: dict[str, str | float | int | bool | list[str] | None] = {}
