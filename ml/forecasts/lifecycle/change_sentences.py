"""Words for what moved a forecast: topics of a model's inputs, and the facts that stand beside each."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from data_quality.contracts.units import UNITS, Behaviour
from ml.features.civil import DAY_TYPE_CODES
from ml.features.feature import WEEK_DAYS, Availability, mean_of_known
from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES
from ml.features.series import DAY, Index

SHOWN = {"kwh": "kWh", "kvarh": "kvarh", "per_kwh": "per kWh", "kgco2e_per_kwh": "kgCO2e/kWh", "degc": "°C"}
# Weather of which people know what more of it means: the variable, its unit, the words for more and for less.
FELT = {
    "temperature": ("temperature_degc", "K", "warmer", "colder"),
    "sun": ("ghi_w_per_m2", "W/m²", "more sun", "less sun"),
}


def shown_unit(code: str) -> str:
    """A unit as people write it."""
    return SHOWN.get(code, code.replace("_", " "))


def is_level_unit(code: str) -> bool:
    """True where values of a unit average over a day, rather than add up."""
    return code in UNITS and UNITS[code].behaviour is Behaviour.LEVEL


def digits_for(size: float) -> int:
    """Decimals of a number of that size."""
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 4


def topic_of(name: str) -> str:
    """Topic of a feature; a name that is none of the registry's is other."""
    feature = FEATURES.get(name)
    if feature is None:
        return "other"
    if feature.known is Availability.ALWAYS:
        return "sun" if feature.source.startswith("sun") else "calendar"
    if feature.source == "the series":
        return "recent"
    if "temperature" in name or "degree" in name or feature.unit in {"degC", "degc"}:
        return "temperature"
    return "sun" if feature.unit.lower() in {"w/m2", "w/m²", "w_per_m2"} else "weather"


@dataclass(frozen=True)
class ChangeFacts:
    """Facts of a forecast beside the week before it.

    origin, start: where it was asked now and a week earlier; steps, earlier: those of its day, and of that a week
    earlier.
    """

    case: Case
    origin: int
    start: int
    steps: Index
    earlier: Index

    def of(self, topic: str) -> str:
        """Words for the difference of a topic."""
        if topic in FELT:
            return self._felt(*FELT[topic]) or {"temperature": "how warm it is", "sun": "the sun"}[topic]
        if topic == "calendar":
            return self._calendar()
        return self._recent() if topic == "recent" else {"weather": "other weather"}.get(topic, "other inputs")

    def _recent(self) -> str:
        now, then = (self._per_day(at) for at in (self.origin, self.start))
        if np.isnan(now) or np.isnan(then):
            return "the days and weeks before"
        shown = [f"{value:,.{digits_for(max(abs(now), abs(then)))}f}" for value in (now, then)]
        per = "on average" if is_level_unit(self.case.series.unit) else "a day"
        return f"the days and weeks before ({shown[0]} {per} in the last week, {shown[1]} in the week before)"

    def last_week(self, missing: float) -> str:
        """Last week's day beside what the model makes of it; missing: that less what was, in the unit."""
        day = self.case.civil.first_day + timedelta(days=int(self.case.civil.day[self.steps[0]]))
        return f"the {day:%A} before was {'lower' if missing > 0 else 'higher'} than its pattern"

    def _per_day(self, at: int) -> float:
        series = self.case.series
        size = mean_of_known(series.values[max(at - WEEK_DAYS * series.per_day, 0) : at][:, None])[0]
        return float(size * (1 if is_level_unit(series.unit) or series.step >= DAY else series.per_day))

    def _felt(self, name: str, unit: str, more: str, less: str) -> str:
        """Words for the forecast then and the forecast now of the weather, both as known at their issue."""
        weather = self.case.weather
        if name not in weather.names:
            return ""
        column = weather.names.index(name)
        now, then = (
            weather.at(step, np.full(len(step), at))[:, column]
            for step, at in ((self.steps, self.origin), (self.earlier, self.start))
        )
        if np.isnan(now).any() or np.isnan(then).any():
            return ""
        by, digits = float(now.mean() - then.mean()), 1 if unit == "K" else 0
        shown = f"{now.mean():.{digits}f} {'°C' if unit == 'K' else unit}, the week before {then.mean():.{digits}f}"
        return f"{more if by > 0 else less} by {abs(by):.{digits}f} {unit} ({shown})"

    def _calendar(self) -> str:
        civil, holiday = self.case.civil, DAY_TYPE_CODES["holiday"]
        day, before = int(self.steps[0]), max(int(self.earlier[0]), 0)
        flags = {
            "a public holiday": civil.day_type == holiday,
            "school holidays": civil.is_school_holiday == 1,
            "the day after a holiday": civil.day_type_before == holiday,
            "the eve of a holiday": civil.day_type_after == holiday,
        }
        found = [words for words, holds in flags.items() if holds[day] and not holds[before]]
        found += [f"{words} the week before" for words, holds in flags.items() if holds[before] and not holds[day]]
        return f"the calendar ({', '.join(found)})" if found else "the calendar and the time of the year"
