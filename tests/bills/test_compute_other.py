"""Comparison, running cost, calendar months, register reads and the files of a bill."""

import gzip
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.bills.documents.read_load import read_load, read_prices, read_reactive, zone_of
from assets.bills.documents.reads import read_registers
from assets.bills.engine.bill_load import Load, Reads, RegisterUse, finer
from assets.bills.engine.book import Book, bill_spans, book_of
from assets.bills.engine.calendarise import OddPeriod, calendarise
from assets.bills.engine.compare import bill_totals, compare_tariffs
from assets.bills.engine.compute import make_bill
from assets.bills.engine.from_reads import make_bill_from_reads
from assets.bills.engine.interval_cost import RUNNING_SCHEMA, running_of
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Rounding, Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from tests.bench.bill_bench import ZONE, loads
from tests.bench.bill_bench import tariff as bench_tariff
from tests.bills.scenes import BERLIN, amounts, bill, demand, load, tariff

D = Decimal


def test_tariffs_are_ranked_by_their_total() -> None:
    cheap, dear = tariff(tariff_id="cheap"), tariff(tariff_id="dear", fixed=[{"charge_id": "base", "amount": 9}])
    found = compare_tariffs({"dear": [dear], "cheap": [cheap]}, load(4), time_zone=BERLIN)
    assert [(row.name, row.total, row.above) for row in found.rows] == [
        ("cheap", D("297.60"), 0),
        ("dear", D("306.60"), 9),
    ]
    assert found.coverage == 1


def test_many_meters_at_once_cost_what_each_costs_alone() -> None:
    many = loads(3)
    tariffs = {f"t{number}": [bench_tariff(number)] for number in range(6)}
    totals = bill_totals(tariffs, many, time_zone=ZONE)
    for meter in range(3):
        alone = Load(many.start_utc, 15, many.load[meter], many.is_present[meter])
        for name, known in tariffs.items():
            assert make_bill(known, alone, time_zone=ZONE).total == totals[name][meter]


def test_totals_of_two_currencies_are_not_ranked() -> None:
    with pytest.raises(BadInput, match="tariffs are in EUR and USD; totals of two currencies"):
        compare_tariffs({"a": [tariff()], "b": [tariff(currency="USD")]}, load(), time_zone=BERLIN)
    with pytest.raises(BadInput, match="nothing to compare"):
        compare_tariffs({}, load(), time_zone=BERLIN)


def cost_of_intervals(tariffs: list[Tariff], used: Load, *, rounding: Rounding | None = None) -> pl.DataFrame:
    book = Book(tariffs, time_zone=BERLIN, rounding=rounding)
    return running_of(book, bill_spans(used, time_zone=BERLIN, start=None, end=None), used)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 6), st.integers(0, 2**32 - 1), st.sampled_from(["line", "none"]))
def test_the_cost_of_the_intervals_adds_up_to_the_bill(number: int, seed: int, rounding: Any) -> None:
    rng = np.random.default_rng(seed)
    used = load(0, end=date(2025, 3, 1))
    used.load[:] = rng.integers(-(10**9), 4 * 10**9, size=used.size)
    known = bench_tariff(number).model_copy(update={"export_price_per_kwh": D("0.04")})
    frame = cost_of_intervals([known], used, rounding=rounding)
    found = bill(known, used, rounding=rounding)
    assert dict(frame.schema) == RUNNING_SCHEMA
    assert frame.height == used.size
    for period, part in zip(found.periods, frame.partition_by("bill_start"), strict=True):
        assert abs(part["cost"].sum() - period.total) <= D("1e-9") * len(period.lines) * (rounding == "none")
        assert part["cost_to_date"][-1] == part["cost"].sum()
        assert part["import_kwh"].sum() == period.energy_kwh


def test_energy_falls_on_the_interval_that_used_it_and_the_rest_runs_evenly() -> None:
    known = tariff(fixed=[{"charge_id": "base", "amount": "29.76"}], demand=[demand()])
    frame = cost_of_intervals([known], load(0, s10=4))
    assert frame["energy_cost"][10] == D("0.10")
    assert frame["energy_cost"].sum() == D("0.10")
    assert abs(frame["other_cost"][0] - D("33.76") / 2976) < D("1e-8")


