"""Strategies: tariffs of our language over all its components, loads, and what earlier bills left."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st

from assets.bills.engine.bill_load import Load
from assets.bills.engine.settle import Account
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.time import local_midnight_utc

MOST_KW = 60
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
Draw = st.DrawFn


def money(low: str, high: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=4)


_PEAK = {"day_types": ["weekday"], "start": "08:00", "end": "20:00"}
_REST = [{"day_types": ["weekday"], "start": "20:00", "end": "08:00"}, {"day_types": ["weekend", "holiday"]}]


@st.composite
def _tiers(draw: Draw, *, unit: str, most: int, key: str, price: st.SearchStrategy[Decimal]) -> dict[str, Any]:
    """One price, or two or three tiers: rising, falling or neither."""
    count = draw(st.sampled_from([1, 1, 2, 3]))
    prices = [draw(price) for _ in range(count)]
    if count == 1:
        return {key: prices[0]}
    order = draw(st.sampled_from(["rising", "falling", "as_drawn"]))
    if order != "as_drawn":
        prices.sort(reverse=order == "falling")
    ends = sorted(draw(st.lists(st.integers(1, most), min_size=count - 1, max_size=count - 1, unique=True)))
    unit = "kwh_per_day" if unit == "kwh" and draw(st.booleans()) and ends[-1] < most // 2 else unit
    tiers: list[dict[str, Any]] = [{"price": prices[n], "up_to": ends[n], "up_to_unit": unit} for n in range(count - 1)]
    return {"tiers": [*tiers, {"price": prices[-1]}]}


@st.composite
def _energy(draw: Draw, *, is_netted: bool) -> tuple[list[dict[str, Any]], str]:
    price = money("-0.05", "0.60") if draw(st.integers(0, 5)) == 0 else money("0.01", "0.60")
    sell = {"sell_price_per_kwh": draw(money("0", "0.30"))} if is_netted else {}
    basis = draw(st.sampled_from(["period", "period", "total", "in_time_order"]))
    shape = _tiers(unit="kwh", most=4000, key="price_per_kwh", price=price)
    first = draw(shape)
    if draw(st.booleans()):
        return [{"period_id": "all", **first, **sell}], basis
    second = draw(shape)
    if basis != "period":
        # Shared tiers need the same bounds; half of them step alike, the others are refused.
        second = first if "tiers" not in first else {"tiers": [_dearer(draw, tier) for tier in first["tiers"]]}
    return [
        {"period_id": "peak", "windows": [_PEAK], **first, **sell},
        {"period_id": "rest", "windows": _REST, **second},
    ], basis


def _dearer(draw: Draw, tier: dict[str, Any]) -> dict[str, Any]:
    step = Decimal("0.05") if draw(st.integers(0, 3)) else draw(money("0", "0.2"))
    return {**tier, "price": tier["price"] + step}


@st.composite
def _demand(draw: Draw, number: int, start: date) -> dict[str, Any]:
    shape = _tiers(unit="kw", most=50, key="price_per_kw", price=money("0", "20"))
    periods: list[dict[str, Any]] = [{"period_id": "all", **draw(shape)}]
    if draw(st.booleans()):
        periods = [{"period_id": "peak", "windows": [_PEAK], **draw(shape)}]
        if draw(st.booleans()):
            periods.append({"period_id": "rest", "windows": _REST, **draw(shape)})
    window = draw(st.sampled_from([15, 30, 60, 120]))
    found: dict[str, Any] = {"charge_id": f"demand{number}", "periods": periods, "window_minutes": window}
    if draw(st.booleans()):
        found |= {"method": "rolling", "sub_interval_minutes": 15}
    kind = draw(st.sampled_from(["plain", "plain", "peaks", "coincident"]))
    if kind == "peaks":
        found["peaks"] = draw(st.integers(2, 4))
    elif kind == "coincident":
        hours = draw(st.lists(st.integers(0, 47), min_size=1, max_size=3))
        noon = datetime(start.year, start.month, start.day, 12, tzinfo=UTC)
        found["coincident_at"] = [(noon + timedelta(hours=hour)).isoformat() for hour in hours]
    if draw(st.booleans()):
        found["ratchet"] = {
            "share": draw(st.sampled_from(["0.5", "0.8", "1"])),
            "months": draw(st.integers(1, 12)),
            "includes_current": draw(st.booleans()),
            "of_periods": [periods[0]["period_id"]] if draw(st.booleans()) else [],
        }
        if draw(st.integers(0, 2)) == 0:
            found["ratchet"] |= {"rule": "mean", "of_periods": []}
    if draw(st.booleans()):
        found["minimum_kw"] = draw(st.integers(0, 40))
    if draw(st.integers(0, 3)) == 0:
        found |= {"contracted_kw": draw(st.integers(1, 80)), "contracted_share": "0.6"}
    if draw(st.integers(0, 39)) == 37:
        found |= draw(st.sampled_from([{"unit": "kva"}, {"reference_power_factor": "0.95"}, {"demand_decimals": 0}]))
    return found


@st.composite
def _riders(draw: Draw) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["share", "discount", "price_per_kwh", "price_per_kw", "price_per_day"]))
        rider: dict[str, Any] = {"charge_id": f"rider{number}"}
        if kind == "share":
            rider |= {"share": draw(money("0", "0.2")), "of": draw(st.sampled_from([[], ["energy"], ["demand"]]))}
        elif kind == "discount":
            rider |= {"share": -draw(money("0", "0.3")), "of": draw(st.sampled_from([[], ["energy", "demand"]]))}
        else:
            rider[kind] = draw(money("0", "2"))
        found.append(rider)
    return found


@st.composite
def _export(draw: Draw) -> dict[str, Any]:
    kind = draw(st.sampled_from(["price", "periods", "series"]))
    price = money("-0.05", "0.30") if draw(st.integers(0, 3)) == 0 else money("0", "0.30")
    found: dict[str, Any] = {"negative_prices": draw(st.sampled_from(["pay", "zero"]))}
    if kind == "price":
        found["price_per_kwh"] = draw(price)
    elif kind == "series":
        found["series"] = {"series": "spot", "factor": "0.9", "adder_per_kwh": "-0.01"}
    else:
        found["periods"] = [
            {"period_id": "peak", "windows": [_PEAK], "price_per_kwh": draw(price)},
            {"period_id": "rest", "windows": _REST, "price_per_kwh": draw(price)},
        ]
    if draw(st.booleans()):
        found["cap_kw"] = draw(st.integers(1, 30))
    if kind != "series" and draw(st.booleans()):
        found["cap_kwh"] = draw(st.integers(1, 1500))
    return found


@st.composite
def tariffs(draw: Draw, start: date) -> Tariff:
    """Any tariff that our language can say of electricity by hours, over all components."""
    arrangement = draw(
        st.sampled_from(
            ["net_billing"] * 3 + ["net_billing_carry", "net_metering_energy", "net_metering_money", "buy_all_sell_all"]
        )
    )
    periods, basis = draw(_energy(is_netted=arrangement == "net_metering_money"))
    parts: dict[str, Any] = {"tariff_id": "random", "currency": "EUR", "periods": periods, "tier_basis": basis}
    if draw(st.booleans()):
        parts["energy"] = [{"charge_id": "grid", "price_per_kwh": draw(money("0", "0.2"))}]
        if draw(st.booleans()):
            series = {"series": "spot", "factor": draw(money("0.5", "1.2")), "adder_per_kwh": "0.02"}
            bounds = draw(st.sampled_from([{}, {"floor_per_kwh": "0"}, {"cap_per_kwh": "0.2"}]))
            parts["energy"].append({"charge_id": "market", "series": series | bounds})
    parts["demand"] = [draw(_demand(n, start)) for n in range(draw(st.integers(0, 2)))]
    if draw(st.integers(0, 3)) == 0:
        excess = {"excess_price_per_unit": draw(money("0", "20")), "excess_above_share": "1.05"}
        contract = {"contracted": draw(st.integers(1, 60)), "price_per_unit": draw(money("0", "9")), "per": "year"}
        parts["capacity"] = [{"charge_id": "contract", "window_minutes": 30, **contract, **excess}]
    if draw(st.integers(0, 3)) == 0:
        parts["reactive"] = [{"charge_id": "kvarh", "tan_phi": "0.5", "price_per_kvarh": draw(money("0", "0.1"))}]
    pers = draw(st.lists(st.sampled_from(["day", "month", "year", "bill"]), max_size=2))
    parts["fixed"] = [
        {"charge_id": f"fixed{n}", "amount": draw(money("0", "60")), "per": p} for n, p in enumerate(pers)
    ]
    parts["riders"] = draw(_riders())
    parts["export"] = draw(_export())
    parts["metering"] = {
        "arrangement": arrangement,
        "true_up_month": draw(st.sampled_from([start.month, 12])),
        "true_up": draw(st.sampled_from(["pay", "expire", "keep"])),
        "payout_per_kwh": draw(money("0", "0.1")),
        "credit_applies": draw(st.sampled_from(["same_bill", "next_bill"])),
        "credit_offsets": draw(st.sampled_from(["energy", "bill"])),
        "payout_basis": draw(st.sampled_from(["period", "total"])),
    }
    if draw(st.integers(0, 2)) == 0:
        parts["minimum"] = {
            "monthly": draw(st.integers(0, 2000)),
            "annual": draw(st.sampled_from([0, 9000])),
            "year_ends_with": draw(st.sampled_from([start.month, 12])),
        }
    of = st.sampled_from([[], [], ["energy"], ["energy", "demand", "minimum"], ["minimum"], ["tax0"]])
    parts["taxes"] = [
        # A tax of itself is refused.
        {"charge_id": f"tax{n}", "share": draw(money("0", "0.25")), "of": [x for x in draw(of) if x != f"tax{n}"]}
        for n in range(draw(st.integers(0, 2)))
    ]
    parts["proration"] = draw(st.sampled_from(["days", "none"]))
    return Tariff.model_validate(parts)


@dataclass
class Case:
    """A tariff, one bill's load, and what came before. cut: slots of the load before and after the horizon."""

    tariff: Tariff
    load: Load
    zone: str
    start: date
    end: date
    account: Account
    cut: tuple[int, int]
    prices: dict[str, PriceSeries] = field(default_factory=dict)


