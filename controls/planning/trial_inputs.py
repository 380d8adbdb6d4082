"""Inputs of a trial: devices that can be simulated, the load and sun that were measured, and assumptions."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from controls.optimiser.devices.kinds import device_assets
from controls.planning.context import forecast_targets, prices_between
from controls.planning.plan_inputs import STEP, Measured
from controls.planning.replay.day_readings import day_span, power_kw
from controls.planning.starting_states import assumption
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import local_midnight_utc

# A load without a reading is that of a week before, in so many quarter hours of the trial at most.
MOST_FILLED = 0.05
WEEK = timedelta(days=7)
By = Mapping[datetime, float]


class TrialInputs(NamedTuple):
    """site: with the devices that are simulated. load_kw, sun_kw (by asset id): as measured, a week before included.

    days: local ones, without a hole. rows: readings of price streams.
    """

    site: Site
    lake: Lake
    days: tuple[date, ...]
    load_kw: By
    sun_kw: Mapping[str, By]
    rows: pl.DataFrame
    assumptions: tuple[str, ...]
    findings: tuple[Finding, ...]

    def span(self, day: date) -> tuple[datetime, datetime]:
        """[start, end) of a local day."""
        return day_span(day, self.site)

    def read_prices(self) -> pl.DataFrame:
        """Prices of the whole span, as a plan takes them."""
        (start_utc, _), (_, end_utc) = (self.span(self.days[n]) for n in (0, -1))
        return prices_between(self.site, self.lake, start_utc=start_utc, end_utc=end_utc)

    @property
    def begun(self) -> dict[str, Measured]:
        """Assumed amount in each store at the start, by asset id."""
        stores = [(asset, kind) for asset, kind in device_assets(self.site) if kind.measure]
        return {asset.asset_id: (assumption(self.site, asset, kind)[0], 0.0) for asset, kind in stores}


def trial_inputs(site: Site, lake: Lake, start: date, end: date) -> TrialInputs | Finding:
    """Inputs of a trial of the local days [start, end), or why there can be none."""
    (load, _), kinds = forecast_targets(site), device_assets(site)
    if load is None:
        return refused("no_load", site, "no meter of the load is named under forecast_targets")
    unmeasured = [asset.asset_id for asset, kind in kinds if kind.forecast and not asset.meter]
    heated = [asset.asset_id for asset, kind in kinds if kind.kind in ("room", "heat_pump")]
    left = [left_out(name, "it has no meter whose readings say what the sun gave") for name in unmeasured]
    left += [left_out(name, "its heat follows the weather, which a trial has not") for name in heated]
    kept = [asset for asset, _ in kinds if asset.asset_id not in {*unmeasured, *heated}]
    planned = site.model_copy(update={"assets": tuple(kept)})
    meter, _, register = load.removeprefix("meter:").partition(".")
    below = _below(site, meter, kept)
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
    names = [meter, *below.values(), *(asset.meter for asset in kept if asset.meter)]
    frame = site_readings(lake, site, start_utc=start_utc - WEEK, end_utc=end_utc, meters=sorted({*names}))
    frame = frame.filter(pl.col("unit") == "kwh")
    known, filled = whole(power_kw(frame, site, meter, register), start_utc, end_utc)
    if known is None:
        at = f"{meter} has readings of {1 - filled:.0%} of the quarter hours from {start} to {end}"
        return refused("readings_missing", site, f"{at}; a trial needs {1 - MOST_FILLED:.0%}")
    for own in below.values():
        measured = power_kw(frame, site, own)
        known = {at: max(value - measured.get(at, 0.0), 0.0) for at, value in known.items()}
    sun = {a.asset_id: power_kw(frame, site, a.meter or "") for a, kind in device_assets(planned) if kind.forecast}
    begun = [assumption(planned, a, kind) for a, kind in device_assets(planned) if kind.measure]
    streams = [driver.driver_id for driver in site.drivers if driver.unit in ("per_kwh", "per_mwh")]
    rows = frame.clear()
    if streams:
        rows = lake.current(site.site_id, start_utc=start_utc, end_utc=end_utc, meters=streams)
    return TrialInputs(
        site=planned,
        lake=lake,
        days=days_between(start, end),
        load_kw=known,
        sun_kw=sun,
        rows=rows,
        assumptions=(
            f"the load is {meter} as it was measured; the devices are added to it",
            *(f"what {own} measured of {name} is taken out of the load" for name, own in below.items()),
            *(f"{filled:.1%} of the load was not read and is that of a week before" for _ in range(filled > 0)),
            *(note.partition(": nothing")[0] for _, _, note, _ in begun),
            *(
                "every day begins like this for what is driven away"
                for _ in range(any(kind.is_taken_away for _, kind in device_assets(planned)))
            ),
            *(
                f"what a kWh of {asset.asset_id} that is not used costs you is in no bill"
                for asset, kind in device_assets(planned)
                if kind.kind == "sheddable_load"
            ),
            "deterministic plans at midnight and every six hours, with load and sun as in the mean of the week before",
        ),
        findings=tuple(left),
    )


def days_between(start: date, end: date) -> tuple[date, ...]:
    """The days of [start, end)."""
    return tuple(start + timedelta(days=n) for n in range((end - start).days))


def _below(site: Site, meter: str, assets: Sequence[Asset]) -> dict[str, str]:
    """Asset -> its own meter, where that lies behind the meter of the load: the load holds what it used."""
    parents = {one.meter_id: one.parent for one in site.meters}

    def is_below(name: str | None) -> bool:
        while name is not None and (name := parents.get(name)) is not None:
            if name == meter:
                return True
        return False

    return {one.asset_id: one.meter for one in assets if one.meter and one.kind != "pv" and is_below(one.meter)}


def whole(known: By, start_utc: datetime, end_utc: datetime) -> tuple[By | None, float]:
    """Every quarter hour of the span, and the week before it where it is known; the share that was filled."""
    steps = [start_utc + k * STEP for k in range((end_utc - start_utc) // STEP)]
    found = {at: known.get(at, known.get(at - WEEK)) for at in steps}
    share = 1 - sum(at in known for at in steps) / len(steps)
    if share > MOST_FILLED or None in found.values():
        return None, share
    return {**known, **{at: value for at, value in found.items() if value is not None}}, share


def left_out(name: str, why: str) -> Finding:
    """A device that a trial goes without."""
    return Finding(code="device_left_out", message=f"{name} is left out of the trial: {why}", scope=name)


def refused(code: str, site: Site, sentence: str) -> Finding:
    """The finding of a trial that cannot be."""
    return Finding(code=code, message=f"no trial: {sentence}", severity="blocking", scope=site.site_id)
