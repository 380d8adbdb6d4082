"""A change of unit of the readings themselves: a jump by a factor that no change of use has."""

import numpy as np
import polars as pl

from assets.kpi.claims.lasting_steps import MIN_WEEKS, best_step
from data_quality.contracts.finding import Finding

# A whole-number-of-times jump of the readings themselves: from this factor on it is a unit, not a use.
MIN_UNIT_FACTOR = 4.0
# More than of a use (4): the message names a fault of the data, so it must be nearly certain.
MIN_UNIT_SCORE = 6.0
UNIT_FACTORS = {
    35.3147: "ft3 and m3",
    1000.0: "Wh, kWh and MWh",
    100.0: "a scaling by 100",
    10.0: "a scaling by 10",
    3.6: "kWh and MJ",
    29.3071: "kWh and therm",
    11.2: "m3 of gas and kWh",
    4.0: "kW and kWh of quarter hours",
}


def unit_change(weeks: pl.DataFrame) -> Finding | None:
    """`unit_change_suspected` where the readings themselves, year over year, jump by a factor of four or more."""
    # A ratio needs both above zero; weeks of standstill have none.
    known = weeks.filter((pl.col("was") > 0) & (pl.col("now") > 0))
    if known.height < MIN_WEEKS:
        return None
    # Logarithms: ten times as much and a tenth are the same distance.
    ratio = np.log(known["now"].to_numpy() / known["was"].to_numpy())
    place, score, size = best_step(ratio)
    if abs(score) < MIN_UNIT_SCORE or abs(size) < np.log(MIN_UNIT_FACTOR):
        return None
    # Medians, not means: a summer week of nearly nothing has any ratio.
    left, right = float(np.median(ratio[:place])), float(np.median(ratio[place:]))
    factor = float(np.exp(abs(right - left)))
    # Year over year is level again where the baseline changed, and leaves level where the report did.
    in_baseline = abs(right) < abs(left)
    day = known["baseline_start" if in_baseline else "start"][place]
    # 15 % around: use itself differs between two years by as much.
    near = [f"{each:g} ({what})" for each, what in UNIT_FACTORS.items() if abs(np.log(each / factor)) < 0.15]
    meaning = f", close to {' or '.join(near)}" if near else ""
    return Finding(
        code="unit_change_suspected",
        message=f"From {day} on, in the {'baseline' if in_baseline else 'reporting'} period, the readings are "
        f"{factor:.1f} times {'smaller' if (left < right) == in_baseline else 'larger'} than before{meaning}: "
        "no saving is claimed across it; convert the readings to one unit.",
        severity="blocking",
        facts={"start": str(day), "factor": factor, "score": abs(score), "in_baseline": in_baseline},
    )
