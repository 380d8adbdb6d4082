"""Two ways to advise side by side: the design, the drawn arms, and what a person had forgotten; each is one act."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from data_quality.contracts.model import Model

# Beside the rules alone: an order by learnt preferences, or a language model's wording.
Compares = Literal["learnt", "wording"]
AdviceActName = Literal["start", "draw", "stop", "forget", "word"]
RULES = "rules"


class AdviceTrial(Model):
    """The design as stored before anything is shown. most_shown: answers over both arms after which it ends."""

    trial_id: str
    seed: int = Field(ge=0)
    compares: Compares
    most_shown: int = Field(ge=40, le=10_000)

    @property
    def names(self) -> tuple[str, str]:
        """Names of the first and of the second arm."""
        return RULES, self.compares


class DrawnKind(Model):
    """The arm of a kind at a site. is_other: the second."""

    site_id: str
    kind: str
    is_other: bool


class Wording(Model):
    """A language model's wording of one sentence, as it answered. refused: why it is not shown; empty: it is.

    sentence: the words that it stands for, in that language; another sentence, as after an update, is not worded by it.
    """

    language: str
    sentence: str
    text: str
    model: str
    refused: str = ""


class AdviceAct(Model):
    """One row. about: the trial, the forgotten kind, or the worded recommendation. person_id: empty for a run."""

    act: AdviceActName
    about: str
    person_id: str = ""
    reason: str = ""
    trial: AdviceTrial | None = None
    drawn: tuple[DrawnKind, ...] = ()
    wordings: tuple[Wording, ...] = ()
    recorded_at_utc: datetime | None = None
