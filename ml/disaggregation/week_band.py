"""90 % bands of a class's energy, from the errors of whole weeks that its model had not seen."""

from dataclasses import dataclass

import numpy as np

from ml.features.series import Index, Vector

LEVEL = 0.9
# Weeks with errors below which there is no band, and the share of a week that counts as one.
FEWEST_WEEKS, WHOLE = 3, 0.5


@dataclass(frozen=True)
class WeekBand:
    """Errors of held-out weeks, kWh: their mean, their standard deviation, and how many weeks."""

    mean_kwh: float
    sd_kwh: float
    weeks: int

    def half_width_kwh(self, weeks: float) -> float:
        """Half width of the band of so many weeks' energy, by Student's t.

        Errors of weeks are taken as independent, and their mean as one of the model's that adds up from week to week.
        """
        # Not scipy.stats, which takes a second to import for one function.
        from scipy.special import stdtrit

        lasting = self.sd_kwh**2 / self.weeks + self.mean_kwh**2
        width = np.sqrt(weeks * self.sd_kwh**2 + weeks**2 * lasting)
        return float(stdtrit(self.weeks - 1, (1 + LEVEL) / 2) * width)


def week_band(error_kwh: Vector, week: Index, per_week: int) -> WeekBand | None:
    """Band of the errors of held-out steps. week: of each step; per_week: steps of a week. None for too few weeks.

    A week in which half of the steps are known counts, scaled to a whole one.
    """
    numbers, place = np.unique(week, return_inverse=True)
    count = np.bincount(place, minlength=len(numbers))
    total = np.bincount(place, error_kwh, minlength=len(numbers))
    is_whole = count >= WHOLE * per_week
    if is_whole.sum() < FEWEST_WEEKS:
        return None
    errors = total[is_whole] * per_week / count[is_whole]
    return WeekBand(float(errors.mean()), float(errors.std(ddof=1)), len(errors))
