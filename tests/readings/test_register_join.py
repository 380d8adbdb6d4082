"""Cumulative registers from files into the lake: joined, judged, and made anew when an event is added late."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.readings.cumulative.register_index import DatedEvent
from assets.readings.cumulative.register_intervals import to_intervals
from assets.readings.ingest.amounts_again import recompute_registers
from assets.readings.parsed import STATE_SCHEMA
from assets.readings.sniff_files import sniff_file
from assets.readings.tables.normalise import normalise
from assets.stores.ledgers.meter_events import MeterEventStore
from assets.stores.ledgers.register_reads import RegisterReadStore
from assets.stores.schema.tables_readings import register_reads
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.meter_event import MeterEvent
from data_quality.contracts.site_file.site import ColumnMap, Site
from tests.data_quality.test_register_cases import states_of
from tests.readings.rooms import Bench, plant
from tests.readings.test_dsmr import telegram

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
NUMBERS = count()


def counter(*events: dict[str, Any], load_kw: float | None = 10, **register: Any) -> Site:
    """A plant whose main meter counts."""
    declared = Register(kind="cumulative", **register)
    signed = tuple(MeterEvent.model_validate(each | {"person": "anna", "reason": "work order"}) for each in events)
    meter = Meter(meter_id="main", connected_load_kw=load_kw, registers=(declared,), events=signed)
    return plant(meters=(meter, Meter(meter_id="press")), drivers=())


def reads(*values: object, start_h: float = 0, step_h: float = 1, meter: str = "main") -> str:
    """Hourly reads as a file."""
    moments = (FIRST + timedelta(hours=start_h + step_h * place) for place in range(len(values)))
    rows = (f"{meter},{moment:%Y-%m-%dT%H:%M:%SZ},{value}\n" for moment, value in zip(moments, values, strict=True))
    return "meter,timestamp,kwh\n" + "".join(rows)


def quanta(bench: Bench) -> int:
    return sum(round(value * 10**9) for value in bench.values())


def test_a_register_and_intervals_may_share_a_file(bench: Bench) -> None:
    text = reads(100, 104) + reads(1, 2, step_h=0.25, meter="press").split("\n", 1)[1]
    report = bench.ingest(text, site=counter())
    assert (report.verdict, report.new_rows) == ("accept", 6)
    assert (bench.values(), bench.values("press")) == ([1.0] * 4, [1.0, 2.0])


def test_a_first_read_alone_makes_no_interval_and_the_next_file_begins_at_it(bench: Bench) -> None:
    first = bench.ingest(reads(100), site=counter(), name="a.csv")
    assert (first.verdict, first.warnings, first.new_rows) == ("accept_with_warning", {"single_register_read": 1}, 0)
    second = bench.ingest(reads(104, start_h=1), site=counter(), name="b.csv")
    assert (second.verdict, second.new_rows, bench.values()) == ("accept", 4, [1.0] * 4)


def test_a_dry_run_keeps_no_read_and_records_no_event(bench: Bench) -> None:
    site = counter({"kind": "reset", "at": FIRST - timedelta(days=1), "final_read": 1})
    assert bench.ingest(reads(100, 104), site=site, dry_run=True).new_rows == 4
    assert RegisterReadStore(bench.lake.store).known_series("plant") == []
    assert MeterEventStore(bench.lake.store).history("plant") == []


def test_the_same_file_again_changes_nothing_and_a_new_event_reads_it_anew(bench: Bench) -> None:
    text = reads(500, 505, 3, 8)
    first = bench.ingest(text, site=counter())
    assert (first.reasons, sum(bench.values())) == ({"register_decrease": 1}, 10.0)
    assert bench.ingest(text, site=counter()).is_repeat
    explained = counter({"kind": "reset", "at": FIRST + timedelta(hours=1.5), "final_read": 507})
    second = bench.ingest(text, site=explained)
    assert (second.is_repeat, second.new_rows, second.warnings, second.reasons) == (False, 4, {"register_reset": 1}, {})
    assert sum(bench.values()) == 15.0


def test_reads_are_kept_as_told_and_only_the_new_ones(bench: Bench) -> None:
    bench.ingest(reads(100, 105), site=counter(), name="a.csv")
    bench.ingest(reads(105, 111, start_h=1), site=counter(), name="b.csv")
    bench.ingest(reads(104, start_h=1), site=counter(), name="c.csv")
    kept = bench.lake.store.rows(sa.select(register_reads).order_by(register_reads.c.id))
    assert [(row["at_utc"].hour, Decimal(row["value"])) for row in kept] == [(0, 100), (1, 105), (2, 111), (1, 104)]
    now = RegisterReadStore(bench.lake.store).every("plant", ("main", "import", ""), is_synthetic=False)
    assert now["value"].to_list() == [100, 104, 111]


def test_reads_in_another_unit_than_the_register_are_brought_into_it(bench: Bench) -> None:
    site = counter(digits=5)
    table = reads(99990000, 99998000, 4000).replace("kwh", "wh")
    report = bench.ingest(table, site=site)
    assert (report.warnings, sum(bench.values())) == ({"register_rollover": 1}, 14.0)


def test_a_wide_table_of_registers_is_read_through_its_map(bench: Bench) -> None:
    mapping = ColumnMap(timestamp="Zeit", values={"Stand": "main"}, zone="Europe/Berlin", unit="kwh", decimal=",")
    text = "Zeit;Stand\n2025-03-30 01:00;100,5\n2025-03-30 03:00;102,5\n2025-03-30 04:00;103,0\n"
    report = bench.ingest(text, site=counter(), mapping=mapping)
    # 01:00 to 03:00 is one hour that day.
    assert (report.new_rows, bench.values()) == (8, [0.5] * 4 + [0.125] * 4)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("main,2025-01-01T02:00Z,-1", "not_a_number"),
        ("main,2025-01-01T02:00Z,nan", "not_a_number"),
        ("main,2025-01-01T02:00Z,1e30", "implausible"),
        ("main,2027-01-01T02:00Z,107", "future_timestamp"),
        ("main,1970-01-01T00:00Z,107", "clock_suspect"),
    ],
)
def test_a_read_that_is_none_costs_only_itself(bench: Bench, row: str, reason: str) -> None:
    report = bench.ingest(reads(100, 105) + row + "\n", site=counter())
    assert (report.reasons, sum(bench.values())) == ({reason: 1}, 5.0)


def test_a_display_that_counts_power_is_refused(bench: Bench) -> None:
    report = bench.ingest(reads(100, 105).replace("kwh", "kw"), site=counter())
    assert (report.verdict, set(report.reasons)) == ("reject", {"unit_mismatch"})


def test_synthetic_reads_never_meet_real_ones(bench: Bench) -> None:
    mapping = ColumnMap(meter="meter", value="kwh", unit="kwh", is_synthetic=True)
    bench.ingest(reads(100, 105), site=counter(), name="real.csv")
    report = bench.ingest(reads(9000, 9001, start_h=2), site=counter(), name="made_up.csv", mapping=mapping)
    assert (report.findings, report.new_rows) == ((), 4)
    assert sum(bench.values()) == 6.0


def test_successive_telegram_files_join(bench: Bench) -> None:
    mapping = ColumnMap(meters={"E0001234567": "main"}, other_meters="skip")
    names = {"250101000000W": 1, "250101001500W": 2, "250101003000W": 4, "250101004500W": 7}
    for number, (moment, value) in enumerate(names.items()):
        text = telegram(moment, value)
        report = bench.ingest(text, mapping=ColumnMap(meters={meter_of(text): "main"}), name=f"{number}.txt")
        assert report.verdict != "reject", report.message
    assert (bench.values(), mapping.other_meters) == ([1.0, 2.0, 3.0], "skip")


def meter_of(text: bytes) -> str:
    """The id that the telegram's meter has."""
    return next(channel.meter for channel in _sniffed(text))


