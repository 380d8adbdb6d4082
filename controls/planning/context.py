"""Planning context of a site: its stores, its mode, measured states of its devices, its own forecasts and its prices.

An unknown price is left out, never guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from assets.stores.ledgers.plans import PlanStore
from assets.tariffs.periods import prices_in_force
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.moving_steps import HORIZON_H
from controls.planning.plan_inputs import Measured, state_findings
from controls.planning.triggers import Since
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Clock
from data_quality.price_age import staleness

# Between the medians of a day and of the days before. Crises moved a market's prices tenfold within months; a price per
# MWh, or in cents, is a thousand or a hundred times too much overnight.
MAX_RATIO = 20.0
LOOK_BACK = timedelta(days=14)
_A_DAY = 96
# A tariff of day and night repeats itself rightly, a market does not.
_FEW = 6


class States(dict[str, Measured]):
    """Measured states by asset id. faults: why the state of others is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, str] = {}


# What the devices say; one that does not answer is among the faults and keeps no other waiting.
ReadStates = Callable[[], Mapping[str, Measured]]


def state_reader(site: Site, settings: Settings, clock: Clock) -> ReadStates:
    """A function that queries the devices themselves: those with a template."""
    # Only here: who plans in a test gives its own reader and needs no wire.
    from controls.gateways.open import Gateways

    gateways = Gateways(site.site_id, settings, clock)
    queried = [
        (asset, kind, kind.measure, load_template(asset.template))
        for asset, kind in device_assets(site)
        if kind.measure and asset.template
    ]

    def read() -> States:
        states = States()
        for asset, kind, measure, template in queried:
            try:
                with closing(gateways.open_reader(asset, template)) as device:
                    # What is not there has no state: a charger without a car.
                    is_there = not measure.presence or device.read(measure.presence) > 0
                    state = kind.measured(asset, site.site_id, device.read(measure.reading)) if is_there else None
            except WorldFault as fault:
                states.faults[asset.asset_id] = str(fault)
            else:
                # Asked this moment, hence age 0: a gateway never gives a value from before.
                states[asset.asset_id] = state, 0.0
        return states

    return read


def measured_states(read_states: ReadStates, site: Site) -> tuple[dict[str, float | None], dict[str, Finding]]:
    """State by asset id (None: nothing is there to have one), and of each other device why it is not known: it does not
    answer, or its value is too old or impossible.
    """
    states = read_states()
    found = state_findings(site, states, getattr(states, "faults", {}))
    unknown = {
        name: each.model_copy(update={"severity": "warning", "scope": site.site_id}) for name, each in found.items()
    }
    return {name: state for name, (state, _) in states.items() if name not in unknown}, unknown


# Day-ahead prices reach to the end of the next day at best; what is longer would be cut to them.
HORIZON = timedelta(hours=24)
# Far steps are long, and so as many as a day of quarter hours has are not reached.
_MOVING_HORIZON = timedelta(hours=HORIZON_H)


@dataclass(frozen=True)
class PlanningContext:
    """All inputs of planning a site: its data, the mode of commands, and the reader of device states.

    explained_within_s: commands wait for why a plan is so; what is not explained by then says that. read_since: what
    came of a plan. away_until_utc: of the holiday that holds. weather: as forecast; None: nobody keeps any.
    experiments: their drawn days follow the habit.
    """

    site: Site
    lake: Lake
    forecasts: ForecastStore
    plans: PlanStore
    mode: Mode
    read_states: ReadStates
    clock: Clock
    explained_within_s: float = 10.0
    away_until_utc: datetime | None = None
    read_since: Callable[[Plan, datetime], Since] = lambda _plan, _now_utc: Since()
    weather: WeatherStore | None = None
    experiments: ExperimentStore | None = None

    def forecast(self, target: str | None) -> Forecast | None:
        """The newest forecast of a target, where it is one; of one hour's that by quarter hours, where it reaches."""
        if not target:
            return None
        now = self.clock.now_utc()
        found = [self.forecasts.latest(self.site.site_id, name, as_of_utc=now) for name in (target, f"{target}@15min")]
        known = [one for one in found if one is not None]
        # By the hour of the issue: the hours of a site are forecast once in it, its quarter hours four times.
        return max(known, key=lambda one: (f"{one.issued_at_utc:%Y-%m-%dT%H}", one.step_minutes == 15), default=None)

    @property
    def horizon(self) -> timedelta:
        """Horizon of a plan of the site."""
        return _MOVING_HORIZON if self.site.plan_steps == "moving" else HORIZON

    def weather_known(self, now_utc: datetime) -> Sequence[WeatherIssue]:
        """The issues known now for the hours ahead."""
        if self.weather is None:
            return ()
        return self.weather.known(
            self.site.site_id, start_utc=now_utc, end_utc=now_utc + self.horizon, available_by_utc=now_utc
        )


