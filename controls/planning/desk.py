"""What planning a site asks: its stores, its mode, its devices, and which forecasts are its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.weather_issues import WeatherStore
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.moving_steps import HORIZON_H
from controls.planning.measured import ReadStates
from controls.planning.triggers import Since
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

# Day-ahead prices reach to the end of the next day at best; what is longer would be cut to them.
HORIZON = timedelta(hours=24)
# Far steps are long, and so as many as a day of quarter hours has are not reached.
_MOVING_HORIZON = timedelta(hours=HORIZON_H)


@dataclass(frozen=True)
class Desk:
    """All that planning a site asks: where its data lie, how far commands may go, how devices tell their states.

    explained_within_s: commands wait for why a plan is so; what is not explained by then says that. read_since: what
    came of a plan. away_until_utc: of the holiday that holds. weather: as forecast; None: nobody keeps any.
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
        """How far a plan of the site reaches."""
        return _MOVING_HORIZON if self.site.plan_steps == "moving" else HORIZON

    def weather_known(self, now_utc: datetime) -> Sequence[WeatherIssue]:
        """The issues known now that tell of the hours ahead."""
        if self.weather is None:
            return ()
        return self.weather.known(
            self.site.site_id, start_utc=now_utc, end_utc=now_utc + self.horizon, available_by_utc=now_utc
        )


def newest(desk: Desk) -> tuple[Forecast | None, dict[str, Forecast | None], Forecast | None]:
    """The newest forecasts of the load, of each device that needs one by its asset's id, and of the prices."""
    load, targets = forecast_targets(desk.site)
    own = {name: desk.forecast(target) for name, target in targets.items()}
    return desk.forecast(load), own, desk.forecast(desk.site.price_stream and f"meter:{desk.site.price_stream}")


def forecast_targets(site: Site) -> tuple[str | None, dict[str, str | None]]:
    """The forecasts (by the name that they carry) of the load, and of each device whose kind needs one, by asset id."""
    meters = {asset.asset_id: asset.meter for asset, kind in device_assets(site) if kind.forecast}
    # The first target that belongs to no device is the site's load; PV on the list is not load.
    load = next((target for target in site.forecast_targets if target not in meters.values()), None)
    own = {name: f"meter:{meter}" if meter in site.forecast_targets else None for name, meter in meters.items()}
    return f"meter:{load}" if load else None, own
