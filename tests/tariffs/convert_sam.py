"""SAM `utilityrate5` variables as a tariff of our language, and SAM profiles as loads. For the published vectors only.

SAM's calendar has no leap day and no summer time and starts on a Monday: 2018 in UTC.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.bills.engine.bill_load import Load, nano
from assets.tariffs.formats.urdb import schedule_windows
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput

ZONE = "UTC"
START = datetime(2018, 1, 1, tzinfo=UTC)
ARRANGEMENTS = (
    "net_metering_energy",
    "net_metering_money",
    "net_billing",
    "net_billing_carry",
    "buy_all_sell_all",
)
UNITS = {0: "kwh", 1: "kwh_per_kw", 2: "kwh_per_day"}
ENDLESS = 1e37


def sam_load(folder: Path, load: str, generation: str | None, steps_per_hour: int) -> Load:
    """The profiles of a vector; generation None: the site without its plant."""
    used = _kw(folder, load)
    made = _kw(folder, generation) if generation else None
    if made is not None and steps_per_hour > 1:
        used = np.repeat(used, steps_per_hour)
    step = 60 // steps_per_hour if made is not None else 60
    hours = step / 60
    return Load(
        start_utc=START,
        step_minutes=step,
        load=nano(used * hours),
        is_present=np.ones(used.size, dtype=np.bool_),
        generation=nano(made * hours) if made is not None else None,
    )


def _kw(folder: Path, name: str) -> np.ndarray:
    path = next(path for path in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if path.exists())
    return pl.read_csv(path)["kw"].to_numpy()


def sam_tariff(inputs: Mapping[str, Any], name: str) -> Tariff:
    """The tariff that the variables describe. Raises BadInput or a validation error naming what is wrong."""
    for flag in ("ur_en_ts_sell_rate", "ur_en_ts_buy_rate"):
        assert not inputs.get(flag), f"{flag} does not occur in the vectors"
    option = int(inputs["ur_metering_option"])
    windows = schedule_windows(_from_zero(inputs, "ec"), "energy", name)
    rows: dict[int, list[Sequence[float]]] = {}
    for row in inputs["ur_ec_tou_mat"]:
        rows.setdefault(int(row[0]), []).append(row)
    periods = [
        {
            "period_id": str(period + 1),
            "windows": when,
            "tiers": _energy_tiers(rows[period + 1]),
            "sell_price_per_kwh": exact(rows[period + 1][0][5]) if option == 1 else None,
        }
        for period, when in sorted(windows.items())
    ]
    sell = [
        {"period_id": str(period + 1), "windows": when, "price_per_kwh": exact(rows[period + 1][0][5])}
        for period, when in sorted(windows.items())
    ]
    return Tariff.model_validate(
        {
            "tariff_id": name,
            "currency": "USD",
            "calendar": {"weekend": ["sat", "sun"], "holidays": []},
            "rounding": "none",
            "periods": periods,
            # SAM nets tiers over the month, except where each step is billed on its own.
            "tier_basis": "in_time_order" if option in (2, 3) else "total",
            "demand": _demand(inputs, name) if inputs["ur_dc_enable"] else [],
            "fixed": [{"charge_id": "fixed", "amount": exact(inputs["ur_monthly_fixed_charge"])}],
            "export": {"periods": sell},
            "metering": {
                "arrangement": ARRANGEMENTS[option],
                # Counted from 0; December where it is not given.
                "true_up_month": int(inputs.get("ur_nm_credit_month", 11)) + 1,
                "true_up": "keep" if inputs.get("ur_nm_credit_rollover") else "pay",
                "payout_per_kwh": exact(inputs["ur_nm_yearend_sell_rate"]),
                "payout_basis": "total",
                "credit_applies": "next_bill" if option == 3 else "same_bill",
                # SAM looks at 0, 5, 11 and 17 o'clock to find where a period's surplus goes in the next month.
                "carry_by_hours": [0, 5, 11, 17],
            },
            "minimum": {
                "monthly": exact(inputs["ur_monthly_min_charge"]),
                "annual": exact(inputs["ur_annual_min_charge"]),
            },
        }
    )


def exact(value: float) -> Decimal:
    return Decimal(str(value))


def _from_zero(inputs: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """SAM counts periods from 1."""
    word = {"ec": "energy", "dc": "demand"}[kind]
    return {
        f"{word}{day}schedule": [[int(period) - 1 for period in row] for row in inputs[f"ur_{kind}_sched_{day}"]]
        for day in ("weekday", "weekend")
    }


def _energy_tiers(rows: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Rows are (period, tier, max, unit, buy, sell). A row of kWh/kW opens a block; rows of kWh below are its steps."""
    ordered = sorted(rows, key=lambda row: row[1])
    if int(ordered[0][3]) != 1:
        return [
            {
                "price": exact(row[4]),
                "up_to": None if row[2] > ENDLESS else exact(row[2]),
                "up_to_unit": UNITS[int(row[3])],
            }
            for row in ordered
        ]
    blocks: list[dict[str, Any]] = []
    for row in ordered:
        if int(row[3]) == 1:
            limit = None if row[2] > ENDLESS else exact(row[2])
            blocks.append({"price": exact(row[4]), "up_to": limit, "up_to_unit": "kwh_per_kw"})
            continue
        steps = blocks[-1].setdefault("steps", [])
        steps.append({"price": exact(row[4]), "up_to_kwh": None if row[2] > ENDLESS else exact(row[2])})
        # The price of a block with steps is not used.
        blocks[-1]["price"] = None
    return blocks


