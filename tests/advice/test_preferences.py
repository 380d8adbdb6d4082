"""Preferences of a person change the order of a list and nothing in it; they are counted, and they expire."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from assets.advice.preferences import EXPIRES, Answered, Preference, preferences_of, ranked

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Open:
    """A recommendation, as far as an order needs it."""

    kind: str
    money: float


def order(ones: list[Open], known: dict[str, Preference]) -> list[Open]:
    return ranked(ones, known, kind_of=lambda one: one.kind, value_of=lambda one: one.money)


def answered(kind: str, *message: bool, days_ago: float = 1) -> list[Answered]:
    return [Answered(kind, each, NOW - timedelta(days=days_ago)) for each in message]


def test_a_kind_that_is_accepted_goes_before_a_dearer_one_that_is_dismissed() -> None:
    leaks, setpoint = Open("leaks", 100.0), Open("setpoint", 80.0)
    assert order([setpoint, leaks], {}) == [leaks, setpoint]
    known = preferences_of(answered("leaks", False, False) + answered("setpoint", True, True), now_utc=NOW)
    assert order([leaks, setpoint], known) == [setpoint, leaks]
    assert (known["leaks"].dismissed, known["setpoint"].accepted) == (2, 2)
    assert known["leaks"].until_utc == NOW - timedelta(days=1) + EXPIRES


def test_what_was_said_long_ago_counts_no_more() -> None:
    assert preferences_of(answered("leaks", False, days_ago=181), now_utc=NOW) == {}


def test_a_kind_that_nobody_answered_counts_as_the_usual() -> None:
    known = preferences_of(answered("a", True, True) + answered("b", False, False), now_utc=NOW)
    assert order([Open("b", 10), Open("new", 10), Open("a", 10)], known) == [
        Open("a", 10), Open("new", 10), Open("b", 10),
    ]  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(-100, 1000)), max_size=20),
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=30),
)
def test_no_figure_moves_and_nothing_is_lost(ones: list[tuple[str, float]], said: list[tuple[str, bool]]) -> None:
    listed = [Open(*one) for one in ones]
    known = preferences_of([Answered(kind, yes, NOW) for kind, yes in said], now_utc=NOW)
    found = order(listed, known)
    assert sorted(found, key=lambda one: (one.kind, one.money)) == sorted(listed, key=lambda one: (one.kind, one.money))
    assert all(0 < one.likes < 1 for one in known.values())