def _sniffed(text: bytes) -> Any:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p1.txt"
        path.write_bytes(text)
        return sniff_file(path, tz="Europe/Amsterdam").channels


def test_a_back_dated_event_corrects_what_it_explains(bench: Bench) -> None:
    """The exchange looked like a reset; three weeks later somebody writes it down."""
    site = counter()
    bench.ingest(reads(8000, 8010, 25, 30), site=site)
    assert sum(bench.values()) == 15.0
    known = bench.lake.current("plant")
    before = max(known["recorded_at_utc"])
    bench.clock.advance(timedelta(weeks=3))
    event = MeterEvent(
        kind="exchange", at=FIRST + timedelta(hours=1.5), final_read=8014, initial_read=20, person="anna", reason="late"
    )
    recorded, is_new = MeterEventStore(bench.lake.store).record(site, "main", event, bench.clock)
    (result,) = recompute_registers(site, lake=bench.lake, clock=bench.clock, why="exchange recorded by anna")
    assert (is_new, result.new_rows, result.corrected_rows, sum(bench.values())) == (True, 4, 0, 24.0)
    assert result.partitions == ("plant|2025-01",)
    assert bench.lake.current("plant", as_of_utc=before).equals(known)
    assert MeterEventStore(bench.lake.store).record(site, "main", event, bench.clock) == (recorded, False)
    (nothing,) = recompute_registers(site, lake=bench.lake, clock=bench.clock)
    assert (nothing.batch_id, nothing.new_rows, nothing.corrected_rows) == (None, 0, 0)


