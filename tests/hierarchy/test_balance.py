"""A parent against its submeters, per local day, to the last digit."""

from datetime import date
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sites.balance import BALANCE_SCHEMA, balance, balance_findings, rest_profile
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_period
from tests.hierarchy.rows import DAY, rows
from tests.sites.test_calendar import site

PERIOD = parse_period(str(DAY), "Europe/Berlin")
SLOTS = 92  # the day on which summer time begins


def place(*more: Meter) -> Site:
    return site(
        meters=(Meter(meter_id="main"), Meter(meter_id="a", parent="main"), Meter(meter_id="b", parent="main"), *more)
    )


def day_of(main: float, a: float, b: float, slots: int = SLOTS) -> pl.DataFrame:
    return rows(*((name, at, v) for name, v in (("main", main), ("a", a), ("b", b)) for at in range(slots)))


def only(table: pl.DataFrame) -> dict[str, object]:
    assert table.height == 1
    return table.row(0, named=True)


def test_the_rest_is_exact_and_its_share_and_coverage_are_told() -> None:
    row = only(balance(day_of(0.3, 0.1, 0.1), place(), PERIOD))
    assert (row["parent"], row["day"], row["unit"]) == ("main", DAY, "kwh")
    assert (row["parent_kwh"], row["children_kwh"], row["rest_kwh"]) == (
        Decimal("27.6"),
        Decimal("18.4"),
        Decimal("9.2"),
    )
    assert (round(float(str(row["rest_share"])), 9), row["coverage"], row["verdict"]) == (0.333333333, 1.0, "ok")


def test_submeters_that_exceed_their_parent_are_named_with_the_worst_day() -> None:
    table = balance(day_of(1.0, 0.6, 0.6), place(), PERIOD)
    assert only(table)["verdict"] == "children_exceed_parent"
    (finding,) = balance_findings(table)
    assert finding.facts == {"days": 1, "worst_day": "2025-03-30"}
    assert "'main'" in finding.message
    assert balance_findings(balance(day_of(1.0, 0.5, 0.505), place(), PERIOD)) == ()


def test_a_gap_is_no_imbalance_and_a_day_mostly_missing_proves_nothing() -> None:
    holed = day_of(1.0, 0.4, 0.4).filter(~((pl.col("meter_id") == "a") & (pl.int_range(pl.len()) % 4 == 0)))
    row = only(balance(holed, place(), PERIOD))
    assert row["verdict"] == "not_enough"
    assert 0.7 < float(str(row["coverage"])) < 0.8
    assert Decimal(str(row["rest_kwh"])) == Decimal("0.2") * (Decimal(str(row["parent_kwh"])))
    empty = only(balance(day_of(1.0, 0.4, 0.4).clear(), place(), PERIOD))
    assert (empty["rest_kwh"], empty["coverage"], empty["verdict"]) == (None, 0.0, "not_enough")


def test_a_generator_below_the_parent_is_supply() -> None:
    def meter(name: str, *registers: str, parent: str | None = None) -> Meter:
        return Meter.model_validate(
            {"meter_id": name, "parent": parent, "registers": [{"register_id": each} for each in registers]}
        )

    home = site(
        meters=(
            meter("grid", "import", "export"),
            meter("pv", "value", parent="grid"),
            meter("battery", "charge", "discharge", parent="grid"),
            meter("house", "import", parent="grid"),
        )
    )
    streams = {
        "grid": 1.0,
        "grid.export": 2.0,
        "pv.value": 6.0,
        "battery.charge": 1.5,
        "battery.discharge": 0.5,
        "house": 3.0,
    }
    row = only(balance(rows(*((s, at, v) for s, v in streams.items() for at in range(SLOTS))), home, PERIOD))
    # 1 - 2 + 6 - 1.5 + 0.5 = 4 of which the house takes 3.
    assert (row["parent_kwh"], row["children_kwh"], row["rest_kwh"]) == (368, 276, 92)


