"""What moved a forecast: its first whole day beside the same hours last week, taken apart by what the model rests on.

The parts add up to the difference exactly, because the model's own contributions do: for trees Lundberg et al. 2020,
for a line its terms. What last week itself was off the model's pattern is a part too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from data_quality.contracts.units import UNITS, Behaviour
from ml.features.civil import DAY_TYPE_CODES
from ml.features.feature import WEEK_DAYS, Known, mean_of_known
from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES
from ml.features.series import DAY, Index, Vector
from ml.forecasts.forecast_model import Contributions, Explains, Forecaster, Quantiles

# A part below this share of the day is told with the others that are as small.
TOLD_SHARE = 0.01
BASE = "base"
SHOWN = {"kwh": "kWh", "kvarh": "kvarh", "per_kwh": "per kWh", "kgco2e_per_kwh": "kgCO2e/kWh", "degc": "°C"}
# Weather of which people know what more of it means: the variable, its unit, the words for more and for less.
FELT = {
    "temperature": ("temperature_degc", "K", "warmer", "colder"),
    "sun": ("ghi_w_per_m2", "W/m²", "more sun", "less sun"),
}


@dataclass(frozen=True)
class Moved:
    """One part of a difference. topic: of the model's inputs; amount: in the unit of the series; words: what it was."""

    topic: str
    amount: float
    words: str


@dataclass(frozen=True)
class Why:
    """Why a day's forecast differs from what it is held against. Amounts are sums of a day, of a level its mean.

    reference: of the same hours last week where they are known, else of a usual day; parts add up to the difference.
    """

    day: date
    is_holiday: bool
    is_level: bool
    unit: str
    total: float
    reference: float
    is_last_week: bool
    parts: tuple[Moved, ...]

    def sentences(self) -> tuple[str, ...]:
        """The difference, then its parts, the largest first; small ones together."""
        beside = f"the {self.day:%A} before" if self.is_last_week else "a usual day"
        holiday = ", a public holiday" if self.is_holiday else ""
        mean = "on average " if self.is_level else ""
        head = f"{self.day:%A} {self.day.day} {self.day:%B %Y}{holiday}: {mean}{self._amount(self.total)}, "
        difference = self.total - self.reference
        if self._amount(abs(difference)) == self._amount(0.0):
            head += f"as {beside}."
        else:
            head += f"{self._amount(abs(difference))} {'more' if difference > 0 else 'less'} than {beside}."
        ranked = sorted(self.parts, key=lambda part: -abs(part.amount))
        told = [part for part in ranked if abs(part.amount) >= TOLD_SHARE * abs(self.total)]
        rest = sum(part.amount for part in ranked[len(told) :])
        lines = [f"{self._amount(part.amount, sign='+')}: {part.words}" for part in told]
        return (head, *lines, *([f"{self._amount(rest, sign='+')}: all else"] if len(told) < len(ranked) else []))

    def _amount(self, value: float, *, sign: str = "") -> str:
        digits = _digits(max(abs(self.total), abs(self.reference)))
        # Adding 0.0 takes the sign from a zero.
        return f"{round(value, digits) + 0.0:{sign},.{digits}f} {SHOWN.get(self.unit, self.unit.replace('_', ' '))}"


def _digits(size: float) -> int:
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 4


def explain(case: Case, model: Forecaster, origin: int, forecast: Quantiles) -> Why | None:
    """Of the first whole local day of a forecast, else of all its steps. None for a model that cannot say.

    case: what the model was asked with; forecast: what it answered from the origin on.
    """
    if not isinstance(model, Explains) or not forecast.is_known.all():
        return None
    asked = _day(case, origin, len(forecast.p50))
    end = int(asked[-1]) + 1 - origin
    now = model.contributions(case.before(origin), origin, end)
    earlier = case.civil.same_clock(asked, WEEK_DAYS)
    start = int(case.civil.same_clock(np.array([origin]), WEEK_DAYS)[0])
    then = _then(case, model, start, earlier)
    is_level = UNITS[case.series.unit].behaviour is Behaviour.LEVEL if case.series.unit in UNITS else False

    def add(values: Vector) -> float:
        return float(values.mean() if is_level else values.sum())

    at = asked - origin
    total = add(forecast.p50[at])
    amounts = {name: add(part[at]) for name, part in zip(now.names, now.parts, strict=True)}
    unbound = total - add(now.base[at]) - sum(amounts.values())
    words = _Words(case, origin, start, asked, earlier)
    if then is None:
        reference = add(now.base[at])
        parts = _by_topic(amounts, words)
    else:
        then_at = earlier - start
        before = {name: add(part[then_at]) for name, part in zip(then.names, then.parts, strict=True)}
        told = add(then.base[then_at]) + sum(before.values())
        reference = add(case.series.values[earlier])
        moved = {name: amounts[name] - before[name] for name in amounts}
        # The level and the lags as shares of it say one thing together: what was used of late.
        moved[BASE] = add(now.base[at]) - add(then.base[then_at])
        parts = _by_topic(moved, words)
        parts.append(Moved("last week", told - reference, words.last_week(told - reference)))
    # Nothing where the model's own answer stands as it is.
    if abs(unbound) > 1e-9 * max(abs(total), 1.0):
        parts.append(Moved("bounds", unbound, "bounds and corrections that the model puts on its answer"))
    return Why(
        day=case.civil.first_day + timedelta(days=int(case.civil.day[asked[0]])),
        is_holiday=bool(case.civil.day_type[asked[0]] == DAY_TYPE_CODES["holiday"]),
        is_level=is_level,
        unit=case.series.unit,
        total=total,
        reference=reference,
        is_last_week=then is not None,
        parts=tuple(parts),
    )


