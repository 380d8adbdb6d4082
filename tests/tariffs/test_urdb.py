"""URDB rates: the published bills, what a rate means, and what is refused by name."""

import csv
import json
from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.bills.engine.bill_load import Load, finer
from assets.bills.engine.book import Book, bill_spans
from assets.bills.engine.compute import make_bill
from assets.bills.engine.interval_cost import running_of
from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.formats.tariff_text import tariff_text
from assets.tariffs.formats.urdb import read_urdb
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.errors import BadInput
from tests.tariffs.convert_sam import START, sam_load

CENT = Decimal("0.01")
# expected_urdb_bills.csv names two profiles otherwise than the folder does.
PROFILES = {"load_commercial_large": "large_load_commercial", "load_residential": "load_profile_path"}
COLUMNS = {
    "energy": "energy_usd",
    "demand_tou": "demand_tou_usd",
    "demand_flat": "demand_flat_usd",
    "fixed": "fixed_usd",
}
ALL_ZERO = [[0] * 24 for _ in range(12)]


def rate(**parts: Any) -> dict[str, Any]:
    return {
        "energyratestructure": [[{"rate": 0.1}]],
        "energyweekdayschedule": ALL_ZERO,
        "energyweekendschedule": ALL_ZERO,
        **parts,
    }


def flat_load(kw: float, *, days: int = 365) -> Load:
    energy = np.full(days * 24, int(kw * 10**9), dtype=np.int64)
    return Load(start_utc=START, step_minutes=60, load=energy, is_present=np.ones(energy.size, dtype=np.bool_))


def by_charge(bill: Bill, month: int) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for line in bill.periods[month - 1].lines:
        found[line.charge_id] += line.amount
    return found


@pytest.fixture
def expected(shared_data: Path) -> dict[tuple[str, str], dict[str, dict[str, str]]]:
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    with (shared_data / "tariffs" / "expected_urdb_bills.csv").open() as file:
        for row in csv.DictReader(file):
            found[row["tariff"], row["load_profile"]][row["month"]] = row
    return found


