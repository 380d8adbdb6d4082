"""Records of a stored day: its plans, and the load, PV, prices and device readings of lake and ledger."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any

import numpy as np
import polars as pl

from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.plans import PlanStore, StoredContent
from controls.ledger.rows import LedgerRow
from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.connection import connection_kw
from controls.optimiser.devices.device import AssetState, Device
from controls.optimiser.devices.kinds import device_assets, devices_of
from controls.planning.context import HORIZON, forecast_targets, prices_between
from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_scenario import By, Readings
from controls.planning.tariff_terms import Offer, in_force, so_far_reader, tariff_findings, tariff_offer
from controls.planning.triggers import plan_window
from data_quality.contracts.control.command import CommandState, EvidenceGrade
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import local_midnight_utc

_KWH_TO_KW = timedelta(hours=1) / STEP
# Read back and held: an acknowledgement alone, or a set-point that was taken back, proves no quarter hour.
_PROVEN = frozenset({CommandState.VERIFIED, CommandState.COMPLETED})


def day_span(day: date, site: Site) -> tuple[datetime, datetime]:
    """[start, end) of a local day; 92 to 100 quarter hours."""
    return local_midnight_utc(day, site.time_zone), local_midnight_utc(day + timedelta(days=1), site.time_zone)


def stored_plans(
    plans: PlanStore, site: Site, start_utc: datetime, end_utc: datetime, *, as_of_utc: datetime | None = None
) -> list[StoredContent]:
    """The plans that may govern [start, end), and one that begins at its end; as known at `as_of_utc` where given."""
    return plans.begun(site.site_id, start_utc - HORIZON, end_utc + STEP, as_of_utc)


def day_readings(
    site: Site,
    lake: Lake,
    stored: Sequence[StoredContent],
    ledger: Iterable[LedgerRow],
    start_utc: datetime,
    *,
    as_of_utc: datetime | None = None,
) -> Readings:
    """Load, PV, prices and device readings from `start_utc` to the end of the last plan, corrections included.

    Load is the meter whose forecast the plans took for it, PV that of each inverter's meter, shared by their ratings
    where there are several behind one; devices are what their own meter shows.
    """
    end_utc = max((plan_window(one.plan)[1] for one in stored), default=start_utc)
    devices = {device.device_id: device for one in stored for device in devices_of(one.plan.request)}
    assets = {name: asset for name, device in devices.items() if (asset := _asset_of(device, site))}
    load, _ = forecast_targets(site)
    load_meter, _, register = (load or "").removeprefix("meter:").partition(".")
    meters = {load_meter, *(asset.meter for asset in assets.values() if asset.meter)} - {""}
    span: dict[str, Any] = {"start_utc": start_utc, "end_utc": end_utc, "as_of_utc": as_of_utc}
    frame = site_readings(lake, site, meters=sorted(meters), **span).filter(pl.col("unit") == "kwh")
    generated_kw, done_kw = {}, {}
    for name, asset in assets.items():
        if devices[name].forecast:
            generated_kw[name] = _own_share(asset, site, power_kw(frame, site, asset.meter or ""))
        elif devices[name].metered and asset.meter:
            done_kw[name] = {
                column: power_kw(frame, site, asset.meter, register)
                for register, column in devices[name].metered.items()
            }
    return Readings(
        load_kw=power_kw(frame, site, load_meter, register),
        **_priced(site, lake, **span),
        generated_kw=generated_kw,
        done_kw={name: columns for name, columns in done_kw.items() if any(columns.values())},
        set_points=_proven(ledger, {asset.asset_id: name for name, asset in assets.items()}),
    )


def sun_kw(site: Site, lake: Lake, plan: Plan, start_utc: datetime, end_utc: datetime) -> dict[str, By]:
    """PV generation in the quarter hours of [start, end), kW, by device of the plan that has its own meter."""
    behind = {
        device.device_id: asset
        for device in devices_of(plan.request)
        if device.forecast and (asset := _asset_of(device, site)) and asset.meter
    }
    meters = sorted({asset.meter for asset in behind.values() if asset.meter})
    if not meters:
        return {}
    frame = lake.current(site.site_id, start_utc=start_utc, end_utc=end_utc, meters=meters)
    frame = frame.filter(pl.col("unit") == "kwh")
    return {name: _own_share(asset, site, power_kw(frame, site, asset.meter or "")) for name, asset in behind.items()}


def _asset_of(device: Device, site: Site) -> Asset | None:
    """The asset that a stored plan speaks of: by its id, or, in plans that had one of each kind, the only one."""
    known = [asset for asset, kind in device_assets(site) if kind.kind == device.kind]
    named = [asset for asset in known if asset.asset_id == device.device_id]
    return next(iter(named or (known if len(known) == 1 else [])), None)


def power_kw(frame: pl.DataFrame, site: Site, meter: str, register: str = "") -> By:
    """Mean power by quarter hour; without a register that of import, else the meter's first."""
    known = next((one.registers for one in site.meters if one.meter_id == meter), ())
    names = [one.register_id for one in known]
    wanted = register or ("import" if "import" in names else names[0] if names else "import")
    own = frame.filter((pl.col("meter_id") == meter) & (pl.col("register") == wanted))
    return {at: kwh * _KWH_TO_KW for at, kwh in own.select("interval_start_utc", "value").drop_nulls().iter_rows()}


