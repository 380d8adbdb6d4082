"""What the calendar says of a step: known for all time."""

import numpy as np

from ml.features.feature import Feature, Known, Rows
from ml.features.series import Vector

_OF = {
    "lead": "steps",
    "local_hour": "h",
    "weekday": "1 to 7",
    "hour_of_week": "h",
    "day_of_year": "d",
    "year_sine": "1",
    "year_cosine": "1",
    "day_type": "code",
    "day_type_before": "code",
    "day_type_after": "code",
    "is_school_holiday": "0 or 1",
}
FEATURES = tuple(Feature(name, unit, Known.ALWAYS, "calendar of the site") for name, unit in _OF.items())


def columns(rows: Rows) -> dict[str, Vector]:
    """The columns of this group by name."""
    civil, step = rows.case.civil, rows.step
    hour = civil.minute[step] / 60
    year = 2 * np.pi * civil.day_of_year[step] / 365.25
    return {
        "lead": rows.lead.astype(np.float64),
        "local_hour": hour,
        "weekday": civil.weekday[step].astype(np.float64),
        "hour_of_week": 24.0 * (civil.weekday[step] - 1) + hour,
        "day_of_year": civil.day_of_year[step].astype(np.float64),
        "year_sine": np.sin(year),
        "year_cosine": np.cos(year),
        "day_type": civil.day_type[step].astype(np.float64),
        "day_type_before": civil.day_type_before[step].astype(np.float64),
        "day_type_after": civil.day_type_after[step].astype(np.float64),
        "is_school_holiday": civil.is_school_holiday[step].astype(np.float64),
    }
