"""Change of a forecast: its first whole day beside the same hours last week, taken apart by what the model rests on.

The parts add up to the difference exactly, because the model's own contributions do: for trees Lundberg et al. 2020,
for a line its terms. What last week itself was off the model's pattern is a part too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from ml.features.civil import DAY_TYPE_CODES
from ml.features.feature import WEEK_DAYS
from ml.features.forecast_case import Case
from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import Contributions, Explains, Forecaster, Quantiles
from ml.forecasts.lifecycle.change_sentences import ChangeFacts, digits_for, is_level_unit, shown_unit, topic_of

# A part below this share of the day is summed with the other small ones.
REPORTED_SHARE = 0.01


@dataclass(frozen=True)
class Moved:
    """One part of a difference. topic: of the model's inputs; amount: in the unit of the series; words: what it was."""

    topic: str
    amount: float
    words: str


@dataclass(frozen=True)
class ForecastChange:
    """Why a day's forecast differs from its reference. Amounts are sums of a day, of a level its mean.

    is_whole: False for a horizon without a whole local day, of which all steps count; day: where they begin.
    reference: of the same hours last week where they are known, else of a usual day; parts add up to the difference.
    """

    day: date
    is_whole: bool
    is_holiday: bool
    is_level: bool
    unit: str
    total: float
    reference: float
    is_last_week: bool
    parts: tuple[Moved, ...]

    def sentences(self) -> tuple[str, ...]:
        """The difference, then its parts, the largest first; small ones together."""
        ranked = sorted(self.parts, key=lambda part: -abs(part.amount))
        named = [part for part in ranked if abs(part.amount) >= REPORTED_SHARE * abs(self.total)]
        rest = Moved("rest", sum(part.amount for part in ranked[len(named) :]), "all else")
        if self._amount(rest.amount) != self._amount(0.0):
            named.append(rest)
        return (self._head(), *(f"{self._amount(part.amount, sign='+')}: {part.words}" for part in named))

    def _head(self) -> str:
        day = f"{'' if self.is_whole else 'From '}{self.day:%A} {self.day.day} {self.day:%B %Y}"
        day = f"{day}, a public holiday" if self.is_holiday else day
        amount = self._amount(self.total)
        head = f"{day}: on average {amount}" if self.is_level else f"{day}: {amount}"
        difference = self.total - self.reference
        shown = self._amount(abs(difference))
        is_same = shown == self._amount(0.0)
        more = "more" if difference > 0 else "less"
        if not self.is_last_week:
            return f"{head}, as usual." if is_same else f"{head}, {shown} {more} than usual."
        if self.is_whole:
            before = f"{self.day:%A} before"
            return f"{head}, as the {before}." if is_same else f"{head}, {shown} {more} than the {before}."
        same = "the same hours of the week before"
        return f"{head}, as {same}." if is_same else f"{head}, {shown} {more} than {same}."

    def _amount(self, value: float, *, sign: str = "") -> str:
        digits = digits_for(max(abs(self.total), abs(self.reference)))
        # Adding 0.0 takes the sign from a zero.
        return f"{round(value, digits) + 0.0:{sign},.{digits}f} {shown_unit(self.unit)}"


def forecast_change(case: Case, model: Forecaster, origin: int, forecast: Quantiles) -> ForecastChange | None:
    """Of the first whole local day of a forecast, else of all its steps. None for a model that cannot say.

    case: input of the model; forecast: its answer from the origin on.
    """
    if not isinstance(model, Explains) or not forecast.is_known.all():
        return None
    steps, is_whole = _day(case, origin, len(forecast.p50))
    end = int(steps[-1]) + 1 - origin
    now = model.contributions(case.before(origin), origin, end)
    earlier = case.civil.same_clock(steps, WEEK_DAYS)
    start = int(case.civil.same_clock(np.array([origin]), WEEK_DAYS)[0])
    then = _then(case, model, start, earlier)
    is_level = is_level_unit(case.series.unit)

    def add(values: Vector) -> float:
        return float(values.mean() if is_level else values.sum())

    at = steps - origin
    total = add(forecast.p50[at])
    amounts = {name: add(part[at]) for name, part in zip(now.names, now.parts, strict=True)}
    unbound = total - add(now.base[at]) - sum(amounts.values())
    words = ChangeFacts(case, origin, start, steps, earlier)
    if then is None:
        reference = add(now.base[at])
        parts = _by_topic(amounts, words)
    else:
        then_at = earlier - start
        before = {name: add(part[then_at]) for name, part in zip(then.names, then.parts, strict=True)}
        explained = add(then.base[then_at]) + sum(before.values())
        reference = add(case.series.values[earlier])
        moved = {name: amounts[name] - before[name] for name in amounts}
        # The level and the lags as shares of it say one thing together: what was used of late.
        moved[now.base_of] = moved.get(now.base_of, 0.0) + add(now.base[at]) - add(then.base[then_at])
        parts = _by_topic(moved, words)
        parts.append(Moved("last week", explained - reference, words.last_week(explained - reference)))
    # Nothing where the model's own answer stands as it is.
    if abs(unbound) > 1e-9 * max(abs(total), 1.0):
        parts.append(Moved("bounds", unbound, "bounds and corrections that the model puts on its answer"))
    return ForecastChange(
        day=case.civil.first_day + timedelta(days=int(case.civil.day[steps[0]])),
        is_whole=is_whole,
        is_holiday=bool(case.civil.day_type[steps[0]] == DAY_TYPE_CODES["holiday"]),
        is_level=is_level,
        unit=case.series.unit,
        total=total,
        reference=reference,
        is_last_week=then is not None,
        parts=tuple(parts),
    )


def _day(case: Case, origin: int, horizon: int) -> tuple[Index, bool]:
    whole = [
        (first, last)
        for first, last in pairwise(case.civil.midnights.tolist())
        if first >= origin and last <= origin + horizon
    ]
    first, last = whole[0] if whole else (origin, origin + horizon)
    return np.arange(first, last), bool(whole)


def _then(case: Case, model: Explains, start: int, earlier: Index) -> Contributions | None:
    """Answer of the model for the same hours last week, issued a week earlier; None where it or they are not known."""
    values = case.series.values
    if start < 0 or earlier[0] < start or earlier[-1] >= len(values) or np.isnan(values[earlier]).any():
        return None
    found = model.contributions(case.before(start), start, int(earlier[-1]) + 1 - start)
    at = earlier - start
    return None if np.isnan(found.parts[:, at]).any() or np.isnan(found.base[at]).any() else found


def _by_topic(amounts: Mapping[str, float], words: ChangeFacts) -> list[Moved]:
    topics = dict.fromkeys(topic_of(name) for name in amounts)
    sums = {topic: sum(amount for name, amount in amounts.items() if topic_of(name) == topic) for topic in topics}
    return [Moved(topic, amount, words.of(topic)) for topic, amount in sums.items()]