def _own_share(asset: Asset, site: Site, meter_kw: By) -> By:
    """One system's part of what its meter shows, as a plan shares its forecast."""
    siblings = [one for one in site.assets if (one.kind, one.meter) == (asset.kind, asset.meter)]
    kind = next(kind for one, kind in device_assets(site) if one == asset)
    given = AssetState(site_id=site.site_id, forecast_kw=tuple(meter_kw.values()), siblings=tuple(siblings))
    device = kind.from_asset(asset, given)
    shared = -device.drawn_kw(dict.fromkeys(device.columns, 0.0))
    return dict(zip(meter_kw, shared.tolist(), strict=True))


def _priced(
    site: Site, lake: Lake, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None
) -> dict[str, Any]:
    """Import and export prices from start_utc to the first that is not known; the bill where prices are not all."""
    known = prices_between(site, lake, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    stream = dict(known.select("interval_start_utc", "price_per_kwh").iter_rows())
    every = [start_utc + k * STEP for k in range((end_utc - start_utc) // STEP)]
    if findings := tariff_findings(site):
        return {"import_price": {}, "unpriced": findings[0]}
    priced = in_force(site, every) & ({*stream} if site.price_stream else {*every})
    steps = list(takewhile(priced.__contains__, every))
    if not steps:
        return {"import_price": {}}

    def bill(first_utc: datetime, net_kw: Floats, most_kw: float) -> Offer | Finding:
        so_far = so_far_reader(site, lake, start_utc=first_utc, as_of_utc=as_of_utc)
        return tariff_offer(site, prices=stream, start_utc=first_utc, net_kw=net_kw, most_kw=most_kw, read_bills=so_far)

    nothing = np.zeros(len(steps))
    offer = tariff_offer(site, prices=stream, start_utc=start_utc, net_kw=nothing, most_kw=connection_kw(site) or 0.0)
    if isinstance(offer, Finding):
        return {"import_price": {}, "unpriced": offer}
    return {
        "import_price": dict(zip(steps, offer.import_price_per_kwh, strict=True)),
        "export_price": dict(zip(steps, offer.export_price_per_kwh, strict=True)),
        "bill": bill if offer.bills else None,
    }


def _proven(ledger: Iterable[LedgerRow], names: Mapping[str, str]) -> dict[str, dict[datetime, dict[str, float]]]:
    """Set-points that were read back from their devices, by device and quarter hour; of two the later one."""
    found: dict[str, dict[datetime, dict[str, float]]] = {}
    for row in sorted(ledger, key=lambda each: each.recorded_at_utc):
        is_proven = row.state in _PROVEN and (row.evidence_grade or 0) >= EvidenceGrade.READ_BACK
        name = names.get(row.command.device_id)
        if is_proven and name:
            value = row.facts.get("readback_value")
            set_points = found.setdefault(name, {}).setdefault(row.command.valid_from_utc, {})
            set_points[row.command.capability] = float(value) if isinstance(value, int | float) else row.command.value
    return found
