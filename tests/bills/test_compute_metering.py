"""Surplus: netting, credits, true-up, caps, negative prices and minimum bills."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from assets.bills.engine.bill_load import Load, with_generation
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from tests.bills.scenes import amounts, bill, load, tariff

D = Decimal
HOURS = 744


def solar(kw: float, made: float, *, until: date = date(2025, 2, 1)) -> Load:
    """Constant load, generation in the first half of every day."""
    used = load(kw, end=until, step=60)
    energy = np.tile([made] * 12 + [0.0] * 12, used.size // 24 + 1)[: used.size]
    return replace(used, generation=np.rint(energy * 1e9).astype(np.int64))


def billed(arrangement: str, used: Load, **parts: Any) -> dict[str, Decimal]:
    return amounts(bill(metered(arrangement, **parts), used))


def metered(arrangement: str, **parts: Any) -> Tariff:
    terms = {"arrangement": arrangement, **parts.pop("metering", {})}
    return tariff(metering=terms, **{"export_price_per_kwh": "0.04", **parts})


def test_net_billing_pays_each_intervals_surplus() -> None:
    # 12 h a day of 3 - 1 kW fed in, 12 h of 1 kW bought.
    assert billed("net_billing", solar(1, 3)) == {"energy.all": D("37.20"), "export": D("-29.76")}


def test_buy_all_sell_all_nets_nothing() -> None:
    assert billed("buy_all_sell_all", solar(1, 3)) == {"energy.all": D("74.40"), "export": D("-44.64")}


def test_net_metering_nets_over_the_month_and_carries_kwh() -> None:
    known = metered("net_metering_energy", metering={"payout_per_kwh": "0.03", "true_up_month": 2})
    found = bill(known, solar(1, 3, until=date(2025, 3, 1)))
    assert amounts(found, 0) == {"energy.all": 0}
    # 372 kWh of surplus a month of 31 days, 336 of 28: all paid with February.
    assert amounts(found, 1) == {"energy.all": 0, "true_up": D("-21.24")}


def test_carried_kwh_are_used_before_any_is_bought() -> None:
    used = solar(1, 3, until=date(2025, 3, 1))
    assert used.generation is not None
    used.generation[HOURS:] = 0
    assert amounts(bill(metered("net_metering_energy"), used), 1) == {"energy.all": D("30.00")}


def test_credits_expire_or_are_kept_where_the_tariff_says_so() -> None:
    terms = {"payout_per_kwh": "0.03", "true_up_month": 1}
    used = solar(1, 3, until=date(2025, 3, 1))
    assert used.generation is not None
    used.generation[HOURS:] = 0
    expire = bill(metered("net_metering_energy", metering=terms | {"true_up": "expire"}), used)
    assert amounts(expire, 1) == {"energy.all": D("67.20")}
    assert expire.periods[0].total == 0
    kept = bill(metered("net_metering_energy", metering=terms | {"true_up": "keep"}), used)
    assert amounts(kept, 1) == {"energy.all": D("30.00")}


def test_net_metering_turns_surplus_to_money_at_the_sell_price() -> None:
    periods = [
        {"period_id": "am", "price_per_kwh": "0.10", "sell_price_per_kwh": "0.05", "end": "12:00"},
        {"period_id": "pm", "price_per_kwh": "0.20", "start": "12:00"},
    ]
    known = metered("net_metering_money", periods=periods, export_price_per_kwh=0, metering={"true_up": "keep"})
    # Surplus 744 kWh in the mornings makes 37.20; the afternoons cost 74.40.
    assert billed("net_metering_money", solar(1, 3), periods=periods, export_price_per_kwh=0) == {
        "energy.am": 0,
        "energy.pm": D("74.40"),
        "credit_applied": D("-37.20"),
    }
    assert bill(known, solar(1, 3)).total == D("37.20")


def test_carried_credit_lowers_the_next_bill_and_never_makes_one_negative() -> None:
    known = metered("net_billing_carry", metering={"credit_applies": "next_bill", "true_up_month": 12})
    found = bill(known, solar(1, 3, until=date(2025, 3, 1)))
    assert amounts(found, 0) == {"energy.all": D("37.20"), "credit_earned": D("29.76")}
    assert found.periods[0].total == D("37.20")
    assert amounts(found, 1)["credit_applied"] == D("-29.76")
    assert found.periods[1].total == D("3.84")


def test_credit_may_offset_the_whole_bill_or_energy_only() -> None:
    fixed = [{"charge_id": "base", "amount": 100}]
    rich = {"export_price_per_kwh": 1, "fixed": fixed}
    energy = bill(metered("net_billing_carry", **rich), solar(1, 3))
    whole = bill(metered("net_billing_carry", metering={"credit_offsets": "bill"}, **rich), solar(1, 3))
    assert energy.total == 100
    assert whole.total == 0


def test_feed_in_above_its_cap_is_not_paid() -> None:
    export = {"price_per_kwh": "0.04", "cap_kw": "1.5"}
    assert billed("net_billing", solar(1, 3), export=export, export_price_per_kwh=0)["export"] == D("-22.32")
    export = {"price_per_kwh": "0.04", "cap_kwh": 100}
    assert billed("net_billing", solar(1, 3), export=export, export_price_per_kwh=0)["export"] == -4


@pytest.mark.parametrize(("later", "paid"), [("0.04", "-4.00"), ("0.08", "-6.71")])
def test_a_feed_in_cap_is_one_of_the_whole_bill_though_prices_change_within_it(later: str, paid: str) -> None:
    def terms(price: str, **dates: object) -> Tariff:
        export = {"price_per_kwh": price, "cap_kwh": 100}
        return metered("net_billing", export=export, export_price_per_kwh=0, **dates)

    change = date(2025, 1, 11)
    lines = bill([terms("0.04", valid_to=change), terms(later, valid_from=change)], solar(1, 3)).periods[0].lines
    # 10 of 31 days at 0.04, and 21 at 0.08.
    assert sum(line.amount for line in lines if line.component == "export") == D(paid)


def test_a_negative_export_price_costs_unless_it_is_cut_at_zero() -> None:
    export = {"price_per_kwh": "-0.02"}
    assert billed("net_billing", solar(1, 3), export=export, export_price_per_kwh=0)["export"] == D("14.88")
    export = {"price_per_kwh": "-0.02", "negative_prices": "zero"}
    assert billed("net_billing", solar(1, 3), export=export, export_price_per_kwh=0)["export"] == 0


def test_a_minimum_bill_lifts_also_a_negative_one() -> None:
    found = bill(metered("net_billing", export_price_per_kwh=1, minimum={"monthly": 35}), solar(1, 3))
    assert found.total == 35
    assert amounts(found)["minimum"] == D("741.80")


def test_an_annual_minimum_is_met_with_the_years_last_bill() -> None:
    used = load(0, start=date(2025, 1, 1), end=date(2026, 1, 1), step=60, s0=1000)
    found = bill(tariff(minimum={"annual": 130}), used)
    assert amounts(found, 11)["annual_minimum"] == 30
    assert found.total == 130


def test_an_annual_minimum_of_a_year_not_billed_in_full_is_left_open_and_said() -> None:
    used = load(0, start=date(2025, 7, 1), end=date(2026, 1, 1), step=60)
    found = bill(tariff(minimum={"annual": 130}), used)
    assert found.total == 0
    assert [finding.code for finding in found.findings] == ["annual_minimum_open"]


def test_surplus_of_a_period_moves_to_that_of_the_same_hour() -> None:
    """Winter has one period, summer two: what winter leaves at noon goes to summer's day."""
    periods = [
        {"period_id": "winter", "price_per_kwh": "0.1", "months": [1]},
        {"period_id": "day", "price_per_kwh": "0.2", "months": list(range(2, 13)), "start": "06:00", "end": "18:00"},
        {"period_id": "night", "price_per_kwh": "0.3", "months": list(range(2, 13)), "start": "18:00", "end": "06:00"},
    ]
    used = load(1, start=date(2025, 1, 1), end=date(2025, 3, 1), step=60)
    used = replace(used, generation=np.where(np.arange(used.size) < HOURS, 2 * 10**9, 0))
    moved = bill(metered("net_metering_energy", periods=periods, metering={"carry_by_hours": [12]}), used)
    # 744 kWh carried cover the 336 of February's days; the nights are bought.
    assert amounts(moved, 1) == {"energy.day": 0, "energy.night": D("100.80")}
    same = bill(metered("net_metering_energy", periods=periods), used)
    assert amounts(same, 1) == {"energy.day": D("67.20"), "energy.night": D("100.80")}


def test_quarter_hours_of_sun_meet_hours_of_load_on_the_finer_grid() -> None:
    hours = load(1, step=60)
    quarters = load(0, step=15, s0=4, s1=0)
    both = with_generation(hours, quarters)
    assert both.step_minutes == 15
    assert both.load[:4].tolist() == [250_000_000] * 4
    found = bill(metered("net_billing"), both)
    assert found.periods[0].export_kwh == D("0.75")
    assert found.periods[0].energy_kwh == 744 - D("0.25")


def test_generation_that_lacks_an_interval_leaves_a_gap() -> None:
    short = load(0, end=date(2025, 1, 16), step=60)
    found = bill(metered("net_billing"), with_generation(load(1, step=60), short))
    assert found.coverage == pytest.approx(15 / 31)


def test_generation_off_the_loads_grid_is_refused() -> None:
    other = replace(load(1, step=60), start_utc=load().start_utc.replace(minute=30))
    with pytest.raises(BadInput, match="do not meet the bill's start"):
        with_generation(load(1, step=60), other)
