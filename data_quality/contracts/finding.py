"""A typed "the data do not suffice": a third answer beside a value and an exception."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Finding(BaseModel):
    """One named reason why a figure is missing, provisional or to be read with care.

    `blocking` findings stop approval and publication unless waived in writing; others are printed.
    `facts` holds the numbers behind the sentence, e.g. {"days_found": 212, "days_wanted": 365}.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: str
    message: str
    severity: Literal["info", "warning", "blocking"] = "warning"
    scope: str = ""
    facts: dict[str, str | float | int | bool | None] = {}

    @property
    def is_blocking(self) -> bool:
        """True where the finding stops approval and publication."""
        return self.severity == "blocking"


class Verdict(BaseModel):
    """What a pure evaluator answers to an asset check: passed or not, and the facts for the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    passed: bool
    facts: dict[str, str | float | int | bool | list[str] | None] = {}
