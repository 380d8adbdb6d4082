"""Energy, tiers, fixed amounts, riders, taxes, rounding, proration and changes of tariff by date."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.bills.engine.bill_load import Load, load_of
from assets.bills.engine.compute import make_bill
from assets.tariffs.formats.tariff_text import tariff_text
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import BillLine, BillPeriod, ItemKind
from data_quality.contracts.billing.tariff import Tariff, TariffFile
from data_quality.contracts.errors import BadInput
from tests.bills.scenes import BERLIN, amounts, bill, demand, load, tariff

D = Decimal
TIERS = [{"price": "0.10", "up_to": 1000}, {"price": "0.20", "up_to": 2000}, {"price": "0.30"}]


def tou(day: dict[str, Any], night: dict[str, Any], **parts: Any) -> Tariff:
    return tariff(
        periods=[
            {"period_id": "day", "start": "06:00", "end": "22:00", **day},
            {"period_id": "night", "start": "22:00", "end": "06:00", **night},
        ],
        **parts,
    )


def test_tiers_fill_one_after_another() -> None:
    found = bill(tariff(periods=[{"period_id": "all", "tiers": TIERS}]), load(4)).periods[0]
    assert [(line.line_id, line.quantity) for line in found.lines] == [
        ("energy.all.1", 1000),
        ("energy.all.2", 1000),
        ("energy.all.3", 976),
    ]
    assert found.total == D("592.80")


@pytest.mark.parametrize("words", ["", "by the sheet"])
def test_a_line_is_named_by_what_its_charge_is_called_or_else_by_its_id(words: str) -> None:
    period = {"period_id": "all", "price_per_kwh": 1}
    known = tariff(
        energy=[{"charge_id": "work", "description": words, "periods": [period]}],
        demand=[demand(description=words)],
        capacity=[{"charge_id": "room", "description": words, "contracted": 1, "price_per_unit": 1, "per": "month"}],
        fixed=[{"charge_id": "base", "description": words, "amount": 1}],
    )
    found = {line.line_id.split(".")[0]: line.description for line in bill(known).periods[0].lines}
    assert {name: text.split(",")[0] for name, text in found.items()} == {
        name: words or name for name in ("work", "demand", "room", "base")
    }


def test_tiers_of_each_period_its_own_or_of_the_total_shared() -> None:
    own = tou({"tiers": TIERS}, {"tiers": TIERS})
    shared = own.model_copy(update={"tier_basis": "total"})
    # 4 kW: 1984 kWh by day, 992 by night, 2976 in all.
    assert amounts(bill(own)) == {"energy.day.1": 100, "energy.day.2": D("196.80"), "energy.night.1": D("99.20")}
    found = {line.line_id: line.quantity for line in bill(shared, rounding="none").periods[0].lines}
    assert round(found["energy.day.1"] or 0, 6) == D("666.666667")
    assert round(found["energy.night.3"] or 0, 6) == D("325.333333")
    assert round(sum(value or 0 for value in found.values()), 6) == 2976


def test_tiers_in_order_of_time_cut_the_slot_that_crosses() -> None:
    known = tou(
        {"tiers": [{"price": 1, "up_to": 10}, {"price": 2}]},
        {"tiers": [{"price": 5, "up_to": 10}, {"price": 7}]},
        tier_basis="in_time_order",
    )
    used = load(0, s0=40.0, s1=4.0, s24=2.0)  # 10 kWh + 1 kWh at night, then half a kWh by day
    assert amounts(bill(known, used)) == {
        "energy.day.1": 0,
        "energy.day.2": 1,
        "energy.night.1": 50,
        "energy.night.2": 7,
    }


def test_tiers_in_order_of_time_end_with_the_season_of_each_slot() -> None:
    def tiers(*rows: tuple[int, float | None]) -> list[dict[str, Any]]:
        return [{"price": price, "up_to": end, "up_to_unit": "kwh_per_day"} for price, end in rows]

    known = tariff(
        periods=[
            {"period_id": "january", "months": [1], "tiers": tiers((1, 5), (2, None))},
            {"period_id": "rest", "months": list(range(2, 13)), "tiers": tiers((3, 2.5), (4, 7), (5, None))},
        ],
        tier_basis="in_time_order",
    )
    # 12 kWh on the last day of January; three on the first of February are the 13th to the 15th of the bill.
    days = {"start": date(2025, 1, 31), "end": date(2025, 2, 2)}
    assert amounts(bill(known, load(0, **days, s0=48.0, s96=12.0), **days)) == {
        "energy.january.1": 10,
        "energy.january.2": 4,
        "energy.rest.1": 0,
        "energy.rest.2": 8,
        "energy.rest.3": 5,
    }


def test_limits_per_day_grow_with_the_days() -> None:
    known = tariff(
        periods=[{"period_id": "all", "tiers": [{"price": 1, "up_to": 10, "up_to_unit": "kwh_per_day"}, {"price": 2}]}]
    )
    assert [line.quantity for line in bill(known, load(1)).periods[0].lines] == [310, 434]


def test_a_part_of_a_month_has_its_share_of_tiers_fixed_amounts_and_demand() -> None:
    known = tariff(
        periods=[{"period_id": "all", "tiers": [{"price": "0.1", "up_to": 310}, {"price": "0.2"}]}],
        fixed=[{"charge_id": "base", "amount": 31}, {"charge_id": "bill", "amount": 3, "per": "bill"}],
        demand=[{"charge_id": "demand", "periods": [{"period_id": "all", "price_per_kw": 31}]}],
    )
    ten_days = {"start": date(2025, 1, 1), "end": date(2025, 1, 11)}
    found = amounts(bill(known, load(4), **ten_days))
    assert found == {"energy.all.1": 10, "energy.all.2": 172, "demand.all": 40, "base": 10, "bill": 3}
    whole = amounts(bill(known.model_copy(update={"proration": "none"}), load(4), **ten_days))
    assert (whole["energy.all.1"], whole["base"], whole["demand.all"]) == (31, 31, 124)


def test_lines_round_half_up_each_on_its_own() -> None:
    known = tariff(
        energy=[{"charge_id": name, "price_per_kwh": "0.125"} for name in ("a", "b")],
        fixed=[{"charge_id": "credit", "amount": "-0.125"}],
    )
    used = load(0, s0=4)  # one kWh
    assert amounts(bill(known, used)) == {"a": D("0.13"), "b": D("0.13"), "credit": D("-0.13")}
    assert bill(known, used, rounding="none").total == D("0.125")


def test_a_line_that_is_no_amount_of_money_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a line comes to 1.00E\+308 EUR"):
        bill(tariff(fixed=[{"charge_id": "base", "amount": "1e308"}]))


def test_a_currency_without_minor_unit_rounds_to_whole_units() -> None:
    for currency, total in (("JPY", "31"), ("XOF", "31"), ("IQD", "30.543"), ("EUR", "30.54")):
        known = tariff(currency=currency, energy=[{"charge_id": "e", "price_per_kwh": "30.5425"}])
        assert bill(known, load(0, s0=4)).total == D(total)


def test_riders_and_taxes_stand_on_the_lines_that_they_name_in_order() -> None:
    known = tariff(
        fixed=[{"charge_id": "base", "amount": 10}],
        riders=[
            {"charge_id": "discount", "share": "-0.10", "of": ["energy"]},
            {"charge_id": "levy", "price_per_kwh": "0.01"},
            {"charge_id": "grid", "price_per_day": 1},
            {"charge_id": "peak", "price_per_kw": 2},
        ],
        taxes=[
            {"charge_id": "city", "share": "0.10", "of": ["energy", "discount"]},
            {"charge_id": "vat", "share": "0.20"},
            {"charge_id": "tax_on_tax", "share": "0.50", "of": ["city"]},
        ],
    )
    assert amounts(bill(known, load(4))) == {
        "energy.all": D("297.60"),
        "base": 10,
        "discount": D("-29.76"),
        "levy": D("29.76"),
        "grid": 31,
        "peak": 8,
        "city": D("26.78"),
        "vat": D("69.32"),
        "tax_on_tax": D("13.39"),
    }


def test_lines_carry_the_kinds_of_the_espi_taxonomy() -> None:
    known = tariff(
        energy=[{"charge_id": "supply", "kind": "energy_generation_fee", "price_per_kwh": "0.1", "party": "supplier"}],
        fixed=[{"charge_id": "base", "amount": 1}],
        riders=[{"charge_id": "rebate", "share": "-0.1"}],
        taxes=[{"charge_id": "vat", "share": "0.2"}],
    )
    kinds = {line.line_id: line.kind for line in bill(known).periods[0].lines}
    assert kinds == {
        "supply": ItemKind.ENERGY_GENERATION_FEE,
        "base": ItemKind.ADMINISTRATIVE_FEE,
        "rebate": ItemKind.ADMINISTRATIVE_CREDIT,
        "vat": ItemKind.TAX,
    }
    assert bill(known).periods[0].lines[0].party == "supplier"


def test_a_change_of_tariff_splits_the_bill_by_date() -> None:
    old = tariff(tariff_id="old", valid_to="2025-01-11", fixed=[{"charge_id": "base", "amount": 31}])
    new = old.model_copy(update={"tariff_id": "new", "valid_from": date(2025, 1, 11), "valid_to": date(2026, 1, 1)})
    new = Tariff.model_validate(new.model_dump() | {"periods": [{"period_id": "all", "price_per_kwh": "0.20"}]})
    found = bill([new, old]).periods[0]
    assert found.tariff_ids == ("old", "new")
    assert {line.line_id: line.amount for line in found.lines} == {
        "energy.all@2025-01-01": 96,
        "energy.all@2025-01-11": D("403.20"),
        "base@2025-01-01": 10,
        "base@2025-01-11": 21,
    }


def test_parts_with_other_taxes_close_each_for_itself() -> None:
    old = tariff(tariff_id="old", valid_to="2025-01-11", taxes=[{"charge_id": "vat", "share": "0.10"}])
    new = tariff(tariff_id="new", valid_from="2025-01-11", taxes=[{"charge_id": "vat", "share": "0.20"}])
    assert amounts(bill([old, new])) == {
        "energy.all@2025-01-01": 96,
        "energy.all@2025-01-11": D("201.60"),
        "vat@2025-01-01": D("9.60"),
        "vat@2025-01-11": D("40.32"),
    }


def test_the_month_of_the_autumn_change_has_an_hour_more() -> None:
    months = load(1, start=date(2025, 10, 1), end=date(2025, 11, 1))
    assert bill(tariff(), months).periods[0].energy_kwh == 745


def prices(*values: float, minutes: int = 60) -> dict[str, PriceSeries]:
    """A series from the load's first instant on."""
    rows = quarter_rows(len(values), minutes=minutes).with_columns(price_per_kwh=pl.Series(values))
    return {"spot": PriceSeries.of("spot", rows, currency="EUR")}


