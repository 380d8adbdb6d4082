"""Excursions of a series over a limit, with hysteresis and hold. Pure; the live look and the preview use the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from data_quality.contracts.site_file.alert_rule import LimitRule


class Row(NamedTuple):
    """A value over [start, end)."""

    start_utc: datetime
    end_utc: datetime
    value: float


@dataclass(frozen=True)
class Excursion:
    """One time over the limit. end_utc: of the last row that was not back yet; value: the one farthest from the limit.

    fired_utc: when it had been over the limit for the rule's hold. is_over: a later row was back.
    """

    start_utc: datetime
    end_utc: datetime
    fired_utc: datetime
    value: float
    is_over: bool


class _Run:
    """Rows of one excursion so far."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.held = timedelta(0)
        self.fired_utc: datetime | None = None

    def add(self, row: Row, hold: timedelta) -> None:
        """One more row that is not back."""
        self.rows.append(row)
        self.held += row.end_utc - row.start_utc
        if self.fired_utc is None and self.held >= hold:
            self.fired_utc = row.end_utc

    def ended(self, *, is_above: bool, is_over: bool) -> list[Excursion]:
        """The excursion, where it lasted for the hold."""
        if self.fired_utc is None:
            return []
        farthest = (max if is_above else min)(each.value for each in self.rows)
        return [Excursion(self.rows[0].start_utc, self.rows[-1].end_utc, self.fired_utc, farthest, is_over)]


def excursions(rows: Iterable[Row], rule: LimitRule) -> list[Excursion]:
    """The excursions of a series by a rule, in time; the order of the rows does not matter.

    One begins with a value over the limit, and counts once values were over it for the hold, in rows that were read: a
    gap neither counts nor ends it. It is over with the first value that is back by the hysteresis; before it counted,
    with the first that is not over the limit.
    """
    sign, hold = 1 if rule.is_above else -1, timedelta(hours=rule.hold_h)
    found, run = list[Excursion](), _Run()
    for row in sorted(rows):
        over = sign * (row.value - rule.limit)
        if over > 0 or (run.fired_utc is not None and over > -rule.hysteresis):
            run.add(row, hold)
        elif run.rows:
            found += run.ended(is_above=rule.is_above, is_over=True)
            run = _Run()
    return found + run.ended(is_above=rule.is_above, is_over=False)


def open_excursion(rows: Sequence[Row], rule: LimitRule, *, shown_for: timedelta) -> Excursion | None:
    """The last excursion, while it lasts and for as long after its end as it is shown, by the newest row."""
    newest = max((each.end_utc for each in rows), default=None)
    last = next(iter(excursions(rows, rule)[-1:]), None)
    if newest is None or last is None or (last.is_over and newest - last.end_utc >= shown_for):
        return None
    return last