def test_an_interval_costs_its_energy_at_the_price_that_the_tariff_makes_of_the_series() -> None:
    used = load(1, end=date(2025, 1, 2), step=60)
    spot = [0.1, -0.1] * 12
    rows = pl.DataFrame({"price_per_kwh": spot, "minutes": 60}).with_columns(
        interval_start_utc=pl.datetime_range(used.start_utc, used.end_utc, "1h", closed="left")
    )
    series = {"factor": 2, "adder_per_kwh": "0.05", "floor_per_kwh": "-0.10"}
    book = Book([tariff(energy=[{"charge_id": "e", "series": series}])], time_zone=BERLIN)
    spans = bill_spans(used, time_zone=BERLIN, start=date(2025, 1, 1), end=date(2025, 1, 2))
    frame = running_of(book, spans, used, prices={"spot": PriceSeries.of("spot", rows)})
    # 0.25 in one hour, -0.15 and held to -0.10 in the next; the spot prices alone cancel out.
    assert frame["energy_cost"].to_list() == [D("0.25"), D("-0.10")] * 12


def test_a_tax_of_a_charge_is_one_of_the_price_stream_that_stands_for_it() -> None:
    site = Site.model_validate(
        {
            "site_id": "s", "name": "S", "time_zone": BERLIN, "country": "DE", "currency": "EUR",
            "meters": [{"meter_id": "main"}], "price_stream": "spot",
            "drivers": [{"driver_id": "spot", "unit": "per_kwh", "aggregation": "mean"}],
            "tariffs": [
                {
                    "tariff_id": "t",
                    "energy": [{"charge_id": "supply", "price_per_kwh": 1}],
                    "taxes": [{"charge_id": "duty", "share": "0.5", "of": ["supply"]}],
                }
            ],
        }
    )  # fmt: skip
    book = book_of(site)
    assert book is not None
    used = load(1)
    rows = pl.DataFrame({"interval_start_utc": [used.start_utc], "minutes": [744 * 60], "price_per_kwh": [0.5]})
    found = make_bill(
        book.tariffs, used, time_zone=BERLIN, prices={"spot": PriceSeries.of("spot", rows)}, currency="EUR"
    )
    assert amounts(found) == {"energy": 372, "duty": 186}


def test_running_cost_of_a_split_month_takes_each_tariffs_price() -> None:
    old = tariff(tariff_id="old", valid_to="2025-01-11")
    new = tariff(tariff_id="new", valid_from="2025-01-11", periods=[{"period_id": "all", "price_per_kwh": "0.20"}])
    frame = cost_of_intervals([old, new], load(4))
    assert frame["cost"][0] == D("0.10")
    assert frame["cost"][-1] == D("0.20")
    assert frame["cost"].sum() == bill([old, new]).total


def odd(start: str, end: str, quantity: int, *, is_estimated: bool = False) -> OddPeriod:
    return OddPeriod(
        date.fromisoformat(start),
        date.fromisoformat(end),
        D(quantity),
        cost=D(quantity) / 10,
        is_estimated=is_estimated,
    )


def test_an_odd_period_is_spread_over_its_days() -> None:
    january, february = calendarise([odd("2025-01-22", "2025-02-11", 200)])
    assert (january.quantity, january.cost, february.quantity) == (100, 10, 100)
    assert (january.coverage, february.coverage) == (10 / 31, 10 / 28)


def test_a_profile_moves_the_energy_to_the_days_that_used_it() -> None:
    profile = {date(2025, 1, 31): D(3), date(2025, 2, 1): D(1)}
    january, february = calendarise([odd("2025-01-22", "2025-02-11", 200)], profile=profile)
    assert (january.quantity, february.quantity) == (150, 50)