def test_an_event_without_final_read_leaves_no_false_amount_believed(bench: Bench) -> None:
    """Without event the 12 kWh looked honest; the exchange says that nobody knows them."""
    site = counter()
    bench.ingest(reads(100, 105, 117, 120), site=site)
    event = MeterEvent(
        kind="exchange", at=FIRST + timedelta(hours=1.5), initial_read=115, person="anna", reason="no final read"
    )
    MeterEventStore(bench.lake.store).record(site, "main", event, bench.clock)
    (result,) = recompute_registers(site, lake=bench.lake, clock=bench.clock)
    assert [finding.code for finding in result.findings] == ["exchange_without_final_read"]
    assert (result.corrected_rows, result.questionable_rows) == (4, 2)
    rows = bench.lake.current("plant")
    assert rows.filter(pl.col("quality_code") == 10)["value"].to_list() == [3.0, 3.0]
    assert rows.filter(pl.col("quality_code") != 10)["value"].sum() == 5 + 2 + 3


def test_a_withdrawn_event_no_longer_applies_and_is_still_known_as_of_then(bench: Bench) -> None:
    site, store = counter(), MeterEventStore(bench.lake.store)
    bench.ingest(reads(500, 505, 3, 8), site=site)
    event = MeterEvent(
        kind="reset", at=FIRST + timedelta(hours=1.5), final_read=507, person="anna", reason="display was cleared"
    )
    recorded, _ = store.record(site, "main", event, bench.clock)
    store.withdraw("plant", recorded.event_id[:10], person_id="ben", reason="wrong meter", clock=bench.clock)
    assert store.current("plant") == []
    assert store.current("plant", as_of_utc=recorded.recorded_at_utc) == [recorded]
    assert [each.is_withdrawn for each in store.history("plant")] == [False, True]
    with pytest.raises(BadInput, match="names 0 events"):
        store.withdraw("plant", recorded.event_id, person_id="ben", reason="again", clock=bench.clock)


def test_events_of_the_site_file_are_recorded_and_withdrawn_as_it_changes(bench: Bench) -> None:
    reset = {"kind": "reset", "at": "2025-01-01T02:30", "final_read": 507}
    store = MeterEventStore(bench.lake.store)
    bench.ingest(reads(500, 505), site=counter(reset), name="a.csv")
    (known,) = store.current("plant")
    assert (known.origin, known.at_utc) == ("site_file", FIRST + timedelta(hours=1.5))
    assert store.know_site_file(counter(reset), bench.clock) == []
    with pytest.raises(BadInput, match="is in the site file"):
        store.withdraw("plant", known.event_id, person_id="ben", reason="no", clock=bench.clock)
    moved = reset | {"at": "2025-01-01T02:45"}
    store.know_site_file(counter(moved), bench.clock)
    assert [(each.at_utc.minute, each.is_withdrawn) for each in store.history("plant")] == [
        (30, False),
        (45, False),
        (30, True),
    ]


def test_what_a_multiplier_was_before_the_first_read_is_known_from_its_events() -> None:
    changes = [
        DatedEvent(
            int((FIRST + timedelta(hours=hour)).timestamp()),
            MeterEvent(
                kind="multiplier_change",
                at=FIRST + timedelta(hours=hour),
                final_read=final,
                multiplier_old=old,
                multiplier_new=new,
                person="a",
                reason="ratio",
            ),
        )
        for hour, final, old, new in ((-5, 1, 10, 20), (1, 110, 20, 40))
    ]
    case = {"files": ["00:00 100, 01:00 110, 02:00 120"], "register": {"multiplier": 40}}
    site = plant(meters=(Meter(meter_id="case0", registers=(Register(kind="cumulative", multiplier=40),)),), drivers=())
    found = to_intervals(states_of(case, 0), site, events={("case0", "import"): changes})
    assert found.rows["value"].to_list() == [200.0, 400.0]


