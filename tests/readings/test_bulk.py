"""A table read in blocks gives what the same table gives when it is read whole."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import assets.readings.bulk.lines as lines
import assets.readings.bulk.months as months
from assets.readings.bulk.read import regular_file
from assets.readings.ingest.ingest_file import IngestReport, ingest_file
from assets.readings.sniff_files import read_file
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import connect_store, open_store
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.time import FixedClock

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 1, 31, 20, tzinfo=UTC)
SITE = Site.model_validate(
    {
        "site_id": "plant", "name": "Plant", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE",
        "meters": [
            {"meter_id": "main", "connected_load_kw": 500},
            {"meter_id": "press"},
            {"meter_id": "hall-2-east-wing"},
            {"meter_id": "grid", "registers": [{"register_id": "net"}]},
            {"meter_id": "gas", "carrier": "natural_gas", "registers": [{"unit": "m3"}]},
        ],
        "drivers": [{"driver_id": "output", "unit": "count", "aggregation": "sum"}],
    }
)  # fmt: skip
WHOLE = 10**15
# Quarter hours of a reading that lasts from one month through the next.
LONG = 35 * 96


class Bench:
    """A lake of its own."""

    def __init__(self, folder: Path, template: Path) -> None:
        # Migrations take longer than everything else here.
        folder.mkdir()
        shutil.copy(template, folder / "store.db")
        self.store = connect_store(f"sqlite:///{folder / 'store.db'}")
        self.lake = Lake(folder / "lake", self.store)
        self.quarantine = QuarantineStore(folder / "q", self.store)
        self.clock = FixedClock(NOW)

    def ingest(self, path: Path, mapping: ColumnMap | None, from_bytes: int) -> IngestReport:
        self.clock.advance(timedelta(minutes=1))
        return ingest_file(
            path, site=SITE, lake=self.lake, quarantine=self.quarantine, clock=self.clock, mapping=mapping,
            regular_from_bytes=from_bytes,
        )  # fmt: skip

    def content(self) -> pl.DataFrame:
        return self.lake.current("plant").drop("batch_id")

    def rejects(self) -> list[tuple[object, ...]]:
        items = self.quarantine.items(site_id="plant")
        return sorted((item["line"], item["reason"], item["message"]) for item in items)


def blocks_give_the_same(
    template: Path, tables: Sequence[tuple[str, ColumnMap | None]], *, block_bytes: int, rows_in_memory: int
) -> None:
    """Whether tables, one after the other, bring the same when read in such small blocks as when read whole."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as root:
        patch.setattr(lines, "BLOCK_BYTES", block_bytes)
        patch.setattr(months, "MAX_ROWS_IN_MEMORY", rows_in_memory)
        blocks, whole = (Bench(Path(root) / name, template) for name in ("blocks", "whole"))
        try:
            for text, mapping in tables:
                path = Path(root) / "readings.csv"
                path.write_bytes(text.encode((mapping.encoding if mapping is not None else None) or "utf-8"))
                with regular_file(path, site=SITE, mapping=mapping, now_utc=NOW, from_bytes=0) as file:
                    event("in blocks" if file is not None else "whole")
                one, other = blocks.ingest(path, mapping, 0), whole.ingest(path, mapping, WHOLE)
                document, expected = (each.model_dump(exclude={"batch_id"}) for each in (one, other))
                assert {
                    name: (document[name], expected[name]) for name in document if document[name] != expected[name]
                } == {}
                assert blocks.content().equals(whole.content())
                assert blocks.rejects() == whole.rejects()
        except sa.exc.DBAPIError as fault:
            # Its own sentence stands above all the rows of the statement, where nobody finds it.
            fault.add_note(f"The store says: {fault.orig}")
            raise
        finally:
            blocks.store.close()
            whole.store.close()