def quarter_rows(count: int, *, minutes: int = 15) -> pl.DataFrame:
    """interval_start_utc and minutes of so many rows."""
    first = load().start_utc
    starts = [first + timedelta(minutes=minutes * n) for n in range(count)]
    times = pl.Series(starts).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"interval_start_utc": times, "minutes": [minutes] * count})


def spot(**series: Any) -> Tariff:
    return tariff(energy=[{"charge_id": "spot", "series": {"series": "spot", **series}}])


def test_a_price_series_is_multiplied_interval_by_interval() -> None:
    used = load(0, s0=4, s3=8, s4=4)
    assert bill(spot(), used, prices=prices(0.10, -0.05)).total == D("0.25")
    assert bill(spot(factor=2, adder_per_kwh="0.01"), used, prices=prices(0.10, -0.05)).total == D("0.54")
    assert bill(spot(floor_per_kwh=0, cap_per_kwh="0.08"), used, prices=prices(0.10, -0.05)).total == D("0.24")


def test_a_missing_price_is_refused_with_its_instant() -> None:
    with pytest.raises(BadInput, match="no price for 2025-01-01 00:00 UTC; a missing price is not zero"):
        bill(spot(), load(0, s4=4), prices=prices(0.1))
    with pytest.raises(BadInput, match="takes its price from series 'spot'; none was given"):
        bill(spot())