def newest(context: PlanningContext) -> tuple[Forecast | None, dict[str, Forecast | None], Forecast | None]:
    """The newest forecasts of the load, of each device that needs one by its asset's id, and of the prices."""
    load, targets = forecast_targets(context.site)
    own = {name: context.forecast(target) for name, target in targets.items()}
    return (
        context.forecast(load),
        own,
        context.forecast(context.site.price_stream and f"meter:{context.site.price_stream}"),
    )


def forecast_targets(site: Site) -> tuple[str | None, dict[str, str | None]]:
    """The forecasts (by the name that they carry) of the load, and of each device whose kind needs one, by asset id."""
    meters = {asset.asset_id: asset.meter for asset, kind in device_assets(site) if kind.forecast}
    # The first target that belongs to no device is the site's load; PV on the list is not load.
    load = next((target for target in site.forecast_targets if target not in meters.values()), None)
    own = {name: f"meter:{meter}" if meter in site.forecast_targets else None for name, meter in meters.items()}
    return f"meter:{load}" if load else None, own


def prices_between(
    site: Site, lake: Lake, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """interval_start_utc, price_per_kwh (Float64, the site's currency) of the priced quarter hours of [start, end)."""
    known = prices_in_force(site, lake, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    return known.drop_nulls("price_per_kwh").with_columns(pl.col("price_per_kwh").cast(pl.Float64))


def price_age(site: Site, lake: Lake, *, now_utc: datetime) -> tuple[Finding, ...]:
    """Findings on the age of a market's prices; none for a tariff's or for imported prices."""
    feeds = [point.stream for source in site.sources if source.kind == "prices" for point in source.points]
    if site.price_stream not in feeds:
        return ()
    # A market that was away for longer than this is as stale as can be said.
    span: dict[str, Any] = {"start_utc": now_utc - LOOK_BACK, "end_utc": now_utc + 2 * LOOK_BACK}
    known = lake.current(site.site_id, **span, meters=[site.price_stream])["interval_start_utc"].to_list()
    until_utc = max(known) + timedelta(minutes=CANONICAL_MINUTES) if known else span["start_utc"]
    return staleness(until_utc, now_utc)


def price_doubt(prices: pl.DataFrame, before: pl.DataFrame) -> Finding | None:
    """Why the published prices of a window cannot be believed, by those of the days before it; None where they can.

    prices, before: interval_start_utc, price_per_kwh. Negative prices are prices. Without a day before there is nothing
    to compare with. Blocking: a plan that follows a slipped decimal costs more than none.
    """
    now, then = (frame["price_per_kwh"].drop_nulls().abs() for frame in (prices, before))
    if now.is_empty() or then.len() < _A_DAY:
        return None
    usual, found = _median(then), _median(now)
    facts: dict[str, str | float | int | bool | None] = {"median": found, "median_before": usual}
    if usual > 0 and now.max() == 0:
        message = f"every price from {_first(prices)} on is 0; over the days before it was {usual:.4g} at the median"
        return Finding(code="prices_all_zero", message=message, severity="blocking", facts=facts)
    if usual > 0 and found > 0 and not 1 / MAX_RATIO <= found / usual <= MAX_RATIO:
        message = (
            f"prices from {_first(prices)} on are {found:.4g} at the median, {found / usual:.3g} times those of the "
            "days before: another unit is suspected"
        )
        return Finding(code="prices_of_another_unit", message=message, severity="blocking", facts=facts)
    if _repeats(prices, before):
        message = (
            f"prices from {_first(prices)} on are those of the day before to the last digit: the feed does not change"
        )
        return Finding(code="prices_stand_still", message=message, severity="blocking", facts=facts)
    return None


def _median(values: pl.Series) -> float:
    return float(np.median(values.to_numpy()))


def _first(prices: pl.DataFrame) -> str:
    return f"{min(prices['interval_start_utc'].to_list()):%Y-%m-%dT%H:%MZ}"


def _repeats(prices: pl.DataFrame, before: pl.DataFrame) -> bool:
    """A day that is the day before once more, of prices that are not the same every day anyway."""
    known = dict(pl.concat([before, prices]).select("interval_start_utc", "price_per_kwh").iter_rows())
    day = timedelta(days=1)

    def same(starts: list[datetime]) -> bool:
        pairs = [(known[at], known[at - day]) for at in starts if at - day in known]
        return len(pairs) >= _A_DAY // 2 and all(new == old for new, old in pairs)

    starts = prices["interval_start_utc"].to_list()
    is_varied = len({known[at] for at in starts}) > _FEW
    return is_varied and same(starts) and not same([at - day for at in starts])
