"""Data points of a disclosure as they were answered: figures, answers of the organisation, gaps."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from data_quality.contracts.model import Model

Source = Literal["figure", "organisation", "missing", "not_applicable"]
# A paragraph of a report; what is longer belongs into the evidence file.
MOST_LETTERS = 2000
# They turn the letters of everything behind them around.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def _plain_words(text: str) -> str:
    if any(mark in _TURNING or (ord(mark) < 32 and mark != "\n") for mark in text):
        raise ValueError("holds a control character or one that turns letters around; delete it")
    if "<" in text and ">" in text[text.index("<") :]:
        raise ValueError("holds markup; write plain text")
    return text.strip()


Words = Annotated[str, Field(max_length=MOST_LETTERS), AfterValidator(_plain_words)]


class DisclosureAnswer(Model):
    """An answer of the organisation to one data point, for one site and reporting year: a value, words, or why none.

    The last answer to a data point counts; earlier ones stay in the file. evidence: a file below the project's folder,
    and the SHA-256 that it had when the answer was given. signed_sha256: hash of all the rest, which its author signed;
    empty: written by hand, or where nobody has a key.
    """

    pack: str = Field(min_length=1, max_length=64)
    id: str = Field(min_length=1, max_length=110, description="Identifier of the pack, with /PART where it has parts")
    site: str
    year: int = Field(ge=1990, le=2200)
    value: Decimal | None = None
    unit: str = ""
    text: Words = ""
    not_applicable: Words = Field(default="", description="Why the data point does not apply")
    author: str = Field(min_length=1, description="person_id of the people file")
    at: date
    evidence: str = Field(default="", max_length=300)
    evidence_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    signed_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.value is not None) + bool(self.text) + bool(self.not_applicable) != 1:
            raise ValueError("give one of `value`, `text` and `not_applicable`")
        if bool(self.unit) and self.value is None:
            raise ValueError("`unit` goes with `value`")
        if self.at < date(self.year, 1, 1):
            raise ValueError(f"given on {self.at}, before the year {self.year} began")
        return self

    @property
    def answer_text(self) -> str:
        """Value with unit, or the words."""
        return f"{self.value} {self.unit}".strip() if self.value is not None else self.text or self.not_applicable

    @property
    def stated(self) -> dict[str, Any]:
        """Text that its author signs: all of it, as the file has it."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"signed_sha256"})


class DisclosureFile(Model):
    """The file `disclosure.yaml` of a project: answers in the order in which they were given."""

    answers: tuple[DisclosureAnswer, ...] = ()


class Datum(Model):
    """One data point of a report. `figure`: value and unit are those of the figure, which has the trace.

    part: of several under one identifier. item: the row, where it is a table. offered: what the organisation answered a
    year before, which is taken by nobody. by: until when a gap is to be filled. is_signed: its author signed it.
    """

    framework: str
    edition: str
    id: str
    part: str = ""
    item: str = ""
    label: str
    kind: Literal["figure", "table", "text", "choice"]
    source: Source
    required: bool
    figure_id: str = ""
    value: Decimal | str | None = None
    unit: str = ""
    reason: str = ""
    who: str = ""
    by: date | None = None
    author: str = ""
    at: date | None = None
    evidence: str = ""
    is_signed: bool = False
    offered: str = ""

    @property
    def key(self) -> str:
        """The identifier that an answer names."""
        return f"{self.id}/{self.part}" if self.part else self.id


class Gap(Model):
    """One data point that is missing: what is to be added, by whom, until when."""

    id: str
    what: str
    who: str
    by: date | None
    required: bool
    reason: str
    offered: str


class Completeness(Model):
    """Required data points by where their answer comes from; the four sum up to `required`."""

    required: int
    figure: int
    organisation: int
    missing: int
    not_applicable: int


def gaps_of(data: Iterable[Datum]) -> tuple[Gap, ...]:
    """Data points that are missing, each once: of a table, the first row that is."""
    found: dict[str, Gap] = {}
    for each in data:
        if each.source == "missing":
            found.setdefault(each.key, Gap(id=each.key, what=each.label, **_shared(each)))
    return tuple(found.values())


def _shared(datum: Datum) -> dict[str, object]:
    return datum.model_dump(include={"who", "by", "required", "reason", "offered"})


def completeness_of(data: Iterable[Datum], *, required: bool = True) -> Completeness:
    """Counts of the required data points, or of the others; a table of which one row is missing is missing."""
    sources: dict[str, set[str]] = {}
    for each in data:
        if each.required == required:
            sources.setdefault(each.key, set()).add(each.source)
    order: tuple[Source, ...] = ("missing", "organisation", "figure", "not_applicable")
    first = [next(each for each in order if each in found) for found in sources.values()]
    return Completeness.model_validate({"required": len(first), **{str(name): first.count(name) for name in order}})