def test_prices_in_another_currency_are_refused() -> None:
    known = Tariff.model_validate(spot().model_dump() | {"currency": "SEK"})
    with pytest.raises(BadInput, match="prices are in EUR, tariff t in SEK"):
        bill(known, load(0, s0=4), prices=prices(0.1))


def test_prices_finer_than_the_load_are_refused() -> None:
    with pytest.raises(BadInput, match="changes inside the 60-minute interval"):
        bill(spot(), load(1, step=60, end=date(2025, 1, 2)), prices=prices(*[0.1, 0.2] * 24, minutes=30))


def test_a_gap_is_labelled_with_its_coverage_and_never_silently_zero() -> None:
    used = load(4)
    used.is_present[:744] = False
    used.load[:744] = 0
    found = bill(tariff(), used)
    assert found.coverage == 0.75
    assert found.periods[0].coverage == 0.75
    (finding,) = found.findings
    assert finding.code == "load_gap"
    assert "2232 of 2976 intervals" in finding.message


def test_a_month_that_the_load_does_not_fill_is_billed_with_its_coverage() -> None:
    found = bill(tariff(), load(4, end=date(2025, 1, 16)))
    assert (found.periods[0].start, found.periods[0].end) == (date(2025, 1, 1), date(2025, 2, 1))
    assert found.coverage == pytest.approx(15 / 31)


