"""Inputs of a year replayed: the load without battery and PV, by the meters at the grid and of the devices."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from assets.bills.engine.bill_load import Load
from assets.kpi.running_cost.interval_costs import main_meters, metered
from assets.sites.virtual import streams_for, with_virtual
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import content_sha256
from controls.optimiser.devices.heat_pump import HeatPumpParams
from controls.optimiser.devices.kinds import device_assets
from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_readings import power_kw
from controls.planning.trial_inputs import MOST_FILLED, WEEK, By, TrialInputs, days_between, left_out, refused, whole
from controls.planning.what_if.variants import NEW_PV, Variant, with_battery, with_pv, with_tariffs
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import local_midnight_utc
from data_quality.contracts.units import QUANTUM_DECIMALS

# PV from irradiance: flat modules, wires, dirt and inverter (performance ratio), yield by cell temperature.
_PERFORMANCE, _PER_K, _CELL_K_PER_W_M2, _RATED_DEGC = 0.85, -0.004, 0.03, 25.0
_PER_HOUR = timedelta(hours=1) / STEP
_QUANTA = 10**QUANTUM_DECIMALS
# By this share of synthetic readings a what-if says so.
SYNTHETIC_SHARE = 0.4
# What a heat pump does where nobody has chosen one: the optimiser's own curve at its usual flow temperature.
_ANY_PUMP = {"capacity_kwh": 1, "empty_degc": 30, "full_degc": 50, "normal_degc": 45, "normal_kw": 1, "draw_kw": 0}


class Relived(NamedTuple):
    """Data of a year replayed. trial: the present configuration. metered: import and export as billed. heat_kw: of
    electric heating.

    outdoor_degc, ghi_w_per_m2: by quarter hour, empty where no driver has them. synthetic_share: of the
    readings, readings_sha256 their hash. unmetered: kinds of batteries and PV that stay part of the load.
    """

    trial: TrialInputs
    metered: Load
    heat_kw: By
    outdoor_degc: By
    ghi_w_per_m2: By
    synthetic_share: float
    readings_sha256: str
    unmetered: tuple[str, ...]


def relived_inputs(site: Site, lake: Lake, start: date, end: date) -> Relived | Finding:
    """The present configuration over local days [start, end), or why it cannot be replayed.

    Metered batteries and PV are decided anew; everything else is load, as it was: import less export at the grid, plus
    what PV gave, less what batteries took.
    """
    kept, left = _movable(site)
    planned = site.model_copy(update={"assets": kept})
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
    heating = next((asset.meter for asset in site.assets if asset.kind == "heating_relay" and asset.meter), None)
    drivers = [each.driver_id for each in site.drivers]
    names = [*main_meters(site), *(asset.meter for asset in kept if asset.meter), *([heating] if heating else [])]
    frame = lake.current(
        site.site_id, start_utc=start_utc - WEEK, end_utc=end_utc,
        meters=[*streams_for(site, sorted({*names})), *drivers],
    )  # fmt: skip
    rows = with_virtual(site, frame)
    supply = metered(site, rows, start - WEEK, end).load
    load_kw, filled = whole(_behind(rows, planned, supply), start_utc, end_utc)
    if load_kw is None:
        read = f"its supply has readings of {1 - filled:.0%} of the quarter hours from {start} to {end}"
        return refused("readings_missing", site, f"{read}; a year replayed needs {1 - MOST_FILLED:.0%}")
    degc, ghi = (_driver(rows, site, unit) for unit in ("degc", "w_per_m2"))
    trial = TrialInputs(
        site=planned,
        lake=lake,
        days=days_between(start, end),
        load_kw=load_kw,
        sun_kw={a.asset_id: power_kw(rows, site, a.meter or "") for a, kind in device_assets(planned) if kind.forecast},
        rows=rows.filter(pl.col("interval_start_utc") >= start_utc),
        assumptions=(
            "the load is what the meters of grid, PV and batteries leave, as it was; only battery and PV move",
            *(f"{filled:.1%} of the load was not read and is that of a week before" for _ in range(filled > 0)),
            "plans at midnight and every six hours, with load and sun as in the mean of the week before, or the plain "
            "rule (surplus in, need out), whichever costs less over the whole span",
        ),
        findings=left,
    )
    share = float(rows["is_synthetic"].mean() or 0.0) if rows.height else 0.0  # type: ignore[arg-type]
    return Relived(
        trial=trial,
        metered=supply.between(start_utc, end_utc),
        heat_kw=power_kw(rows, site, heating or ""),
        outdoor_degc=degc,
        ghi_w_per_m2=ghi,
        synthetic_share=share,
        readings_sha256=content_sha256(frame),
        unmetered=tuple(each.kind for each in site.assets if each.asset_id in {one.scope for one in left}),
    )


def with_variant(known: Relived, variant: Variant) -> TrialInputs:
    """The inputs with a variant's changes. Raises BadInput where the site lacks what one rests on."""
    inputs = known.trial
    site, sun_kw, load_kw, assumptions = inputs.site, dict(inputs.sun_kw), inputs.load_kw, list[str]()
    for kind, size in (("battery", variant.battery_kwh), ("pv", variant.pv_kw)):
        if size is not None and kind in known.unmetered:
            message = f"--{kind}: the {kind} of site {site.site_id} has no meter, so what it did is not known"
            raise BadInput(message, reason="no_meter", mend=f"give the asset of kind {kind} its meter")
    if variant.battery_kwh is not None:
        site = with_battery(site, variant.battery_kwh)
    if variant.pv_kw is not None:
        site, factor = with_pv(site, variant.pv_kw)
        if factor is None:
            if not known.ghi_w_per_m2:
                needed = "a PV meter of its own or a driver of irradiance (w_per_m2)"
                raise BadInput(f"--pv: site {known.trial.site.site_id} has neither; expected {needed}", reason="no_sun")
            found = dict[datetime, float]()
            for at, ghi in known.ghi_w_per_m2.items():
                cell_degc = known.outdoor_degc.get(at, 10.0) + _CELL_K_PER_W_M2 * ghi
                share = _PERFORMANCE * (1 + _PER_K * (cell_degc - _RATED_DEGC))
                found[at] = min(max(variant.pv_kw * ghi / 1000 * share, 0.0), variant.pv_kw)
            sun_kw[NEW_PV] = found
            assumptions.append(f"no PV of its own: {variant.pv_kw:g} kW of flat modules by the stored irradiance")
        else:
            sun_kw = {name: {at: kw * factor for at, kw in own.items()} for name, own in sun_kw.items()}
    if variant.heat_pump_kw is not None:
        load_kw = _heated(known, variant.heat_pump_kw)
        assumptions.append(
            f"heat as the electric heating gave it, by a heat pump of {variant.heat_pump_kw:g} kW of heat"
        )
    if variant.tariffs:
        site = with_tariffs(site, variant.tariffs, inputs.days[0], inputs.days[-1] + timedelta(days=1))
    return inputs._replace(site=site, sun_kw=sun_kw, load_kw=load_kw, assumptions=(*inputs.assumptions, *assumptions))


