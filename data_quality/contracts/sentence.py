"""Sentences that are worded at the edge: English as text, with the pattern and what stands in its places. Pure."""

from collections.abc import Sequence
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


class Stored(str):
    """A sentence of ours that a store gave back as English text: at the edge its pattern is looked for again."""

    __slots__ = ()


def sentences(parts: Sequence[str], mark: str = "; ") -> str:
    """Parts behind one another, each worded for itself; empty ones are left out."""
    said = [each for each in parts if each]
    return said[0] if len(said) == 1 else Sentence(mark.join(f"{{{at}}}" for at in range(len(said))), *said)


def _kept(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Sentence) else validate(value)


# A field that keeps a sentence as one; Pydantic makes plain text of every other.
Text = Annotated[str, WrapValidator(_kept)]
