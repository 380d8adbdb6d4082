"""A drafted column map: what is known of each key, why and how sure, what is open, and how a person reads it.

Nothing here is ever applied: a person accepts the draft, or completes it where the content cannot say.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import UnitCode
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.units import UNITS

# What a column map can mend.
PROPOSED_FOR = frozenset(
    {
        "missing_column",
        "unknown_unit_column",
        "several_value_columns",
        "no_zone",
        "ambiguous_date",
        "bad_timestamp",
        "unknown_interval",
        "unit_suspected",
        "field_count",
        "no_header",
        "no_rows",
        "duplicate_column",
        "duplicate_conflict",
        "not_a_number",
        "bad_encoding",
        "not_text",
        "unknown_meter",
        "unknown_unit",
        "unit_mismatch",
    }
)


# From this share of rows on, what is refused is a way of writing and not single faults.
MANY_REFUSED = 0.1


class Question(Model):
    """An open question of a column map. key: of the column map (`zone`, or `values` with its column); answers: what may
    be written, the likeliest first, where that is known.
    """

    key: str
    column: str = ""
    text: str
    answers: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """In one sentence: key, column, what is open."""
        return ": ".join(filter(None, [self.key, text_of(self.column) if self.column else "", self.text]))


class Fact(Model):
    """One thing the draft takes for true, how sure (0..1), and why."""

    text: str
    sure: float


class FileFacts(Model):
    """Facts of a whole file, from a person: the zone of times without offset, the unit of values whose column has none,
    the meter of values that no name assigns to one.
    """

    tz: str | None = None
    unit: UnitCode | None = None
    meter: str | None = None


NO_FACTS = FileFacts()


class MapDraft(Model):
    """keys: what is known, as a column map holds it; notes: a word on a key, or on a column below it (`values`,
    column); remarks: lines about the file; questions: what is open; reads: rows that it read when it was tried;
    is_of_states: nothing but states of counters, which only the registers of a site read.
    """

    keys: dict[str, Any]
    notes: dict[str, str] = {}
    remarks: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    facts: tuple[Fact, ...] = ()
    reads: int = 0
    is_of_states: bool = False

    @property
    def confidence(self) -> float:
        """0..1: as sure as the least sure of its facts; each open question halves it."""
        return round(min((fact.sure for fact in self.facts), default=1.0) * 0.5 ** len(self.questions), 2)

    @property
    def is_complete(self) -> bool:
        """Nothing is open."""
        return not self.questions

    def tried(self, accepted: int, rejected: int, reasons: dict[str, int]) -> "MapDraft":
        """With what the file came to when it was read by this draft."""
        counts = "".join(f", {reason} {count}" for reason, count in reasons.items())
        fact = Fact(
            text=f"reads {accepted} of {accepted + rejected} rows{counts}", sure=accepted / (accepted + rejected)
        )
        return self.model_copy(update={"facts": (*self.facts, fact), "reads": accepted})

    def failed(self, sentence: str) -> "MapDraft":
        """With the reason why the file cannot be read by this draft, which is then open."""
        question = Question(key="", text=f"read by this map the file is still refused: {sentence}")
        return self.model_copy(update={"questions": (*self.questions, question)})

    def column_map(self, **more: Any) -> ColumnMap:
        """The map of what is known. Raises ValueError where that is none (a program's fault)."""
        return ColumnMap.model_validate(self.keys | more)

    def meters_of(self, columns: Collection[str]) -> set[str]:
        """The meters whose readings these columns hold."""
        streams = [stream for name, stream in self.keys.get("values", {}).items() if name in columns]
        streams += self.keys.get("meters", {}).values() if self.keys.get("value") in columns else ()
        return {stream.partition(".")[0] for stream in streams}

    def yaml(self) -> str:
        """As a person completes it: keys in order, an open one with its question behind it."""
        return "\n".join([*self.lines(), *(f"# {remark}" for remark in self.remarks)]) + "\n"

    def lines(self, asked: str = "") -> Iterator[str]:
        """The lines of the map, without remarks. asked: a word before each question, which is then a whole comment."""
        for key, value in self.keys.items():
            note = f" # {self.notes[key]}" if key in self.notes else ""
            open_columns = [each for each in self.questions if each.key == key and each.column]
            if isinstance(value, dict):
                # A key with nothing below it would be no mapping.
                yield f"{'' if value else '# '}{key}:{note}"
                for name, each in value.items():
                    own = self.notes.get(f"{key}.{name}")
                    yield f"  {text_of(name)}: {scalar(each)}{f' # {own}' if own else ''}"
                for question in open_columns:
                    answer = f"{question.answers[0]} " if question.answers else ""
                    yield f"  # {text_of(question.column)}: {answer}# {asked}{question.text}"
            else:
                yield f"{key}: {scalar(value)}{note}"
        for question in self.questions:
            if not question.column or question.key not in self.keys:
                key = f"{'# ' if asked else ''}{question.key}: " if question.key else ""
                yield f"{key}# {asked}{question.text}"


def is_repeated(
    name: str, unit: str, stream: str, values: dict[str, str], units: dict[str, str], asked: list[Question]
) -> bool:
    """The power of a meter whose energy stands beside it, or the other way round: energy is kept. Two amounts of
    one register (tariffs, phases) are asked for.
    """
    other = next((each for each, of in values.items() if of == stream), None)
    if other is None:
        return False
    if UNITS[units[other]].is_power and not UNITS[unit].is_power:
        del values[other], units[other]
        return False
    if not UNITS[unit].is_power:
        text = f"{text_of(other)} is {stream} already: of which meter is this? Give its unit under units"
        asked.append(Question(key="values", column=name, text=text))
    return True


# 2025, 2025-03, 20250301, 2025-03-01T1200, 2025-Q1, 01.03.2025; not a number that a date only begins.
_DATES = re.compile(
    r"(?<!\d)(?:(?:19|20)\d{2}(?:[-_.]?(?:Q[1-4]|(?:0[1-9]|1[0-2])(?:[-_.]?(?:0[1-9]|[12]\d|3[01])"
    r"(?:[-_T ]?\d{4}(?:\d{2})?)?)?))?|(?:0[1-9]|[12]\d|3[01])[-_.](?:0[1-9]|1[0-2])[-_.](?:19|20)\d{2})(?!\d)"
)
# What is taken and what is given, as counters are called: A+, -A.
_SIGNED = re.compile(r"(?<![^\W_])[AQS][+-](?![^\W_])|(?<![^\W_])[+-][AQS](?![^\W_])")
_LETTERS = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "é": "e", "è": "e", "ê": "e", "à": "a", "ç": "c"}


