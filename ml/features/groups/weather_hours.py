"""Weather of a step as it was known at the issue, and of the days that lead up to it."""

import numpy as np

from data_quality.contracts.control.weather_issue import WEATHER_UNITS
from ml.features.feature import Feature, Known, Rows, mean_of_known
from ml.features.series import Index, Vector

# Without a forecast, what was measured before the issue still says how warm it is.
_PAST = {"temperature_newest_degc": "degC", "temperature_mean_1_day_before_degc": "degC"}
FEATURES = (
    *(Feature(name, unit, Known.AS_ISSUED, "weather") for name, unit in WEATHER_UNITS.items()),
    Feature("temperature_mean_24_h_degc", "degC", Known.AS_ISSUED, "weather"),
    Feature("temperature_mean_72_h_degc", "degC", Known.AS_ISSUED, "weather"),
    *(Feature(name, unit, Known.PAST, "weather") for name, unit in _PAST.items()),
)


def columns(rows: Rows) -> dict[str, Vector]:
    """The columns of this group by name; NaN throughout where the case has no such weather."""
    names, day = rows.case.weather.names, rows.case.series.per_day
    now = dict(zip(names, rows.weather(rows.step).T, strict=True))
    found = {name: now[name] if name in now else _unknown(rows) for name in WEATHER_UNITS}
    if "temperature_degc" not in names:
        return found | {each.name: _unknown(rows) for each in FEATURES if each.name not in found}
    column = names.index("temperature_degc")

    def degc(step: Index) -> Vector:
        temperature: Vector = rows.weather(step)[:, column]
        return temperature

    # Every third hour says as much of a mean as every hour.
    by = max(day // 8, 1)
    back = {hours: [degc(rows.step - k) for k in range(0, hours * day // 24, by)] for hours in (24, 72)}
    before = [degc(rows.origin - 1 - k) for k in range(0, day, by)]
    return found | {
        "temperature_mean_24_h_degc": mean_of_known(np.stack(back[24])),
        "temperature_mean_72_h_degc": mean_of_known(np.stack(back[72])),
        "temperature_newest_degc": degc(rows.case.civil.same_clock(rows.step, rows.newest_days)),
        "temperature_mean_1_day_before_degc": mean_of_known(np.stack(before)),
    }


def _unknown(rows: Rows) -> Vector:
    return np.full(len(rows.step), np.nan)
