"""Weather of a step as of the issue, and of the days that lead up to it."""

import numpy as np

from data_quality.contracts.control.weather_issue import WEATHER_UNITS
from ml.features.feature import WEEK_DAYS, Availability, Feature, Rows, mean_of_known
from ml.features.series import Index, Vector

_MEANS_H = (6, 24, 72, 168)
_HEATING_DEGC, _COOLING_DEGC = (10, 15, 18), (15, 20, 25)
# Of these a day's mean says more than an hour's value: buildings are slow.
_BY_DAY = ("dew_point_degc", "humidity_percent", "ghi_w_per_m2", "cloud_cover_percent", "wind_speed_m_per_s")
_DEGREES = (
    *(f"temperature_mean_{hours}_h_degc" for hours in _MEANS_H),
    *("temperature_day_mean_degc", "temperature_above_week_degc"),
    *(f"temperature_change_{since}_degc" for since in ("newest", "week", "4_weeks")),
    "temperature_day_change_degc",
    *(f"heating_{base}_degc" for base in _HEATING_DEGC),
    *(f"cooling_{base}_degc" for base in _COOLING_DEGC),
    *("heating_24_h_12_degc", "heating_24_h_15_degc", "cooling_24_h_18_degc", "cooling_24_h_22_degc"),
    *("workday_heating_12_degc", "workday_cooling_18_degc"),
)
_PAST = ("temperature_newest_degc", "temperature_mean_1_day_before_degc")
FEATURES = (
    *(Feature(name, unit, Availability.AS_ISSUED, "weather") for name, unit in WEATHER_UNITS.items()),
    *(Feature(name, "degC", Availability.AS_ISSUED, "weather") for name in _DEGREES),
    *(Feature(f"day_mean_{name}", WEATHER_UNITS[name], Availability.AS_ISSUED, "weather") for name in _BY_DAY),
    Feature("ghi_change_newest_w_per_m2", "W/m2", Availability.AS_ISSUED, "weather"),
    # Without a forecast, what was measured before the issue still says how warm it is.
    *(Feature(name, "degC", Availability.PAST, "weather") for name in _PAST),
)


class _Around:
    """Weather of the steps from a week before each origin to the end of the horizon, as known at that origin."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.day = rows, rows.case.series.per_day
        self.back = WEEK_DAYS * self.day
        length = self.back + rows.horizon
        step = (rows.origins - self.back)[:, None] + np.arange(length)[None, :]
        # Asked once: of an issue every look costs a search.
        found = rows.case.weather.at(step.ravel(), np.repeat(rows.origins, length))
        self.values = found.reshape(len(rows.origins), length, len(rows.case.weather.names))
        self.names = rows.case.weather.names
        # Where each row stands in its origin's weather.
        self.column = np.tile(self.back + np.arange(rows.horizon), len(rows.origins))
        self.line = np.repeat(np.arange(len(rows.origins)), rows.horizon)

    def at(self, name: str, moved: Index | int = 0) -> Vector:
        """So many steps after each row's step; NaN outside of what was asked for."""
        column = self.column + moved
        inside = (column >= 0) & (column < self.values.shape[1])
        values = self.values[self.line, np.where(inside, column, 0), self.names.index(name)]
        found: Vector = np.where(inside, values, np.nan)
        return found

    def mean(self, name: str, first: Vector | Index, after: Vector | Index) -> Vector:
        """Mean of what is known of the columns [first, after) of each row's origin."""
        values = self.values[:, :, self.names.index(name)]
        is_known = ~np.isnan(values)
        start = np.zeros((len(values), 1))
        total = np.hstack([start, np.cumsum(np.where(is_known, values, 0.0), axis=1)])
        count = np.hstack([start, np.cumsum(is_known, axis=1)])
        left, right = (np.clip(at, 0, values.shape[1]).astype(np.int64) for at in (first, after))
        known = count[self.line, right] - count[self.line, left]
        found: Vector = np.full(len(self.line), np.nan)
        np.divide(total[self.line, right] - total[self.line, left], known, out=found, where=known > 0)
        return found

    def day_mean(self, name: str, days_before: Index | int = 0) -> Vector:
        """Mean of the local day of each row's step, or of a day before it."""
        civil = self.rows.case.civil
        began = civil.minute[self.rows.step] * civil.per_day // (24 * 60)
        first = self.column - began - days_before * self.day
        return self.mean(name, first, first + self.day)


def columns(rows: Rows) -> dict[str, Vector]:
    """The columns of this group by name; NaN throughout where the case has no such weather."""
    unknown = np.full(len(rows.step), np.nan)
    found = {feature.name: unknown for feature in FEATURES}
    if not rows.case.weather.names:
        return found
    around = _Around(rows)
    found |= {name: around.at(name) for name in around.names}
    found |= {f"day_mean_{name}": around.day_mean(name) for name in _BY_DAY if name in around.names}
    newest = rows.case.civil.same_clock(rows.step, rows.newest_days) - rows.step
    if "ghi_w_per_m2" in around.names:
        found["ghi_change_newest_w_per_m2"] = around.at("ghi_w_per_m2") - around.at("ghi_w_per_m2", newest)
    if "temperature_degc" in around.names:
        found |= _temperature(rows, around, newest)
    return found


def _temperature(rows: Rows, around: _Around, newest: Index) -> dict[str, Vector]:
    name, day, after = "temperature_degc", around.day, around.column + 1
    now = around.at(name)
    means = {hours: around.mean(name, after - hours * day // 24, after) for hours in _MEANS_H}
    day_mean, before = around.day_mean(name), around.column - (rows.lead - 1)
    is_workday = rows.case.civil.day_type[rows.step] == 0
    return {
        **{f"temperature_mean_{hours}_h_degc": mean for hours, mean in means.items()},
        "temperature_day_mean_degc": day_mean,
        "temperature_above_week_degc": day_mean - around.mean(name, before - WEEK_DAYS * day, before),
        "temperature_change_newest_degc": now - around.at(name, newest),
        "temperature_change_week_degc": now - around.at(name, -WEEK_DAYS * day),
        "temperature_change_4_weeks_degc": now - _four_weeks(rows),
        "temperature_day_change_degc": day_mean - around.day_mean(name, rows.newest_days),
        **{f"heating_{base}_degc": np.maximum(base - now, 0.0) for base in _HEATING_DEGC},
        **{f"cooling_{base}_degc": np.maximum(now - base, 0.0) for base in _COOLING_DEGC},
        **{f"heating_24_h_{base}_degc": np.maximum(base - means[24], 0.0) for base in (12, 15)},
        **{f"cooling_24_h_{base}_degc": np.maximum(means[24] - base, 0.0) for base in (18, 22)},
        "workday_heating_12_degc": np.maximum(12 - now, 0.0) * is_workday,
        "workday_cooling_18_degc": np.maximum(now - 18, 0.0) * is_workday,
        "temperature_newest_degc": around.at(name, newest),
        "temperature_mean_1_day_before_degc": around.mean(name, before - day, before),
    }


def _four_weeks(rows: Rows) -> Vector:
    """Mean temperature of the same local time in the last four weeks: of the hours that a usual load is the mean of."""
    column = rows.case.weather.names.index("temperature_degc")
    found = [rows.weather(rows.case.civil.same_clock(rows.step, WEEK_DAYS * week))[:, column] for week in (1, 2, 3, 4)]
    mean: Vector = mean_of_known(np.stack(found))
    return mean