def test_an_estimate_that_a_later_read_covers_is_dropped() -> None:
    months = calendarise(
        [odd("2025-01-01", "2025-02-01", 500, is_estimated=True), odd("2025-01-01", "2025-03-01", 590)]
    )
    assert [month.quantity for month in months] == [310, 280]
    assert [month.estimated_share for month in months] == [0, 0]
    (only,) = calendarise([odd("2025-01-01", "2025-02-01", 500, is_estimated=True)])
    assert only.estimated_share == 1


def test_periods_that_overlap_are_refused_by_date() -> None:
    with pytest.raises(BadInput, match="both cover 2025-01-20"):
        calendarise([odd("2025-01-01", "2025-02-01", 1), odd("2025-01-20", "2025-02-20", 1)])
    with pytest.raises(BadInput, match="ends before it starts"):
        calendarise([odd("2025-02-01", "2025-01-01", 1)])
    with pytest.raises(BadInput, match="no weight"):
        calendarise([odd("2025-01-01", "2025-02-01", 1)], profile={})


spans = st.lists(st.tuples(st.integers(1, 70), st.integers(0, 10**6)), min_size=1, max_size=8)


@given(spans)
def test_calendar_months_hold_exactly_what_the_periods_held(parts: list[tuple[int, int]]) -> None:
    day, periods = date(2024, 1, 5).toordinal(), []
    for days, quantity in parts:
        periods.append(
            OddPeriod(date.fromordinal(day), date.fromordinal(day + days), D(quantity), cost=D(quantity) / 7)
        )
        day += days
    months = calendarise(periods)
    assert sum(month.quantity for month in months) == sum(period.quantity for period in periods)
    assert abs(sum(month.cost for month in months) - sum(period.cost for period in periods)) < D("1e-20")


def use(start: str, end: str, quantity: int, **parts: Any) -> RegisterUse:
    return RegisterUse(date.fromisoformat(start), date.fromisoformat(end), D(quantity), **parts)


def day_night() -> Any:
    periods = [{"period_id": "day", "price_per_kwh": "0.3"}, {"period_id": "night", "price_per_kwh": "0.1"}]
    return tariff(energy=[{"charge_id": "energy", "periods": periods, "by_register": True}])


def test_registers_bill_their_own_period() -> None:
    uses = (
        use("2025-01-01", "2025-02-01", 100, period_id="day"),
        use("2025-01-01", "2025-02-01", 50, period_id="night"),
    )
    found = make_bill_from_reads([day_night()], Reads(uses), time_zone=BERLIN)
    assert found.total == 35
    assert found.coverage == 1


def test_a_register_that_lacks_is_named() -> None:
    with pytest.raises(BadInput, match="no register counts night"):
        make_bill_from_reads(
            [day_night()], Reads((use("2025-01-01", "2025-02-01", 1, period_id="day"),)), time_zone=BERLIN
        )


def test_reads_on_other_dates_are_split_by_days_and_said() -> None:
    found = make_bill_from_reads(
        [tariff()],
        Reads((use("2025-01-01", "2025-02-01", 310),)),
        time_zone=BERLIN,
        start=date(2025, 1, 11),
        end=date(2025, 2, 10),
    )
    assert found.total == 21
    assert found.coverage == pytest.approx(21 / 30)
    assert {finding.code for finding in found.findings} == {"reads_split_by_days", "load_gap"}


def test_an_estimated_read_is_said() -> None:
    found = make_bill_from_reads(
        [tariff()], Reads((use("2025-01-01", "2025-02-01", 310, is_estimated=True),)), time_zone=BERLIN
    )
    assert [finding.code for finding in found.findings] == ["estimated_read"]


def test_demand_from_reads_needs_a_register_of_highest_demand() -> None:
    known, energy = tariff(demand=[demand()]), use("2025-01-01", "2025-02-01", 10)
    with pytest.raises(BadInput, match="no register of highest demand"):
        make_bill_from_reads([known], Reads((energy,)), time_zone=BERLIN)
    peak = use("2025-01-01", "2025-02-01", 7, unit="kw")
    assert make_bill_from_reads([known], Reads((energy, peak)), time_zone=BERLIN).total == 8