def instant(slot: int, form: str) -> str:
    time = START + timedelta(minutes=15 * slot)
    if form == "z":
        return time.strftime("%Y-%m-%dT%H:%M:%SZ")
    hours = 1 if slot % 2 else 5
    pattern = "%Y-%m-%d %H:%M" if form == "offset" else "%Y-%m-%dT%H:%M:%S"
    return (time + timedelta(hours=hours)).strftime(pattern) + f"+{hours:02}:00"


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, ColumnMap | None]:
    """A table of some streams with all that files have, and how it is to be read."""
    form = draw(st.sampled_from(["z", "offset", "offset with seconds"]))
    digits = draw(st.sampled_from([3, 3, 0, 9]))
    unit = draw(st.sampled_from(["kwh", "wh", "kw"]))
    names = draw(
        st.lists(st.sampled_from(["main", "press", "grid", "hall-2-east-wing"]), min_size=1, max_size=3, unique=True)
    )
    rows = []
    for name in names:
        step = draw(st.sampled_from([1, 1, 1, 4, 96, LONG]))
        count = draw(st.integers(1, 40 if step < LONG else 4))
        missing = draw(st.sets(st.integers(0, count), max_size=3))
        first = draw(st.integers(0, 30)) * (1 if step == LONG else step)
        rows += [
            (name, instant(first + number * step, form), f"{draw(st.integers(0, 9000)) / 1000:.{digits}f}")
            for number in range(count)
            if number not in missing
        ]
    if draw(st.booleans()):
        rows.sort(key=lambda row: row[1])
    for kind in draw(st.lists(st.sampled_from(ODD), max_size=3)):
        place = draw(st.integers(0, max(len(rows) - 1, 0)))
        rows = kind(rows, place)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    order = draw(st.permutations(range(3)))
    separator = draw(st.sampled_from([",", ",", ";", "\t"]))
    lines_ = [("meter", "timestamp", unit), *rows]
    ordered = [[row[place] for place in order] if len(row) == 3 else row for row in lines_]
    texts = [separator.join(row) for row in ordered]
    mapping = draw(
        st.sampled_from(
            [
                None,
                None,
                ColumnMap(value=unit, meter="meter", zero_is_missing=True),
                ColumnMap(value=unit, meter="meter", negative="keep", missing=("-99", "")),
                ColumnMap(
                    value=unit, meter="meter", other_meters="skip", meters={"pr": "press", "Süd": "main"}, unit=unit
                ),
                ColumnMap(value=unit, meter="meter", interval_minutes=15),
            ]
        )
    )
    return end.join(texts) + draw(st.sampled_from([end, end, ""])), mapping


def _value(text: str):
    return lambda rows, place: [(*row[:2], text) if number == place else row for number, row in enumerate(rows)]


def _insert(row: tuple[str, ...]):
    return lambda rows, place: [*rows[:place], row, *rows[place:]]


ODD = [
    _value("nan"), _value("x"), _value(""), _value("-4.5"), _value("0"), _value("1e12"), _value(" 2.5"), _value("-99"),
    _value("1.0000000005"), _value("1.5e1"), _value("+2.5"), _value("1.00000000000000004"), _value('"2.5"'),
    _value("-0"), _value("5."), _value(".5"), _value("٣"), _value("1,5"),
    _insert(("who", "2025-02-01T00:00:00Z", "1.0")), _insert(("main", "later", "1.0")),
    _insert(("Süd", "2025-02-01T00:15:00Z", "1.0")), _insert(("main", "2025-02-01T00:05:00Z", "1.0")),
    _insert(("main", "2031-02-01T00:00:00Z", "1.0")), _insert(("main", "1970-01-01T00:00:00Z", "1.0")),
    _insert(("pr", "2025-02-01T00:00:00Z", "1.0")), _insert(("",)), _insert(("main", "2025-02-01T00:00:00Z")),
    _insert(("a", "b", "c", "d")), _insert(("gas", "2025-02-01T00:00:00Z", "7")),
    lambda rows, place: [*rows, *rows[place : place + 1]],
    lambda rows, place: [*rows, *((*row[:2], "3.125") for row in rows[place : place + 1])],
    lambda rows, place: [*rows[place:], *rows[:place]],
]  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    open_store(f"sqlite:///{path}").close()
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    given_tables=st.lists(tables(), min_size=1, max_size=2),
    block_bytes=st.integers(40, 400),
    rows_in_memory=st.sampled_from([5, 10**6]),
)
def test_blocks_and_whole_tables_give_the_same(
    template: Path, given_tables: list[tuple[str, ColumnMap | None]], block_bytes: int, rows_in_memory: int
) -> None:
    blocks_give_the_same(template, given_tables, block_bytes=block_bytes, rows_in_memory=rows_in_memory)


@settings(deadline=None)
@given(rows_in_memory=st.sampled_from([5, 10**6]))
def test_a_reading_of_months_beside_those_that_begin_in_every_month_of_it(template: Path, rows_in_memory: int) -> None:
    # Of press 75 days each, of main a few hours at every turn of a month.
    press = [f"press,{START + timedelta(days=days):%Y-%m-%dT%H:%M}Z,7200.5" for days in (-50, 25)]
    hours = [datetime(2025, month, 1, tzinfo=UTC) + timedelta(hours=at) for month in range(1, 6) for at in range(-3, 3)]
    main = [f"main,{hour:%Y-%m-%dT%H:%M}Z,1.5" for hour in hours]
    text = "\n".join(["meter,timestamp,kwh", *press, *main, ""])
    # Again with another value: then every month of it is corrected.
    tables = [(text, None), (text.replace("7200.5", "7300.25"), None)]
    blocks_give_the_same(template, tables, block_bytes=400, rows_in_memory=rows_in_memory)