def _demand(inputs: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    windows = schedule_windows(_from_zero(inputs, "dc"), "demand", name)
    tiers: dict[int, list[dict[str, Any]]] = {}
    for period, _, limit, price in sorted(inputs["ur_dc_tou_mat"], key=lambda row: (row[0], row[1])):
        tiers.setdefault(int(period), []).append(_kw_tier(limit, price))
    _refuse_other_bounds(inputs, tiers, name)
    tou = [
        {"period_id": str(period + 1), "windows": when, "tiers": tiers[period + 1]}
        for period, when in sorted(windows.items())
    ]
    flat: dict[int, list[dict[str, Any]]] = {}
    for month, _, limit, price in sorted(inputs["ur_dc_flat_mat"], key=lambda row: (row[0], row[1])):
        flat.setdefault(int(month) + 1, []).append(_kw_tier(limit, price))
    months = [{"period_id": f"{month:02d}", "months": [month], "tiers": each} for month, each in flat.items()]
    return [
        {"charge_id": "demand_tou", "periods": tou, "window_minutes": 60},
        {"charge_id": "demand_flat", "periods": months, "window_minutes": 60},
    ]


def _kw_tier(limit: float, price: float) -> dict[str, Any]:
    return {"price": exact(price), "up_to": None if limit > ENDLESS else exact(limit), "up_to_unit": "kw"}


def _refuse_other_bounds(inputs: Mapping[str, Any], tiers: Mapping[int, list[dict[str, Any]]], name: str) -> None:
    """SAM's own rule, which our language does not have: demand periods of one month share their tier bounds."""
    for month in range(12):
        rows = [inputs[f"ur_dc_sched_{day}"][month] for day in ("weekday", "weekend")]
        periods = sorted({int(period) for row in rows for period in row})
        for period in periods[1:]:
            expected, got = ([tier["up_to"] for tier in tiers[each]] for each in (periods[0], period))
            if expected != got:
                raise BadInput(
                    f"ur_dc_tou_mat: demand tiers of period {period} in month {month + 1} end at "
                    f"{got[0]} kW, expected {expected[0]} kW as in period {periods[0]}",
                    file=name,
                    reason="tier_bounds_differ",
                )
