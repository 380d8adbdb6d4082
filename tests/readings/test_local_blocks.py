"""Tables of local times, as most of Europe's portals write them, give in blocks what they give when read whole."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.readings.bulk.read import regular_file
from assets.readings.sniff_files import read_file
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.test_bulk import NOW, SITE, blocks_give_the_same, template

__all__ = ["template"]
BERLIN = ZoneInfo("Europe/Berlin")
# A day of 25 hours, one of 23, and one of neither.
FIRSTS = [
    datetime(2024, 10, 26, 22, tzinfo=UTC),
    datetime(2025, 3, 29, 22, tzinfo=UTC),
    datetime(2025, 1, 31, tzinfo=UTC),
]
STYLES = [
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d.%m.%y %H:%M",
]
NAMES = {"Zähler 1": "main", "Süd": "press", "grid": "grid"}
Row = tuple[str, str, str]
# Rows with an odd one, at a place, in a style of times.
Odd = Callable[[list[Row], int, str], list[Row]]


def local(first: datetime, quarters: int, style: str) -> str:
    return (first + timedelta(minutes=15 * quarters)).astimezone(BERLIN).strftime(style)


def test_a_repeated_hour_with_the_newest_row_first_is_for_the_careful_way(tmp_path: Path) -> None:
    rows = [f"main,{local(FIRSTS[0], place, STYLES[2])},{place % 7}.5\n" for place in range(100)]
    path, mapping = (
        tmp_path / "newest.csv",
        ColumnMap(zone="Europe/Berlin", date_format=STYLES[2], meter="meter", value="kwh", unit="kwh"),
    )
    for order, is_regular in ((rows, True), (rows[::-1], False)):
        path.write_text("meter,timestamp,kwh\n" + "".join(order))
        with regular_file(path, site=SITE, mapping=mapping, now_utc=NOW, from_bytes=0) as found:
            assert (found is not None) == is_regular


@st.composite
def exports(draw: st.DrawFn) -> tuple[str, ColumnMap]:
    """A long table of local times around a change of the clocks, and its column map."""
    style, first = draw(st.sampled_from(STYLES)), draw(st.sampled_from(FIRSTS))
    rows: list[Row] = []
    for name in draw(st.lists(st.sampled_from(list(NAMES)), min_size=1, max_size=3, unique=True)):
        step = draw(st.sampled_from([1, 1, 1, 4]))
        begin, count = draw(st.integers(0, 8)) * step, draw(st.integers(1, 40))
        missing = draw(st.sets(st.integers(0, count), max_size=2))
        rows += [
            (
                name,
                local(first, begin + place * step, style),
                f"{draw(st.integers(0, 9000)) / 1000:.3f}".replace(".", ","),
            )
            for place in range(count)
            if place not in missing
        ]
    if draw(st.booleans()):
        # As time passes: rows of one local time of all meters, then those of the next.
        rows = [row for _, row in sorted(enumerate(rows), key=lambda pair: (pair[1][1][:13], pair[0]))]
    for kind in draw(st.lists(st.sampled_from(ODD), max_size=3)):
        rows = kind(rows, draw(st.integers(0, max(len(rows) - 1, 0))), style)
    options = draw(
        st.fixed_dictionaries(
            {
                "label": st.sampled_from(["start", "end"]),
                "repeated_hour": st.sampled_from(["both_passes", "both_passes", "first", "second"]),
                "midnight": st.sampled_from(["start", "start", "start", "end"]),
                "decimal": st.sampled_from([None, ",", ","]),
                "date_format": st.sampled_from([style]) if style[1] == "d" else st.sampled_from([None, style]),
                "interval_minutes": st.sampled_from([None, None, 15]),
                "zero_is_missing": st.booleans(),
                "negative": st.sampled_from(["quarantine", "keep"]),
                "missing": st.sampled_from([(), ("-99", "")]),
                "other_meters": st.sampled_from(["quarantine", "skip"]),
            }
        )
    )
    mapping = ColumnMap(
        timestamp="Zeitstempel", value="Wirkarbeit", meter="Zähler", meters=NAMES, unit="kwh", zone="Europe/Berlin",
        **options,
    )  # fmt: skip
    code = draw(st.sampled_from([None, None, "cp1252"]))
    mapping = mapping.model_copy(update={"encoding": code})
    end = draw(st.sampled_from(["\n", "\r\n"]))
    if " " in style and draw(st.booleans()):
        # The clock in a column of its own.
        mapping = ColumnMap.model_validate(mapping.model_dump() | {"clock": "Uhrzeit"})
        parted = [(name, time.partition(" ")[0], time.partition(" ")[2], value) for name, time, value in rows]
        texts = ["Zähler;Zeitstempel;Uhrzeit;Wirkarbeit", *(";".join(row) for row in parted)]
    else:
        texts = ["Zähler;Zeitstempel;Wirkarbeit", *(";".join(row) for row in rows)]
    return end.join(texts) + draw(st.sampled_from([end, end, ""])), mapping


def _value(text: str) -> Odd:
    return lambda rows, place, style: [(*row[:2], text) if at == place else row for at, row in enumerate(rows)]


def _name(text: str) -> Odd:
    return lambda rows, place, style: [(text, *row[1:]) if at == place else row for at, row in enumerate(rows)]


def _at(moment: str, name: str = "Süd", value: str = "1,5") -> Odd:
    return lambda rows, place, style: [
        *rows[:place],
        (name, datetime.fromisoformat(moment).strftime(style), value),
        *rows[place:],
    ]


ODD: list[Odd] = [
    _value("x"), _value(""), _value("-4,5"), _value("0"), _value("1e12"), _value(" 2,5"), _value("-99"), _value("1.5"),
    _value("1,2,3"), _value("5,"), _value(",5"), _value("+2,5"), _value("1e1"), _value("1.234,5"), _value("nan"),
    _name("who"), _name(""),
    _at("2024-10-27 02:00"), _at("2024-10-27 02:15", "grid"), _at("2024-10-27 02:00", "who"),
    _at("2025-03-30 02:30"), _at("2025-01-31 00:05"), _at("2031-10-26 02:30"),
    _at("2031-02-01 00:00"), _at("1970-01-01 00:00"), _at("2024-10-27 02:00", "Süd", "x"),
    lambda rows, place, style: [*rows[:place], ("Süd", "27.10.2024 24:00", "1,5"), *rows[place:]],
    lambda rows, place, style: [*rows[:place], ("Süd", "7.1.2025 1:00", "1,5"), *rows[place:]],
    lambda rows, place, style: [*rows[:place], ("Süd", "2025-01-01T01:00+01:00", "1,5"), *rows[place:]],
    lambda rows, place, style: [*rows[:place], ("Süd", "later", "1,5"), *rows[place:]],
    lambda rows, place, style: [*rows, *rows[place : place + 1]],
    lambda rows, place, style: [*rows, *((*row[:2], "3,125") for row in rows[place : place + 1])],
    lambda rows, place, style: [*rows[place:], *rows[:place]],
]  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tables=st.lists(exports(), min_size=1, max_size=2),
    block_bytes=st.integers(40, 400),
    held=st.sampled_from([5, 10**6]),
)
def test_local_times_in_blocks_and_read_whole_give_the_same(
    template: Path, tables: list[tuple[str, ColumnMap]], block_bytes: int, held: int
) -> None:
    blocks_give_the_same(template, tables, block_bytes=block_bytes, rows_in_memory=held)


def test_letters_of_another_encoding_are_read_in_blocks_by_the_site_s_own_map(tmp_path: Path) -> None:
    path = tmp_path / "lastgang.csv"
    rows = [f"Zähler 1;31.12.2024 {hour:02}:{at:02};1,5" for hour in range(24) for at in (0, 15, 30, 45)]
    path.write_bytes("\r\n".join(["Zähler;Zeitstempel;Wirkarbeit", *rows, ""]).encode("cp1252"))
    mapping = ColumnMap(
        match="lastgang*", timestamp="Zeitstempel", value="Wirkarbeit", meter="Zähler", meters=NAMES, unit="kwh",
        zone="Europe/Berlin", date_format=STYLES[0], encoding="cp1252",
    )  # fmt: skip
    other = ColumnMap(match="lastgang*", timestamp="Zeitstempel", value="Wirkarbeit", unit="kwh", meters={"": "main"})
    for maps in ((mapping,), (mapping, other)):
        site = SITE.model_copy(update={"column_maps": maps})
        whole = read_file(path, site=site, now_utc=NOW)
        assert (whole.report.accepted_rows, whole.report.reading["encoding"]) == (96, "cp1252")
        with regular_file(path, site=site, mapping=None, now_utc=NOW, from_bytes=0) as file:
            assert (file is None) == (len(maps) == 2)
            assert file is None or file.report == whole.report
    # A byte that this encoding has not is for the sentence of the careful way.
    path.write_bytes(path.read_bytes().replace(b"\xe4", b"\x81", 3))
    with regular_file(path, site=SITE, mapping=mapping, now_utc=NOW, from_bytes=0) as file:
        assert file is None


def test_a_zone_that_the_command_names_goes_before_the_name_of_the_column(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    rows = [f"main,2025-01-01T{hour:02}:00:00,1.5" for hour in range(24)]
    path.write_text("\n".join(["meter,timestamp_utc,kwh", *rows, ""]))
    for tz in (None, "Europe/Berlin"):
        whole = read_file(path, site=SITE, tz=tz, now_utc=NOW)
        with regular_file(path, site=SITE, mapping=None, now_utc=NOW, tz=tz, from_bytes=0) as file:
            assert file is not None
            assert file.report == whole.report