def test_a_gas_meters_plate_in_kw_says_nothing_about_cubic_metres(bench: Bench) -> None:
    meter = Meter(
        meter_id="main",
        carrier=Carrier.NATURAL_GAS,
        connected_load_kw=1,
        registers=(Register(kind="cumulative", unit="m3"),),
    )
    report = bench.ingest(reads(100, 150).replace("kwh", "m3"), site=plant(meters=(meter,), drivers=()), name="gas.csv")
    assert (report.verdict, sum(bench.values())) == ("accept", 50.0)


def test_many_equal_findings_are_told_as_a_number(bench: Bench) -> None:
    values = [100 + place // 2 - (place % 2) for place in range(60)]
    report = bench.ingest(reads(*values), site=counter(resolution=1))
    jitter = [finding for finding in report.findings if finding.code == "register_jitter"]
    assert (len(jitter), report.warnings["register_jitter"]) == (11, 30)
    assert jitter[-1].message == "20 more"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_files_in_any_order_and_overlap_count_what_the_register_counted(bench: Bench, data: st.DataObject) -> None:
    """A register of four digits that wraps, read hourly, cut into files at random: the sum is exact."""
    # The lake is one for all examples; each has a meter of its own.
    name = f"m{next(NUMBERS)}"
    growth = data.draw(st.lists(st.integers(0, 30), min_size=2, max_size=12))
    total, shown = 9990, []
    for step in [0, *growth]:
        total += step
        shown.append(total % 10_000)
    cuts = data.draw(st.lists(st.integers(0, len(shown) - 1), min_size=1, max_size=3))
    spans = [(0, cuts[0] + 1), *((max(0, cut - 1), len(shown)) for cut in cuts)]
    meter = Meter(
        meter_id=name,
        connected_load_kw=10,
        registers=(Register(kind="cumulative", digits=4, resolution=Decimal("0.1")),),
    )
    site = plant(meters=(meter,), drivers=())
    for first, last in data.draw(st.permutations(spans)):
        report = bench.ingest(
            reads(*shown[first:last], start_h=first, meter=name), site=site, name=f"{name}{first}.csv"
        )
        assert report.verdict != "reject"
    assert sum(round(value * 10**9) for value in bench.values(name)) == sum(growth) * 10**9
    case = {"files": [", ".join(f"{place:02}:00 {value}" for place, value in enumerate(shown))]}
    naive = normalise(to_intervals(states_of(case, 0).with_columns(meter_id=pl.lit(name)), site).rows)
    assert bench.values(name) == naive["value"].to_list()


noise = st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 120_000)), min_size=1, max_size=25)
happenings = st.lists(
    st.tuples(
        st.integers(0, 200_000), st.sampled_from(["exchange", "reset", "rollover"]), st.none() | st.integers(0, 99)
    ),
    max_size=3,
)


@given(drawn=noise, events=happenings, digits=st.sampled_from([None, 3, 5]), load_kw=st.sampled_from([None, 10.0]))
def test_whatever_a_register_does_no_amount_is_negative_or_beyond_its_meter(
    drawn: list[tuple[int, int]],
    events: list[tuple[int, str, int | None]],
    digits: int | None,
    load_kw: float | None,
) -> None:
    moment, rows = FIRST, []
    for wait, value in drawn:
        moment += timedelta(seconds=wait)
        rows.append(("main", "import", "", moment, Decimal(value), "kwh", len(rows) + 2))
    states = pl.DataFrame(rows, schema=STATE_SCHEMA, orient="row")
    reported = [
        {"kind": kind, "at": FIRST + timedelta(seconds=after)}
        | ({} if kind == "rollover" else {"final_read": read, "initial_read": read})
        for after, kind, read in events
    ]
    found = to_intervals(states, counter(*reported, digits=digits, load_kw=load_kw))
    hours = found.rows["source_minutes"] / 60
    most = 30.0 if load_kw else 1e6
    # Beside the limit each step may hold the two free digits of every read and event in it.
    free = 2 * (len(drawn) + len(events)) + most / 4 * (len(drawn) + len(events))
    assert ((found.rows["value"] >= 0) & (found.rows["value"] <= most * hours + free)).all()
    assert found.rows.select((pl.col("source_minutes") > 0).all()).item()