def _movable(site: Site) -> tuple[tuple[Asset, ...], tuple[Finding, ...]]:
    """Batteries and PV that have a meter of their own; of those without one, a finding each."""
    able = [asset for asset, kind in device_assets(site) if kind.kind in ("battery", "pv")]
    why = "it has no meter of its own and stays part of the load"
    return (
        tuple(asset for asset in able if asset.meter),
        tuple(left_out(asset.asset_id, why) for asset in able if not asset.meter),
    )


def _behind(rows: pl.DataFrame, site: Site, supply: Load) -> By:
    """Mean kW of everything but PV and batteries, where the supply and each of them was read."""
    sold = np.zeros(supply.load.size) if supply.generation is None else supply.generation
    net_kw = (supply.load - sold) / _QUANTA * _PER_HOUR
    found = {
        supply.start_utc + k * STEP: float(net_kw[k]) for k in np.flatnonzero(supply.is_present[: net_kw.size]).tolist()
    }
    counted = set[tuple[str, str]]()
    for asset in site.assets:
        for register, sign in (("charge", -1), ("discharge", 1)) if asset.kind == "battery" else (("", 1),):
            # Systems behind one meter are read once.
            if (place := (asset.meter or "", register)) in counted:
                continue
            counted.add(place)
            own = power_kw(rows, site, *place)
            found = {at: kw + sign * own[at] for at, kw in found.items() if at in own}
    return found


def _heated(known: Relived, size_kw: float) -> By:
    """The load with its electric heating by a heat pump: heat beyond its size stays electric."""
    if not known.heat_kw or not known.outdoor_degc:
        lacking = "readings of an electric heating (kind heating_relay)" if not known.heat_kw else "outdoor temperature"
        raise BadInput(f"--heat-pump: site {known.trial.site.site_id} has no {lacking}", reason="no_heating")
    pump = HeatPumpParams.model_validate(_ANY_PUMP)
    starts = [at for at in known.trial.load_kw if at in known.heat_kw and at in known.outdoor_degc]
    heat_kw = np.minimum([known.heat_kw[at] for at in starts], size_kw)
    saved_kw = heat_kw * (1 - 1 / pump.cops(np.array([known.outdoor_degc[at] for at in starts])))
    less = dict(zip(starts, saved_kw.tolist(), strict=True))
    return {at: kw - less.get(at, 0.0) for at, kw in known.trial.load_kw.items()}


def _driver(rows: pl.DataFrame, site: Site, unit: str) -> By:
    name = next((each.driver_id for each in site.drivers if each.unit == unit), None)
    own = rows.filter(pl.col("meter_id") == (name or "")).drop_nulls("value")
    return dict(own.select("interval_start_utc", "value").iter_rows())
