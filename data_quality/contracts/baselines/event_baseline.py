"""A demand-response event settled against baselines of the event's day: energy, shed, its interval, and caveats."""

from datetime import datetime

from data_quality.contracts.model import Model


class EventInterval(Model):
    """One step of an event. interval_kwh: 90 % interval of the shed."""

    start_utc: datetime
    end_utc: datetime
    baseline_kwh: float | None
    actual_kwh: float | None
    shed_kwh: float | None
    interval_kwh: tuple[float, float] | None


class SettledEvent(EventInterval):
    """An event by one method. Energies are of its steps with a baseline and a reading; none: None.

    significant: the interval lies on one side of zero. rebound_kwh: above the baseline in as many hours after it.
    ramp_flag: the load before the event was above what its own morning lets expect; ramp_added_kwh: what that added to
    the baseline, None without a flag.
    """

    method: str
    significant: bool
    rebound_kwh: float | None
    ramp_flag: bool
    ramp_added_kwh: float | None
    intervals: tuple[EventInterval, ...]


class MethodScore(Model):
    """Accuracy of a method on days without an event: shares of the mean load in the event hours.

    eligible: it has a baseline for each event. n_days: days measured. bias: estimate over measured, less 1, and mae its
    mean size, by the mean of the event; rrmse: by steps. coverage: of the 90 % interval. chosen: least mae for the
    meter.
    """

    name: str
    eligible: bool
    n_days: int
    bias: float | None
    mae: float | None
    rrmse: float | None
    coverage: float | None
    chosen: bool