def test_reads_cannot_be_billed_at_hourly_prices() -> None:
    known = tariff(energy=[{"charge_id": "spot", "series": {}}])
    with pytest.raises(BadInput, match="do not show when energy was used"):
        make_bill_from_reads([known], Reads((use("2025-01-01", "2025-02-01", 1),)), time_zone=BERLIN)


def test_net_metering_is_not_billed_from_registers_that_count_no_export() -> None:
    known = tariff(metering={"arrangement": "net_metering_energy"})
    with pytest.raises(BadInput, match=r"nets what is fed in \(net metering\); register reads count what is bought"):
        make_bill_from_reads([known], Reads((use("2025-01-01", "2025-02-01", 1),)), time_zone=BERLIN)


def written(folder: Path, text: str, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_registers_are_read_with_their_multiplier(tmp_path: Path) -> None:
    text = "meter,read_date,day_register,night_register\nM1,2025-01-01,10,5\nM1,2025-02-01,20,6\nM2,2025-01-01,0,0\n"
    (reads,) = read_registers(written(tmp_path, text), meter="M1", multiplier=D(40))
    assert [(each.period_id, each.quantity) for each in reads.uses] == [("day", 400), ("night", 40)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("meter,day_register\n", "lacks the column read_date"),
        ("read_date,day_register\n", "a header but no row"),
        ("read_date,day_register\n2025-01-01,5\n", "one read only"),
        ("read_date,day_register\n2025-01-01,5\n2025-01-01,5\n", "two reads on 2025-01-01"),
        (
            "read_date,day_register\n2025-01-01,5\n2025-02-01,4\n",
            "line 3: register day counts backwards from 5 on",
        ),
        ("read_date,day_register\n2025-01-01,5\n01/02/2025,6\n", "line 3: read_date: expected a date"),
        ("read_date,day_register\n2025-01-01,5\n2025-02-01,x\n", "line 3: day_register: expected a number .*got 'x'"),
        ("read_date,colour\n2025-01-01,5\n2025-02-01,6\n", "column 'colour': expected"),
        ("meter,read_date,day_register\na,2025-01-01,5\nb,2025-02-01,6\n", "the file has meters a, b"),
    ],
)
def test_what_is_wrong_with_reads_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_registers(written(tmp_path, text))


def test_a_load_file_is_read_in_kw_with_negative_values_and_gaps(tmp_path: Path) -> None:
    text = "timestamp,kw\n2025-01-01T00:00Z,4\n2025-01-01T00:15Z,-2\n2025-01-01T00:45Z,1\n"
    found = read_load(written(tmp_path, text), time_zone=None).load
    assert found.load.tolist() == [10**9, -500_000_000, 0, 250_000_000]
    assert found.is_present.tolist() == [True, True, False, True]


def test_a_long_table_needs_the_meters_name(tmp_path: Path) -> None:
    rows = ("a,2025-01-01T00:00Z,1", "a,2025-01-01T01:00Z,-1", "b,2025-01-01T00:00Z,2", "b,2025-01-01T01:00Z,2")
    text = "\n".join(["meter,timestamp,kwh", *rows, ""])
    path = written(tmp_path, text)
    assert read_load(path, time_zone=None, meter="a").load.load.tolist() == [10**9, -(10**9)]
    with pytest.raises(BadInput, match="several streams"):
        read_load(path, time_zone=None)
    with pytest.raises(BadInput, match="no meter 'c'; the file has a, b"):
        read_load(path, time_zone=None, meter="c")


def test_a_load_in_degrees_is_refused(tmp_path: Path) -> None:
    text = "timestamp,degc\n2025-01-01T00:00Z,1\n2025-01-01T01:00Z,1\n"
    with pytest.raises(BadInput, match="the load is in degc; expected energy, power or gas volume"):
        read_load(written(tmp_path, text), time_zone=None)


def test_prices_per_megawatt_hour_become_prices_per_kilowatt_hour(tmp_path: Path) -> None:
    text = "timestamp,eur_per_mwh\n2025-01-01T00:00Z,-12.345\n2025-01-01T01:00Z,80\n"
    found = read_prices(written(tmp_path, text), time_zone=None)
    assert found.price_nano.tolist() == [-12_345_000, 80_000_000]
    assert found.currency == "EUR"
    with pytest.raises(BadInput, match="prices are in kwh"):
        read_prices(written(tmp_path, "timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T01:00Z,1\n"), time_zone=None)


