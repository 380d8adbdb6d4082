"""Preferences of a person, learnt from answers: they change the order of a list, and no figure, limit or command."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from data_quality.contracts.model import Model

# What somebody said half a year ago holds no more.
EXPIRES = timedelta(days=180)
# How many answers the person's usual share of yeses stands for, where a kind has few of its own.
_USUAL = 1.0
T = TypeVar("T")


@dataclass(frozen=True)
class Answered:
    """An answer to a recommendation of a kind: an acceptance, or a dismissal or override."""

    kind: str
    is_accepted: bool
    at_utc: datetime


class Preference(Model):
    """A person's preference for a kind, as it can be shown and forgotten. until_utc: of the last answer."""

    kind: str
    accepted: int
    dismissed: int
    likes: float
    until_utc: datetime


def preferences_of(answers: Iterable[Answered], *, now_utc: datetime) -> dict[str, Preference]:
    """By kind; answers that have expired count no more. likes: the share of yeses to be expected."""
    fresh = [one for one in answers if now_utc - one.at_utc < EXPIRES]
    usual = _usual(sum(one.is_accepted for one in fresh), len(fresh))
    found = {}
    for kind in sorted({one.kind for one in fresh}):
        own = [one for one in fresh if one.kind == kind]
        yes = sum(one.is_accepted for one in own)
        found[kind] = Preference(
            kind=kind, accepted=yes, dismissed=len(own) - yes, likes=(yes + _USUAL * usual) / (len(own) + _USUAL),
            until_utc=max(one.at_utc for one in own) + EXPIRES,
        )  # fmt: skip
    return found


def ranked(
    open_ones: Sequence[T],
    preferences: Mapping[str, Preference],
    *,
    kind_of: Callable[[T], str],
    value_of: Callable[[T], float],
) -> list[T]:
    """The same ones in the order of value times the odds of a yes: what is gained for each no that is to be expected.

    A kind without answers counts as the usual; without any preference it is the order of value. What stands in them
    stays as it is.
    """

    def gained(one: T) -> float:
        # A cost that would be liked is not liked better for it.
        return value_of(one) * (effect(preferences, kind_of(one)) if value_of(one) > 0 else 1.0)

    return sorted(open_ones, key=gained, reverse=True)


def effect(preferences: Mapping[str, Preference], kind: str) -> float:
    """Factor on a kind's value in the order: the odds of a yes over the person's usual odds; 1 without answers."""
    if kind not in preferences:
        return 1.0
    known = list(preferences.values())
    yes = sum(one.accepted for one in known)
    usual = _usual(yes, yes + sum(one.dismissed for one in known))
    return _odds(preferences[kind].likes) / _odds(usual)


def _odds(share: float) -> float:
    return share / (1.0 - share)


def _usual(yes: int, answers: int) -> float:
    """A person's share of yeses, never quite 0 or 1 (Laplace)."""
    return (yes + 1) / (answers + 2)