def glob_of(file_name: str, *, is_only_this: bool = False) -> str:
    """The files that a map is for: the same name with other dates. Other numbers stay: they may be a meter's."""
    name = re.sub(r"[\[\]?*]", "?", file_name)
    if is_only_this:
        return name
    found = _DATES.sub("*", name)
    # A name of nothing but a date would fit any file of its kind.
    return found if re.search(r"[^\W\d_]", found.partition(".")[0]) else name


def undated(stem: str) -> str:
    """A file's name without its dates."""
    return _DATES.sub(" ", stem)


def identifier(name: str) -> str:
    """A lower-case name as a site file wants it."""
    folded = re.sub(_SIGNED, lambda sign: " import " if "+" in sign[0] else " export ", name).lower()
    for letter, plain_letters in _LETTERS.items():
        folded = folded.replace(letter, plain_letters)
    plain = re.sub(r"[^a-z0-9]+", "_", folded).strip("_")[:60]
    return plain or "my_meter"


def scalar(value: Any) -> str:
    """A value as YAML on one line; names that YAML would take for something else are quoted."""
    if isinstance(value, list):
        return f"[{', '.join(text_of(str(each)) for each in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and text.lower() not in _YAML_WORDS
    return text if is_plain else text_of(text)


_YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def text_of(name: str) -> str:
    """A name as a YAML scalar; JSON's quoting is YAML's, and keeps any name on one line."""
    return json.dumps(name, ensure_ascii=not name.isprintable())