@pytest.mark.parametrize(
    ("last", "reasons"),
    [
        ("press,2025-02-01T00:15:00Z,2.5", {"duplicate_conflict": 2}),
        ("press,2025-02-01T00:15:00Z,2.53", {"duplicate_conflict": 2, "unfinished_line": 1}),
    ],
)
def test_conflicts_and_a_last_line_without_end_are_judged_in_blocks(
    tmp_path: Path, last: str, reasons: dict[str, int]
) -> None:
    path = tmp_path / "readings.csv"
    rows = [f"main,2025-02-01T00:{minute:02}:00Z,1.5" for minute in (0, 15, 15, 30)]
    rows[2] = rows[2].replace("1.5", "1.7")
    path.write_text("\n".join(["meter,timestamp,kwh", *rows, "press,2025-02-01T00:00:00Z,2.5", last]))
    with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
        assert file is not None
        assert file.report.reasons == reasons
        assert file.report.accepted_rows == 7 - 1 - sum(reasons.values())
        assert file.rejects["got"].to_list()[:2] == ["main = 1.5", "main = 1.7"]


def test_a_refused_row_shows_the_step_of_its_stream_in_whatever_form_its_time_is(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    rows = [f"main,2025-02-01T{hour:02}:00:00+01:00,1.5" for hour in (1, 2, 3)]
    odd = [f"main,2025-02-01T{hour:02}:{minute}:00Z,nan" for hour in (0, 1) for minute in (15, 30, 45)]
    path.write_text("\n".join(["meter,timestamp,kwh", *rows, *odd, ""]))
    whole = read_file(path, site=SITE, now_utc=NOW).report
    # A quarter hour each: what is refused between two good rows is no part of the first.
    assert (whole.warnings["unsorted"], whole.warnings["gap_intervals"]) == (1, 6)
    with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
        assert file is None or file.report == whole


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (["00:30"], "overlapping_interval"),
        (["09:00", "09:00"], "duplicate_rows"),
        (["09:15", "09:45"], "overlapping_interval"),
    ],
    ids=["over good rows", "doubled", "over each other"],
)
def test_counts_that_are_refused_for_being_negative_are_doubled_or_overlap_like_any(
    tmp_path: Path, odd: list[str], message: str
) -> None:
    path = tmp_path / "readings.csv"
    rows = [f"main,2025-02-01T{hour:02}:00:00Z,1.5" for hour in range(8)]
    refused = [f"main,2025-02-01T{time}:00Z,-4.5" for time in odd]
    path.write_text("\n".join(["meter,timestamp,kwh", *rows, *refused, ""]))
    whole = read_file(path, site=SITE, now_utc=NOW).report
    assert message in whole.warnings | whole.reasons
    with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
        assert file is None or file.report == whole


def test_the_energy_of_the_day_so_far_is_no_amount_in_blocks_either(tmp_path: Path) -> None:
    # Over the turn of a month, beside a boiler that falls at one time of each day and rises at once.
    hours = [(START + timedelta(hours=4 + n), n % 24) for n in range(24 * 5)]
    rows = [(at, "main", hour**2 / 4) for at, hour in hours] + [
        (at, "press", 2.5 * (hour in (3, 4))) for at, hour in hours
    ]
    table = "timestamp,meter,kwh\n" + "".join(f"{at:%Y-%m-%dT%H:%M}Z,{name},{value}\n" for at, name, value in rows)
    path = tmp_path / "readings.csv"
    path.write_text(table)
    parsed = read_file(path, site=SITE)
    assert parsed.rejects.group_by("reason").len().rows() == [("unit_suspected", 120)]
    assert "as the energy of the day so far" in parsed.rejects["expected"][0]
    assert set(parsed.rows["meter_id"]) == {"press"}
    # A person who vouches for it has amounts that rise all day.
    assert read_file(path, site=SITE, is_scale_vouched=True).rejects.is_empty()
    with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
        assert file is None
    path.write_text("".join(line + "\n" for line in table.splitlines() if ",main," not in line))
    with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
        assert file is not None


