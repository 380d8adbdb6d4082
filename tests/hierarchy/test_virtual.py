"""Virtual meters: exact, gaps carried, quality carried, and seen by marts, traces and recomputation alike."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.factor_choice.factor_view import factor_view
from assets.kpi.enpi.daily import seu_days
from assets.kpi.from_readings import source_streams
from assets.kpi.incremental.mart_sources import KEPT_FILES, keep_derived, meter_rows, source_tables
from assets.sites.view import site_readings
from assets.sites.virtual import derive, inputs_of, streams_for, virtual_findings, with_virtual
from assets.stores.lake.lake import KEY, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.warehouse.warehouse_tables import ParquetFiles
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import FixedClock, parse_period
from reports.datasets.enpi_findings import overlapping
from tests.hierarchy.rows import DAY, rows
from tests.kpi.oracle.values import kpi_value
from tests.kpi.seeded import SPANS, fill, plant, random_rows
from tests.sites.test_calendar import site

PERIOD = parse_period(str(DAY), "Europe/Berlin")


def metered(**formulas: str) -> Site:
    base = [Meter(meter_id="main"), Meter(meter_id="lights", parent="main"), Meter(meter_id="hvac", parent="main")]
    made = [Meter(meter_id=name, formula=text) for name, text in formulas.items()]
    return site(meters=tuple(base + made), seus=())


def values(place: Site, readings: pl.DataFrame, meter: str) -> list[float]:
    return derive(place, readings).filter(pl.col("meter_id") == meter)["value"].to_list()


def test_a_difference_is_exact_where_doubles_are_not() -> None:
    place = metered(rest="main - lights - hvac")
    assert values(place, rows(("main", 0, 0.3), ("lights", 0, 0.1), ("hvac", 0, 0.1)), "rest") == [0.1]
    assert 0.3 - 0.1 - 0.1 != 0.1


def test_a_gap_of_an_input_is_a_gap_and_never_zero() -> None:
    place = metered(rest="main - lights - hvac")
    given_rows = rows(("main", 0, 5.0), ("lights", 0, 1.0), ("hvac", 0, 1.0), ("main", 1, 5.0), ("lights", 1, 1.0))
    assert values(place, given_rows, "rest") == [3.0]


def test_a_gap_is_a_named_finding_with_the_worst_input() -> None:
    place = metered(rest="main - lights - hvac")
    full = [(name, slot, 2.0) for name in ("main", "lights", "hvac") for slot in range(92)]
    assert [f.code for f in virtual_findings(place, rows(*full), PERIOD)] == ["virtual_below_zero"]
    holed = [each for each in full if not (each[0] == "hvac" and each[1] >= 90)]
    gap, below = virtual_findings(place, rows(*holed), PERIOD)
    # The day on which summer time begins has 92 quarter hours.
    assert gap.facts == {"missing_quarter_hours": 2, "quarter_hours": 92, "worst_input": "hvac.import"}
    assert (gap.code, gap.scope) == ("virtual_gap", "meter:rest")
    assert below.facts["sum"] == -180.0


def test_a_virtual_meter_of_virtual_meters_rests_on_what_is_read() -> None:
    place = metered(rest="main - lights - hvac", half="rest / 2", sum_again="half + half + lights", only="main - rest")
    assert {t.meter_id: t.coefficient for t in inputs_of(place, "half")} == {
        "main": Fraction(1, 2), "lights": Fraction(-1, 2), "hvac": Fraction(-1, 2),
    }  # fmt: skip
    assert {t.meter_id: t.coefficient for t in inputs_of(place, "sum_again")} == {"main": 1, "hvac": -1}
    # What cancels out is not needed: without the main meter this one is still known.
    assert values(place, rows(("lights", 0, 1.0), ("hvac", 0, 2.0)), "only") == [3.0]
    assert inputs_of(place, "main") == ()


def test_a_third_is_rounded_once_to_the_quantum() -> None:
    place = metered(third="main / 3", two="third + third + third")
    assert values(place, rows(("main", 0, 1.0)), "third") == [0.333333333]
    assert values(place, rows(("main", 0, 1.0)), "two") == [1.0]


@pytest.mark.parametrize(
    ("codes", "carried"),
    [
        ((0, 0), QualityCode.DERIVED),
        ((17, 14), QualityCode.DERIVED),
        ((0, 8), QualityCode.ESTIMATED_REFERENCE_DAY),
        ((9, 8), QualityCode.ESTIMATED_INTERPOLATED),
        ((10, 9), QualityCode.QUESTIONABLE),
        ((7, 0), QualityCode.MANUALLY_EDITED),
    ],
)
def test_the_worst_quality_of_the_inputs_is_carried(codes: tuple[int, int], carried: QualityCode) -> None:
    place = metered(rest="main - lights")
    one, two = rows(("main", 0, 2.0), quality_code=codes[0]), rows(("lights", 0, 1.0), quality_code=codes[1])
    later = two.with_columns(recorded_at_utc=pl.lit(datetime(2025, 6, 1, tzinfo=UTC)), is_synthetic=pl.lit(True))
    row = derive(place, pl.concat([one, later])).row(0, named=True)
    assert row["quality_code"] == carried
    assert row["recorded_at_utc"] == datetime(2025, 6, 1, tzinfo=UTC)
    assert row["is_synthetic"]


def test_registers_of_one_meter_make_its_net_flow() -> None:
    grid = Meter.model_validate(
        {"meter_id": "grid", "registers": [{"register_id": "import"}, {"register_id": "export"}]}
    )
    place = site(meters=(grid, Meter(meter_id="net", formula="grid - grid.export")))
    assert values(place, rows(("grid", 0, 1.0), ("grid.export", 0, 3.0)), "net") == [-2.0]
    assert [f.code for f in virtual_findings(place, rows(("grid", 0, 1.0)), PERIOD)] == ["virtual_gap"]


def test_a_reading_under_a_virtual_name_is_put_aside_for_what_is_computed() -> None:
    place = metered(rest="main - lights")
    given_rows = rows(("main", 0, 2.0), ("lights", 0, 1.0), ("rest", 0, 99.0))
    assert with_virtual(place, given_rows).filter(pl.col("meter_id") == "rest")["value"].to_list() == [1.0]
    assert "rest" not in place.stream_ids()
    assert "rest" not in meter_rows(place).filter("is_site_total")["meter_id"].to_list()


nano = st.integers(-(10**15), 10**15)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(nano, nano), min_size=1, max_size=8), st.integers(1, 999), st.integers(1, 999))
def test_every_value_is_the_exact_sum_rounded_half_to_even(pairs: list[tuple[int, int]], top: int, bottom: int) -> None:
    place = metered(v=f"{top} * main / {bottom} - lights")
    given_rows = rows(
        *(("main", at, one / 1e9) for at, (one, _) in enumerate(pairs)),
        *(("lights", at, two / 1e9) for at, (_, two) in enumerate(pairs)),
    )
    wanted = [round(Fraction(top, bottom) * one - two) / 1e9 for one, two in pairs]
    assert values(place, given_rows, "v") == wanted


def virtual_plant() -> Site:
    base = plant()
    rest = Meter(meter_id="rest", formula="main - press - pump")
    seus = (*base.seus, Seu(seu_id="unmetered", name="Rest", meters=("rest",)))
    return base.model_copy(update={"meters": (*base.meters, rest), "seus": seus})


def test_the_warehouse_the_recomputation_and_the_daily_table_see_the_same_virtual_energy(lake: Lake) -> None:
    place = virtual_plant()
    fill(lake, place, random_rows(place, seed=3), clock=FixedClock(datetime(2025, 11, 1, tzinfo=UTC)), name="x")
    readings = source_tables({"plant": place}, lake, None)["readings"]
    assert isinstance(readings, ParquetFiles)
    stored = pl.concat([pl.read_parquet(path).select(list(LAKE_SCHEMA)) for path in readings.paths])
    assert stored.filter(pl.col("meter_id") == "rest").height > 0
    assert stored.unique(KEY).height == stored.height
    seen = site_readings(lake, place)
    assert seen.equals(stored.sort(KEY))
    start, end = SPANS[0]
    span = parse_period(f"{start}/{end}", "Europe/Berlin")
    wanted = (
        seen.filter(pl.col("interval_start_utc").is_between(span.start_utc, span.end_utc, closed="left"))
        .filter(pl.col("meter_id") == "rest")["value"]
        .to_list()
    )
    exact = sum(Decimal(round(value * 10**9)) for value in wanted).scaleb(-9)
    raw = lake.current("plant")
    for scope in ("meter:rest", "seu:unmetered"):
        assert (
            kpi_value("consumption_kwh", site=place, scope=scope, period=span, readings=raw, factors=factor_view(place))
            == exact
        )
    assert source_streams("consumption_kwh", site=place, scope="seu:unmetered") == ("rest", "main", "press", "pump")
    days = seu_days(seen, site=place, seu=place.seus[-1], start=start, end=end)
    assert Decimal(str(round(days["energy_kwh"].sum(), 9))) == exact
    # A slot that one of three meters misses is missed: coverage falls below that of any input.
    assert days["coverage"].mean() < 0.96


def test_an_earlier_view_derives_from_the_earlier_readings(lake: Lake) -> None:
    place = virtual_plant()
    first, second = (datetime(2025, 11, day, tzinfo=UTC) for day in (1, 2))
    base = random_rows(place, seed=4, spans=((date(2025, 4, 1), date(2025, 4, 2)),), share_missing=0.0)
    fill(lake, place, base, clock=FixedClock(first), name="one")
    changed = base.filter(pl.col("meter_id") == "press").with_columns(
        value=pl.col("value") + 1.0, is_correction=pl.lit(True)
    )
    fill(lake, place, changed, clock=FixedClock(second), name="two")
    then = site_readings(lake, place, as_of_utc=first, meters=["rest"])["value"]
    now = site_readings(lake, place, meters=["rest"])["value"]
    assert (then - now).round(9).to_list() == [1.0] * 96
    assert streams_for(place, ["rest"]) == ("rest", "main", "press", "pump")
    assert site_readings(lake, place, meters=["main"])["meter_id"].unique().to_list() == ["main"]


def test_derived_files_are_named_by_content_and_do_not_pile_up(lake: Lake) -> None:
    paths = [keep_derived(lake.root, "plant", rows(("main", 0, float(number)))) for number in range(6)]
    assert len(set(paths)) == 6
    assert sum(path.exists() for path in paths) == KEPT_FILES
    assert paths[-1].exists()
    assert keep_derived(lake.root, "plant", rows(("main", 0, 5.0))) == paths[-1]


def test_uses_above_and_below_each_other_share_energy_and_are_not_summed() -> None:
    place = virtual_plant()
    main, press = (Seu(seu_id=name, name=name, meters=(name,)) for name in ("main", "press"))
    rest = place.seus[-1]
    assert [(one.seu_id, two.seu_id) for one, two in overlapping([main, press, rest], place)] == [
        ("main", "press"),
        ("main", "unmetered"),
    ]
