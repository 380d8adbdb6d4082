"""The outdoor temperature of a plan's steps, as forecasts known when it is made tell it, with what must be said of it.

Rooms lose heat by it, and a heat pump's COP follows it. What is missing or too old makes a plan at the temperature that
each device states for that case, labelled so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite

from controls.optimiser.devices.kinds import device_assets
from data_quality.contracts.control.weather_issue import WEATHER_LABELS, WeatherIssue
from data_quality.contracts.site_file.site import Site

# As a load forecast: weather is told several times a day.
MAX_WEATHER_AGE = timedelta(hours=26)
_NAME = "temperature_degc"
_INSTEAD = "planned at the outdoor temperature that each device states for that case"
# The last temperature told may stand for so many hours after it.
_HELD = timedelta(hours=3)


@dataclass(frozen=True)
class Outdoor:
    """degc: one value a step, none where it is not known. labels: for the inputs of a plan."""

    degc: tuple[float, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    is_synthetic: bool = False


def outdoor_ahead(
    site: Site, issues: Sequence[WeatherIssue], steps: Sequence[datetime], *, now_utc: datetime
) -> Outdoor:
    """What the issues say of each step (their starts). Of two that tell of a step the one issued later counts.

    Nothing at all for a site whose devices do not ask for it.
    """
    if not any(kind.wants_outdoor for _, kind in device_assets(site)):
        return Outdoor()
    known = [one for one in issues if _NAME in one.values and one.available_at_utc <= now_utc]
    if not known:
        return Outdoor(labels={"outdoor": f"there is no forecast of the outdoor temperature: {_INSTEAD}"})
    known.sort(key=lambda one: (one.issued_at_utc, one.available_at_utc))
    newest = known[-1]
    age = now_utc - newest.issued_at_utc
    if age > MAX_WEATHER_AGE:
        hours = [f"{span / timedelta(hours=1):.3g} h" for span in (age, MAX_WEATHER_AGE)]
        said = f"the forecast of the outdoor temperature is {hours[0]} old, at most {hours[1]} are allowed: {_INSTEAD}"
        return Outdoor(labels={"outdoor": said})
    used = [one for one in known if now_utc - one.issued_at_utc <= MAX_WEATHER_AGE]
    told = {step: value for one in used for step, value in _told(one, steps).items()}
    held = [told.get(step) for step in steps]
    last, open_from = None, None
    for place, step in enumerate(steps):
        if held[place] is not None:
            last = place
        elif last is None or step - steps[last] > _HELD:
            said = f"the forecast of the outdoor temperature does not cover {step:%Y-%m-%dT%H:%MZ}: {_INSTEAD}"
            return Outdoor(labels={"outdoor": said})
        else:
            held[place], open_from = held[last], open_from or step
    labels = {
        "outdoor_forecast": f"{newest.source}, issued {newest.issued_at_utc:%Y-%m-%dT%H:%MZ}",
        "outdoor_forecast_age_s": f"{age.total_seconds():g}",
    } | {f"outdoor_forecast_{label}": WEATHER_LABELS[label] for label in newest.labels if label in WEATHER_LABELS}
    if open_from is not None:
        labels["outdoor_forecast_held"] = f"after its end the last value holds, from {open_from:%Y-%m-%dT%H:%MZ}"
    degc = tuple(round(float(value or 0.0), 3) for value in held)
    return Outdoor(degc, labels, is_synthetic=any(one.is_synthetic for one in used))


def _told(issue: WeatherIssue, steps: Sequence[datetime]) -> dict[datetime, float]:
    """The temperature of each step that lies in a step of the issue."""
    values, length = issue.values[_NAME], timedelta(minutes=issue.step_minutes)
    found = {}
    for step in steps:
        place = (step - issue.start_utc) // length
        if 0 <= place < len(values) and (value := values[place]) is not None and isfinite(value):
            found[step] = value
    return found