@st.composite
def cases(draw: Draw, *, most_days: int = 31) -> Case:
    """One bill of up to a month, quarter hours or longer, in one of three zones, of any season."""
    zone = draw(st.sampled_from(ZONES))
    start = date(2025, 1, 1) + timedelta(days=draw(st.integers(0, 364)))
    if draw(st.booleans()):
        start = start.replace(day=1)
    end = start + timedelta(days=draw(st.integers(1, most_days)))
    if draw(st.booleans()) and most_days >= 31:
        start = start.replace(day=1)
        end = date(start.year + start.month // 12, start.month % 12 + 1, 1)
    step = draw(st.sampled_from([15, 30, 60]))
    begun = local_midnight_utc(start, zone)
    size = (local_midnight_utc(end, zone) - begun) // timedelta(minutes=step)
    load = _load(draw(st.integers(0, 2**32 - 1)), begun, step, size)
    tariff = draw(tariffs(start))
    first = draw(st.sampled_from([0, 0, draw(st.integers(0, size - 1))]))
    last = draw(st.sampled_from([size, draw(st.integers(first + 1, size))]))
    return Case(
        tariff=tariff, load=load, zone=zone, start=start, end=end, account=draw(_accounts(tariff, start)),
        cut=(first, last), prices={"spot": _spot(begun, size * step // 60 + 1)},
    )  # fmt: skip


def _load(seed: int, begun: datetime, step: int, size: int) -> Load:
    rng = np.random.default_rng(seed)
    shape = rng.choice(["noise", "solar", "flat", "spiky", "none"])
    hour = np.arange(size) * step / 60 % 24
    most = int(MOST_KW * step / 60 * 1e9)
    energy = {
        "noise": rng.integers(0, most, size),
        "solar": rng.integers(0, most // 2, size),
        "flat": np.full(size, rng.integers(0, most)),
        "spiky": np.where(rng.random(size) < 0.01, most - 1, most // 20),
        "none": np.zeros(size),
    }[str(shape)].astype(np.int64)
    sun = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None) * rng.random() * most
    made = np.rint(sun).astype(np.int64) if shape == "solar" or rng.random() < 0.3 else None
    kvarh = rng.integers(0, most, size, dtype=np.int64)
    present = np.ones(size, dtype=np.bool_)
    return Load(begun, step, energy, present, generation=made, kvarh=kvarh)


def _spot(begun: datetime, hours: int) -> PriceSeries:
    rng = np.random.default_rng(3)
    start_us = int(begun.timestamp()) * 1_000_000 + np.arange(hours, dtype=np.int64) * 3_600_000_000
    prices = rng.integers(-50_000_000, 300_000_000, hours, dtype=np.int64)
    return PriceSeries("spot", start_us, np.full(hours, 60, dtype=np.int64), prices)


@st.composite
def _accounts(draw: Draw, tariff: Tariff, start: date) -> Account:
    found = Account()
    for charge in tariff.demand:
        for back in range(1, draw(st.integers(0, 3)) + 1):
            index = start.year * 12 + start.month - 1 - back
            kw = {period.period_id: Decimal(draw(st.integers(0, MOST_KW))) for period in charge.periods}
            found.peaks.setdefault(charge.charge_id, {})[index // 12, index % 12 + 1] = kw
    if draw(st.booleans()):
        found.money = draw(money("0", "300")) if tariff.metering.arrangement != "net_billing" else Decimal(0)
        found.billed_year, found.months_in_year = draw(money("0", "9000")), Decimal(draw(st.integers(0, 11)))
    if tariff.metering.arrangement == "net_metering_energy" and draw(st.booleans()):
        for period in tariff.energy_charges[0].all_periods:
            found.kwh["energy", period.period_id] = draw(money("0", "800"))
        found.netted_kwh = draw(money("0", "800"))
    return found