def test_a_relocated_meter_counts_where_it_stood_on_the_day() -> None:
    parents = [{"parent": "a", "valid_to": "2025-03-31"}, {"parent": "b", "valid_from": "2025-03-31"}]
    press = Meter.model_validate({"meter_id": "press", "parents": parents})
    moved = site(meters=(Meter(meter_id="a"), Meter(meter_id="b"), press))
    names, days = ("a", "b", "press"), ((DAY, 92), (date(2025, 3, 31), 96))
    made = pl.concat([rows(*((n, at, 1.0) for n in names for at in range(slots)), day=day) for day, slots in days])
    table = balance(made, moved, parse_period("2025-03-30/2025-04-01", "Europe/Berlin"))
    assert table.select("parent", "day").rows() == [("a", DAY), ("b", date(2025, 3, 31))]


def test_water_is_balanced_in_cubic_metres() -> None:
    def meter(name: str, parent: str | None = None) -> Meter:
        return Meter.model_validate(
            {"meter_id": name, "carrier": "water", "parent": parent, "registers": [{"unit": "m3"}]}
        )

    wet = site(meters=(meter("city"), meter("kitchen", "city")))
    made = rows(*((name, at, 0.25) for name in ("city", "kitchen") for at in range(SLOTS)), unit="m3")
    assert only(balance(made, wet, PERIOD)) | {} == only(balance(made, wet, PERIOD))
    assert (only(balance(made, wet, PERIOD))["unit"], only(balance(made, wet, PERIOD))["rest_kwh"]) == (
        "m3",
        Decimal(0),
    )


def test_virtual_and_secondary_children_are_no_part_of_the_sum() -> None:
    more = (
        Meter(meter_id="rest", parent="main", formula="main - a - b"),
        Meter(meter_id="air", parent="main", made_from=("a",)),
    )
    row = only(balance(day_of(1.0, 0.4, 0.4), place(*more), PERIOD))
    assert row["children_kwh"] == Decimal("73.6")
    alone = site(meters=(Meter(meter_id="main"),))
    assert balance(day_of(1.0, 0.4, 0.4), alone, PERIOD).schema == pl.Schema(BALANCE_SCHEMA)


def test_the_rest_has_a_profile_by_local_hour() -> None:
    # 01:00 to 02:00 local are the quarter hours 4 to 7; 02:00 does not exist on that day.
    made = rows(*((n, at, 1.0 + 4.0 * (n == "main" and 4 <= at < 8)) for n in ("main", "a") for at in range(SLOTS)))
    profile = rest_profile(
        made, site(meters=(Meter(meter_id="main"), Meter(meter_id="a", parent="main"))), PERIOD, "main"
    )
    assert profile.filter(pl.col("rest_kw") > 0).rows() == [(1, 16.0, 4)]
    assert 2 not in profile["local_hour"].to_list()


nano = st.integers(0, 10**17)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(nano, nano, nano), min_size=1, max_size=6))
def test_any_sum_equals_whole_number_arithmetic(slots: list[tuple[int, int, int]]) -> None:
    exact = [tuple(round(round(each / 1e9, 9) * 1e9) for each in slot) for slot in slots]
    made = rows(*((n, at, slot[k] / 1e9) for at, slot in enumerate(slots) for k, n in enumerate(("main", "a", "b"))))
    row = only(balance(made, place(), PERIOD))
    assert row["parent_kwh"] == Decimal(sum(slot[0] for slot in exact)).scaleb(-9)
    assert row["children_kwh"] == Decimal(sum(slot[1] + slot[2] for slot in exact)).scaleb(-9)


def test_a_period_of_another_zone_day_is_the_sites_own() -> None:
    span = Period(label="d", start=DAY, end=date(2025, 3, 31), time_zone="Europe/Berlin")
    outside = rows(("main", -1, 9.0), ("a", -1, 1.0), ("b", -1, 1.0), ("main", 92, 9.0), ("a", 92, 1.0), ("b", 92, 1.0))
    assert only(balance(outside, place(), span))["parent_kwh"] is None
