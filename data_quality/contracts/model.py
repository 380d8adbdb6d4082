"""The one base of every parameter model: frozen, closed, no NaN; of those that state what they may be off; as JSON."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import wraps
from operator import not_
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Model(BaseModel):
    """Immutable, refuses unknown keys, refuses NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with changed fields; what was derived from the old ones (cached properties) stays behind."""
        copied = super().model_copy(update=update, deep=deep)
        # Looked up once: an agent copies a command at each step of it.
        fields = type(self).model_fields
        for name in [name for name in copied.__dict__ if name not in fields]:
            del copied.__dict__[name]
        return copied


M = TypeVar("M", bound=Model)
T = TypeVar("T")


def once(make: Callable[[M], T]) -> Callable[[M], T]:
    """Answered once of each model: the answer stays with it as a cached property would, and a copy leaves it behind.

    For what lies in a room of its own; whoever asks must not change the answer.
    """
    name = f"{make.__module__}.{make.__qualname__}"

    @wraps(make)
    def answer(model: M) -> T:
        kept = vars(model)
        if name not in kept:
            kept[name] = make(model)
        found: T = kept[name]
        return found

    return answer


class Mistakes(ValueError):
    """Several mistakes of one model, found by one look over the whole."""

    def __init__(self, mistakes: list[ValueError]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(str(each) for each in mistakes))


def check_all(checks: Iterable[Callable[[], object]]) -> None:
    """Run every check, also after one has failed. Raises its ValueError, or Mistakes where several fail."""
    found: list[ValueError] = []
    for check in checks:
        try:
            check()
        except ValueError as fault:
            found += fault.mistakes if isinstance(fault, Mistakes) else [fault]
    if len(found) == 1:
        raise found[0]
    if found:
        raise Mistakes(found)


def plain(value: Any) -> Any:
    """A value as JSON knows it: decimals to floats, times to ISO 8601 with Z, models to dicts."""
    # First: a series is thousands of them, and to ask what else it might be takes longer than all the rest.
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    # Before dates: a datetime is a date too, and would lose its Z.
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time | Path):
        return str(value)
    if isinstance(value, Enum):
        # Numbered ones (modes, evidence grades) are known to people by name; their order is ours alone.
        return value.name if isinstance(value.value, int) else value.value
    return value


class StatedUncertainty(Model):
    """Uncertainty of an emission factor as its source gives it; nothing where it gives none."""

    uncertainty_percent: float | None = Field(
        default=None, gt=0, lt=100, exclude_if=not_,
        description="Half of the 95 % interval, percent of the factor",
    )  # fmt: skip
    uncertainty_source: str = Field(default="", exclude_if=not_, description="Document that says so")
    tier: Literal[1, 2, 3] | None = Field(default=None, exclude_if=not_, description="Tier of the IPCC guidelines")

    @model_validator(mode="after")
    def _uncertainty_has_a_source(self) -> Self:
        if (self.uncertainty_percent is None) != (not self.uncertainty_source):
            raise ValueError("uncertainty_percent and uncertainty_source belong together: give both or none")
        return self

    @property
    def stated(self) -> dict[str, float | str | int | None]:
        """The three fields, to be handed on."""
        return {name: getattr(self, name) for name in StatedUncertainty.model_fields}