@pytest.mark.parametrize(
    ("known", "options", "words"),
    [
        ([], {}, "a bill needs a tariff"),
        ([tariff(), tariff(tariff_id="u")], {}, "tariffs t and u are both in force on 1900-01-01"),
        (
            [tariff(valid_to="2025-01-02"), tariff(tariff_id="u", currency="USD", valid_from="2025-01-02")],
            {},
            "tariffs are in EUR and USD; expected one currency",
        ),
        ([tariff()], {"currency": "GBP"}, "tariff t is in EUR, expected GBP"),
        ([tariff(currency=None)], {}, "names no currency"),
        ([tariff(valid_from="2025-01-05")], {}, "no tariff is in force on 2025-01-01"),
        ([tariff(valid_to="2025-01-05")], {}, "no tariff is in force on 2025-01-05"),
        ([tariff()], {"start": date(2025, 1, 1)}, "give both start and end"),
        ([tariff()], {"start": date(2025, 1, 2), "end": date(2025, 1, 1)}, "ends \\(2025-01-01\\) before it starts"),
        ([tariff()], {"start": date(2026, 1, 2), "end": date(2026, 2, 1)}, "covers 2025-01-01 to 2025-01-31"),
    ],
)
def test_what_cannot_be_billed_is_refused_in_one_sentence(
    known: list[Tariff], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        make_bill(known, load(), **{"time_zone": BERLIN, **options})


def test_periods_told_apart_by_register_need_reads() -> None:
    periods = [{"period_id": name, "price_per_kwh": 1} for name in ("day", "night")]
    known = tariff(energy=[{"charge_id": "energy", "periods": periods, "by_register": True}])
    with pytest.raises(BadInput, match="by the meter's registers, not by hours"):
        bill(known)


def test_gas_by_volume_needs_a_calorific_value() -> None:
    volume = Load(load().start_utc, 60, np.full(744, 10**9, dtype=np.int64), np.ones(744, dtype=np.bool_), unit="m3")
    with pytest.raises(BadInput, match="calorific_value"):
        bill(tariff(), volume)
    known = tariff(gas={"calorific_value_mj_per_m3": "36", "volume_correction": "1.02"})
    assert bill(known, volume).periods[0].energy_kwh == D("7588.8")


def test_gas_by_volume_is_energy_and_power_in_every_charge() -> None:
    volume = replace(load(1, step=60), unit="m3")  # 10.2 kWh an hour
    prices = pl.DataFrame({"interval_start_utc": [volume.start_utc], "minutes": [744 * 60], "price_per_kwh": [0.05]})
    known = tariff(
        gas={"calorific_value_mj_per_m3": "36", "volume_correction": "1.02"},
        energy=[{"charge_id": "spot", "series": {"adder_per_kwh": "0.05"}}],
        demand=[demand(window_minutes=60)],
        capacity=[{"charge_id": "grid", "contracted": 10, "price_per_unit": 1, "excess_price_per_unit": 5}],
    )
    found = amounts(bill(known, volume, prices={"spot": PriceSeries.of("spot", prices)}))
    assert found == {"spot": D("758.88"), "demand.all": D("10.20"), "grid": 10, "grid.excess": 1}


def test_water_is_billed_by_the_cubic_metre_and_is_no_energy() -> None:
    known = tariff(
        commodity="water",
        periods=[{"period_id": "all", "price_per_m3": "4.25"}],
        riders=[{"charge_id": "sewage", "price_per_kwh": "2"}],
    )
    found = bill(known, replace(load(1), unit="m3")).periods[0]
    assert [(line.quantity, line.unit, line.amount) for line in found.lines] == [(744, "m3", 3162), (744, "m3", 1488)]
    assert found.energy_kwh == 0
    assert "4.25 EUR/m3" in tariff_text(known)
    assert "kWh" not in tariff_text(known)
    with pytest.raises(BadInput, match="of water, charged per m3, and the load is in kwh"):
        bill(known)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"periods": []}, "needs periods or an energy charge"),
        ({"valid_from": "2025-01-01", "valid_to": "2025-01-01"}, "ends \\(2025-01-01\\) before it starts"),
        (
            {"energy": [{"charge_id": "energy", "price_per_kwh": 1}], "fixed": [{"charge_id": "energy", "amount": 1}]},
            "appears twice",
        ),
        ({"periods": [{"period_id": "a", "price_per_kwh": 1, "seasons": ["spring"]}]}, "unknown season spring"),
        ({"periods": [{"period_id": "a"}]}, "needs price_per_kwh or tiers"),
        ({"periods": [{"period_id": "a", "tiers": [{"price": 1, "up_to": 5}]}]}, "tier 1: the last tier, and no other"),
        (
            {
                "periods": [
                    {"period_id": "a", "tiers": [{"price": 1, "up_to": 5}, {"price": 1, "up_to": 4}, {"price": 1}]}
                ]
            },
            "must be above the 5",
        ),
        ({"periods": [{"period_id": "a", "tiers": [{"price": 1, "up_to": -5}, {"price": 1}]}]}, "greater than 0"),
        (
            {"periods": [{"period_id": "a", "price_per_kwh": 1, "start": "06:10"}]},
            "must start and end on a quarter hour",
        ),
        ({"periods": [{"period_id": "a", "price_per_kwh": "NaN"}]}, "finite"),
        ({"periods": [{"period_id": "a", "price_per_kwh": 1}] * 2}, "period appears twice: a"),
        ({"taxes": [{"charge_id": "vat", "share": "-0.1"}]}, "greater than or equal to 0"),
        ({"riders": [{"charge_id": "r"}]}, "needs one of share"),
        ({"taxes": [{"charge_id": "vat", "share": "0.2", "of": ["enrgy"]}]}, "tax 'vat' is of enrgy, which no line"),
        ({"riders": [{"charge_id": "r", "share": "0.1", "of": ["tax"]}]}, "expected capacity, demand, energy, fixed"),
        ({"metering": {"true_up_month": 13}}, "less than or equal to 12"),
        ({"export_price_per_kwh": 1, "export": {"price_per_kwh": 1}}, "not both"),
        ({"fixed": [{"charge_id": "rent@home", "amount": 1}]}, "'rent@home' has an @, with which a bill that is split"),
        ({"periods": [{"period_id": "day@home", "price_per_kwh": 1}]}, "'day@home' has an @"),
    ],
)
def test_a_tariff_that_contradicts_itself_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        tariff(**parts)


