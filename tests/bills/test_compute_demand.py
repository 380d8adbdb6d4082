"""Demand by meaning: windows, peaks, ratchets, floors, kVA and power factor. Numbers a person can check."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from assets.bills.engine.bill_load import Load
from assets.tariffs.tiers import bounds_of
from data_quality.contracts.billing.tariff_charges import DemandCharge, Tier
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc
from tests.bills.scenes import BERLIN, amounts, bill, demand, load, tariff

D = Decimal


def billed(charge: dict[str, Any], used: Load, month: int = 0, **parts: Any) -> Decimal:
    return amounts(bill(tariff(demand=[charge], **parts), used), month)["demand.all"]


def test_the_highest_quarter_hour_of_the_month_is_billed() -> None:
    assert billed(demand(), load(4, s100=20)) == 20


def test_a_block_is_an_average_and_a_shorter_peak_counts_its_share() -> None:
    # One quarter hour of 20 kW in an hour of 4: 8 on the hour, 12 on the half hour.
    assert billed(demand(window_minutes=60), load(4, s100=20)) == 8
    assert billed(demand(window_minutes=30), load(4, s100=20)) == 12


def test_a_rolling_window_finds_the_peak_that_two_blocks_split() -> None:
    used = load(0, step=5, s2=12, s3=12)  # 10:00 to 20:00 minutes past midnight
    assert billed(demand(window_minutes=15), used) == 4
    assert billed(demand(window_minutes=15, method="rolling", sub_interval_minutes=5), used) == 8


def test_a_window_does_not_reach_back_into_the_month_before() -> None:
    used = load(0, start=date(2025, 1, 1), end=date(2025, 3, 1), step=5)
    end_of_january = 31 * 288
    used.load[end_of_january - 1 : end_of_january + 1] = 10**9
    charge = demand(window_minutes=15, method="rolling", sub_interval_minutes=5)
    assert [billed(charge, used, month) for month in (0, 1)] == [4, 4]


@pytest.mark.parametrize(("zone", "window"), [(BERLIN, 120), (BERLIN, 1440), ("Australia/Lord_Howe", 60)])
def test_demand_of_a_month_does_not_depend_on_where_the_load_begins(zone: str, window: int) -> None:
    months = [date(2025, month, 1) for month in (3, 4, 5, 6)]
    used = load(0, start=months[0], end=months[-1], zone=zone)
    used = replace(used, load=np.random.default_rng(1).integers(0, 10**9, used.size))
    alone = used.between(*(local_midnight_utc(day, zone) for day in months[2:]))
    known = tariff(demand=[demand(window_minutes=window)])
    whole, part = (bill(known, each, time_zone=zone, rounding="none") for each in (used, alone))
    assert whole.periods[2] == part.periods[0]


def test_rolling_demand_of_quarter_hours_says_that_it_is_coarse() -> None:
    found = bill(tariff(demand=[demand(method="rolling", window_minutes=30, sub_interval_minutes=5)]), load(4))
    assert [finding.code for finding in found.findings] == ["demand_coarse"]


def test_demand_is_charged_in_its_own_hours_and_season() -> None:
    charge = demand(
        periods=[
            {"period_id": "peak", "price_per_kw": 2, "day_types": ["weekday"], "start": "08:00", "end": "20:00"},
            {"period_id": "summer", "price_per_kw": 9, "months": [7], "start": "21:00", "end": "22:00"},
        ]
    )
    # 1 January 2025 is a Wednesday: slot 40 is 10:00 local, slot 0 midnight.
    assert amounts(bill(tariff(demand=[charge]), load(4, s0=50, s40=10))) == {
        "energy.all": D("298.90"),
        "demand.peak": 20,
    }


def test_the_mean_of_the_three_highest_days_is_billed() -> None:
    used = load(4, s10=30, s12=29, s110=20, s210=10)  # two peaks on the first day count as one
    assert billed(demand(peaks=3), used) == 20


def test_coincident_demand_is_that_at_the_published_instant() -> None:
    used = load(4, s40=100, s1000=17)
    at = "2025-01-11T09:07:00Z"  # slot 1000 begins 2025-01-11 10:00 in Berlin
    assert billed(demand(coincident_at=[at]), used) == 17


def test_the_ratchet_of_the_golden_example() -> None:
    """620 kW now, 900 before, 80 per cent: 720 billed (formulas 5.11)."""
    used = load(620, start=date(2025, 1, 1), end=date(2025, 3, 1), s5=900)
    charge = demand(ratchet={"share": "0.8", "months": 11})
    assert [billed(charge, used, month) for month in (0, 1)] == [900, 720]


def test_a_ratchet_looks_no_further_back_than_its_months() -> None:
    used = load(100, start=date(2025, 1, 1), end=date(2025, 5, 1), step=60, s5=900)
    assert [billed(demand(ratchet={"share": "0.5", "months": 2}), used, month) for month in range(4)] == [
        900,
        450,
        450,
        100,
    ]


def test_a_ratchet_of_twelve_months_with_the_present_one_looks_eleven_back() -> None:
    prior = {"demand": {(2024, 2): {"all": D(900)}, (2024, 1): {"all": D(5000)}}}
    known = tariff(demand=[demand(ratchet={"share": "0.5", "months": 12, "includes_current": True})])
    used = load(100)
    assert amounts(bill(known, used, prior_peaks_kw=prior))["demand.all"] == 450


def test_only_summer_months_set_a_summer_ratchet() -> None:
    used = load(100, start=date(2025, 5, 1), end=date(2025, 9, 1), step=60)
    used.load[10] = 900 * 10**9  # May
    used.load[31 * 24 + 10] = 600 * 10**9  # June
    charge = demand(ratchet={"share": "0.8", "months": 11, "of_months": [6, 7, 8, 9]})
    assert [billed(charge, used, month) for month in range(4)] == [900, 600, 480, 480]


def test_an_earlier_part_of_the_load_is_the_ratchets_history() -> None:
    used = load(100, start=date(2025, 1, 1), end=date(2025, 3, 1), s5=900)
    known = tariff(demand=[demand(ratchet={"share": "0.5", "months": 1})])
    (period,) = bill(known, used, start=date(2025, 2, 1), end=date(2025, 3, 1)).periods
    assert {line.line_id: line.amount for line in period.lines}["demand.all"] == 450
    assert period.findings == ()


def test_a_ratchet_without_history_says_so() -> None:
    found = bill(tariff(demand=[demand(ratchet={"share": "0.5", "months": 11})]))
    assert [finding.code for finding in found.findings] == ["ratchet_history"]
    assert found.findings[0].facts == {"months_wanted": 11, "months_missing": 11}


def test_minimum_and_contracted_share_are_floors() -> None:
    assert billed(demand(minimum_kw=15), load(4)) == 15
    assert billed(demand(contracted_kw=50, contracted_share="0.6"), load(4)) == 30


def test_demand_tiers_are_cumulative() -> None:
    charge = demand(
        periods=[{"period_id": "all", "tiers": [{"price": 10, "up_to": 5, "up_to_unit": "kw"}, {"price": 4}]}]
    )
    assert amounts(bill(tariff(demand=[charge]), load(8))) == {
        "energy.all": D("595.20"),
        "demand.all.1": 50,
        "demand.all.2": 12,
    }


def test_demand_may_be_rounded_to_whole_kilowatts() -> None:
    assert billed(demand(demand_decimals=0), load(4.5)) == 5


def with_kvar(used: Load, kvar: float) -> Load:
    hours = used.step_minutes / 60
    values = np.full(used.size, int(kvar * hours * 1e9), dtype=np.int64)
    return Load(used.start_utc, used.step_minutes, used.load, used.is_present, kvarh=values)


def test_apparent_power_is_the_root_of_the_squares() -> None:
    assert billed(demand(unit="kva"), with_kvar(load(3), 4)) == 5


def test_kva_without_reactive_energy_is_said_to_be_kw() -> None:
    found = bill(tariff(demand=[demand(unit="kva")]), load(3))
    assert "no_reactive_energy" in [finding.code for finding in found.findings]


def test_a_low_power_factor_raises_billed_demand() -> None:
    # cos phi 0.6 against 0.9: demand times 1.5.
    assert billed(demand(reference_power_factor="0.9"), with_kvar(load(3), 4)) == D("4.50")
    assert billed(demand(reference_power_factor="0.5"), with_kvar(load(3), 4)) == 3


def test_reactive_energy_beyond_tan_phi_is_charged() -> None:
    known = tariff(reactive=[{"charge_id": "reactive", "tan_phi": "0.5", "price_per_kvarh": "0.02"}])
    # 744 h of 3 kW and 4 kvar: 2976 kvarh, of which 1116 are free.
    assert amounts(bill(known, with_kvar(load(3), 4)))["reactive"] == D("37.20")


def test_contracted_power_costs_and_its_excess_costs_more() -> None:
    charge = {"charge_id": "power", "contracted": 10, "price_per_unit": 5, "excess_price_per_unit": 20}
    found = amounts(bill(tariff(capacity=[charge]), load(4, s7=12)))
    assert found["power"] == 50
    assert found["power.excess"] == 40
    tolerated = charge | {"excess_above_share": "1.25"}
    assert "power.excess" not in amounts(bill(tariff(capacity=[tolerated]), load(4, s7=12)))


def test_power_above_the_contract_is_charged_once_though_the_tariff_changes_within_the_bill() -> None:
    terms = {"charge_id": "grid", "contracted": 1, "price_per_unit": 2, "excess_price_per_unit": 31}
    change = date(2025, 1, 11)
    parts = [tariff(capacity=[terms], valid_to=change), tariff(capacity=[terms], valid_from=change)]
    lines = bill(parts, load(3)).periods[0].lines
    # 2 kW above: 62 EUR, of which 10 days of 31 are the first part's.
    assert [line.amount for line in lines if "excess" in line.line_id] == [20, 42]


def test_hours_use_tiers_follow_billed_demand_with_its_ratchet() -> None:
    tiers = [{"price": "0.20", "up_to": 100, "up_to_unit": "kwh_per_kw"}, {"price": "0.10"}]
    known = tariff(periods=[{"period_id": "all", "tiers": tiers}], demand=[demand(minimum_kw=10)])
    quantities = {line.line_id: line.quantity for line in bill(known, load(4)).periods[0].lines}
    assert quantities["energy.all.1"] == 1000
    assert quantities["energy.all.2"] == 1976


@pytest.mark.parametrize(("share", "ends"), [("1", [600, 1000, None]), ("0.5", [300, 1000, None])])
def test_steps_inside_hours_of_use_shrink_with_the_days_of_a_bill_and_hours_of_use_do_not(
    share: str, ends: list[int | None]
) -> None:
    # 100 hours' use of 10 kW; its first 600 kWh of a whole month have a price of their own.
    block = {
        "up_to": 100,
        "up_to_unit": "kwh_per_kw",
        "steps": [{"price": "0.30", "up_to_kwh": 600}, {"price": "0.20"}],
    }
    tiers = [Tier.model_validate(each) for each in (block, {"price": "0.10"})]
    found = bounds_of(tiers, limit_share=D(share), days=31, demand_kw=D(10))
    assert [each.up_to for each in found] == ends
    assert [each.price for each in found] == [D("0.30"), D("0.20"), D("0.10")]


def test_a_window_that_holds_no_whole_intervals_is_refused() -> None:
    with pytest.raises(BadInput, match="a 20-minute window does not hold whole 15-minute intervals"):
        bill(tariff(demand=[demand(window_minutes=20)]))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"contracted_share": "0.5"}, "contracted_share needs contracted_kw"),
        ({"method": "rolling", "window_minutes": 15, "sub_interval_minutes": 4}, "whole sub-intervals"),
        ({"ratchet": {"of_periods": ["noon"]}}, "ratchet of unknown period noon"),
        ({"coincident_at": ["2025-01-01T00:00:00"]}, "needs an offset"),
        ({"ratchet": {"share_of_month": [1]}}, "needs 12 values"),
        (
            {"periods": [{"period_id": "a", "tiers": [{"price": 1, "up_to": -4, "up_to_unit": "kw"}, {"price": 1}]}]},
            "greater",
        ),
    ],
)
def test_a_demand_charge_that_contradicts_itself_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DemandCharge.model_validate(demand(**parts))


def test_an_hour_published_for_another_month_is_no_demand_of_this_bill() -> None:
    january, february = "2025-01-15T12:00:00Z", "2025-02-10T12:00:00Z"
    known = tariff(demand=[demand(coincident_at=[january, february])])
    first = load(4, start=date(2025, 2, 1), end=date(2025, 3, 1), s0=100)
    assert amounts(bill(known, first))["demand.all"] == 4
    assert amounts(bill(tariff(demand=[demand(coincident_at=[january])]), first))["demand.all"] == 0
