"""Sentences that are worded at the edge: English as text, with the pattern and what stands in its places. Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import ValidatorFunctionWrapHandler, WrapValidator


class Sentence(str):
    """English that keeps its pattern and what stands in the pattern's places {0}, {1}.

    A language's catalogue is by pattern (reports/texts/languages). What is given is shown as it is, but for sentences,
    which are worded too. Everybody else reads it as text.
    """

    __slots__ = ("given", "pattern")
    pattern: str
    given: tuple[object, ...]

    def __new__(cls, pattern: str, *given: object) -> Self:
        """pattern: without anything given it has no places, and may hold braces."""
        made = super().__new__(cls, pattern.format(*given) if given else pattern)
        made.pattern, made.given = pattern, given
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.pattern, *self.given)


class Numeral(str):
    """A number as English writes it, in a sentence; the edge writes it as the reader's language does."""

    __slots__ = ()

    @classmethod
    def rounded(cls, value: float, digits: int = 4, *, sign: str = "-") -> Self:
        """To so many significant digits, never with an exponent. sign: "+" for one before positive numbers too.

        >>> str(Numeral.rounded(11432.6)), str(Numeral.rounded(-0.000012, sign="+"))
        ('11,430', '-0.000012')
        """
        return cls(f"{Decimal(f'{value:.{digits}g}'):{sign},f}")


class Days(str):
    """A day or a span of days [start, end) as English says it; the edge says it as the reader's language does."""

    __slots__ = ("end", "start")
    start: date
    end: date

    def __new__(cls, english: str, start: date, end: date) -> Self:
        """english: the words; end: the day after the last."""
        made = super().__new__(cls, english)
        made.start, made.end = start, end
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.start, self.end)


class Stored(str):
    """A sentence of ours that a store gave back as English text: at the edge its pattern is looked for again."""

    __slots__ = ()


def sentences(parts: Sequence[str], mark: str = "; ") -> str:
    """Parts behind one another, each worded for itself; empty ones are left out."""
    present = [each for each in parts if each]
    return present[0] if len(present) == 1 else Sentence(mark.join(f"{{{at}}}" for at in range(len(present))), *present)


def parts_of(text: object) -> Any:
    """A sentence as JSON: its pattern and what is given, sentences inside alike; `sentence_of` makes it again."""
    if isinstance(text, Sentence):
        return {"pattern": text.pattern, "given": [parts_of(each) for each in text.given]}
    if isinstance(text, Days):
        return {"days": str(text), "start": f"{text.start}", "end": f"{text.end}"}
    return {"numeral": str(text)} if isinstance(text, Numeral) else str(text)


def sentence_of(parts: Any) -> str:
    """The sentence of `parts_of`."""
    if isinstance(parts, str):
        return parts
    if "pattern" in parts:
        return Sentence(parts["pattern"], *map(sentence_of, parts["given"]))
    if "days" in parts:
        return Days(parts["days"], date.fromisoformat(parts["start"]), date.fromisoformat(parts["end"]))
    return Numeral(parts["numeral"])


def _kept(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Sentence | Stored) else validate(value)


# A field that keeps a sentence as one, also of a store; Pydantic makes plain text of every other.
Text = Annotated[str, WrapValidator(_kept)]