@pytest.mark.parametrize(("others", "accepted"), [("0", 4), ("2.5", 3), ("12.000", 3)])
def test_what_a_comma_means_beside_points_is_for_the_sight_of_the_whole_file(
    tmp_path: Path, others: str, accepted: int
) -> None:
    path = tmp_path / "readings.csv"
    rows = [f"main;2025-01-31T20:{minute:02}:00Z;{others}" for minute in (15, 30, 45)]
    path.write_text("\n".join(["meter;timestamp;kwh", "main;2025-01-31T20:00:00Z;1,5", *rows, ""]))
    whole = read_file(path, site=SITE, now_utc=NOW).report
    assert whole.accepted_rows == accepted
    with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
        assert (file.report if file is not None else None) == (None if "." in others else whole)


ODD_NUMBERS = [
    "", " 5", "5 ", "1 2", "1e3", "+5", ".", "-", "-.", "1.2.3", "1-2", "--1", "nan", "inf", "1_0", ":", "/", "1a",
    "0x1", "1.²", "٣", "12345678901234567", "-.5", "7.", "0.1234567890123456789",
]  # fmt: skip
ODD_TIMES = [
    "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z",
    "2024-01-00T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:05:00Z",
    "2024-01-01T00:00:15Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00z", "2024-01-0 T00:00:00Z",
    "2024-1-001T00:00:00Z", "0000-01-01T00:00:00Z", "2024-01-01T0a:00:00Z", "2024-01-01T00.00:00Z",
    "2024-01-01T00:00:00", "2024-01-01T00:00:00ZZ", "٢٠٢٤-01-01T00:00:00Z", "2024-01-01T00;00:00Z", "", "-5",
]  # fmt: skip
ODD_OFFSETS = ["+15:00", "+01:60", "+0a:00", "*01:00", "+01;00", "+01:05", "-01:0 ", "+14:45", "-00:00"]
ODD_NAMES = ["in", "xmain", "main2", "mai", "Main", "main ", " main", "mäin", "x" * 30, ""]


@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize(
    ("place", "texts", "end"),
    [
        (2, ODD_NUMBERS, "Z"),
        (1, ODD_TIMES, "Z"),
        (1, [f"2024-01-01T00:00:00{each}" for each in ODD_OFFSETS], "+00:00"),
        (0, ODD_NAMES, "Z"),
    ],
    ids=["numbers", "times", "offsets", "names"],
)
def test_a_text_of_another_form_means_in_a_block_what_it_means_by_itself(
    tmp_path: Path, place: int, texts: list[str], end: str, at: int
) -> None:
    path = tmp_path / "readings.csv"
    in_blocks = 0
    for text in texts:
        rows = [
            ["main", f"2024-02-29T{hour:02}:{minute:02}:00{end}", "1.5"]
            for hour in (1, 2)
            for minute in (0, 15, 30, 45)
        ]
        rows[at][place] = text
        path.write_text("\n".join(["meter,timestamp,kwh", *map(",".join, rows), ""]))
        with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
            if file is not None:
                in_blocks += 1
                whole = read_file(path, site=SITE, now_utc=NOW)
                assert file.report == whole.report
                assert file.rejects.equals(whole.rejects.sort("source_line"))
    # A first row of another form says that the file is no regular table; a later one is judged by itself.
    assert in_blocks > (0 if at == 0 else len(texts) // 2)


@pytest.mark.parametrize("is_by_time", [True, False])
def test_a_name_out_of_its_turn_is_read_as_it_stands(tmp_path: Path, *, is_by_time: bool) -> None:
    path, in_blocks, refused = tmp_path / "readings.csv", 0, set[str]()
    keys = [(meter, minute) for minute in (0, 15, 30, 45) for meter in ("main", "press")]
    keys = keys if is_by_time else sorted(keys)
    for at in range(len(keys)):
        for name in ("", "who", "main", "press", "hall"):
            rows = [f"{meter},2024-02-29T01:{minute:02}:00Z,{place}.5" for place, (meter, minute) in enumerate(keys)]
            rows[at] = ",".join([name, *rows[at].split(",")[1:]])
            path.write_text("\n".join(["meter,timestamp,kwh", *rows, ""]))
            with regular_file(path, site=SITE, mapping=None, now_utc=NOW, from_bytes=0) as file:
                if file is not None:
                    in_blocks += 1
                    refused |= set(file.report.reasons)
                    whole = read_file(path, site=SITE, now_utc=NOW)
                    assert file.report == whole.report, (at, name)
                    assert file.rejects.equals(whole.rejects.sort("source_line"))
    assert in_blocks == 5 * len(keys)
    assert refused == {"unknown_meter", "duplicate_conflict"}
