"""Forecast targets: which quantity of a site, by which step, how far ahead, and how long one forecast is good for."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.forecast_target import DAY_MINUTES, ForecastTarget, What
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import unit_of
from ml.features.base_load import base_load_parts
from ml.features.series import DAY, HOUR, QUARTER, Series, Stream, stream_of

BASE_LOAD = "base_load"
# From any hour to the end of tomorrow, as far ahead as day-ahead prices are known.
DAY_AHEAD = timedelta(hours=48)
# Half a year holds every weekday 26 times and fits in seconds; days need the same season of years before, and what the
# sun gives needs every season (resolution C4.12: twelve months at least).
HISTORY, HISTORY_OF_PV, HISTORY_OF_DAYS = timedelta(days=180), timedelta(days=2 * 366), timedelta(days=3 * 366)
# Nothing new is known before the next step has ended; of a day the readings may still come in during the morning.
TIME_TO_LIVE = {QUARTER: QUARTER, HOUR: HOUR, DAY: timedelta(hours=6)}
# Drivers of these units are published ahead of the time that they hold for.
PUBLISHED_UNITS = frozenset({"per_kwh", "kgco2e_per_kwh"})
_TITLES: dict[What, str] = {
    "stream": "{of}",
    "base_load": "base load",
    "daily_energy": "energy of each day of {of}",
    "daily_peak": "highest quarter hour of each day of {of}",
    "daily_carbon": "emissions of each day of {of}",
}
_STEPS = {QUARTER: "by quarter hours", HOUR: "by hours", DAY: "by days"}


@dataclass(frozen=True)
class Target:
    """One thing that is forecast. stream: None for the base load, which is computed from several.

    horizon: the longest that is asked for. time_to_live: how long a forecast is handed out again.
    is_published: the series is known some way into the future, and its forecast begins where that ends. is_pv: the
    meter of an asset of kind pv.
    """

    site_id: str
    what: What
    stream: Stream | None
    step: timedelta = HOUR
    horizon: timedelta = DAY_AHEAD
    time_to_live: timedelta = HOUR
    is_published: bool = False
    is_pv: bool = False

    @property
    def name(self) -> str:
        """Name of a target: meter:main, meter:grid.export, base_load, meter:main@15min, meter:main@daily_peak."""
        of = BASE_LOAD if self.stream is None else self.stream.target
        return of + ("@15min" if self.step == QUARTER else f"@{self.what}" if self.is_daily else "")

    @property
    def family(self) -> str:
        """Prefix of the registered names of all its models (resolution C1.1): site, stream, register, product."""
        stream = self.stream or Stream(BASE_LOAD, "computed")
        product = {QUARTER: "quarter_hours", HOUR: "day_ahead", DAY: self.what}[self.step]
        return ".".join([self.site_id, stream.stream_id, stream.register, product])

    @property
    def title(self) -> str:
        """In words, for cards and pages."""
        title = _TITLES[self.what].format(of=self.stream.target if self.stream else "")
        return title if self.is_daily else f"{title} {_STEPS[self.step]}"

    @property
    def is_daily(self) -> bool:
        """True where a step is a local day."""
        return self.step == DAY

    @property
    def steps(self) -> int:
        """Of the longest horizon."""
        return self.horizon // self.step

    @property
    def scored_steps(self) -> int:
        """Reach of a backtest: two days of hours, as plans do, and the whole month of days."""
        return self.steps if self.is_daily else min(2 * DAY // self.step, self.steps)

    @property
    def history(self) -> timedelta:
        """Reach of the history that is learnt from."""
        return HISTORY_OF_DAYS if self.is_daily else HISTORY_OF_PV if self.is_pv else HISTORY

    def origin(self, series: Series, issued_at_utc: datetime, local: datetime) -> int:
        """The first step that a forecast is of. local: the same instant by the site's clock.

        The first whole step from the issue on; of days the one in progress; behind all that is published.
        """
        if self.is_daily:
            return (local.date() - series.start_utc.date()).days
        first = -(-(issued_at_utc - series.start_utc) // self.step)
        return max(first, len(series.values)) if self.is_published else first


def targets_of(site: Site) -> list[Target]:
    """Every forecast declared by the site: `forecast_targets` day-ahead by hours, then `forecasts`.

    One of the second list takes the place of the same one of the first: it goes further. Raises BadInput.
    """
    found = {one.name: one for one in (target_of(site, f"meter:{name}") for name in site.forecast_targets)}
    for declared in site.forecasts:
        made = _declared(site, declared)
        found[made.name] = made
    return list(found.values())


def unmeasured(site: Site) -> list[Finding]:
    """Lack of meters for a forecast declared by the site: no later reading can mend it. Raises BadInput."""
    parts = base_load_parts(site) if any(one.stream is None for one in targets_of(site)) else None
    return [parts] if isinstance(parts, Finding) else []


def target_of(site: Site, name: str) -> Target:
    """The target of that name, as declared by the site or else with the usual horizon. Raises BadInput.

    `main` is `meter:main`; without a register it is import, or the meter's first.
    """
    of, _, product = name.partition("@")
    if product not in {"", "15min", "daily_energy", "daily_peak", "daily_carbon"}:
        raise BadInput(
            f"forecast target {name!r}: expected @15min, @daily_energy, @daily_peak or @daily_carbon after the stream",
            reason="unknown_target",
        )
    what: What = product if product.startswith("daily_") else BASE_LOAD if of == BASE_LOAD else "stream"  # type: ignore[assignment]
    step = DAY if product.startswith("daily_") else QUARTER if product else HOUR
    if of == BASE_LOAD and step == DAY:
        raise BadInput("the base load is forecast by hours or quarter hours, not by days", reason="unknown_target")
    found = _target(site, what, None if of == BASE_LOAD else stream_of(site, of), step)
    declared = (_declared(site, one) for one in site.forecasts)
    return next((one for one in declared if one.name == found.name), found)


def _declared(site: Site, declared: ForecastTarget) -> Target:
    register = f".{declared.register_id}" if declared.register_id else ""
    stream = stream_of(site, f"meter:{declared.target}{register}") if declared.target else None
    step = DAY if declared.minutes == DAY_MINUTES else HOUR if declared.minutes == CANONICAL_MINUTES * 4 else QUARTER
    made = replace(_target(site, declared.what, stream, step), horizon=timedelta(hours=declared.hours))
    minutes = declared.time_to_live_minutes
    return replace(made, time_to_live=timedelta(minutes=minutes)) if minutes else made


def _target(site: Site, what: What, stream: Stream | None, step: timedelta) -> Target:
    horizon = timedelta(days=31) if step == DAY else DAY_AHEAD
    unit = _unit(site, stream) if stream else "kwh"
    if what in {"daily_peak", "daily_carbon"} and unit != "kwh":
        title = _TITLES[what].format(of=stream.target if stream else "")
        raise BadInput(f"{title}: it counts {unit}, and only kwh has a peak in kW and emissions", reason="bad_target")
    is_published = unit in PUBLISHED_UNITS
    is_pv = stream is not None and any(one.kind == "pv" and one.meter == stream.stream_id for one in site.assets)
    return Target(site.site_id, what, stream, step, horizon, TIME_TO_LIVE[step], is_published, is_pv)


def _unit(site: Site, stream: Stream) -> str:
    meter = site.meter(stream.stream_id)
    if meter is None:
        code = next(driver.unit for driver in site.drivers if driver.driver_id == stream.stream_id)
    else:
        code = next(each.unit for each in meter.registers if each.register_id == stream.register)
    return unit_of(code).canonical