def test_a_bill_whose_total_is_not_its_lines_cannot_exist() -> None:
    line = BillLine(line_id="a", kind=ItemKind.TAX, component="tax", description="a", amount=D(1))
    with pytest.raises(ValidationError, match="is not the sum of its lines"):
        BillPeriod(
            start=date(2025, 1, 1), end=date(2025, 2, 1), tariff_ids=("t",), lines=(line,), total=D(2), coverage=1
        )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10**11), min_size=96, max_size=96), st.integers(0, 2**32))
def test_the_order_of_rows_never_changes_a_bill(values: list[int], seed: int) -> None:
    frame = quarter_rows(96).with_columns(kwh=pl.Series([value / 1e9 for value in values]))
    known = tou({"tiers": TIERS}, {"price_per_kwh": "0.07"})
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    options = {"time_zone": BERLIN, "start": date(2025, 1, 1), "end": date(2025, 1, 2)}
    assert make_bill([known], load_of(frame), **options) == make_bill([known], load_of(shuffled), **options)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10**9))
def test_days_billed_apart_add_up_to_the_month_for_a_linear_tariff(cut: int, price: int) -> None:
    known = tariff(energy=[{"charge_id": "e", "price_per_kwh": D(price).scaleb(-6)}], rounding="none")
    used, middle = load(3.3), date(2025, 1, 1 + cut)
    whole = bill(known, used, start=date(2025, 1, 1), end=date(2025, 2, 1)).total
    parts = [
        bill(known, used, start=first, end=last).total
        for first, last in ((date(2025, 1, 1), middle), (middle, date(2025, 2, 1)))
    ]
    assert sum(parts) == whole


def test_a_tariff_survives_being_written_and_read() -> None:
    known = tou({"tiers": TIERS}, {"price_per_kwh": "0.07"}, taxes=[{"charge_id": "vat", "share": "0.19"}])
    assert Tariff.model_validate_json(known.model_dump_json()) == known
    assert TariffFile.model_validate({"tariffs": [known.model_dump(mode="json", exclude_defaults=True)]}).tariffs == (
        known,
    )


def test_a_copy_forgets_what_was_derived_from_the_old_fields() -> None:
    known = tariff()
    assert len(known.energy_charges) == 1
    changed = known.model_copy(update={"periods": (), "energy": known.energy_charges * 1})
    assert changed.energy_charges == known.energy_charges
    assert changed.model_copy(update={"energy": ()}).energy_charges == ()