@pytest.mark.parametrize(
    "name",
    [
        "entergy_ar_lps_tou",
        "multi_tier_energy_demand",
        "psco_residential_demand_rd",
        "sce_gs2_tou_b",
        "seven_period_tou",
        "tiered_energy_demand",
    ],
)
def test_every_published_month_and_year_is_met(
    shared_data: Path, expected: dict[tuple[str, str], dict[str, dict[str, str]]], name: str
) -> None:
    tariffs = read_tariffs(shared_data / "tariffs" / "urdb" / f"{name}.json")
    rows = {profile: months for (tariff, profile), months in expected.items() if tariff == name}
    assert len(rows) == 3
    for profile, months in rows.items():
        load = sam_load(shared_data / "tariffs" / "profiles", PROFILES.get(profile, profile), None, 1)
        bill = make_bill(tariffs, load, time_zone="UTC")
        assert set(months) == {*(str(month) for month in range(1, 13)), "year"}
        for month, row in months.items():
            numbers = range(1, 13) if month == "year" else [int(month)]
            for charge, column in COLUMNS.items():
                got = sum((by_charge(bill, number)[charge] for number in numbers), Decimal(0))
                assert abs(got - Decimal(row[column])) <= CENT, (profile, month, charge)
            total = sum((bill.periods[number - 1].total for number in numbers), Decimal(0))
            assert abs(total - Decimal(row["total_usd"])) <= CENT, (profile, month)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("urdb_missing_rate", "energyratestructure: period 0, tier 1 has no rate"),
        ("urdb_missing_schedule", "period 1 is in the schedule, but energyratestructure has periods 0 to 0"),
    ],
)
def test_an_incomplete_rate_is_refused_by_name(shared_data: Path, name: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        read_tariffs(shared_data / "invalid" / f"{name}.json")
    assert caught.value.reason == "incomplete_tariff"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"energyweekendschedule": None}, "energyweekendschedule is missing"),
        ({"energyweekdayschedule": "[[0]]"}, "energyweekdayschedule: expected 12 rows of 24 period numbers"),
        ({"energyweekdayschedule": 12}, "energyweekdayschedule: expected 12 rows of 24 period numbers"),
        ({"energyweekdayschedule": [[0] * 23] * 12}, "expected 12 rows of 24 period numbers"),
        ({"energyratestructure": []}, "energyratestructure is missing or empty"),
        ({"energyratestructure": [[{"rate": "x"}]]}, "tier 1: rate: expected a number, got 'x'"),
        ({"energyratestructure": [[{"rate": 1, "max": 100}]]}, "period 0 has no rate above 100"),
        ({"energyratestructure": [[{"rate": 1, "max": -5}, {"rate": 2}]]}, "max -5 is not above zero"),
        ({"energyratestructure": [[{"rate": 1, "max": 0}, {"rate": 2}]]}, "tier 1: max 0 is not above zero"),
        ({"energyratestructure": [[{"rate": 1, "max": 9}, {"rate": 2, "max": 5}]]}, "tier 2 does not end above tier 1"),
        ({"energyratestructure": [[{"rate": 1, "unit": "kVArh"}]]}, "unit 'kVArh'; known are kwh"),
        ({"demandratestructure": [[{"rate": 1}]]}, "demandweekdayschedule is missing"),
        ({"flatdemandstructure": [[{"rate": 1}]], "flatdemandunit": "hp"}, "flatdemandunit 'hp' is not supported"),
        ({"coincidentratestructure": [[{"rate": 1}]]}, "coincidentratestructure is not supported"),
        ({"demandreactivepowercharge": 0.52}, "would lack a charge; a bill without it needs the key taken out"),
        ({"flatdemandstructure": [[{"rate": 1}]], "demandunits": "hp"}, "demandunits 'hp' is not supported"),
        ({"flatdemandstructure": [[{"rate": 1}]], "flatdemandmonths": ["a"] * 12}, "flatdemandmonths needs 12 period"),
        ({"flatdemandstructure": [[{"rate": 1}]], "flatdemandmonths": [-1] + [0] * 11}, "flatdemandmonths needs 12"),
        ({"fueladjustmentsmonthly": [0.01] * 11}, "fueladjustmentsmonthly needs 12 values, got 11"),
        ({"mincharge": 3, "minchargeunits": "$/week"}, "minchargeunits '\\$/week'; known are \\$/month, \\$/day"),
        ({"fixedchargefirstmeter": 3, "fixedchargeunits": "$/week"}, "fixedchargeunits '\\$/week'"),
    ],
)
def test_what_a_rate_lacks_or_cannot_say_is_named(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_urdb(rate(**parts))


def test_an_items_list_with_one_rate_is_that_rate(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    path.write_text(json.dumps({"items": [rate(name="One")]}))
    assert read_tariffs(path)[0].name == "One"
    path.write_text(json.dumps({"items": [rate(), rate()]}))
    with pytest.raises(BadInput, match="items holds 2 rates, expected one"):
        read_tariffs(path)


def test_a_rate_that_no_schedule_names_may_be_missing() -> None:
    found = read_urdb(rate(energyratestructure=[[{"rate": 0.1}], [{"unit": "kWh"}]]))
    assert [period.price_per_kwh for charge in found.energy_charges for period in charge.all_periods] == [
        Decimal("0.1")
    ]


def test_a_dollar_a_day_counts_the_days_of_the_month() -> None:
    tariff = read_urdb(rate(fixedchargefirstmeter=2, fixedchargeunits="$/day"))
    bill = make_bill([tariff], flat_load(0), time_zone="UTC")
    assert [by_charge(bill, month)["fixed"] for month in (1, 2, 4)] == [62, 56, 60]


def test_lookback_holds_the_share_of_the_highest_earlier_month() -> None:
    """900 kW in January, 620 after: at 80 per cent of the last eleven months February bills 720."""
    load = flat_load(620)
    load.load[100] = 900 * 10**9
    structure = {
        "demandratestructure": [[{"rate": 1}]],
        "demandweekdayschedule": ALL_ZERO,
        "demandweekendschedule": ALL_ZERO,
    }
    plain = make_bill([read_urdb(rate(**structure))], load, time_zone="UTC")
    held = make_bill([read_urdb(rate(**structure, lookbackPercent=0.8, lookbackRange=3))], load, time_zone="UTC")
    assert [by_charge(plain, month)["demand_tou"] for month in (1, 2)] == [900, 620]
    assert [by_charge(held, month)["demand_tou"] for month in (1, 2, 4, 5)] == [900, 720, 720, 620]
    named = rate(**structure, lookbackPercent=80, lookbackMonths=[0] * 5 + [1] + [0] * 6)
    assert [by_charge(make_bill([read_urdb(named)], load, time_zone="UTC"), m)["demand_tou"] for m in (2, 7)] == [
        620
    ] * 2


def test_a_ratchet_percentage_is_that_of_the_month_looked_back_on() -> None:
    load = flat_load(100)
    load.load[:24] = 200 * 10**9
    parts = {"flatdemandstructure": [[{"rate": 1}]], "demandratchetpercentage": [60] + [0] * 11}
    bill = make_bill([read_urdb(rate(**parts))], load, time_zone="UTC")
    assert [by_charge(bill, month)["demand_flat"] for month in (1, 2, 12)] == [200, 120, 120]


def test_lookback_of_a_rate_without_tou_demand_holds_its_facilities_demand() -> None:
    """REopt.jl test/runtests.jl, "Lookback Demand Charges" 2 and 3: monthly_peaks. Its year follows itself."""
    kw = np.full(2 * 8760, 100)
    for hour, peak in ((21, 200), (2402, 400), (4087, 500), (8332, 300)):
        kw[[hour, hour + 8760]] = peak
    load = flat_load(0, days=730)
    load.load[:] = kw * 10**9

    def billed(**lookback: Any) -> list[Decimal]:
        bill = make_bill([read_urdb(rate(flatdemandstructure=[[{"rate": 1}]], **lookback))], load, time_zone="UTC")
        return [by_charge(bill, month)["demand_flat"] for month in range(13, 25)]

    months = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert billed(lookbackpercent=0.75, lookbackmonths=months) == [300] * 3 + [400, 300, 500] + [300] * 6
    assert billed(lookbackPercent=0.75, lookbackRange=6) == [225, 225, 225, 400, 300, 500] + [375] * 6


@pytest.mark.parametrize(
    ("key", "value"), [("lookbackRange", 1.5), ("lookbackMonths", 2.5), ("demandwindow", 7.5), ("lookbackRange", -3)]
)
def test_a_part_of_a_month_or_minute_is_refused_by_name(key: str, value: float) -> None:
    changed = rate(flatdemandstructure=[[{"rate": 1}]], lookbackPercent=0.8, **{key: value})
    with pytest.raises(BadInput, match=rf"{key}: expected a whole number of (months|minutes), got {value}"):
        read_urdb(changed)


def test_a_lookback_on_no_month_holds_none_and_five_values_are_no_year() -> None:
    load = flat_load(100)
    load.load[:24] = 200 * 10**9
    structure = {"flatdemandstructure": [[{"rate": 1}]], "lookbackpercent": 0.8}
    none = read_urdb(rate(**structure, lookbackmonths=[0] * 12))
    bill = make_bill([none], load, time_zone="UTC")
    assert [by_charge(bill, month)["demand_flat"] for month in (1, 2)] == [200, 100]
    with pytest.raises(BadInput, match="lookbackMonths needs 12 values, got 5"):
        read_urdb(rate(**structure, lookbackmonths=[1] * 5))


def test_a_minimum_a_day_counts_local_days_of_short_months_changed_clocks_and_changed_prices() -> None:
    load = flat_load(0)
    dear, cheap = (read_urdb(rate(mincharge=amount, minchargeunits="$/day")) for amount in (3, 2))
    bill = make_bill([cheap], load, time_zone="America/Los_Angeles", start=date(2018, 2, 10), end=date(2018, 3, 15))
    assert [period.total for period in bill.periods] == [66]
    until = cheap.model_copy(update={"valid_to": date(2018, 2, 15)})
    since = dear.model_copy(update={"valid_from": date(2018, 2, 15)})
    split = make_bill([until, since], load, time_zone="UTC", start=date(2018, 2, 1), end=date(2018, 3, 1))
    assert [period.total for period in split.periods] == [14 * 2 + 14 * 3]


def test_one_ratchet_percentage_is_that_of_every_month() -> None:
    """REopt.jl test/runtests.jl, "Lookback Demand Charges" 1: 35 % of 100 kW in Wallingford's eleven other months."""
    load = flat_load(1)
    load.load[7] = 100 * 10**9
    parts = {
        "flatdemandstructure": [[{"rate": 11.5}], [{"rate": 10.5}]],
        "flatdemandmonths": [1] * 4 + [0] * 6 + [1] * 2,
    }
    every, listed = (
        make_bill([read_urdb(rate(**parts, demandratchetpercentage=share))], load, time_zone="UTC")
        for share in (0.35, [0.35] * 12)
    )
    assert every == listed
    total = sum(by_charge(every, month)["demand_flat"] for month in range(1, 13))
    assert total == 100 * (Decimal("10.5") + Decimal("0.35") * (5 * Decimal("10.5") + 6 * Decimal("11.5")))


def test_a_minimum_in_dollars_a_day_counts_the_days_of_the_bill() -> None:
    """The unit of the residential rates of PG&E, SCE and SDG&E in the database."""
    tariff = read_urdb(rate(mincharge=0.39167, minchargeunits="$/day"))
    bill = make_bill([tariff], flat_load(0.1), time_zone="UTC")
    # 744 h of 0.1 kW at 0.1 come to 7.44; the minimum of 31 days is 12.14177.
    assert by_charge(bill, 1) == {"energy": Decimal("7.44"), "minimum": Decimal("4.70177")}
    assert bill.periods[1].total == 28 * Decimal("0.39167")
    assert "minimum    0.39167 USD a day" in tariff_text(tariff)


def test_surplus_is_paid_at_the_sell_price_of_its_period() -> None:
    tariff = read_urdb(rate(energyratestructure=[[{"rate": 0.1, "sell": 0.04}]], dgrules="Net Billing Hourly"))
    load = flat_load(1, days=31)
    load.load[:10] = -2 * 10**9
    (period,) = make_bill([tariff], load, time_zone="UTC").periods
    assert {line.line_id: line.amount for line in period.lines} == {
        "energy.0": Decimal("73.4"),
        "export.0": Decimal("-0.8"),
    }


@pytest.mark.parametrize(
    ("parts", "arrangement"),
    [
        ({"usenetmetering": True}, "net_metering_energy"),
        ({"usenetmetering": False}, "net_billing"),
        ({}, "net_billing"),
        ({"usenetmetering": True, "dgrules": "Net Billing Hourly"}, "net_billing"),
        ({"usenetmetering": True, "dgrules": "Buy All Credit All"}, "buy_all_sell_all"),
    ],
)
def test_a_rate_meters_net_where_it_says_so(parts: dict[str, Any], arrangement: str) -> None:
    assert read_urdb(rate(**parts)).metering.arrangement == arrangement


def test_rules_of_surplus_that_nobody_knows_are_refused() -> None:
    with pytest.raises(BadInput) as fault:
        read_urdb(rate(dgrules="Feed-in lottery"))
    assert fault.value.reason == "unsupported_charge"


def test_hourly_netting_bills_quarter_hours_as_their_hours() -> None:
    parts = {"energyratestructure": [[{"rate": 0.1, "sell": 0.04}]]}
    quarters = finer(flat_load(1, days=31), 15)
    hourly, instantly = (
        read_urdb(rate(**parts, dgrules=f"Net Billing {each}")) for each in ("Hourly", "Instantaneous")
    )
    # Both ways within an hour that buys in all, within one that sells in all, and one that does neither.
    quarters.load[:12] *= np.array([1, -1, 1, 1, -1, 1, -1, -3, 1, -1, -1, 1])
    hours = replace(quarters, step_minutes=60, load=quarters.load.reshape(-1, 4).sum(axis=1),
                    is_present=quarters.is_present[::4])  # fmt: skip
    by_quarter, by_hour, at_once = (
        by_charge(make_bill([tariff], load, time_zone="UTC"), 1)
        for tariff, load in ((hourly, quarters), (hourly, hours), (instantly, quarters))
    )
    assert by_quarter == by_hour != at_once
    # What each quarter hour cost adds up to that bill.
    [made] = make_bill([hourly], quarters, time_zone="UTC").periods
    spans = bill_spans(quarters, time_zone="UTC", start=None, end=None)
    running = running_of(Book([hourly], time_zone="UTC"), spans, quarters)
    assert running["cost"].sum() == made.total


def test_monthly_fuel_adjustments_are_a_charge_of_their_own() -> None:
    bill = make_bill([read_urdb(rate(fueladjustmentsmonthly=[0.01] * 6 + [0.02] * 6))], flat_load(1), time_zone="UTC")
    assert by_charge(bill, 1)["fuel_adjustment"] == Decimal("7.44")
    assert by_charge(bill, 7)["fuel_adjustment"] == Decimal("14.88")


@pytest.mark.parametrize("written", [0, 0.0, "0"])
def test_a_last_tier_whose_max_is_zero_has_no_limit(written: object) -> None:
    tiers = [{"rate": 0.2, "max": 100}, {"rate": 0.1, "max": written}]
    assert read_urdb(rate(energyratestructure=[tiers])) == read_urdb(
        rate(energyratestructure=[[tiers[0], {"rate": 0.1}]])
    )
    only = rate(demandratestructure=[[{"rate": 5, "max": written}]], demandweekdayschedule=[[0] * 24] * 12)
    assert read_urdb({**only, "demandweekendschedule": [[0] * 24] * 12}).demand[0].periods[0].price_per_kw == 5


def test_hours_use_and_daily_tiers_keep_their_unit() -> None:
    tiers = [{"rate": 0.2, "max": 10, "unit": "kWh/kW"}, {"rate": 0.1, "unit": "kWh/kW"}]
    (period,) = make_bill(
        [read_urdb(rate(energyratestructure=[tiers]))], flat_load(2, days=31), time_zone="UTC"
    ).periods
    assert [line.quantity for line in period.lines] == [20, 1468]
    tiers = [{"rate": 0.2, "max": 10, "unit": "kWh daily"}, {"rate": 0.1}]
    (period,) = make_bill(
        [read_urdb(rate(energyratestructure=[tiers]))], flat_load(2, days=31), time_zone="UTC"
    ).periods
    assert [line.quantity for line in period.lines] == [310, 1178]