def test_prices_by_the_hour_and_then_by_the_quarter_hour_each_have_their_length(tmp_path: Path) -> None:
    def times(first: datetime, minutes: int, count: int) -> list[datetime]:
        return [first + timedelta(minutes=minutes * number) for number in range(count)]

    change = datetime(2025, 9, 30, 22, tzinfo=UTC)
    for hours, quarters in ((40, 200), (200, 40)):
        starts = times(change - timedelta(hours=hours), 60, hours) + times(change, 15, quarters)
        # One hour is not listed: nothing is made up for it.
        gap = starts.pop(10)
        path = tmp_path / "prices.csv"
        path.write_text("timestamp,eur_per_mwh\n" + "".join(f"{at.isoformat()},{100}\n" for at in starts))
        found = read_prices(path, time_zone=None)
        assert dict(zip(*np.unique(found.minutes, return_counts=True), strict=True)) == {15: quarters, 60: hours - 1}
        with pytest.raises(BadInput, match=f"no price for {gap:%Y-%m-%d %H:%M}"):
            found.on(np.array([int(gap.timestamp()) * 1_000_000]), 15, np.array([True]))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("p_per_kwh", "line 1: prices are in p_per_kwh, a hundredth of a currency"),
        ("price_ct_per_kwh", "line 1: prices are in ct_per_kwh, a hundredth"),
        ("price", "prices.csv, line 1: no column is named with a known unit"),
    ],
)
def test_prices_in_another_unit_are_refused_by_file_and_column(tmp_path: Path, column: str, words: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(f"timestamp,{column}\n2025-01-01T00:00:00Z,20.5\n2025-01-01T00:30:00Z,21.5\n")
    with pytest.raises(BadInput, match=words):
        read_prices(path, time_zone=None)


def test_reactive_energy_is_read_in_kvar(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp,kvar\n2025-01-01T00:00Z,4\n2025-01-01T00:15Z,4\n")
    assert read_reactive(path, time_zone=None).load.tolist() == [10**9, 10**9]


@pytest.mark.parametrize(
    ("times", "zone"),
    [
        ("2025-01-01T00:00Z", "UTC"),
        ("2025-01-01T00:00:00+01:00", "Etc/GMT-1"),
        ("2025-01-01T00:00:00-0800", "Etc/GMT+8"),
        ("2025-01-01T00:00", None),
    ],
)
def test_one_offset_is_a_zone(tmp_path: Path, times: str, zone: str | None) -> None:
    assert zone_of(written(tmp_path, f"timestamp,kwh\n{times},1\n")) == zone


def test_two_offsets_need_the_zones_name(tmp_path: Path) -> None:
    text = "timestamp,kwh\n2025-03-30T01:00+01:00,1\n2025-03-30T03:00+02:00,1\n"
    with pytest.raises(BadInput, match=r"the offsets \+0100, \+0200"):
        zone_of(written(tmp_path, text))


def test_a_damaged_gzip_file_has_no_zone_and_is_refused_by_name(tmp_path: Path) -> None:
    whole = gzip.compress(b"timestamp,kwh\n2025-01-01T00:00Z,1\n" + bytes(range(256)) * 20)
    path = tmp_path / "load.csv.gz"
    for raw in (whole[:-12], whole[:20] + b"\xff\xff\xff\xff" + whole[24:]):
        path.write_bytes(raw)
        with pytest.raises(BadInput, match=r"load\.csv\.gz, line 1: the gzip file is cut or broken"):
            zone_of(path)
    path.write_bytes(whole)
    assert zone_of(path) == "UTC"


@given(st.integers(-(10**13), 10**13), st.sampled_from([1, 5, 15, 30]))
def test_cutting_an_interval_neither_makes_nor_loses_energy(energy: int, step: int) -> None:
    whole = Load(load().start_utc, 60, np.array([energy]), np.array([True]))
    assert int(finer(whole, step).load.sum()) == energy