def _day(case: Case, origin: int, horizon: int) -> Index:
    whole = [
        (first, last)
        for first, last in pairwise(case.civil.midnights.tolist())
        if first >= origin and last <= origin + horizon
    ]
    first, last = whole[0] if whole else (origin, origin + horizon)
    return np.arange(first, last)


def _then(case: Case, model: Explains, start: int, earlier: Index) -> Contributions | None:
    """What the model makes of the same hours last week, asked a week earlier; None where it or they are not known."""
    values = case.series.values
    if start < 0 or earlier[0] < start or earlier[-1] >= len(values) or np.isnan(values[earlier]).any():
        return None
    found = model.contributions(case.before(start), start, int(earlier[-1]) + 1 - start)
    at = earlier - start
    return None if np.isnan(found.parts[:, at]).any() or np.isnan(found.base[at]).any() else found


def _topic(name: str) -> str:
    feature = FEATURES.get(name)
    if name == BASE:
        return "recent"
    if feature is None:
        return "other"
    if feature.known is Known.ALWAYS:
        return "sun" if feature.source.startswith("sun") else "calendar"
    if feature.source == "the series":
        return "recent"
    if "temperature" in name or "degree" in name or feature.unit in {"degC", "degc"}:
        return "temperature"
    return "sun" if feature.unit.lower() in {"w/m2", "w/m²", "w_per_m2"} else "weather"


def _by_topic(amounts: Mapping[str, float], words: "_Words") -> list[Moved]:
    topics = dict.fromkeys(_topic(name) for name in amounts)
    sums = {topic: sum(amount for name, amount in amounts.items() if _topic(name) == topic) for topic in topics}
    return [Moved(topic, amount, words.of(topic)) for topic, amount in sums.items()]


@dataclass(frozen=True)
class _Words:
    """Facts beside the parts: what was different."""

    case: Case
    origin: int
    start: int
    asked: Index
    earlier: Index

    def of(self, topic: str) -> str:
        if topic in FELT:
            return self._felt(*FELT[topic]) or {"temperature": "how warm it is", "sun": "the sun"}[topic]
        if topic == "calendar":
            return self._calendar()
        return self._recent() if topic == "recent" else {"weather": "other weather"}.get(topic, "other inputs")

    def _recent(self) -> str:
        now, then = (self._per_day(at) for at in (self.origin, self.start))
        if np.isnan(now) or np.isnan(then):
            return "the days and weeks before"
        shown = [f"{value:,.{_digits(max(abs(now), abs(then)))}f}" for value in (now, then)]
        per = "on average" if self._is_level else "a day"
        return f"the days and weeks before ({shown[0]} {per} in the last week, {shown[1]} in the week before)"

    def last_week(self, missing: float) -> str:
        return f"the {self._weekday()} before was {'lower' if missing > 0 else 'higher'} than its pattern"

    def _weekday(self) -> str:
        return f"{self.case.civil.first_day + timedelta(days=int(self.case.civil.day[self.asked[0]])):%A}"

    def _per_day(self, at: int) -> float:
        series = self.case.series
        size = mean_of_known(series.values[max(at - WEEK_DAYS * series.per_day, 0) : at][:, None])[0]
        is_level = series.unit in UNITS and UNITS[series.unit].behaviour is Behaviour.LEVEL
        return float(size * (1 if is_level or series.step >= DAY else series.per_day))

    def _felt(self, name: str, unit: str, more: str, less: str) -> str:
        """What the forecast then and the forecast now say of the weather, both as known at their issue."""
        weather = self.case.weather
        if name not in weather.names:
            return ""
        column = weather.names.index(name)
        now, then = (
            weather.at(step, np.full(len(step), at))[:, column]
            for step, at in ((self.asked, self.origin), (self.earlier, self.start))
        )
        if np.isnan(now).any() or np.isnan(then).any():
            return ""
        by, digits = float(now.mean() - then.mean()), 1 if unit == "K" else 0
        shown = f"{now.mean():.{digits}f} {'°C' if unit == 'K' else unit}, the week before {then.mean():.{digits}f}"
        return f"{more if by > 0 else less} by {abs(by):.{digits}f} {unit} ({shown})"

    def _calendar(self) -> str:
        civil, holiday = self.case.civil, DAY_TYPE_CODES["holiday"]
        day, before = int(self.asked[0]), max(int(self.earlier[0]), 0)
        told = {
            "a public holiday": civil.day_type == holiday,
            "school holidays": civil.is_school_holiday == 1,
            "the day after a holiday": civil.day_type_before == holiday,
            "the eve of a holiday": civil.day_type_after == holiday,
        }
        found = [words for words, holds in told.items() if holds[day] and not holds[before]]
        found += [f"{words} the week before" for words, holds in told.items() if holds[before] and not holds[day]]
        return f"the calendar ({', '.join(found)})" if found else "the calendar and the time of the year"
