"""The worked bills' own tariff files as tariffs of our language, and their loads. Prose parts are read by hand here."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from assets.bills.engine.bill_load import Load, Reads, RegisterUse, load_of, with_generation
from assets.bills.engine.compute import make_bill
from assets.bills.engine.from_reads import make_bill_from_reads
from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.billing.tariff import Tariff

SAM_YEAR = datetime(2018, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Worked:
    """A bill, and which of its lines stands for which row of lines.csv."""

    bill: Bill
    line_ids: dict[str, str]


def rows(frame: pl.DataFrame, value: str, *, minutes: int, start: datetime | None = None) -> Load:
    """A load from utc_start, or from hours of a year counted from `start`."""
    if start is None:
        times = pl.col("utc_start").str.to_datetime(time_unit="us", time_zone="UTC")
    else:
        hour = next(name for name in ("hour_of_year", "hour") if name in frame.columns)
        times = pl.lit(start).cast(pl.Datetime("us", "UTC")) + pl.duration(hours=hour)
    return load_of(frame.select(interval_start_utc=times, minutes=pl.lit(minutes), kwh=value))


def w1(folder: Path) -> Worked:
    """Economy 7 on a clock without summer time."""
    own = _own(folder)
    tariff = _tariff(
        "w1",
        "GBP",
        clock="utc",
        periods=[
            {"period_id": "day", "price_per_kwh": own["day_rate_gbp_per_kwh"], "start": "07:30", "end": "00:30"},
            {"period_id": "night", "price_per_kwh": own["night_rate_gbp_per_kwh"], "start": "00:30", "end": "07:30"},
        ],
        fixed=[{"charge_id": "standing", "amount": own["standing_gbp_per_day"], "per": "day"}],
        taxes=[{"charge_id": "vat", "share": own["vat"]}],
    )
    load = rows(pl.read_csv(folder / "load.csv"), "kwh", minutes=30)
    bill = make_bill([tariff], load, time_zone=own["timezone"])
    names = {
        "energy.day": "day energy",
        "energy.night": "night energy",
        "standing": "standing charge",
        "vat": "VAT 5 %",
    }
    return Worked(bill, names)


def w2(folder: Path) -> Worked:
    """One month of a URDB rate, with lines rounded."""
    own = _own(folder)
    tariffs = read_tariffs(folder.parents[2] / own["urdb_file"])
    load = rows(pl.read_csv(folder / "load.csv"), "kw", minutes=60, start=SAM_YEAR)
    bill = make_bill(tariffs, load, time_zone="UTC", rounding="line")
    names = {f"energy.{n}": f"energy period {n}" for n in (2, 3, 4)}
    names |= {f"demand_tou.{n}": f"TOU demand period {n}" for n in (0, 1, 2)}
    names |= {"demand_flat.0": "facilities demand (month maximum)", "fixed": "fixed monthly charge"}
    return Worked(bill, names)


def w3(folder: Path) -> Worked:
    """Inclining blocks, a rider, a levy and a tax on all of it."""
    own = _own(folder)
    tiers = [
        {"price": price, "up_to": limit}
        for price, limit in zip(own["rates_cad_per_kwh"], own["tiers_kwh"], strict=True)
    ]
    tariff = _tariff(
        "w3",
        "CAD",
        periods=[{"period_id": "all", "tiers": tiers}],
        fixed=[{"charge_id": "basic", "amount": own["basic_cad_per_day"], "per": "day"}],
        riders=[
            {"charge_id": "rate_rider", "share": own["rate_rider"].split(" ")[0], "of": ["energy", "fixed"]},
            {"charge_id": "levy", "price_per_kwh": own["trade_levy_cad_per_kwh"]},
        ],
        taxes=[{"charge_id": "sales_tax", "share": own["sales_tax"].split(" ")[0]}],
    )
    bill = make_bill(
        [tariff], rows(pl.read_csv(folder / "load.csv"), "kwh", minutes=60, start=SAM_YEAR), time_zone="UTC"
    )
    names = {
        "energy.all.1": "tier 1 (0-400 kWh)",
        "energy.all.2": "tier 2 (400-1000 kWh)",
        "energy.all.3": "tier 3 (> 1000 kWh)",
        "basic": "basic charge",
        "rate_rider": "rate rider -0.5 %",
        "levy": "trade levy",
        "sales_tax": "sales tax 5 %",
    }
    return Worked(bill, names)


def w4(folder: Path) -> Worked:
    """Hourly prices over the month of 745 hours."""
    own = _own(folder)
    network, margin = own["adders_eur_per_kwh"]
    tariff = _tariff(
        "w4",
        "EUR",
        energy=[
            {"charge_id": "spot", "series": {"series": "spot"}},
            {"charge_id": "network", "price_per_kwh": network},
            {"charge_id": "margin", "price_per_kwh": margin},
        ],
        fixed=[{"charge_id": "base_fee", "amount": own["base_fee_eur"]}],
        taxes=[{"charge_id": "vat", "share": own["vat"]}],
    )
    frame = pl.read_csv(folder / "load.csv", schema_overrides={"spot_eur_per_mwh": pl.String})
    per_kwh = [Decimal(price) / 1000 for price in frame["spot_eur_per_mwh"]]
    prices = frame.select(
        interval_start_utc=pl.col("utc_start").str.to_datetime(time_unit="us", time_zone="UTC"),
        minutes=pl.lit(60),
        price_per_kwh=pl.Series(per_kwh, dtype=pl.Decimal(20, 9)),
    )
    bill = make_bill(
        [tariff],
        rows(frame, "kwh", minutes=60),
        time_zone=own["timezone"],
        prices={"spot": PriceSeries.of("spot", prices, currency="EUR")},
    )
    names = {
        "spot": "spot energy (sum of kWh x hourly price)",
        "network": "network, levies and taxes",
        "margin": "supplier margin",
        "base_fee": "base fee",
        "vat": "VAT 19 %",
    }
    return Worked(bill, names)


def w5(folder: Path) -> Worked:
    """Net billing by the hour and a minimum bill."""
    own = _own(folder)
    rates = own["rates_usd_per_kwh"]
    on_peak = {"day_types": ["weekday"], "start": "16:00", "end": "21:00"}
    off_peak = [{"day_types": ["weekday"], "start": "21:00", "end": "16:00"}, {"day_types": ["weekend", "holiday"]}]
    tariff = _tariff(
        "w5",
        "USD",
        periods=[
            {"period_id": "on_peak", "price_per_kwh": rates["on"], "windows": [on_peak]},
            {"period_id": "off_peak", "price_per_kwh": rates["off"], "windows": off_peak},
        ],
        export={"price_per_kwh": rates["export"]},
        fixed=[{"charge_id": "fixed", "amount": own["fixed_usd"]}],
        minimum={"monthly": own["minimum_bill_usd"]},
    )
    frame = pl.read_csv(folder / "load.csv")
    load = with_generation(
        rows(frame, "load_kwh", minutes=60, start=SAM_YEAR), rows(frame, "pv_kwh", minutes=60, start=SAM_YEAR)
    )
    names = {
        "energy.on_peak": "import on-peak",
        "energy.off_peak": "import off-peak",
        "export": "export credit",
        "fixed": "fixed charge",
        "minimum": "minimum bill adjustment (to 35.00)",
    }
    return Worked(make_bill([tariff], load, time_zone="UTC"), names)


def w6(folder: Path) -> Worked:
    """Gas by volume over a change of price."""
    own = _own(folder)
    tariffs = [
        _tariff(
            f"w6-{price['from']}",
            "GBP",
            commodity="gas",
            valid_from=price["from"],
            # The file's dates are the last day inclusive.
            valid_to=str(date.fromisoformat(price["to"]) + timedelta(days=1)),
            energy=[{"charge_id": "gas", "price_per_kwh": price["unit"]}],
            fixed=[{"charge_id": "standing", "amount": price["standing"], "per": "day"}],
            gas={
                "calorific_value_mj_per_m3": own["calorific_value_mj_per_m3"],
                "volume_correction": own["volume_correction"],
            },
            taxes=[{"charge_id": "vat", "share": own["vat"]}],
        )
        for price in own["prices"]
    ]
    frame = pl.read_csv(folder / "load.csv", schema_overrides={"register_m3": pl.String})
    (first, last), (opened, closed) = frame["read_date"].to_list(), map(Decimal, frame["register_m3"])
    use = RegisterUse(
        start=date.fromisoformat(first), end=date.fromisoformat(last), quantity=closed - opened, unit="m3"
    )
    bill = make_bill_from_reads(tariffs, Reads(uses=(use,)), time_zone="Europe/London")
    names = {
        "gas@2024-03-05": "gas to 31 March (27 of 51 days)",
        "gas@2024-04-01": "gas from 1 April (24 of 51 days)",
        "standing@2024-03-05": "standing to 31 March",
        "standing@2024-04-01": "standing from 1 April",
        "vat": "VAT 5 %",
    }
    return Worked(bill, names)


WORKED = {
    "W1_gb_economy7_dst": w1,
    "W2_urdb_sce_gs2_july": w2,
    "W3_tiered_riders_tax": w3,
    "W4_de_dynamic_october_25h_day": w4,
    "W5_net_billing_minimum_bill": w5,
    "W6_gb_gas_price_change": w6,
}


def _own(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "tariff.json").read_text())
    return found


def _tariff(name: str, currency: str, **parts: Any) -> Tariff:
    return Tariff.model_validate({"tariff_id": name, "currency": currency, **parts})
